"""The answer in words over all tasks: which strategies lead how often, and what they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean

from bench.report.answer import NOTHING, Answer, Choice
from bench.report.reading import REFERENCE
from bench.report.times import Time, is_faster
from bench.text import counted


@dataclass(frozen=True)
class Standing:
    """A strategy with its encoder over all tasks. leads: the number of tasks on which it is the best or tied with
    it. relative: the geometric mean over its tasks of its time over that of the reference with the same encoder;
    None where one is unknown. times: by task."""

    strategy: str
    backbone: str
    label: str
    leads: int
    tasks: int
    relative: float | None
    times: Mapping[str, Time] = field(default_factory=dict)

    @property
    def is_measured_again(self) -> bool:
        """Whether its time was measured twice at least on each of its tasks."""
        return len(self.times) == self.tasks and all(
            time.timing.measurements > 1 for time in self.times.values()
        )


def standings(found: Sequence[Answer]) -> list[Standing]:
    """The strategies, ordered by how often they lead, then by their time."""
    members: dict[tuple[str, str], list[tuple[bool, Choice]]] = {}
    for answer in found:
        leading = [*([answer.best] if answer.best else []), *answer.tied]
        for choice in (*leading, *answer.behind, *answer.untested):
            row = choice.key.strategy, choice.key.backbone
            members.setdefault(row, []).append((choice in leading, choice))
    standing = []
    for row, ranked in members.items():
        known = [choice.relative for _, choice in ranked if choice.relative]
        times = {choice.key.task: choice.time for _, choice in ranked if choice.time}
        relative = geometric_mean(known) if len(known) == len(ranked) else None
        leads, label = sum(leads for leads, _ in ranked), ranked[0][1].label
        standing.append(Standing(*row, label, leads, len(ranked), relative, times))
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
        doubts.append(f"On {nothing} of {tasks} it is not shown that anything was learned.")
    if all(answer.most_seeds == 1 for answer in answered):
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
    if len({item.backbone for item in lead}) > 1:
        return _fastest(lead)
    timed = sorted(
        ((item.relative, item) for item in lead if item.relative is not None),
        key=lambda pair: (pair[0], pair[1].label),
    )
    if not timed or timed[0][1].strategy == REFERENCE:
        return ""
    relative, first = timed[0]
    close = [(ratio, item) for ratio, item in timed[1:] if not _takes_less(first, item)]
    mean = "" if first.tasks == 1 else " (geometric mean over its tasks)"
    if close:
        ratios = ", ".join(f"{item.label} {ratio:.2f}×" for ratio, item in [timed[0], *close])
        return f" Times over that of {REFERENCE}{mean}: {ratios}; which of these is the fastest is not known."
    if len(lead) == 1:
        subject = "It took"
    elif len(timed) == 1:
        subject = f"Of them {first.label} took"
    else:
        subject = f"The fastest of {_measured(timed, lead)}, {first.label}, took"
    return f" {subject} {relative:.2f}× the time of {REFERENCE}{mean}."


def _fastest(lead: Sequence[Standing]) -> str:
    """Which of several encoders' strategies takes the least time. Each encoder has a reference of its own, so that
    times over it do not tell."""
    timed = [item for item in lead if item.is_measured_again]
    if len(timed) < 2:
        return ""
    shared = [task for task in timed[0].times if all(task in item.times for item in timed)]
    if not shared:
        return ""
    first = min(timed, key=lambda item: geometric_mean([item.times[task].seconds for task in shared]))
    close = [item.label for item in timed if item is not first and not _takes_less(first, item)]
    if close:
        return f" Which of {', '.join([first.label, *close])} is the fastest is not known."
    return f" The fastest of {_measured(timed, lead)} is {first.label}."


def _measured(timed: Sequence[object], lead: Sequence[Standing]) -> str:
    return "them" if len(timed) == len(lead) else "those measured again"


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
