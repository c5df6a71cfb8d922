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
