"""The answer in words: for every task the best strategy, the certainty, and the fastest of those tied with it.

The best and its ties come from the tests behind the table, so words and table never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, geometric_mean
from typing import Literal

from bench.analysis.groups import Group, Key, is_degenerate
from bench.report.reading import REFERENCE, Reading
from bench.report.times import Time, is_faster, time_of
from bench.text import counted

Certainty = Literal["clear", "tied", "partly", "untested", "nothing"]
NOTHING = "Even the best strategy does not beat chance or the majority label: nothing was learned here."


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
    whether any of them was."""

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
    metric, tests = reading.headline(task), reading.compared(task)
    compared = {item.second: item for item in tests}
    groups = [group for group in reading.of_task(task) if group.scores(metric)]
    found = sorted((_choice(reading, group, metric) for group in groups), key=lambda item: -item.score)
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


def _choice(reading: Reading, group: Group, metric: str) -> Choice:
    compared = next((item for item in reading.compared(group.key.task) if item.second == group.key), None)
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
        return f"{low} of its {seeds} {score} no better than chance or the majority label."
    if group.failures:
        return f"{len(group.failures)} of its {counted(len(group.records), 'seed')} did not finish."
    return ""


# --------------------------------------------------------------------------------------------------
# Over all tasks


@dataclass(frozen=True)
class Standing:
    """A strategy over all tasks. leads: the number of tasks on which it is the best or tied with it. relative: the
    geometric mean over its tasks of its time over that of the reference; None where one is unknown. times: by
    task."""

    label: str
    leads: int
    tasks: int
    relative: float | None
    times: Mapping[str, Time] = field(default_factory=dict)


def standings(found: Sequence[Answer]) -> list[Standing]:
    """The strategies, ordered by how often they lead, then by their time."""
    members: dict[str, list[tuple[bool, Choice]]] = {}
    for answer in found:
        leading = [*([answer.best] if answer.best else []), *answer.tied]
        for choice in (*leading, *answer.behind, *answer.untested):
            members.setdefault(choice.label, []).append((choice in leading, choice))
    standing = []
    for label, ranked in members.items():
        known = [choice.relative for _, choice in ranked if choice.relative]
        times = {choice.key.task: choice.time for _, choice in ranked if choice.time}
        relative = geometric_mean(known) if len(known) == len(ranked) else None
        standing.append(Standing(label, sum(leads for leads, _ in ranked), len(ranked), relative, times))
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
    alone = sum(answer.certainty == "untested" and not answer.untested for answer in answered)
    partly = sum(bool(answer.untested) for answer in answered)
    tasks, doubts = counted(len(answered), "task"), []
    if alone:
        doubts.append(f"On {alone} of {tasks} there is nothing to compare with.")
    if partly:
        doubts.append(f"On {partly} of {tasks} some strategies could not be tested against the best.")
    if nothing:
        doubts.append(f"On {nothing} of {tasks} nothing was learned.")
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
        labels = {item.label for item in lead}
        if any(choice.label in labels for answer in found for choice in answer.ahead):
            how = "scored best, could not be told apart from the best, or scored higher on the seeds that both have"
        else:
            how = "scored best or could not be told apart from the best"
        text = f"{where} {names}{each} {how}."
    return f"{text}{_times(lead)}"


def _times(lead: Sequence[Standing]) -> str:
    """Their times over those of the reference, as far as both were measured again, and which of them is the
    fastest, if that is known."""
    timed = sorted((item.relative, item.label, item) for item in lead if item.relative is not None)
    if not timed or timed[0][1] == REFERENCE:
        return ""
    relative, label, first = timed[0]
    close = [(ratio, other) for ratio, other, item in timed[1:] if not _takes_less(first, item)]
    mean = "" if first.tasks == 1 else " (geometric mean over its tasks)"
    if close:
        ratios = ", ".join(f"{other} {ratio:.2f}×" for ratio, other in [(relative, label), *close])
        return f" Times over that of {REFERENCE}{mean}: {ratios}; which of these is the fastest is not known."
    if len(lead) == 1:
        subject = "It took"
    elif len(timed) == 1:
        subject = f"Of them {label} took"
    else:
        subject = (
            f"The fastest of {'them' if len(timed) == len(lead) else 'those measured again'}, {label}, took"
        )
    return f" {subject} {relative:.2f}× the time of {REFERENCE}{mean}."


def _takes_less(first: Standing, second: Standing) -> bool:
    """Whether its time is known to be shorter on the tasks that both have."""
    shared = [task for task in first.times if task in second.times]
    return is_faster([first.times[task] for task in shared], [second.times[task] for task in shared])


def _of_one_task(answer: Answer) -> str:
    best = answer.best.label if answer.best else ""
    parts = [f"{best} scored best"]
    if answer.alike:
        parts.append(f"these could not be told apart from it: {_listed(answer.alike)}")
    if answer.ahead:
        verb = "scores" if len(answer.ahead) == 1 else "score"
        parts.append(f"{_listed(answer.ahead)} {verb} higher on the seeds that both have")
    return f"{'; '.join(parts)}."


def _listed(choices: Sequence[Choice]) -> str:
    return ", ".join(choice.label for choice in choices)
