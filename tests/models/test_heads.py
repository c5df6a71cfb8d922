"""What a head reads of several layers, and the loss that fits it."""

from __future__ import annotations

import math

import pytest
import torch

from bench.contracts import Recipe
from bench.data.encoding import IGNORED
from bench.models.heads import Head, ScalarMix, loss_terms


def test_a_mix_starts_as_the_mean_of_the_layers() -> None:
    layers = torch.randn(2, 5, 3, 8)  # [B, S, layers, width]
    assert torch.allclose(ScalarMix(3)(layers.flatten(-2)), layers.mean(-2), atol=1e-6)


def test_a_mix_learns_which_layer_matters() -> None:
    layers = torch.randn(64, 3, 8)
    mix = ScalarMix(3)
    optimizer = torch.optim.Adam(mix.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (mix(layers.flatten(-2)) - 2 * layers[:, 1]).square().mean().backward()
        optimizer.step()
    assert int(mix.scales.argmax()) == 1
    assert float(mix.gain.detach()) > 1.5


def test_pooling_and_mixing_commute() -> None:
    head = Head("pooled", 3 * 8, 2, Recipe(features="mix"), parts=3).eval()
    hidden, mask = torch.randn(4, 6, 24), torch.ones(4, 6)
    assert torch.allclose(head(hidden, mask), head(head.pool(hidden, mask), mask), atol=1e-6)
    assert head.map[-1].in_features == 8


def test_layers_side_by_side_are_one_wide_vector() -> None:
    assert Head("pooled", 4 * 8, 2, Recipe(features="last-4"), parts=4).map[-1].in_features == 32


def surprise(logits: list[float], target: int) -> float:
    """Minus the logarithm of the softmax at the target."""
    return math.log(sum(math.exp(value) for value in logits)) - logits[target]


START = [[1.0, 2.0, 0.5, -1.0], [0.0, 3.0, 1.0]]
END = [[0.2, -0.3, 1.5, 2.0], [1.0, -2.0, 0.7]]


def test_the_span_loss_is_the_mean_of_that_of_the_start_and_of_the_end() -> None:
    """Windows of four and three tokens; padding takes no part, a row that fills the batch up has no term."""
    logits = torch.full((3, 4, 2), float("-inf"))
    for row, (start, end) in enumerate(zip(START, END, strict=True)):
        logits[row, : len(start)] = torch.tensor([start, end]).T
    logits[2] = 7.0
    targets = torch.tensor([[1, 3], [0, 2], [IGNORED, IGNORED]])
    loss, count = loss_terms("span", logits, targets)
    expected = [
        (surprise(START[row], first) + surprise(END[row], last)) / 2
        for row, (first, last) in enumerate([(1, 3), (0, 2)])
    ]
    assert float(loss) == pytest.approx(sum(expected), rel=1e-6)
    assert int(count) == 2


def test_the_span_losss_gradient_is_the_softmax_less_the_target_in_both_columns() -> None:
    logits = torch.tensor([START[0], END[0]]).T[None].clone().requires_grad_()
    loss, _ = loss_terms("span", logits, torch.tensor([[1, 3]]))
    loss.backward()
    expected = logits.detach().softmax(1)
    expected[0, 1, 0] -= 1
    expected[0, 3, 1] -= 1
    assert logits.grad is not None
    assert torch.allclose(logits.grad, expected / 2, atol=1e-6)


def test_the_token_loss_sums_over_labelled_tokens() -> None:
    logits = torch.tensor([[START[0], END[0]], [START[0], END[0]]])  # [2, 2, labels]
    loss, count = loss_terms("token", logits, torch.tensor([[2, IGNORED], [IGNORED, 0]]))
    assert float(loss) == pytest.approx(surprise(START[0], 2) + surprise(END[0], 0), rel=1e-6)
    assert int(count) == 2


def test_the_pooled_loss_sums_over_rows_that_do_not_only_fill_up() -> None:
    logits = torch.tensor([START[0], END[0], START[0]])
    loss, count = loss_terms("pooled", logits, torch.tensor([3, 1, IGNORED]))
    assert float(loss) == pytest.approx(surprise(START[0], 3) + surprise(END[0], 1), rel=1e-6)
    assert int(count) == 2


def test_a_span_heads_padding_cannot_be_an_answer() -> None:
    head = Head("span", 8, 2, Recipe()).eval()
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])
    logits = head(torch.randn(2, 4, 8), mask)
    assert torch.equal(torch.isinf(logits), (mask == 0).unsqueeze(-1).expand(-1, -1, 2))


def test_pooling_reads_real_tokens_alone() -> None:
    """Sequences of three and of one token; what padding holds changes nothing."""
    hidden, mask = torch.randn(2, 4, 8), torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]])
    expected = {
        "mean": torch.stack([hidden[0, :3].mean(0), hidden[1, 0]]),
        "cls": hidden[:, 0],
        "last": torch.stack([hidden[0, 2], hidden[1, 0]]),
    }
    for pooling, pooled in expected.items():
        head = Head("pooled", 8, 2, Recipe(pooling=pooling))  # pyright: ignore[reportArgumentType]
        assert torch.allclose(head.pool(hidden, mask), pooled, atol=1e-6)
