"""What the quick correction reads of its pairs, row by row, is what each pair has."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.statistics import stepdown
from bench.analysis.statistics.calibration import Design, table
from bench.analysis.statistics.paired import all_pairs, seed_noise
from bench.analysis.statistics.rivals import RivalPair
from tests.analysis.statistics.test_rivals import odd_ones

DESIGNS = pytest.mark.parametrize(
    "design", [Design(5, tasks=2), Design(5, tasks=2, seeds=1), Design(4, noise=0.0)]
)


def family_of(design: Design) -> list[RivalPair]:
    """With a group that lacks a seed, and two groups that are equal."""
    scores = odd_ones(table(design, np.random.default_rng(4)))
    return list(all_pairs(scores, seed_noise(scores)).values())


@DESIGNS
def test_the_p_values_of_some_draws_are_those_of_all_draws(design: Design) -> None:
    """To the last bit, with the smallest draw and the largest among them."""
    for pair in family_of(design):
        every, sizes = pair.null_p(), np.abs(pair.null())
        for places in (np.array([sizes.argmin(), sizes.argmax()]), np.arange(7, 1000, 90), np.arange(1000)):
            assert np.array_equal(stepdown._null_p(pair, pair.noise(), places), every[places])


@DESIGNS
def test_a_row_has_pairs_that_follow_each_other_and_share_their_draws(design: Design) -> None:
    family = family_of(design)
    rows = list(stepdown._rows(family))
    assert [pair for row in rows for pair in row.pairs] == family
    for row in rows:
        assert all(one is other for one, other in zip(row.pairs, family[row.start :], strict=False))
        assert len({id(pair.first) for pair in row.pairs}) == 1
        assert len(row.pairs) == 1 or all(pair.same_seeds for pair in row.pairs)
        for sizes, pair in zip(stepdown._sizes(row.pairs), row.pairs, strict=True):
            assert sizes == pytest.approx(np.abs(pair.null()), abs=1e-12)
    assert len(rows) < len(family)
    assert list(stepdown._rows([])) == []


@DESIGNS
def test_the_pair_with_the_largest_draw_is_in_its_row(design: Design) -> None:
    """By its middle spread; of pairs on the same seeds, whose draws are at hand."""
    family = family_of(design)
    found = stepdown._farthest(family)
    scaled = np.array(
        [
            np.abs(pair.null()) / pair.spreads[stepdown.MIDDLE] if pair.same_seeds else np.zeros(pair.draws)
            for pair in family
        ]
    )
    assert scaled[found, np.arange(len(found))] == pytest.approx(scaled.max(0))
