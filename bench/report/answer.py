"""The answer in words: for every task the best strategy, the certainty, and the fastest of those tied with it.

The best and its ties come from the tests behind the table, so words and table never differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from bench.analysis.groups import Group, Key, is_degenerate
from bench.analysis.statistics.paired import Comparison
from bench.analysis.statistics.ties import equal
from bench.report.reading import REFERENCE, Reading
from bench.report.times import Time, is_faster, time_of
from bench.text import counted

Certainty = Literal["clear", "tied", "partly", "untested", "nothing"]
NOTHING = (
    "Even the best strategy scores within noise of chance or of the majority label: that anything was learned is "
    "not shown."
)


@dataclass(frozen=True)
class Choice:
    """A strategy as the answer names it. spread: half of the interval of its score, in [0, 1];
    bounds: where it is not symmetric. relative: cold
    seconds over those of the reference, where both were measured again. p: adjusted, of its difference from the
    best; detectable: the smallest difference that would have been found; None for the best.
    ahead: whether it scores significantly higher than the best on the seeds that both have, not on all seeds.
    repeated: whether its seconds rest on two measurements or more. time: what they are compared by."""

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
    time: Time | None = None
    ahead: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer for a task. tied: strategies that cannot be told apart from the best, or that are better on the
    seeds that both have; behind: those that score significantly lower; untested: those that cannot be tested
    against it; each ordered by score.
    fastest: of the best and the tied whose time was measured again, where it is known to take less than the others.
    close: else those that may be it. once: one of the best and the tied that took less, measured once; partly:
    whether any of them was. seeds: of the best; most_seeds: of any strategy."""

    task: str
    metric: str
    certainty: Certainty
    best: Choice | None = None
    tied: tuple[Choice, ...] = ()
    behind: tuple[Choice, ...] = ()
    untested: tuple[Choice, ...] = ()
    fastest: Choice | None = None
    close: tuple[Choice, ...] = ()
    once: Choice | None = None
    partly: bool = False
    seeds: int = 0
    most_seeds: int = 0
    examples: int = 0
    caution: str = ""

    @property
    def alike(self) -> tuple[Choice, ...]:
        """Those of `tied` that cannot be told apart from the best."""
        return tuple(choice for choice in self.tied if not choice.ahead)

    @property
    def ahead(self) -> tuple[Choice, ...]:
        """Those of `tied` that are better than the best on the seeds that both have."""
        return tuple(choice for choice in self.tied if choice.ahead)


def answers(reading: Reading) -> list[Answer]:
    """One answer per task, in the order of the tables."""
    return [_answer(reading, task) for task in reading.tasks]


def _answer(reading: Reading, task: str) -> Answer:
    metric, tests = reading.headline(task), _tests(reading, task)
    compared = {item.second: item for item in tests}
    groups = [group for group in reading.of_task(task) if group.scores(metric)]
    choices = [_choice(reading, group, metric, compared.get(group.key)) for group in groups]
    found = sorted(choices, key=lambda item: -item.score)
    if not found:
        return Answer(task, metric, "nothing", caution="No strategy finished.")
    best = next((item for item in found if tests and item.key == tests[0].first), found[0])
    others = [item for item in found if item is not best]
    behind = tuple(item for item in others if item.key in compared and compared[item.key].behind)
    tied = tuple(item for item in others if item.key in compared and item not in behind)
    untested = tuple(item for item in others if item.key not in compared)
    timed = sorted((item for item in (best, *tied) if item.seconds), key=lambda item: item.seconds or 0.0)
    again = [item for item in timed if item.repeated]
    fastest, close = _fastest(again)
    leading = reading.groups[best.key]
    data = leading.done[0].data
    return Answer(
        task=task,
        metric=metric,
        certainty=_certainty(tied, behind, untested),
        best=best,
        tied=tied,
        behind=behind,
        untested=untested,
        fastest=fastest,
        close=close,
        once=timed[0] if again and timed[0] is not again[0] else None,
        partly=len(again) < len(timed),
        seeds=len(leading.done),
        most_seeds=max(len(group.done) for group in groups),
        examples=data.sizes.get("test", 0) if data else 0,
        caution=_caution(leading),
    )


def _fastest(timed: Sequence[Choice]) -> tuple[Choice | None, tuple[Choice, ...]]:
    """The one that is known to take less time than each of the others; where there is none, those that may be it.
    timed: by their medians."""
    if len(timed) < 2:
        return None, ()
    first, *others = timed
    close = [item for item in others if not _is_faster(first, item)]
    return (None, (first, *close)) if close else (first, ())


def _is_faster(first: Choice, second: Choice) -> bool:
    return first.time is not None and second.time is not None and is_faster([first.time], [second.time])


def _certainty(tied: Sequence[Choice], behind: Sequence[Choice], untested: Sequence[Choice]) -> Certainty:
    if tied:
        return "tied"
    if not behind:
        return "untested"
    return "partly" if untested else "clear"


def _tests(reading: Reading, task: str) -> list[Comparison]:
    """The tests of the others against the best of a task. None where the predictions of the best are gone: tests
    are then against another."""
    metric, tests = reading.headline(task), reading.compared(task)
    means = {group.key: fmean(scores) for group in reading.of_task(task) if (scores := group.scores(metric))}
    return tests if tests and equal(means[tests[0].first], max(means.values())) else []


def _choice(reading: Reading, group: Group, metric: str, compared: Comparison | None) -> Choice:
    relative, shown = reading.entry(group.key, "relative"), reading.entry(group.key, metric)
    measured = relative.spread is not None or group.key.strategy == REFERENCE
    return Choice(
        group.key,
        reading.label(group.key),
        fmean(group.scores(metric)),
        shown.spread,
        group.seconds() or None,
        relative.value if measured and isinstance(relative.value, float) else None,
        shown.bounds,
        compared.detectable if compared else None,
        group.measurements() > 1,
        compared.adjusted if compared else None,
        time_of(group, reading.time_noise),
        compared is not None and not compared.tied and not compared.first_leads,
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
        return f"{low} of its {seeds} {score} within noise of chance or of the majority label."
    if group.failures:
        return f"{len(group.failures)} of its {counted(len(group.records), 'seed')} did not finish."
    return ""
