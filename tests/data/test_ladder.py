"""Lengths to which batches are padded."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.data.ladder import EXACT, PAYS, RUNGS, Ladder


def test_a_ladder_ends_at_the_longest_sequence() -> None:
    assert Ladder.up_to(70).rungs == (16, 32, 48, 64, 70)
    assert Ladder.up_to(64).rungs == (16, 32, 48, 64)
    assert Ladder.up_to(9).rungs == (9,)
    assert list(RUNGS) == sorted(set(RUNGS))
    assert Ladder.up_to(70).fit(71) == 70


def test_rungs_fill_the_tiles_of_a_gpu_and_hold_twice_the_tokens_at_most() -> None:
    assert all(rung % 16 == 0 for rung in RUNGS)
    assert all(longer <= 2 * rung for rung, longer in itertools.pairwise(RUNGS))


@pytest.mark.parametrize(("length", "rung"), [(1, 16), (16, 16), (17, 32), (65, 70), (70, 70), (26.5, 32)])
def test_a_batch_takes_the_shortest_rung_that_holds_it(length: float, rung: int) -> None:
    assert Ladder.up_to(70).fit(length) == rung


def test_without_rungs_every_length_is_its_own() -> None:
    assert not EXACT.fixed
    assert [EXACT.fit(length) for length in (1, 7, 300)] == [1, 7, 300]
    assert EXACT.thinned(np.array([3, 4]), 2, 100, 16) is EXACT


def test_a_rung_of_few_steps_joins_the_next_longer_one() -> None:
    lengths = np.repeat([10, 30, 45, 60, 100], [320, 32, 320, 32, 32])  # batches: 10, 1, 10, 1, 1
    ladder = Ladder.up_to(100)
    assert ladder.thinned(lengths, 32, 23, 10).rungs == (16, 48, 100)
    assert ladder.thinned(lengths, 32, 23, 10.5).rungs == (32, 64, 100)
    assert ladder.thinned(lengths, 32, 230, 10).rungs == (16, 32, 48, 64, 100)
    assert ladder.thinned(lengths, 32, 10, 16).rungs == (100,)


def test_a_shape_of_sixteen_steps_pays_for_its_capture() -> None:
    lengths = np.repeat([10, 30], [16 * 32, 32])
    assert Ladder.up_to(30).thinned(lengths, 32, 17, PAYS).rungs == (16, 30)
    assert Ladder.up_to(30).thinned(lengths, 32, 16, PAYS).rungs == (30,)
