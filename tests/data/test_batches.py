"""Which rows a batch holds and which targets, at the limits of both."""

from __future__ import annotations

import numpy as np
import torch

from bench.data.batches import Split
from bench.data.encoding import IGNORED
from tests.data.test_by_hand import encoded, split


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
