"""Steps on padded shapes, replayed from buffers that do not move, are the steps of a plain loop.

In fp32 without TF32 and without dropout; on a CPU, and with `pytest --device cuda -m gpu` on a GPU, where the steps
are captured."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import masking_utils
from transformers.models.deberta_v2 import modeling_deberta_v2

from bench.contracts import Recipe
from bench.data.batches import Split, epoch_steps, shuffled
from bench.data.encoding import IGNORED, Encoded
from bench.data.ladder import EXACT, PAYS, Ladder
from bench.engine.machine import Device
from bench.engine.model import Model, set_modes
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.replay import Captured
from bench.engine.schedule import rate_factor
from bench.engine.workspace import Workspace, backward
from bench.models import relative_positions
from bench.models.heads import Head, HeadKind, loss_terms
from bench.models.hf_encoder import HuggingFaceEncoder
from tests.support.families import PAD, VOCABULARY, WIDTH, small_model

pytestmark = pytest.mark.gpu

ROWS, OUTPUTS = 24, 3
RECIPE = Recipe(
    epochs=4, batch_size=5, dropout=0.0, max_length=40
)  # the last batch of an epoch has four rows
STEPS = 4 * epoch_steps(ROWS, RECIPE.batch_size)
LADDER = Ladder((8, 16, 40))
FAMILIES = (
    "bert",
    "roberta",
    "xlm-roberta",
    "camembert",
    "mpnet",
    "deberta-v2",
    "electra",
    "distilbert",
    "modernbert",
)
HEADS: dict[str, tuple[HeadKind, Recipe]] = {
    "mean": ("pooled", RECIPE),
    "first token": ("pooled", replace(RECIPE, pooling="cls")),
    "token": ("token", RECIPE),
    "span": ("span", RECIPE),
}


@pytest.fixture(scope="module", autouse=True)
def no_tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(scope="module")
def padding(device: Device) -> Device:
    """The device in fp32, with batches padded to a few shapes."""
    return replace(device, dtype=torch.float32, few_shapes=True)


def encoded(kind: HeadKind) -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 38, ROWS)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = rng.integers(4, VOCABULARY, offsets[-1]).astype(np.int32)
    targets = {
        "pooled": rng.integers(0, OUTPUTS, ROWS),
        "token": np.where(rng.random(offsets[-1]) < 0.3, IGNORED, rng.integers(0, OUTPUTS, offsets[-1])),
        "span": np.stack([rng.integers(0, lengths), rng.integers(0, lengths)], 1),
    }[kind]
    words = np.zeros(len(tokens), np.int32) if kind == "token" else None
    segments = np.zeros(len(tokens), np.int8)
    return Encoded(tokens, offsets, segments, np.arange(ROWS, dtype=np.int32), targets, words)


def split_of(kind: HeadKind, device: Device, ladder: Ladder) -> Split:
    return Split(encoded(kind), np.arange(VOCABULARY), PAD, device.torch, ladder)


def model_with(family: str, head: str, device: Device, micro_batch: int = 0) -> Model:
    encoder = HuggingFaceEncoder(small_model(family), family)
    encoder.set_dropout(0.0)
    encoder.to(device.torch)
    kind, recipe = HEADS[head]
    torch.manual_seed(1)
    layer = Head(kind, WIDTH, 2 if kind == "span" else OUTPUTS, recipe)
    return Model(encoder, layer.to(device.torch), device, None, micro_batch)


def plan_of(model: Model, frozen: int = 0, steps: int = STEPS) -> Plan:
    """One phase, in which all blocks from `frozen` on learn."""
    rates = {
        name: 1e-3
        for name in model.parameters()
        if name.startswith("head.") or min(model.backbone.blocks_of([name])) >= frozen
    }
    return Plan((PlannedPhase(steps, rates, frozen, shared=False),))


def factors() -> list[float]:
    return [rate_factor(step, STEPS, RECIPE) for step in range(STEPS)]


def order(split: Split) -> list[np.ndarray]:
    return list(itertools.islice(shuffled(split.lengths, RECIPE.batch_size, seed=3), STEPS))


@dataclass(frozen=True)
class Trained:
    """losses: [steps, 2], with gradient norms; values: of all parameters, afterwards."""

    losses: torch.Tensor
    values: dict[str, torch.Tensor]

    @classmethod
    def of(cls, losses: torch.Tensor, model: Model) -> Trained:
        return cls(losses.cpu(), {name: p.detach().cpu().clone() for name, p in model.parameters().items()})


def trained(workspace: Workspace, plan: Plan) -> Trained:
    """All steps, in stretches of an epoch."""
    workspace.enter(0, plan.phases[0])
    epoch, found, batches = epoch_steps(ROWS, RECIPE.batch_size), [], order(workspace.split)
    for start in range(0, STEPS, epoch):
        part = slice(start, start + epoch)
        stretch = workspace.stretch(batches[part], factors()[part])
        workspace.prepare(stretch)
        workspace.run(stretch, start)
        found.append(workspace.buffers.history[: len(stretch.rows)].clone())
    return Trained.of(torch.cat(found), workspace.model)


def by_a_plain_loop(model: Model, plan: Plan, split: Split) -> Trained:
    """As one writes it: batches padded to their longest row, torch's AdamW, clipping and a schedule."""
    phase, found = plan.phases[0], []
    parameters = model.parameters()
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in phase.rates)
    set_modes(model, parameters)
    decays = {n: p.dim() > 1 and not n.startswith("embeddings.") for n, p in parameters.items()}
    groups = [
        {"params": [parameters[n] for n in phase.rates if decays[n] == kind], "weight_decay": decay}
        for kind, decay in ((True, RECIPE.weight_decay), (False, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups)
    for index, factor in zip(order(split), factors(), strict=True):
        loss = backward(model, [split.batch(index)], phase)
        norm = nn.utils.clip_grad_norm_(list(parameters.values()), RECIPE.clip)
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * factor
        optimizer.step()
        optimizer.zero_grad()
        found.append(torch.stack([loss, norm]))
    return Trained.of(torch.stack(found), model)


def assert_close(found: Trained, expected: Trained) -> None:
    """Losses and gradient norms of all steps; parameters of which the loss does not depend (the biases of keys, of
    spans) move by rounding alone and are not compared."""
    torch.testing.assert_close(found.losses[:, 0], expected.losses[:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(found.losses[:, 1], expected.losses[:, 1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("frozen", [0, 2])
def test_padded_and_replayed_steps_are_those_of_a_plain_loop(
    family: str, head: str, frozen: int, padding: Device
) -> None:
    kind, recipe = HEADS[head]
    model = model_with(family, head, padding)
    plan, plain = plan_of(model, frozen), copy.deepcopy(model)
    expected = by_a_plain_loop(plain, plan, split_of(kind, padding, EXACT))
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    assert_close(trained(workspace, plan), expected)
    assert not workspace.adaptations
    assert workspace._replays


@pytest.mark.parametrize("head", HEADS)
def test_exact_lengths_are_those_of_a_plain_loop(head: str, device: Device) -> None:
    kind, recipe = HEADS[head]
    model = model_with("bert", head, replace(device, dtype=torch.float32, few_shapes=False))
    plan, plain = plan_of(model), copy.deepcopy(model)
    expected = by_a_plain_loop(plain, plan, split_of(kind, device, EXACT))
    workspace = Workspace(model, plan, split_of(kind, device, EXACT), recipe)
    assert_close(trained(workspace, plan), expected)
    assert not workspace.adaptations  # nothing is to be captured, so nothing is amiss


@pytest.mark.parametrize("head", HEADS)
def test_rows_that_only_fill_up_change_no_gradient(head: str, padding: Device) -> None:
    kind, _ = HEADS[head]
    model = model_with("bert", head, padding)
    plan, split = plan_of(model), split_of(kind, padding, LADDER)
    real = torch.tensor([4, 2, 7], device=padding.torch)
    filled = torch.cat([real, real.new_full((5,), -1)])
    found = []
    for rows in (real, filled):
        loss = backward(model, [split.gather(rows, 40)], plan.phases[0])
        parameters = model.parameters()
        found.append((loss, {n: p.grad.clone() for n, p in parameters.items() if p.grad is not None}))
        for parameter in parameters.values():
            parameter.grad = None
    (loss, gradients), (filled_loss, filled_gradients) = found
    torch.testing.assert_close(filled_loss, loss, atol=1e-6, rtol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(filled_gradients[name], gradient, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("targets", ["weights", "several", "number"])
def test_rows_that_only_fill_up_weigh_nothing_in_any_loss(targets: str, device: Device) -> None:
    rng = np.random.default_rng(0)
    found = {
        "weights": np.diag([0.5, 2.0, 1.0])[rng.integers(0, 3, ROWS)].astype(np.float32),
        "several": rng.integers(0, 2, (ROWS, OUTPUTS)),
        "number": rng.standard_normal(ROWS).astype(np.float32),
    }[targets]
    part = replace(encoded("pooled"), targets=found)
    split = Split(part, np.arange(VOCABULARY), PAD, device.torch, LADDER)
    logits = torch.randn(8, 1 if targets == "number" else OUTPUTS, device=device.torch, requires_grad=True)
    rows = torch.tensor([4, 2, 7, -1, -1, -1, -1, -1], device=device.torch)
    total, terms = loss_terms("pooled", logits, split.gather(rows, 16).targets)
    expected, count = loss_terms("pooled", logits[:3], split.gather(rows[:3], 40).targets)
    assert terms == count == 3
    torch.testing.assert_close(total, expected)
    total.backward()
    assert logits.grad is not None
    assert logits.grad[:3].any(1).all()
    assert not logits.grad[3:].any()


class NothingFromTheHost(TorchDispatchMode):
    """Fails where values are copied between the CPU and the device: both would wait for each other. Numbers that an
    operation takes along may lie on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            tensors = [leaf for leaf in tree_leaves((args, found)) if isinstance(leaf, torch.Tensor)]
            assert len({tensor.device.type for tensor in tensors}) == 1, func
        return found


@pytest.mark.parametrize("frozen", [0, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_of_a_step_comes_from_the_host(
    family: str, frozen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device without values, where reading one fails. While a graph is captured transformers does not look
    whether a mask is full, and it is told so here."""
    monkeypatch.setattr(masking_utils, "is_tracing", lambda *_: True)
    monkeypatch.setattr(
        modeling_deberta_v2, "make_log_bucket_position", relative_positions.log_bucket_position
    )
    device = Device(torch.device("meta"), torch.float32)
    for head, (kind, _) in HEADS.items():
        model = model_with(family, head, device)
        plan, split = plan_of(model, frozen), split_of(kind, device, LADDER)
        rows = torch.zeros(5, dtype=torch.int64, device="meta")
        with NothingFromTheHost():
            backward(model, [split.gather(rows, 16)], plan.phases[0])


@pytest.mark.parametrize("head", HEADS)
def test_rows_of_a_batch_that_only_fill_up_give_gradients_of_zero(head: str, padding: Device) -> None:
    """To the bit: whatever the length to which the sequence is cut."""
    kind, _ = HEADS[head]
    model = model_with("bert", head, padding)
    plan, split = plan_of(model), split_of(kind, padding, LADDER)
    for length in LADDER.rungs:
        rows = torch.full((5,), -1, device=padding.torch)
        assert backward(model, [split.gather(rows, length)], plan.phases[0]) == 0
        for name, parameter in model.parameters().items():
            assert parameter.grad is None or not parameter.grad.any(), name


def test_a_second_cell_in_the_same_buffers_gives_the_bits_of_the_cell_alone(padding: Device) -> None:
    kind, recipe = HEADS["mean"]
    split = split_of(kind, padding, LADDER)
    first, second = model_with("bert", "mean", padding), model_with("bert", "mean", padding)
    with torch.no_grad():
        for parameter in second.parameters().values():
            parameter.mul_(0.9)
    alone = trained(Workspace(copy.deepcopy(second), plan_of(second), split, recipe), plan_of(second))
    workspace = Workspace(first, plan_of(first), split, recipe)
    trained(workspace, plan_of(first))
    workspace.restart(second, plan_of(second))
    again = trained(workspace, plan_of(second))
    assert torch.equal(again.losses, alone.losses)
    assert all(torch.equal(again.values[name], value) for name, value in alone.values.items())


def test_few_shapes_are_prepared_once_and_charged_to_every_cell(padding: Device) -> None:
    kind, recipe = HEADS["mean"]
    model = model_with("bert", "mean", padding)
    plan = plan_of(model, steps=100 * STEPS)
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    workspace.enter(0, plan.phases[0])
    stretch = workspace.stretch(order(workspace.split)[:5], factors()[:5])
    charged = workspace.prepare(stretch)
    replays = dict(workspace._replays)
    assert {length for _, _, ((_, _, length),) in replays} <= set(LADDER.rungs)
    assert charged == sum(replay.seconds for replay in replays.values())
    assert workspace.prepare(stretch) == 0
    workspace.restart(model_with("bert", "mean", padding), plan)
    workspace.enter(0, plan.phases[0])
    assert workspace.prepare(stretch) == charged
    assert all(workspace._replays[key] is replay for key, replay in replays.items())


def test_a_phase_too_short_for_a_capture_is_launched_and_says_so(padding: Device) -> None:
    kind, recipe = HEADS["mean"]
    model = model_with("bert", "mean", padding)
    plan = plan_of(model, steps=PAYS - 1)
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    workspace.enter(0, plan.phases[0])
    workspace.prepare(workspace.stretch(order(workspace.split)[:3], factors()[:3]))
    assert not workspace._replays
    assert list(workspace.adaptations) == [
        "steps launched one by one: a phase has fewer than 16 steps, and a capture takes as long as 16"
    ]


def test_a_phase_that_is_just_long_enough_is_captured(padding: Device) -> None:
    kind, recipe = HEADS["mean"]
    model = model_with("bert", "mean", padding)
    plan = plan_of(model, steps=PAYS)
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    workspace.enter(0, plan.phases[0])
    workspace.prepare(workspace.stretch(order(workspace.split)[:3], factors()[:3]))
    assert workspace._replays
    assert not workspace.adaptations


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_micro_batches_are_launched_and_give_the_same_steps(micro_batch: int, padding: Device) -> None:
    kind, recipe = HEADS["token"]
    whole, parts = (model_with("bert", "token", padding, size) for size in (0, micro_batch))
    found = []
    for model in (whole, parts):
        workspace = Workspace(model, plan_of(model), split_of(kind, padding, LADDER), recipe)
        found.append(trained(workspace, plan_of(model)))
    assert_close(found[1], found[0])
    assert not workspace._replays
    assert list(workspace.adaptations) == ["steps launched one by one: they run in micro-batches"]


def test_a_capture_changes_neither_the_model_nor_the_generator(padding: Device) -> None:
    if padding.torch.type != "cuda":
        pytest.skip("a CPU captures nothing")
    kind, recipe = HEADS["mean"]
    model = model_with("bert", "mean", padding)
    plan = plan_of(model)
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    workspace.enter(0, plan.phases[0])
    before = {name: p.detach().clone() for name, p in model.parameters().items()}
    generator = torch.cuda.get_rng_state(padding.torch)
    workspace.prepare(workspace.stretch(order(workspace.split)[:5], factors()[:5]))
    assert all(isinstance(replay, Captured) for replay in workspace._replays.values())
    assert all(replay.seconds > 0 for replay in workspace._replays.values())
    assert all(torch.equal(p, before[name]) for name, p in model.parameters().items())
    assert torch.equal(torch.cuda.get_rng_state(padding.torch), generator)


def test_steps_after_a_capture_that_fails_half_way_are_those_of_a_plain_loop(
    padding: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gradients that it leaves lie in memory that nothing was ever written to."""
    if padding.torch.type != "cuda":
        pytest.skip("a CPU captures nothing")
    real = FlatAdamW.step

    def waits(optimizer: FlatAdamW, factor: torch.Tensor | float) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            torch.cuda.synchronize()
        return real(optimizer, factor)

    kind, recipe = HEADS["mean"]
    model = model_with("bert", "mean", padding)
    plan, plain = plan_of(model), copy.deepcopy(model)
    expected = by_a_plain_loop(plain, plan, split_of(kind, padding, EXACT))
    monkeypatch.setattr(FlatAdamW, "step", waits)
    workspace = Workspace(model, plan, split_of(kind, padding, LADDER), recipe)
    assert_close(trained(workspace, plan), expected)
    assert any("a capture failed" in said for said in workspace.adaptations)


def test_what_is_frozen_computes_in_the_precision_of_the_device() -> None:
    """Where no cache has its activations, it runs in every step."""
    device = Device(torch.device("cpu"), torch.bfloat16)
    model = model_with("bert", "mean", device)
    plan = plan_of(model, frozen=3)
    Workspace(model, plan, split_of("pooled", device, EXACT), RECIPE)
    assert {p.dtype for p in model.backbone.named_parameters().values()} == {torch.bfloat16}
    assert {p.dtype for p in model.head.parameters()} == {torch.float32}
