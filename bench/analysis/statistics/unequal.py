"""What the marks of a table do not show: groups with unequal seeds or test examples, and test sets of one document.

A table names those that could not be tested against the best, because a score without a mark reads as one that is
significantly behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

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
    scores: Mapping[Scored, Resampled], pairs: Sequence[Trio], compared: Sequence[Comparison]
) -> list[str]:
    """What the marks of a table do not show. pairs: of the best of each task and metric with each of the others, of
    which `compared` could be tested."""
    found = []
    if turned := [item.second for item in compared if not item.tied and not item.first_leads]:
        found.append(REVERSED.format(names=_listed(turned)))
    tested = {(item.first, item.second, item.metric) for item in compared}
    reasons: dict[str, list[Key]] = {}
    for first, second, metric in pairs:
        if (first, second, metric) not in tested:
            why = untested(scores[first, metric], scores[second, metric])
            reasons.setdefault(why, []).append(second)
    if reasons:
        names = "; ".join(f"{_listed(keys)} ({why})" for why, keys in reasons.items())
        found.append(UNTESTED.format(names=names))
    return found


def _listed(keys: Iterable[Key]) -> str:
    return ", ".join(f"{key.strategy} with {key.backbone} on {key.task}" for key in dict.fromkeys(keys))


def one_document(groups: Iterable[Group], source: Source, test: str = "test") -> list[str]:
    """The tasks of the groups whose test examples are all of one document."""
    found: dict[str, None] = {}
    for group in groups:
        rows = source.columns(group.done[0], test) if group.done and group.key.task not in found else None
        clusters = None if rows is None else documents_of(rows)
        if clusters is not None and clusters.count == 1:
            found[group.key.task] = None
    return list(found)


def one_document_notes(groups: Iterable[Group], source: Source, test: str = "test") -> list[str]:
    """What a table says of such tasks."""
    tasks = one_document(groups, source, test)
    return [ONE_DOCUMENT.format(tasks=", ".join(tasks))] if tasks else []
