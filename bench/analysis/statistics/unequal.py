"""What the marks of a table do not show: groups with unequal seeds or test examples, those without predictions, and
test sets of one document.

A table names those that could not be tested against the best, because a score without a mark reads as one that is
significantly behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.paired import Comparison, Scored, Trio
from bench.analysis.statistics.resampling import Resampled, Source, alike, documents_of

REVERSED = (
    "Not called behind: {names}. The best of the task has the higher mean over all its seeds, and is told apart as "
    "the worse one on the seeds that both have."
)
UNTESTED = (
    "Not tested against the best of their task: {names}. Without a mark they are not known to be behind."
)
UNSEEN = "not all seeds have predictions on the same examples"
BEST_UNSEEN = (
    f"Bold but not tested: {{names}} ({UNSEEN}). Underlined is there relative to the best of those with "
    "predictions: {leaders}. Without a mark these are not known to be behind."
)
LEFT_OUT = "Without a row, because not tested against the best of their task: {names}."
BEST_LEFT_OUT = (
    f"Without a row, though it has the best mean: {{names}} ({UNSEEN}). The rows of its task are tests against the "
    "best of those with predictions: {leaders}."
)
ONE_DOCUMENT = (
    "All test examples of {tasks} come from one document, which tells nothing of other documents: no interval, no "
    "test."
)


def untested(first: Resampled, second: Resampled) -> str:
    """Why two groups cannot be tested against each other; '' where they can. On one seed of several, the noise over
    seeds that one of them has shown would have no part."""
    if not alike(first.ids, second.ids):
        return "other test examples"
    shared = set(first.seeds) & set(second.seeds)
    if len(shared) > 1 or (shared and first.seeds == second.seeds):
        return ""
    return "one seed in common, of several" if shared else "no seed in common"


def notes(
    scores: Mapping[Scored, Resampled],
    pairs: Sequence[Trio],
    compared: Sequence[Comparison],
    means: Mapping[Scored, float] = MappingProxyType({}),
    where: str = "",
) -> list[str]:
    """What the marks of a table do not show. pairs: of the best of each task and metric with each of the others, of
    which `compared` could be tested. means: all that are shown, the higher the better, also those without `scores`.
    where: the test set or column, written after the name of a task."""
    found = []
    if turned := [item.second for item in compared if not item.tied and not item.first_leads]:
        found.append(REVERSED.format(names=_listed(turned, where)))
    unseen = _unseen(means, scores)
    names = _not_tested(scores, pairs, compared, unseen, where)
    return [*found, *_told(names, unseen, where, UNTESTED, BEST_UNSEEN)]


def left_out(
    scores: Mapping[Scored, Resampled],
    pairs: Sequence[Trio],
    compared: Sequence[Comparison],
    means: Mapping[Scored, float],
) -> list[str]:
    """What a table of the comparisons has no row for. The arguments are those of `notes`."""
    unseen = _unseen(means, scores)
    names = _not_tested(scores, pairs, compared, unseen, "")
    return _told(names, unseen, "", LEFT_OUT, BEST_LEFT_OUT)


def _told(names: str, unseen: _Unseen, where: str, untested: str, best: str) -> list[str]:
    """Notes in these words on the groups that are not tested, and on those with a best mean that cannot be."""
    found = [untested.format(names=names)] if names else []
    if unseen.best:
        leaders = _listed(unseen.leaders, where)
        found.append(best.format(names=_listed(unseen.best, where), leaders=leaders))
    return found


def _not_tested(
    scores: Mapping[Scored, Resampled],
    pairs: Sequence[Trio],
    compared: Sequence[Comparison],
    unseen: _Unseen,
    where: str,
) -> str:
    """The groups that are not tested against the best of their task, each with the reason; '' without one."""
    tested = {(item.first, item.second, item.metric) for item in compared}
    reasons: dict[str, list[Key]] = {}
    for first, second, metric in pairs:
        if (first, second, metric) not in tested:
            why = untested(scores[first, metric], scores[second, metric])
            reasons.setdefault(why, []).append(second)
    names = [f"{_listed(keys, where)} ({why})" for why, keys in reasons.items()]
    if unseen.others or unseen.tasks:
        whole = [f"all on {task}{where}" for task in dict.fromkeys(unseen.tasks)]
        named = [_listed(unseen.others, where)] if unseen.others else []
        names.append(f"{', '.join([*named, *whole])} ({UNSEEN})")
    return "; ".join(names)


@dataclass(frozen=True)
class _Unseen:
    """Groups with a score that could not be resampled. best: those with the best mean of their task; leaders: the
    best of the others there. tasks: those where no group could be resampled."""

    best: list[Key]
    leaders: list[Key]
    others: list[Key]
    tasks: list[str]


def _unseen(means: Mapping[Scored, float], scores: Mapping[Scored, Resampled]) -> _Unseen:
    rivals: dict[tuple[str, str], list[Scored]] = {}
    for key, metric in means:
        rivals.setdefault((key.task, metric), []).append((key, metric))
    found = _Unseen([], [], [], [])
    for (task, _), members in rivals.items():
        seen = [item for item in members if item in scores]
        best, missing = max(members, key=means.__getitem__), [item for item in members if item not in scores]
        if len(members) < 2 or not missing:
            continue
        if not seen:
            found.tasks.append(task)
            continue
        if best in missing:
            found.best.append(best[0])
            found.leaders.append(max(seen, key=means.__getitem__)[0])
        found.others.extend(key for key, _ in missing if key != best[0])
    return found


def _listed(keys: Iterable[Key], where: str) -> str:
    return ", ".join(
        f"{key.strategy} with {key.backbone} on {key.task}{where}" for key in dict.fromkeys(keys)
    )


def documents(groups: Iterable[Group], source: Source, test: str = "test") -> dict[str, int]:
    """How many documents the test examples of each task come from; 0 where documents are unknown. The groups of a
    task have the same test examples, so a single file of each task is read."""
    found: dict[str, int] = {}
    for group in groups:
        rows = source.columns(group.done[0], test) if group.done and group.key.task not in found else None
        if rows is not None:
            clusters = documents_of(rows)
            found[group.key.task] = clusters.count if clusters else 0
    return found


def one_document(groups: Iterable[Group], source: Source, test: str = "test") -> list[str]:
    """The tasks of the groups whose test examples are all of one document."""
    return [task for task, count in documents(groups, source, test).items() if count == 1]


def on_one_document(tasks: Collection[str], where: str = "") -> list[str]:
    """What a table says of such tasks. where: as in `notes`."""
    return [ONE_DOCUMENT.format(tasks=", ".join(f"{task}{where}" for task in tasks))] if tasks else []
