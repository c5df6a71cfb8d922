"""The test of published claims against a run.

A claim is a value, its bounds and its conditions. Each task gives the value a 95% interval over seeds and test
examples. Inside the bounds the task confirms the claim, outside it contradicts it. An interval that contains a
bound decides nothing, and a task that misses a condition is not asked. Then the claim is judged over tasks, which
are a sample: by a random-effects mean, and not at all where one task confirms and another contradicts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.analysis.claims.between_runs import is_between, measure_between
from bench.analysis.claims.conditions import losers, mixed, unfair, unit, unmet
from bench.analysis.claims.declared import Declared
from bench.analysis.claims.evidence import Evidence, NotTestable
from bench.analysis.claims.findings import ClaimFinding, Estimate, TaskFinding, Unit, Verdict
from bench.analysis.claims.measures import measure
from bench.analysis.claims.part import Part
from bench.analysis.claims.published import BestClaim, Published, Ratio, ScoreClaim
from bench.analysis.groups import Group
from bench.analysis.loading import Run
from bench.analysis.statistics.over_tasks import Effect, random_effects

WITHIN_NOISE = "the interval contains a bound: too few seeds or examples"
UNMET = "no task meets the conditions"
ONE_TASK = "one task says nothing about other tasks"
FEW_TASKS = "the interval over tasks contains a bound: too few tasks, or too different"


def verify(claims: Sequence[Published], run: Run, declared: Declared | None = None) -> list[ClaimFinding]:
    """A finding for each claim, in their order, from one run."""
    return verify_runs(claims, [run], declared)


def verify_runs(
    claims: Sequence[Published], runs: Sequence[Run], declared: Declared | None = None
) -> list[ClaimFinding]:
    """A finding for each run and claim; claims that compare runs with each other have one for all runs."""
    evidence = [Evidence.of(run, declared) for run in runs]
    found = [
        _judge(claim, [one])
        for one in evidence
        for claim in claims
        if not is_between(claim) or len(runs) == 1
    ]
    if len(runs) > 1:
        found += [_judge(claim, evidence) for claim in claims if is_between(claim)]
    return found


def _judge(claim: Published, evidence: Sequence[Evidence]) -> ClaimFinding:
    name = ", ".join(one.run.name for one in evidence)
    finding = ClaimFinding(claim, name, "not testable", _unit(claim), above=claim.above, below=claim.below)
    if claim.needs.lacks:
        return replace(finding, reason=claim.needs.lacks)
    try:
        parts = measure_between(claim, evidence) if is_between(claim) else measure(claim, evidence[0])
    except NotTestable as error:
        return replace(finding, reason=str(error))
    tasks = tuple(_task(claim, part, evidence[0]) for part in parts)
    return _over_tasks(replace(finding, tasks=tasks), parts)


def _unit(claim: Published) -> Unit:
    if isinstance(claim, Ratio):
        return "times"
    return "score" if isinstance(claim, ScoreClaim) else "points"


def _above(claim: Published, parts: Sequence[tuple[TaskFinding, Part]]) -> float | None:
    """The lower bound over tasks: the claim's own or, where each part has one, the geometric mean over tasks of the
    means of their encoders."""
    own: dict[str, list[float]] = {}
    for task, part in parts:
        if part.above is not None:
            own.setdefault(task.task, []).append(part.above)
    return math.exp(fmean(map(fmean, own.values()))) if own else claim.above


def _task(claim: Published, part: Part, evidence: Evidence) -> TaskFinding:
    shown = None if part.effect is None else _estimate(claim, part.effect)
    above = claim.above if part.above is None else math.exp(part.above)
    finding = TaskFinding(unit(part.sides.first), part.name, "not testable", shown, above=above)
    reasons = [unmet(claim, part.sides, evidence), part.reason]
    reasons += [] if is_between(claim) else [mixed(part.sides)]
    reasons.append(unfair(claim.needs, _losers(claim, part, shown), evidence))
    reason = "; ".join(filter(None, reasons))
    if shown is None or reason:
        return replace(finding, reason=reason)
    verdict = _verdict(shown, above, claim.below)
    return replace(finding, verdict=verdict, reason=WITHIN_NOISE if verdict == "undecided" else "")


def _losers(claim: Published, part: Part, shown: Estimate | None) -> list[Group]:
    """Claims on time, rates and spread have no loser, and their conditions hold for both sides."""
    if isinstance(claim, Ratio | BestClaim):
        return list({group.key: group for group in (part.sides.first, part.sides.second)}.values())
    return losers(claim, part.sides, shown.value) if shown else []


def _estimate(claim: Published, effect: Effect) -> Estimate:
    """The effect on the scale of the claim's bounds."""
    values = effect.value, effect.low, effect.high
    return Estimate(*(map(math.exp, values) if isinstance(claim, Ratio) else values))


def _verdict(found: Estimate, above: float | None, below: float | None) -> Verdict:
    low, high = -math.inf if above is None else above, math.inf if below is None else below
    if low < found.low and found.high < high:
        return "confirmed"
    return "contradicted" if found.high <= low or high <= found.low else "undecided"


def _over_tasks(finding: ClaimFinding, parts: Sequence[Part]) -> ClaimFinding:
    """The verdict over the tasks that can test the claim."""
    every = list(zip(finding.tasks, parts, strict=True))
    counted = [(task, part) for task, part in every if task.verdict != "not testable"]
    finding = replace(finding, above=_above(finding.claim, counted or every))
    if not counted:
        return replace(finding, reason=UNMET)
    by_task: dict[str, list[Effect]] = {}
    for task, part in counted:
        if part.effect is not None:
            by_task.setdefault(task.task, []).append(part.effect)
    verdicts = {task.verdict for task, _ in counted}
    effects = [_of_encoders(found) for found in by_task.values()]
    whole = effects[0] if len(effects) == 1 else random_effects(effects)
    shown = _estimate(finding.claim, whole)
    finding = replace(finding, estimate=shown)
    if verdicts >= {"confirmed", "contradicted"}:
        return replace(finding, verdict="tasks disagree", reason=_sides(finding))
    if len(effects) == 1 and len(finding.claim.tasks) != 1:
        return replace(finding, verdict="undecided", reason=ONE_TASK)
    verdict = _verdict(shown, finding.above, finding.claim.below)
    if verdict in ("confirmed", "contradicted") and verdicts & {"confirmed", "contradicted"} - {verdict}:
        return replace(finding, verdict="tasks disagree", reason=_sides(finding))
    reason = WITHIN_NOISE if len(effects) == 1 else FEW_TASKS
    return replace(finding, verdict=verdict, reason=reason if verdict == "undecided" else "")


def _of_encoders(effects: Sequence[Effect]) -> Effect:
    """The mean over the encoders of one task. They share its test examples, so their errors may all be the same."""
    values, variance = [effect.value for effect in effects], fmean(effect.variance for effect in effects)
    half = fmean((effect.high - effect.low) / 2 for effect in effects)
    mean = fmean(values)
    if len(effects) == 1:
        return effects[0]
    return Effect(mean, variance, mean - half, mean + half)


def _sides(finding: ClaimFinding) -> str:
    """Which tasks confirm and which contradict."""
    parts = []
    for verdict in ("confirmed", "contradicted"):
        names = [task.name for task in finding.tasks if task.verdict == verdict]
        parts += [f"{verdict} on {', '.join(names)}"] if names else []
    return "; ".join(parts)
