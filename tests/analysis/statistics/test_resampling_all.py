"""The scores of several groups: equal ids are one array, and others stay as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.groups import gather
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.statistics.resampling_all import resample_all
from tests.analysis.conftest import make_predictions, make_record


def resampled(names: Sequence[str]) -> list[Resampled]:
    """Strategies of one task, each on 40 examples of this name."""
    records = [make_record("t", f"s{place}") for place in range(len(names))]
    right = (np.arange(40) < 30).astype(float)
    files = {
        record.cell.id: {
            **make_predictions(right),
            "id": np.array([f"{name}{place}" for place in range(40)], object),
        }
        for record, name in zip(records, names, strict=True)
    }
    groups = gather(records)
    found = resample_all(groups, dict.fromkeys(groups, ("accuracy", "f1")), Source(files.__getitem__))
    assert len(found) == 2 * len(names)
    return [scores for (_, metric), scores in found.items() if metric == "accuracy"]


def test_groups_on_the_same_examples_share_the_array_of_their_ids() -> None:
    first, second, third = resampled("xxx")
    assert first.ids is second.ids is third.ids
    assert first.minus(second) is not None


def test_groups_on_as_many_other_examples_keep_their_own_ids() -> None:
    first, second, third = resampled("xyx")
    assert (first.ids[0], second.ids[0], third.ids[0]) == ("x0", "y0", "x0")
    assert first.minus(second) is None
    assert third.minus(first) is not None
