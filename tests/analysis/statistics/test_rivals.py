"""Families of many pairs: the same numbers as pair by pair, with less work."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.statistics import stepdown
from bench.analysis.statistics.calibration import Design, table
from bench.analysis.statistics.familywise import SHARES, Pair, corrected
from bench.analysis.statistics.metrics import DRAWS
from bench.analysis.statistics.noise import BINS, TINY, Noise, total
from bench.analysis.statistics.noise import _cells as cells
from bench.analysis.statistics.paired import Scored, Trio, all_pairs, seed_noise
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.rivals import RivalPair
from bench.analysis.statistics.stepdown import corrected_rivals
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
    found = corrected_rivals(list(family.values()))
    whole = corrected([expected[trio] for trio in family])
    assert found.adjusted == pytest.approx(whole.adjusted, rel=1e-9)
    assert found.critical == pytest.approx(whole.critical, rel=1e-6)


FAMILIES = (
    Design(6, tasks=2),
    Design(5, tasks=2, seeds=1),
    Design(14, tasks=3, advantage=1.0),
    Design(25, tasks=1),
    Design(12, tasks=2, seeds=1, advantage=0.5),
    Design(12, tasks=2, noise=0.0),
    Design(20, tasks=2, seeds=12, examples=60),
)


@pytest.mark.parametrize("design", FAMILIES)
@pytest.mark.parametrize("exact", [False, True])
def test_the_quick_correction_is_the_plain_one_to_the_last_bit(design: Design, exact: bool) -> None:
    """With missing seeds, equal groups, and exact tests of some pairs, p values among them that are equal."""
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        scores = odd_ones(table(design, rng))
        family = list(all_pairs(scores, seed_noise(scores)).values())
        if exact:
            family = [
                replace(pair, exact=float(rng.choice([0.001, 0.01, 0.02, 0.5, 1.0])))
                if rng.random() < 0.3
                else pair
                for pair in family
            ]
        assert corrected_rivals(family) == corrected(family)


def test_tests_set_aside_and_tests_of_other_levels_are_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the level from which pairs are set aside."""
    scores = odd_ones(table(Design(16, tasks=2, advantage=0.5), np.random.default_rng(3)))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    plain = corrected(family)
    for level in (0.005, 0.05, 0.2, 0.6, 0.999):
        monkeypatch.setattr(stepdown, "TAU", level)
        assert corrected_rivals(family) == plain


def places_tested(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The draws [draws] of each pair that are tested from now on."""
    found: list[np.ndarray] = []
    given = stepdown._null_p

    def counted(pair: RivalPair, noise: Noise, places: np.ndarray) -> np.ndarray:
        found.append(places)
        return given(pair, noise, places)

    monkeypatch.setattr(stepdown, "_null_p", counted)
    return found


def test_few_draws_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = table(Design(70, tasks=1), np.random.default_rng(5))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    plain = corrected(family)
    made: Counter[str] = Counter()
    noise = RivalPair.noise

    def counted(pair: RivalPair) -> Noise:
        made["noise"] += 1
        return noise(pair)

    monkeypatch.setattr(RivalPair, "noise", counted)
    tested = places_tested(monkeypatch)
    assert corrected_rivals(family) == plain
    assert made["noise"] < 1.3 * len(family)
    assert sum(map(len, tested)) < 0.02 * DRAWS * len(family)


@pytest.mark.parametrize("design", [*FAMILIES, Design(12, seeds=1), Design(10, noise=0.0)])
def test_no_p_value_is_below_its_bound(design: Design) -> None:
    """Nor does a noise have a spread less often than it is said to, nor is the bound far off."""
    scores = odd_ones(table(design, np.random.default_rng(11)))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    for pair in family:
        assert pair.p / 4 < pair.floor <= pair.p or (pair.p < 1e-3 and pair.floor <= pair.p)
        noise = pair.noise()
        for share, spread in zip(SHARES, pair.spreads, strict=True):
            assert noise.weights[np.sqrt(noise.variances + TINY) >= spread].sum() >= share * (1 - 1e-9)


@pytest.mark.parametrize("design", [Design(12, tasks=2), Design(12, seeds=1), Design(10, noise=0.0)])
def test_the_quick_look_never_leaves_out_a_pair_that_lowers_a_p_value(design: Design) -> None:
    """Nor does it leave all to the slower one."""
    scores = odd_ones(table(design, np.random.default_rng(11)))
    family = list(all_pairs(scores, seed_noise(scores)).values())
    nulls = np.stack([pair.null_p() for pair in family])
    smallest = np.minimum.accumulate(nulls)
    for nearly in (*smallest[::20], *(nulls[::40] * (1 + 1e-9)), *(nulls[::40] * (1 - 1e-4))):
        for pair, p in zip(family, nulls, strict=True):
            near = stepdown._near_draws([pair], stepdown._Lowest(nearly.copy()))[0]
            assert (np.delete(p, near) >= np.delete(nearly, near)).all()
    for pair, p in zip(family, nulls, strict=True):
        lowest = stepdown._Lowest(p * (1 + 1e-9))
        assert len(stepdown._near_draws([pair], lowest)[0]) == len(p)
    lowest = stepdown._Lowest(smallest[-1] / 100)
    near = [places for row in stepdown._rows(family) for places in stepdown._near_draws(row.pairs, lowest)]
    assert sum(len(places) > 0 for places in near) < len(family) / 2


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
