"""The scores of all groups of a table over resamples; those of a large run by several processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from bench.analysis.groups import Group, Key
from bench.analysis.statistics.resampling import Resampled, Source, alike, resample_metrics
from bench.analysis.workers import mapped

WORTH = 1000
"""Finished cells that are worth a process."""


def resample_all(
    groups: Mapping[Key, Group], metrics: Mapping[Key, Iterable[str]], source: Source, test: str = "test"
) -> dict[tuple[Key, str], Resampled]:
    """The scores of every group by each of its metrics, without those that cannot be resampled."""
    cells = sum(len(group.done) for group in groups.values())
    made = mapped(
        lambda key: resample_metrics(groups[key], metrics[key], source, test),
        list(groups),
        least=-(-WORTH * len(groups) // max(cells, 1)),
    )
    found = {
        (key, metric): scores for key, own in zip(groups, made, strict=True) for metric, scores in own.items()
    }
    return _with_common_ids(found)


def _with_common_ids(found: dict[tuple[Key, str], Resampled]) -> dict[tuple[Key, str], Resampled]:
    """Every task's ids as one array again, also where its groups come from several processes: pairs are compared a
    hundred thousand times, and one array is equal to itself at a glance."""
    known: dict[tuple[str, int], np.ndarray] = {}
    common = {}
    for (key, metric), scores in found.items():
        ids = known.setdefault((key.task, len(scores.ids)), scores.ids)
        same = ids is scores.ids or not alike(ids, scores.ids)
        common[key, metric] = scores if same else replace(scores, ids=ids)
    return common
