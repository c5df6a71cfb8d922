"""The flat AdamW is torch's AdamW on the parameters themselves, whatever freezes and thaws."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from bench.contracts import Recipe
from bench.engine import optimizer
from bench.engine.optimizer import FlatAdamW, memberships
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


def test_the_sum_of_squares_of_a_long_gradient_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "LONGEST", 20)
    assert [len(part) for part in optimizer._countable(torch.zeros(45))] == [20, 20, 5]
    assert [len(part) for part in optimizer._countable(torch.zeros(20))] == [20]


@pytest.mark.parametrize(("clip", "divisor"), [(0.5, 10.0), (5.0, 1.0), (20.0, 1.0)])
def test_a_gradient_is_divided_only_where_it_is_too_long(clip: float, divisor: float) -> None:
    """It has 3 and 4 as its only values but zeros."""
    model = parameters()
    flat = FlatAdamW(model, planned(RATES[0]), Recipe(clip=clip), torch.float32)
    flat.enter(0)
    gradient = torch.zeros(2, 3)
    gradient[0, 0], gradient[1, 2] = 3.0, 4.0
    model["head.weight"].grad = gradient
    assert float(flat.step(1.0)) == pytest.approx(5)
    assert float(flat._adamw.grad_scale) == pytest.approx(divisor, rel=1e-5)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_parameter_that_a_loss_does_not_reach_has_a_gradient_of_zero() -> None:
    """Not that of the step before: here one of two parameters of a group is left out every other step."""
    names = ("layers.0.weight", "layers.1.weight")
    plan, recipe = planned(dict.fromkeys(names, 1e-2)), Recipe(weight_decay=0.0, clip=1e6)

    def fresh() -> dict[str, nn.Parameter]:
        return {name: nn.Parameter(torch.arange(6.0).view(2, 3) / 6) for name in names}

    ours, plain = fresh(), fresh()
    flat, theirs = FlatAdamW(ours, plan, recipe, torch.float32), torch.optim.AdamW(plain.values(), lr=1e-2)
    theirs.param_groups[0]["weight_decay"] = 0.0
    assert len(flat.groups) == 1
    flat.enter(0)
    for step in range(6):
        for name, gradient in gradients(step, plain).items():
            reached = name == names[0] or step % 2 == 0
            ours[name].grad = gradient.clone() if reached else None
            plain[name].grad = gradient * reached
        flat.step(1.0)
        theirs.step()
    for name, value in plain.items():
        torch.testing.assert_close(ours[name].detach(), value.detach(), rtol=1e-5, atol=1e-6)


def test_in_bf16_buffers_that_begin_anew_are_in_the_parameters() -> None:
    plan, recipe = planned(LAST), Recipe()
    flat = by_flat(plan, recipe, torch.bfloat16)
    start = {name: torch.full_like(value.detach(), 0.3) for name, value in parameters().items()}
    flat.restart(start, memberships(parameters(), plan, recipe, torch.bfloat16))
    for name, value in values(flat).items():
        assert torch.equal(value, start[name].bfloat16()), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_steps_that_are_undone_leave_nothing_behind(dtype: torch.dtype) -> None:
    """Neither in the masters and the parameters, nor in moments and numbers of steps."""
    flat = by_flat(planned(LAST), Recipe(), dtype)
    before = [*flat.state(), *copy.deepcopy(list(values(flat).values())), *[t.clone() for t in flat._held()]]
    with flat.preserved():
        for group in flat.groups:
            for parameter, _ in group.parts:
                parameter.grad = torch.ones_like(parameter)
        flat.step(1e4)
        assert not torch.equal(flat.state()[0], before[0])
    after = [*flat.state(), *values(flat).values(), *flat._held()]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))
