"""Families of one pair, and of pairs on few clusters."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.statistics.familywise import Corrected, Pair, corrected
from bench.analysis.statistics.noise import Noise


def pair(difference: float, few: bool = False) -> Pair:
    null = np.random.default_rng(0).normal(size=500)
    return Pair(difference, Noise.known(1.0), np.zeros(500) if few else null, few=few)


@pytest.mark.parametrize("few", [False, True])
def test_a_family_of_one_has_the_p_value_of_its_pair(few: bool) -> None:
    one = pair(2.0, few)
    assert corrected([one]).adjusted == (one.p,)


def test_no_p_value_of_a_family_is_above_one() -> None:
    """Their sum is: each of the others has the chance of every pair on few clusters added."""
    family = [*(pair(size) for size in (0.1, 0.3)), *(pair(size, few=True) for size in (0.2, 0.4, 0.5))]
    assert corrected(family).adjusted == (1.0,) * 5


def test_without_few_clusters_there_is_one_level() -> None:
    assert Corrected((0.5,), 0.01).level(True) == Corrected((0.5,), 0.01).level(False) == 0.01
    assert (Corrected((), 0.01, 0.02).level(True), Corrected((), 0.01, 0.02).level(False)) == (0.02, 0.01)
