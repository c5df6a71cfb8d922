"""The answer in words: for every task the best strategy, the certainty, and the fastest of those tied with it.

The best and its ties come from the tests behind the table, so words and table never differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Literal

from bench.analysis.groups import Group, Key, is_degenerate
from bench.report.reading import REFERENCE, Reading
from bench.text import counted

Certainty = Literal["clear", "tied", "untested", "nothing"]
NOTHING = "Even the best strategy does not beat chance or the majority label: nothing was learned here."


@dataclass(frozen=True)
class Choice:
    """A strategy as the answer names it. spread: half of the interval of its score, in [0, 1];
    bounds: where it is not symmetric. relative: cold
    seconds over those of the reference. p: adjusted, of its difference from the best;
    detectable: the smallest difference that would have been found; None for the best.
    repeated: whether its seconds rest on two measurements or more."""

    key: Key
    label: str
    score: float
    spread: float | None
    seconds: float | None
    relative: float | None
    bounds: tuple[float, float] | None = None
    detectable: float | None = None
    repeated: bool = True
    p: float | None = None


@dataclass(frozen=True)
class Answer:
    """The answer for a task. tied: strategies that cannot be told apart from the best; behind: those that score
    significantly lower; untested: those without predictions on the same examples and seeds; each ordered by score.
    fastest: of the best and the tied, of those whose time was measured again. once: a faster one of them, measured
    once."""

    task: str
    metric: str
    certainty: Certainty
    best: Choice | None = None
    tied: tuple[Choice, ...] = ()
    behind: tuple[Choice, ...] = ()
    untested: tuple[Choice, ...] = ()
    fastest: Choice | None = None
    once: Choice | None = None
    seeds: int = 0
    examples: int = 0
    caution: str = ""


def answers(reading: Reading) -> list[Answer]:
    """One answer per task, in the order of the tables."""
    return [_answer(reading, task) for task in reading.tasks]


def _answer(reading: Reading, task: str) -> Answer:
    metric, tests = reading.headline(task), reading.compared(task)
    compared = {item.second: item for item in tests}
    groups = [group for group in reading.of_task(task) if group.scores(metric)]
    found = sorted((_choice(reading, group, metric) for group in groups), key=lambda item: -item.score)
    if not found:
        return Answer(task, metric, "nothing", caution="No strategy finished.")
    best = next((item for item in found if tests and item.key == tests[0].first), found[0])
    others = [item for item in found if item is not best]
    tied = tuple(item for item in others if item.key in compared and compared[item.key].tied)
    behind = tuple(item for item in others if item.key in compared and not compared[item.key].tied)
    timed = sorted((item for item in (best, *tied) if item.seconds), key=lambda item: item.seconds or 0.0)
    fastest = next((item for item in timed if item.repeated), None)
    leading = reading.groups[best.key]
    data = leading.done[0].data
    return Answer(
        task=task,
        metric=metric,
        certainty="tied" if tied else "clear" if behind else "untested",
        best=best,
        tied=tied,
        behind=behind,
        untested=tuple(item for item in others if item.key not in compared),
        fastest=fastest,
        once=timed[0] if fastest and timed[0] is not fastest else None,
        seeds=len(leading.done),
        examples=data.sizes.get("test", 0) if data else 0,
        caution=_caution(leading),
    )


def _choice(reading: Reading, group: Group, metric: str) -> Choice:
    compared = next((item for item in reading.compared(group.key.task) if item.second == group.key), None)
    relative, shown = reading.entry(group.key, "relative").value, reading.entry(group.key, metric)
    return Choice(
        group.key,
        reading.label(group.key),
        fmean(group.scores(metric)),
        shown.spread,
        group.seconds() or None,
        relative if isinstance(relative, float) else None,
        shown.bounds,
        compared.detectable if compared else None,
        group.measurements() > 1,
        compared.adjusted if compared else None,
    )


def _caution(group: Group) -> str:
    """A reason to doubt even the best strategy's score."""
    low = sum(map(is_degenerate, group.done))
    if low == len(group.done):
        return NOTHING
    if len(group.done) == 1:
        return "One seed: the effect of another seed is not known."
    if low:
        seeds, score = counted(len(group.done), "seed"), "scores" if low == 1 else "score"
        return f"{low} of its {seeds} {score} no better than chance or the majority label."
    if group.failures:
        return f"{len(group.failures)} of its {counted(len(group.records), 'seed')} did not finish."
    return ""


# --------------------------------------------------------------------------------------------------
# Over all tasks


@dataclass(frozen=True)
class Standing:
    """A strategy over all tasks. leads: the number of tasks on which it is the best or tied with it. relative: the
    geometric mean over its tasks of its time over that of the reference; None where one is unknown."""

    label: str
    leads: int
    tasks: int
    relative: float | None


def standings(found: Sequence[Answer]) -> list[Standing]:
    """The strategies, ordered by how often they lead, then by their time."""
    members: dict[str, list[tuple[bool, Choice]]] = {}
    for answer in found:
        leading = [*([answer.best] if answer.best else []), *answer.tied]
        for choice in (*leading, *answer.behind, *answer.untested):
            members.setdefault(choice.label, []).append((choice in leading, choice))
    standing = []
    for label, ranked in members.items():
        known = [choice.relative for _, choice in ranked if choice.relative and choice.repeated]
        relative = geometric_mean(known) if len(known) == len(ranked) else None
        standing.append(Standing(label, sum(leads for leads, _ in ranked), len(ranked), relative))
    return sorted(standing, key=lambda item: (-item.leads, item.relative or 1e9))


def overall(found: Sequence[Answer]) -> str:
    """The answer over all tasks in a few sentences."""
    answered = [answer for answer in found if answer.best is not None]
    if not answered:
        return "No strategy finished on any task, so there is no answer yet."
    tested = [answer for answer in answered if answer.certainty != "untested"] or answered
    return " ".join([_leading(tested), *_doubts(answered)])


def _doubts(answered: Sequence[Answer]) -> list[str]:
    """Reasons to doubt the whole answer."""
    nothing = sum(answer.caution == NOTHING for answer in answered)
    untested = sum(answer.certainty == "untested" for answer in answered)
    doubts = []
    if untested:
        doubts.append(f"On {untested} of {counted(len(answered), 'task')} there is nothing to compare with.")
    if nothing:
        doubts.append(f"On {nothing} of {counted(len(answered), 'task')} nothing was learned.")
    if all(answer.seeds == 1 for answer in answered):
        doubts.append("Every strategy ran with one seed: a first look, not evidence.")
    return doubts


def _leading(found: Sequence[Answer]) -> str:
    tasks = len(found)
    ranked = standings(found)
    lead = [item for item in ranked if item.leads == ranked[0].leads]
    if tasks == 1:
        text = _of_one_task(found[0])
    else:
        where = f"On {lead[0].leads} of {tasks} tasks"
        names = " and ".join(filter(None, (", ".join(item.label for item in lead[:-1]), lead[-1].label)))
        each = " each" if len(lead) > 1 else ""
        text = f"{where} {names}{each} scored best or could not be told apart from the best."
    timed = [item for item in lead if item.relative is not None]
    fastest = min(timed, key=lambda item: item.relative or 0.0, default=None)
    if fastest is None or fastest.label == REFERENCE:
        return text
    mean = "" if fastest.tasks == 1 else " (geometric mean over its tasks)"
    subject = "It took" if len(lead) == 1 else f"The fastest of them, {fastest.label}, took"
    return f"{text} {subject} {fastest.relative:.2f}× the time of {REFERENCE}{mean}."


def _of_one_task(answer: Answer) -> str:
    best = answer.best.label if answer.best else ""
    if not answer.tied:
        return f"{best} scored best."
    return f"{best} scored best; these could not be told apart from it: {_listed(answer.tied)}."


def _listed(choices: Sequence[Choice]) -> str:
    return ", ".join(choice.label for choice in choices)
