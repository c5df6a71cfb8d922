"""What a head reads of several layers."""

from __future__ import annotations

import torch

from bench.contracts import Recipe
from bench.models.heads import Head, ScalarMix


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
