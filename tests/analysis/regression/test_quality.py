"""Which noise a change is tested with, and which seeds make no sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from bench.analysis.groups import Group, Key, gather
from bench.analysis.regression import quality
from bench.analysis.regression.quality import (
    Change,
    Matched,
    changes,
    mean_change,
    paired_components,
    pooled,
    sample,
)
from bench.analysis.statistics.clusters import Clusters
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.variance import Components
from bench.runs.record import Record
from tests.analysis.conftest import make_predictions, make_record
from tests.analysis.regression.test_noise_of_both_runs import KEY, NOISY, QUIET, side

OTHER = Key("news", "full", "minilm")
UNKNOWN = (math.nan, math.nan)
"""The variances of one seed."""


def test_two_seeds_in_either_run_have_a_variance() -> None:
    found = pooled(side(range(2), 0.8, *NOISY), side(range(10, 12), 0.8, *QUIET))
    assert found.seed == pytest.approx((NOISY[0] + QUIET[0]) / 2)
    assert found.interaction == pytest.approx((NOISY[1] + QUIET[1]) / 2)
    assert found.dof == 2


def test_a_cell_of_two_seeds_tells_the_noise_of_one_with_one() -> None:
    lone = Matched.of(side([20], 0.8, *UNKNOWN), side([21], 0.8, *UNKNOWN))
    two = Matched.of(side(range(2), 0.8, *NOISY), side([9], 0.8, *UNKNOWN))
    assert changes({KEY: lone, OTHER: two})[KEY].note == "one seed: noise taken from other cells"
    assert changes({KEY: lone})[KEY].note == "one seed: noise over seeds is assumed"


@pytest.mark.parametrize(("share", "note"), [(0.49, "compared seed by seed"), (0.51, "")])
def test_the_noise_of_differences_is_used_below_half_of_that_of_seeds(
    share: float, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four seeds in each run, with a deviation of two points: their difference has one of 2 / sqrt(2)."""
    monkeypatch.setattr(quality, "moderated", lambda cells: [Noise.known(cell.seed) for cell in cells])
    seeds = Components(0.8, 4, 1000, 0.02**2, 1e-4, 1e-4)
    own = 0.02 * math.sqrt(1 / 4 + 1 / 4)
    paired = Components(0.0, 4, 1000, 4 * (share * own) ** 2, 0.0, 0.0)
    found = changes({KEY: Matched(seeds, seeds, seeds, paired, math.inf, True, False, False)})[KEY]
    assert found.note == note
    assert found.noise.quantile(0.975) == pytest.approx(
        norm.ppf(0.975) * (share if note else 1) * own, rel=1e-5
    )


def test_differences_seed_by_seed_vary_as_they_do_themselves() -> None:
    """Both seeds of the second run score higher, by one point and by three."""
    before, after = side(range(2), 0.8, *NOISY), side(range(2), 0.8, *NOISY)
    before, after = (
        replace(of, scores=np.array(scores)) for of, scores in ((before, [0.70, 0.80]), (after, [0.71, 0.83]))
    )
    found = paired_components(before, after)
    assert (found.mean, found.seed) == (pytest.approx(0.02), pytest.approx(0.0002))


def test_differences_seed_by_seed_need_two_seeds() -> None:
    one, two = side([0], 0.8, *UNKNOWN), side(range(2), 0.8, *NOISY)
    assert Matched.of(one, one).paired is None
    assert Matched.of(two, two).paired is not None


@pytest.mark.parametrize(("documents", "paired"), [(1, False), (2, True)])
def test_differences_seed_by_seed_need_two_documents(documents: int, paired: bool) -> None:
    of_documents = Clusters(np.arange(1000) * documents // 1000)
    found = replace(side(range(2), 0.8, *NOISY), clusters=of_documents)
    assert (Matched.of(found, found).paired is not None) is paired


def test_three_tasks_count_a_third_each() -> None:
    scores = [(0.8, 0.7, 0.01), (0.6, 0.66, 0.02), (0.4, 0.5, 0.03)]
    found = mean_change(KEY, [Change(KEY, then, now, Noise.known(size**2)) for then, now, size in scores])
    assert (found.before, found.after) == pytest.approx((0.6, 0.62))
    assert found.noise.variances == pytest.approx([(0.01**2 + 0.02**2 + 0.03**2) / 9])


# --------------------------------------------------------------------------------------------------
# The samples of a cell


def group_of(*records: Record) -> Group:
    (found,) = gather(records).values()
    return found


ROWS = make_predictions(np.array([1.0, 1.0, 0.0, 1.0]))
REVERSED = {**ROWS, "id": ROWS["id"][::-1].copy()}
SEEDS = group_of(make_record(seed=0), make_record(seed=1))


def files(*rows: Mapping[str, Any]) -> Callable[[str], Mapping[str, Any]]:
    """By cell: those of the seeds in turn, and none for further seeds."""
    return {record.cell.id: own for record, own in zip(SEEDS.records, rows, strict=False)}.__getitem__


def test_the_sample_of_a_cell_has_the_scores_of_its_seeds() -> None:
    worse = {**ROWS, "correct": np.array([1.0, 0.0, 0.0, 0.0])}
    found = sample(SEEDS, Source(files(ROWS, worse)))
    assert found is not None
    assert (found.seeds, found.scores.tolist()) == ((0, 1), [0.75, 0.25])


@pytest.mark.parametrize(
    ("group", "rows"),
    [
        (SEEDS, (ROWS, REVERSED)),
        (SEEDS, (ROWS,)),
        (group_of(make_record(headline="f2")), (ROWS,)),
    ],
    ids=["other examples", "no predictions", "no metric"],
)
def test_seeds_that_cannot_be_compared_are_no_sample(
    group: Group, rows: tuple[Mapping[str, Any], ...]
) -> None:
    assert sample(group, Source(files(*rows))) is None
