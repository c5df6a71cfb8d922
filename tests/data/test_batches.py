"""Batches: which rows they hold, how they are padded, and which targets count; at the limits of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from bench.data.batches import Split, epoch_steps, scatter, shuffled
from bench.data.encoding import IGNORED
from bench.data.ladder import Ladder
from tests.data.test_by_hand import encoded

CPU = torch.device("cpu")


def split(
    lengths: Sequence[int], targets: np.ndarray | None = None, ladder: Ladder | None = None, **more: Any
) -> Split:
    given = encoded(lengths, targets, **more)
    return Split(given, np.arange(int(given.offsets[-1]) + 1), 0, CPU, ladder or Ladder())


def test_a_batch_holds_its_sequences_padded() -> None:
    rows = split([2, 3, 1], np.array([5, 6, 7]), segments=np.array([0, 1, 0, 0, 1, 1], np.int8))
    batch = rows.batch(np.array([1, 2]))
    assert batch.tokens.tolist() == [[3, 4, 5], [6, 0, 0]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.positions.tolist() == [[2, 3, 4], [5, 5, 5]]
    assert batch.segments is not None
    assert batch.segments.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert (batch.targets.tolist(), batch.index.tolist()) == ([6, 7], [1, 2])
    assert (len(rows), rows.tokens) == (3, 6)
    assert rows.places(np.array([2, 0])).tolist() == [5, 0, 1]
    assert len(set(rows.contents())) == 3
    assert split([2]).batch(np.array([0])).segments is None


def test_rows_that_fill_a_batch_have_no_target() -> None:
    batch = split([2, 1], np.array([5, 6])).gather(torch.tensor([1, -1]), 2)
    assert (batch.targets.tolist(), batch.index.tolist()) == ([6, IGNORED], [1, 0])
    by_token = split([2, 1], np.array([5, 6, 7]), words=np.array([0, 1, 0], np.int32))
    assert by_token.gather(torch.tensor([1, 0, -1]), 2).targets.tolist() == [
        [7, IGNORED],
        [5, 6],
        [IGNORED, IGNORED],
    ]
    several = split([2, 1], np.array([[1, 0], [0, 1]])).gather(torch.tensor([-1, 1]), 2)
    assert several.targets.tolist() == [[IGNORED, IGNORED], [0, 1]]


def test_what_is_scattered_lies_where_it_was_read() -> None:
    rows = split([2, 3, 1])
    packed = torch.full((6, 1), -1.0)
    for batch in rows.in_order():
        scatter(packed, batch.tokens[..., None].float(), batch)
    assert packed[:, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_evaluation_batches_are_as_large_as_the_caches_hold() -> None:
    parts = list(split([64] * 33).in_order_of_length())
    assert [len(part) for part in parts] == [32, 1]
    assert [len(part) for part in split([65] * 33).in_order_of_length()] == [31, 2]
    assert [part.tolist() for part in split([3, 1, 2, 1]).in_order_of_length(2)] == [[1, 3], [2, 0]]
    assert [part.tolist() for part in split([3, 1, 2, 1]).in_order_of_length(of=np.array([0, 2]))] == [[2, 0]]
    assert [len(part) for part in split([2049] * 2).in_order_of_length()] == [1, 1]
    padded = split([33] * 70, ladder=Ladder((64,)))
    assert [len(part) for part in padded.in_order_of_length()] == [32, 32, 6]
    assert {batch.tokens.shape[1] for batch in padded.in_order()} == {64}
    assert list(split([1, 2]).in_order(of=np.array([], np.int64))) == []


@pytest.mark.parametrize(("rows", "size", "steps"), [(16, 8, 2), (17, 8, 3), (1, 8, 1)])
def test_steps_of_an_epoch(rows: int, size: int, steps: int) -> None:
    assert epoch_steps(rows, size) == steps
    assert sorted(np.concatenate(list(itertools.islice(shuffled(np.ones(rows), size, 0), steps)))) == list(
        range(rows)
    )


def test_sequences_are_sorted_within_32_batches() -> None:
    lengths = np.random.default_rng(0).permutation(2 * 32 * 4)
    batches = list(itertools.islice(shuffled(lengths, 4, 0), 2 * 32))
    order = np.random.default_rng(0).permutation(len(lengths))
    for half in (order[: 32 * 4], order[32 * 4 :]):
        ordered = half[np.argsort(lengths[half])]
        expected = {tuple(ordered[start : start + 4]) for start in range(0, len(ordered), 4)}
        assert expected <= {tuple(batch) for batch in batches}


def test_an_evaluation_batch_has_at_most_2048_padded_tokens_on_a_cpu_and_32768_elsewhere() -> None:
    assert [len(part) for part in split([1024] * 3).in_order_of_length()] == [2, 1]
    assert [len(part) for part in split([683] * 3).in_order_of_length()] == [2, 1]  # 3 * 683 = 2049
    for length, sizes in ((16384, [2, 1]), (10923, [2, 1]), (10922, [3])):  # 3 * 10923 = 32769
        given = encoded([length] * 3)
        elsewhere = Split(given, np.arange(3 * length + 1), 0, torch.device("meta"))
        assert [len(part) for part in elsewhere.in_order_of_length()] == sizes


def test_batches_in_order_are_as_large_as_they_may_be() -> None:
    rows = split([3, 1, 2, 1])
    assert [batch.index.tolist() for batch in rows.in_order()] == [[1, 3, 2, 0]]
    assert [batch.index.tolist() for batch in rows.in_order(3)] == [[1, 3, 2], [0]]
    assert [batch.tokens.shape[1] for batch in rows.in_order(3)] == [2, 3]


def test_the_first_row_is_no_filling() -> None:
    batch = split([2, 1], np.array([5, 6])).gather(torch.tensor([0, -1]), 2)
    assert (batch.targets.tolist(), batch.index.tolist()) == ([5, IGNORED], [0, 0])


def test_targets_are_of_tokens_where_there_is_one_for_each() -> None:
    """Of one token a sequence, only `words` can say so."""
    language = split([2, 1], np.array([5, 6, 7])).batch(np.array([0, 1]))
    assert language.targets.tolist() == [[5, 6], [7, IGNORED]]
    tagged = split([1, 1], np.array([5, 6]), words=np.zeros(2, np.int32)).batch(np.array([0, 1]))
    assert tagged.targets.tolist() == [[5], [6]]
    pooled = split([1, 1], np.array([5, 6])).batch(np.array([0, 1]))
    assert pooled.targets.tolist() == [5, 6]
