"""Pooled dropout masks: torch's dropout in distribution, the generator's state alone in their draws."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench.models.dropout import Dropout, Masks, use_pooled_masks


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_it_drops_its_share_and_scales_the_rest(rate: float) -> None:
    torch.manual_seed(0)
    kept = Dropout(rate, Masks())(torch.ones(400, 500))
    assert float((kept == 0).float().mean()) == pytest.approx(rate, abs=5e-3)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / (1 - rate)])


def test_the_gradient_flows_through_what_was_kept() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(50, 40, requires_grad=True)
    output = Dropout(0.3, Masks())(hidden)
    output.sum().backward()
    assert hidden.grad is not None
    torch.testing.assert_close(hidden.grad * hidden.detach(), output.detach())


def test_masks_of_different_layers_are_uncorrelated() -> None:
    torch.manual_seed(0)
    masks = Masks()
    like = torch.empty(20_000)
    drawn = torch.stack([masks.draw(like, 0.1) for _ in range(12)])
    correlation = torch.corrcoef(drawn) - torch.eye(12)
    assert float(correlation.abs().max()) < 0.04


def test_renewed_masks_depend_on_the_generator_alone() -> None:
    def draw(before: int) -> torch.Tensor:
        masks = Masks()
        for _ in range(before):
            masks.draw(torch.empty(64), 0.1)
        torch.manual_seed(7)
        masks.renew()
        return masks.draw(torch.empty(64), 0.1)

    assert torch.equal(draw(0), draw(5))


def test_in_evaluation_mode_nothing_is_dropped() -> None:
    hidden = torch.randn(3, 4)
    assert Dropout(0.9, Masks()).eval()(hidden) is hidden


def test_every_dropout_layer_of_a_model_is_replaced_in_its_mode() -> None:
    model = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2))).eval()
    use_pooled_masks(model)
    layers = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert [(type(layer), layer.p, layer.training) for layer in layers] == [
        (Dropout, 0.1, False),
        (Dropout, 0.2, False),
    ]
