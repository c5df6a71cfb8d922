"""The findings on published claims, as values, in words and as a table: each task first, then over tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.claims.published import Published
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.text import counted

Unit = Literal["score", "points", "times"]
Verdict = Literal["confirmed", "contradicted", "undecided", "tasks disagree", "not testable"]
OVER_TASKS = "over tasks"
READING = (
    "A task confirms a claim where its 95% interval lies inside the claim's bounds, contradicts it where the "
    "interval lies outside, and leaves it undecided where the interval contains a bound. Not testable: the task "
    "misses a condition of the claim, whatever it found. × is a ratio; other differences are in points."
)
RANDOM = (
    "Over tasks: the mean of a random-effects model, in which tasks are a sample (interval of Hartung and Knapp "
    "2001). Where one task confirms and another contradicts, there is no verdict. Each claim is tested alone: of "
    "claims whose truth lies on a bound, one in twenty is decided by chance."
)


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval, in the unit of the claim."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class TaskFinding:
    """The verdict of one task with one encoder. task: without its size; name: with size and encoder. reason: why
    it is not testable, or undecided. above: the lower bound there."""

    task: str
    name: str
    verdict: Verdict
    estimate: Estimate | None = None
    reason: str = ""
    above: float | None = None


@dataclass(frozen=True)
class ClaimFinding:
    """The verdict of one run on one claim. estimate: over the tasks that can test it. unit: of the numbers.
    reason: why there is no verdict."""

    claim: Published
    run: str
    verdict: Verdict
    unit: Unit
    estimate: Estimate | None = None
    above: float | None = None
    below: float | None = None
    reason: str = ""
    tasks: tuple[TaskFinding, ...] = ()


def report(findings: Sequence[ClaimFinding]) -> str:
    """Every claim with the verdicts of each run; a run without any of its tasks is named only where no run has
    one."""
    claims = {finding.claim.name: finding.claim for finding in findings}
    parts = []
    for name, claim in claims.items():
        own = [finding for finding in findings if finding.claim.name == name]
        lines = [f"{name}: {claim.says}", f"  ({claim.source})"]
        for finding in [item for item in own if item.tasks] or own[:1]:
            lines += _lines(finding)
        parts.append("\n".join(lines))
    best = [_strongest([f.verdict for f in findings if f.claim.name == name]) for name in claims]
    counts = Counter(best)
    shown = (f"{counts[verdict]} {verdict}" for verdict in ORDER)
    parts.append(f"{counted(len(claims), 'claim')}: {', '.join(shown)}.")
    return "\n\n".join([*parts, READING, RANDOM])


ORDER: tuple[Verdict, ...] = ("confirmed", "contradicted", "tasks disagree", "undecided", "not testable")


def _strongest(verdicts: Sequence[Verdict]) -> Verdict:
    """What the runs say together: runs that contradict each other disagree, as do all with one whose tasks do."""
    if "tasks disagree" in verdicts or {"confirmed", "contradicted"} <= set(verdicts):
        return "tasks disagree"
    return min(verdicts, key=ORDER.index)


def _lines(finding: ClaimFinding) -> list[str]:
    if not finding.tasks:
        return [f"  {finding.run}: {finding.verdict} ({finding.reason})"]
    lines = [f"  {finding.run}"]
    for task in finding.tasks:
        lines.append(f"    {task.name}: {task.verdict}{_numbers(finding, task)}{_reason(task.reason)}")
    return [
        *lines,
        f"    {OVER_TASKS}: {finding.verdict}{_numbers(finding, finding)}{_reason(finding.reason)}",
    ]


def _numbers(finding: ClaimFinding, item: ClaimFinding | TaskFinding) -> str:
    if item.estimate is None:
        return ""
    found = item.estimate
    claimed = _claimed(finding, item)
    return f": {number(finding, found.value)} (95%: {_interval(finding, found)}; claimed {claimed})"


def _reason(reason: str) -> str:
    return f" ({reason})" if reason else ""


def number(finding: ClaimFinding, value: float) -> str:
    """A value in the finding's unit: a ratio, a score in percent, or a difference in points."""
    if finding.unit == "times":
        return f"×{value:.2f}"
    return f"{100 * value:.1f}" if finding.unit == "score" else f"{100 * value:+.1f}"


def _interval(finding: ClaimFinding, found: Estimate) -> str:
    return f"{number(finding, found.low)} to {number(finding, found.high)}"


def _claimed(finding: ClaimFinding, item: ClaimFinding | TaskFinding) -> str:
    bounds = (("above", item.above), ("below", finding.below))
    return " and ".join(f"{word} {number(finding, x)}" for word, x in bounds if x is not None)


COLUMNS = tuple(Column(name, name, "text") for name in ("verdict", "found", "95%", "claimed", "why"))


def table(findings: Sequence[ClaimFinding]) -> Table:
    """A block for each claim that a run has tasks for: a row for each task, then one over tasks. The notes name the
    other claims and what is missing."""
    blocks, rest, runs = [], [], dict.fromkeys(finding.run for finding in findings)
    for name in dict.fromkeys(finding.claim.name for finding in findings):
        own = [finding for finding in findings if finding.claim.name == name]
        claim, rows = own[0].claim, [row for finding in own for row in _rows(finding, len(runs) > 1)]
        if rows:
            blocks.append(Block(f"{claim.says} ({claim.source})", tuple(rows)))
        else:
            rest.append(f"{claim.says} ({claim.source}; {own[0].reason})")
    notes = (READING, RANDOM, *([f"Not testable here: {'; '.join(rest)}."] if rest else []))
    caption = f"Published claims, tested by {', '.join(runs)}"
    headings = ("run", "task") if len(runs) > 1 else ("task",)
    return Table(caption, headings, COLUMNS, tuple(blocks), notes, "claim")


def _rows(finding: ClaimFinding, several: bool) -> list[Row]:
    """The rows of a finding; of several runs they name theirs."""
    if not finding.tasks:
        return []
    run = (finding.run,) if several else ()
    rows = [_row(finding, task, (*run, task.name)) for task in finding.tasks]
    return [*rows, _row(finding, finding, (*run, OVER_TASKS))]


def _row(finding: ClaimFinding, item: ClaimFinding | TaskFinding, labels: tuple[str, ...]) -> Row:
    found = item.estimate
    numbers = (number(finding, found.value), _interval(finding, found)) if found else ("–", "–")
    texts = (item.verdict, *numbers, _claimed(finding, item), item.reason or "–")
    return Row(labels, tuple(map(Entry, texts)))


def as_dict(finding: ClaimFinding) -> dict[str, object]:
    """A finding as plain values, for JSON."""
    return {
        "claim": finding.claim.name,
        "says": finding.claim.says,
        "source": finding.claim.source,
        "run": finding.run,
        "verdict": finding.verdict,
        "unit": finding.unit,
        "estimate": _plain(finding.estimate),
        "above": finding.above,
        "below": finding.below,
        "reason": finding.reason,
        "needs": finding.claim.needs.model_dump(exclude_defaults=True),
        "tasks": [
            {
                "task": task.name,
                "verdict": task.verdict,
                "estimate": _plain(task.estimate),
                "above": task.above,
                "reason": task.reason,
            }
            for task in finding.tasks
        ],
    }


def _plain(found: Estimate | None) -> dict[str, float] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None
