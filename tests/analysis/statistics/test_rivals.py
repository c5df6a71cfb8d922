"""Families of many pairs: the same numbers as pair by pair, with less work."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.statistics import rivals
from bench.analysis.statistics.calibration import Design, table
from bench.analysis.statistics.familywise import Pair, corrected, deviations
from bench.analysis.statistics.metrics import DRAWS
from bench.analysis.statistics.noise import BINS, TINY, Noise, total
from bench.analysis.statistics.noise import _cells as cells
from bench.analysis.statistics.paired import Scored, Trio, all_pairs, seed_noise
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.variance import shared_variance


def plain(scores: dict[Scored, Resampled]) -> dict[Trio, Pair]:
    """Every pair from the draws of its own difference."""
    noise, places = seed_noise(scores), {scored: place for place, scored in enumerate(scores)}
    odds = {scored: group.tested() for scored, group in scores.items()}
    errors = {scored: noise[scored].scaled(group.slope() ** 2) for scored, group in scores.items()}
    seeds = {
        scored: error.draws(
            len(odds[scored].draws),
            np.random.default_rng(places[scored]),
            odds[scored].components().interaction,
        )
        for scored, error in errors.items()
        if len(scores[scored].seeds) > 1
    }
    family = {}
    for first, second in itertools.combinations(odds, 2):
        minus = odds[first].minus(odds[second])
        if first[0].task != second[0].task or minus is None:
            continue
        count, parts = len(minus.seeds), [Noise.known(shared_variance(minus.draws))]
        null = minus.draws.mean(1) - minus.draws.mean()
        if count > 1:
            parts += [errors[scored].scaled(1 / count) for scored in (first, second)]
            null = null + (seeds[first] - seeds[second]) / math.sqrt(count)
        family[first[0], second[0], first[1]] = Pair(float(minus.scores.mean()), total(parts), null)
    return family


def odd_ones(scores: dict[Scored, Resampled]) -> dict[Scored, Resampled]:
    """With a group that lacks a seed, and a group whose predictions are those of another."""
    names = list(scores)
    group = scores[names[1]]
    if len(group.seeds) > 1:
        scores[names[1]] = replace(
            group, seeds=group.seeds[:-1], scores=group.scores[:-1], draws=group.draws[:, :-1]
        )
    scores[names[2]] = scores[names[3]]
    return scores


@pytest.mark.parametrize(
    "design", [Design(6, tasks=2), Design(5, tasks=2, seeds=1), Design(8, tasks=1, advantage=1.0)]
)
def test_a_family_has_the_p_values_of_its_pairs_made_one_by_one(design: Design) -> None:
    scores = odd_ones(table(design, np.random.default_rng(7)))
    family, expected = all_pairs(scores, seed_noise(scores)), plain(scores)
    assert family.keys() == expected.keys()
    assert [pair.p for pair in family.values()] == pytest.approx(
        [expected[trio].p for trio in family], rel=1e-9
    )
    for trio, pair in family.items():
        assert pair.null() == pytest.approx(expected[trio].null, abs=1e-12)
    found = corrected(list(family.values()))
    whole = corrected([expected[trio] for trio in family])
    assert found.adjusted == pytest.approx(whole.adjusted, rel=1e-9)
    assert found.critical == pytest.approx(whole.critical, rel=1e-6)


def test_draws_are_tested_only_where_a_smallest_p_value_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the pairs is told by a bound that is never above their p values."""
    made: list[rivals.RivalPair] = []
    given = rivals.RivalPair.null_p

    def counted(pair: rivals.RivalPair) -> np.ndarray:
        made.append(pair)
        return given(pair)

    scores = table(Design(70, tasks=1), np.random.default_rng(5))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    for pair in family[:20]:
        logs = np.log(pair.null_p())
        assert not pair.may_lower(logs - 20)
        assert pair.may_lower(logs + 1e-9)
    monkeypatch.setattr(rivals.RivalPair, "null_p", counted)
    corrected(family)
    assert len(made) < 0.8 * len(family)


@pytest.mark.parametrize("design", [Design(12, tasks=2), Design(12, seeds=1), Design(10, noise=0.0)])
def test_the_quick_look_never_leaves_out_a_pair_that_lowers_a_p_value(design: Design) -> None:
    """Nor does it leave all to the slower one."""
    scores = odd_ones(table(design, np.random.default_rng(11)))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    smallest, sure = np.ones(DRAWS), 0
    for pair in family:
        own = pair.null_p()
        for nearly in (smallest, own * (1 + 1e-9), own * (1 - 1e-4)):
            if pair.surely_above(deviations(nearly)):
                assert (own >= nearly).all()
                sure += 1
        smallest = np.minimum(smallest, own)
    for pair in family:
        assert not pair.surely_above(deviations(pair.null_p() * (1 + 1e-9)))
        sure += pair.surely_above(deviations(smallest / 100))
    assert sure > len(family) / 2


@pytest.mark.parametrize("known", [0.0, 1e-9, 1e-3])
def test_the_cells_of_a_noise_are_those_of_a_search(known: float) -> None:
    rng = np.random.default_rng(1)
    grid = np.geomspace(1.0, 1e5, 97)
    for _ in range(50):
        first, second = grid * 10 ** rng.uniform(-9, -1, size=(2, 1))
        variances = np.add.outer(first + known, second).ravel()
        logs = np.log(variances + TINY)
        edges = np.linspace(logs.min(), logs.max(), BINS + 1)[1:-1]
        assert np.array_equal(cells(variances), np.digitize(logs, edges))
