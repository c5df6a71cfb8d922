"""The flat AdamW is torch's AdamW on the parameters themselves, whatever freezes and thaws."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bench.contracts import Recipe
from bench.engine import optimizer
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan, PlannedPhase

STEPS = 4
RATES = ({"head.weight": 1e-2}, {"head.weight": 1e-2, "layers.0.weight": 1e-3, "layers.0.bias": 1e-3})
LAST = {"layers.0.weight": 5e-4, "layers.0.bias": 5e-4, "embeddings.weight": 1e-4}


def planned(*rates: dict[str, float]) -> Plan:
    return Plan(tuple(PlannedPhase(STEPS, rate, 0, False) for rate in rates))


def parameters() -> dict[str, nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "embeddings.weight": (7, 5),
        "layers.0.weight": (5, 3),
        "layers.0.bias": (3,),
        "head.weight": (2, 3),
    }
    return {n: nn.Parameter(torch.randn(shape, generator=generator)) for n, shape in shapes.items()}


def gradients(step: int, model: dict[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return {name: torch.randn(p.shape, generator=generator) for name, p in model.items()}


def by_torch(plan: Plan, recipe: Recipe) -> dict[str, nn.Parameter]:
    model = parameters()
    optimizer: torch.optim.AdamW | None = None
    for number, phase in enumerate(plan.phases):
        for name in phase.rates:
            if not any(earlier.rates.get(name) for earlier in plan.phases[:number]):
                decays = model[name].dim() > 1 and not name.startswith("embeddings.")
                group = {"params": [model[name]], "weight_decay": recipe.weight_decay * decays, "name": name}
                if optimizer is None:
                    optimizer = torch.optim.AdamW([group])
                else:
                    optimizer.add_param_group(group)
        assert optimizer is not None
        for step in range(STEPS):
            for name, gradient in gradients(step, model).items():
                model[name].grad = gradient if name in phase.rates else None
            nn.utils.clip_grad_norm_(list(model.values()), recipe.clip)
            for group in optimizer.param_groups:
                group["lr"] = phase.rates.get(group["name"], 0.0) * 0.5
            optimizer.step()
    return model


def by_flat(plan: Plan, recipe: Recipe, dtype: torch.dtype = torch.float32) -> FlatAdamW:
    model = parameters()
    optimizer = FlatAdamW(model, plan, recipe, dtype)
    for number, phase in enumerate(plan.phases):
        optimizer.enter(number)
        for step in range(STEPS):
            for name, gradient in gradients(step, model).items():
                if name in phase.rates:
                    torch.autograd.backward(model[name], gradient.to(model[name].dtype))
            optimizer.step(0.5)
    return optimizer


def values(optimizer: FlatAdamW) -> dict[str, torch.Tensor]:
    return {
        name: parameter.detach()
        for group in optimizer.groups
        for name, (parameter, _) in zip(group.names, group.parts, strict=True)
    }


@pytest.mark.parametrize("clip", [0.1, 1e6])
def test_it_equals_torchs_adamw_while_groups_thaw_and_freeze_again(clip: float) -> None:
    plan, recipe = planned(*RATES, LAST), Recipe(weight_decay=0.1, clip=clip)
    expected, found = by_torch(plan, recipe), values(by_flat(plan, recipe))
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name].detach(), rtol=1e-5, atol=1e-6)


def test_in_bf16_the_masters_keep_what_the_shadow_cannot_hold() -> None:
    plan, recipe = planned({"layers.0.weight": 1e-5, "layers.0.bias": 1e-5}), Recipe()
    optimizer = by_flat(plan, recipe, torch.bfloat16)
    expected = by_torch(plan, recipe)
    for group in optimizer.groups:
        assert group.master.dtype == torch.float32
        assert torch.equal(group.shadow, group.master.detach().to(torch.bfloat16))
    for name, value in values(optimizer).items():
        assert value.dtype == torch.bfloat16
        torch.testing.assert_close(value.float(), expected[name].detach(), rtol=2**-7, atol=1e-6)


def test_the_head_computes_in_fp32_whatever_the_encoder_does() -> None:
    optimizer = by_flat(planned({**LAST, "head.weight": 1e-3}), Recipe(), torch.bfloat16)
    types = {name: value.dtype for name, value in values(optimizer).items()}
    assert types.pop("head.weight") == torch.float32
    assert set(types.values()) == {torch.bfloat16}


def test_a_restored_state_is_in_the_parameters() -> None:
    optimizer = by_flat(planned(LAST), Recipe(), torch.bfloat16)
    before, state = copy.deepcopy(values(optimizer)), optimizer.state()
    for group in optimizer.groups:
        for parameter, _ in group.parts:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step(1e4)
    assert not torch.equal(values(optimizer)["layers.0.weight"], before["layers.0.weight"])
    optimizer.restore(state)
    assert all(torch.equal(value, before[name]) for name, value in values(optimizer).items())


def test_what_never_learns_takes_no_gradient() -> None:
    model = parameters()
    FlatAdamW(model, planned(*RATES), Recipe(), torch.float32)
    assert not model["embeddings.weight"].requires_grad


def test_the_norm_of_a_long_gradient_is_added_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """cuBLAS refuses a dot product of more than 2^31 values."""
    found = []
    for longest in (2**30, 20):
        monkeypatch.setattr(optimizer, "LONGEST", longest)
        model = parameters()
        flat = FlatAdamW(model, planned(*RATES), Recipe(), torch.float32)
        flat.enter(1)
        for name, gradient in gradients(0, model).items():
            if model[name].requires_grad:
                model[name].grad = gradient
        found.append(float(flat.step(1.0)))
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    expected = [g.square().sum() for n, g in gradients(0, parameters()).items() if n in RATES[1]]
    assert found[0] == pytest.approx(float(torch.stack(expected).sum().sqrt()), rel=1e-6)
