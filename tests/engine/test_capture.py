"""A whole training step can be captured as a CUDA graph: checked without a GPU, on tensors without values.

`tests.support.capture` fails where a step waits for the device or takes values from the CPU. In bf16, with dropout,
as on a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import adam
from transformers import masking_utils, modeling_attn_mask_utils
from transformers.models.deberta_v2 import modeling_deberta_v2
from transformers.models.mpnet import modeling_mpnet

from bench.data import batches
from bench.data.batches import Split
from bench.data.ladder import Ladder
from bench.engine import prediction
from bench.engine.machine import Device
from bench.engine.memory import Budget
from bench.engine.model import Model
from bench.engine.plan import Parameters, Plan, PlannedPhase
from bench.engine.prefix import Prefix, Storage
from bench.engine.workspace import Workspace
from bench.models import local_attention, on_device
from bench.models.backbone import Backbone
from bench.models.families import families
from bench.models.heads import Head
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.vector_backbone import StaticVectors
from bench.registry import discover
from tests.engine.test_workspace import HEADS, OUTPUTS, RECIPE, ROWS, encoded
from tests.support.capture import Broken, Capture
from tests.support.families import DEPTH, PAD, VOCABULARY, WIDTH, small_model

META = Device(torch.device("meta"), torch.bfloat16, few_shapes=True)
SHAPE = ((0, RECIPE.batch_size, 16),)
KNOWN = discover()
STEPPING = [
    name
    for name, kind in KNOWN.strategies.items()
    if not kind.needs
    and all(p.solver == "adamw" and p.objective == "task" for p in KNOWN.strategy(name).checked_phases(DEPTH))
]


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What moving an encoder to a GPU does; torch's optimizer takes tensors without values."""
    for module in (masking_utils, modeling_attn_mask_utils):
        monkeypatch.setattr(module, "is_tracing", module.is_tracing)
    bucket = "make_log_bucket_position"
    monkeypatch.setattr(modeling_deberta_v2, bucket, getattr(modeling_deberta_v2, bucket))
    encoder = modeling_mpnet.MPNetEncoder
    monkeypatch.setattr(encoder, "compute_position_bias", encoder.compute_position_bias)
    monkeypatch.setattr(adam, "_device_dtype_check_for_fused", lambda *_, **__: None)
    on_device.look_at_nothing()


def model_of(encoder: Backbone, head: str) -> Model:
    """The encoder on META with a head, both with dropout."""
    kind, recipe = HEADS[head]
    recipe = replace(recipe, dropout=0.1)
    encoder.set_dropout(0.1)
    encoder.to(META.torch)
    layer = Head(kind, WIDTH, 2 if kind == "span" else OUTPUTS, recipe).to(META.torch)
    return Model(encoder, layer, META, None)


def split_of(head: str) -> Split:
    kind, _ = HEADS[head]
    return Split(encoded(kind), torch.arange(VOCABULARY).numpy(), PAD, META.torch, Ladder((16, 40)))


def everything(model: Model, frozen: int = 0) -> Plan:
    """One phase, in which all blocks from `frozen` on learn."""
    rates = {
        name: 1e-3
        for name in model.parameters()
        if name.startswith("head.") or min(model.backbone.blocks_of([name])) >= frozen
    }
    return Plan((PlannedPhase(100, rates, frozen, shared=True),))


def capture(workspace: Workspace, plan: Plan) -> None:
    """A step of every phase: once, as a capture warms up, and again, after which nothing that it made is left but
    what the next step makes anew."""
    for number, phase in enumerate(plan.phases):
        workspace.enter(number, phase)
        with Capture():
            workspace._step(SHAPE)
        with Capture() as second:
            workspace._step(SHAPE)
        workspace.optimizer._adamw.grad_scale = None  # pyright: ignore[reportAttributeAccessIssue]
        assert second.left() == 0
        assert second.operations > 10


@pytest.mark.parametrize("attention", ["plain", "sdpa"])
@pytest.mark.parametrize("family", families())
def test_a_step_of_every_family_can_be_captured(family: str, attention: str) -> None:
    encoder = HuggingFaceEncoder(small_model(family), family)
    encoder.use_attention(attention)
    model = model_of(encoder, "token")
    plan = Plan((*everything(model).phases, *everything(model, frozen=2).phases))
    capture(Workspace(model, plan, split_of("token"), RECIPE), plan)


def test_a_forward_pass_that_looks_at_values_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own Longformer does. On a GPU its steps would be launched one by one."""
    monkeypatch.setattr(local_attention, "attend_locally", lambda _: None)
    model = model_of(HuggingFaceEncoder(small_model("longformer"), "longformer"), "token")
    plan = everything(model)
    with pytest.raises((Broken, RuntimeError)):
        capture(Workspace(model, plan, split_of("token"), RECIPE), plan)


@pytest.mark.parametrize(
    ("strategy", "head"), [*((name, "mean") for name in STEPPING), *(("full", head) for head in HEADS)]
)
def test_a_step_of_every_strategy_can_be_captured(strategy: str, head: str) -> None:
    """In every phase, with what the strategy inserts into the encoder."""
    chosen = KNOWN.strategy(strategy)
    encoder = HuggingFaceEncoder(small_model("bert"), "bert")
    encoder.use_attention("sdpa")
    chosen.adapt(encoder)
    model = model_of(encoder, head)
    plan = Plan.of(chosen, Parameters(list(model.parameters()), DEPTH), RECIPE, 100)
    capture(Workspace(model, plan, split_of(head), RECIPE), plan)


@pytest.mark.parametrize("head", HEADS)
def test_activations_that_are_kept_on_the_device_are_read_within_a_capture(head: str) -> None:
    model = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), head)
    for frozen in (2, DEPTH + 1):
        prefix = Prefix(
            model.backbone, {"train": split_of(head)}, model.head, META, Storage(Budget({"device": 1e9}))
        )
        plan = everything(model, frozen)
        workspace = Workspace(replace(model, prefix=prefix), plan, split_of(head), RECIPE)
        assert prefix._make_room("train", frozen)
        capture(workspace, plan)


def test_steps_above_blocks_that_froze_are_captured() -> None:
    """Sums of gradients are added up within the step, and no other value is read."""
    model = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), "mean")
    phase = replace(everything(model).phases[0], freeze=50.0)
    workspace = Workspace(model, Plan((phase,)), split_of("mean"), RECIPE)
    assert all(group.total is not None for group in workspace.optimizer.groups if group.block >= 0)
    capture(workspace, Plan((phase,)))
    capture(workspace, Plan((phase.above(2, 0),)))


def test_penalties_and_averages_are_captured() -> None:
    model = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), "mean")
    plan = replace(everything(model), anchor=0.1)
    capture(Workspace(model, plan, split_of("mean"), RECIPE), plan)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: x + torch.zeros(4),
        lambda x: torch.zeros(4).to(x.device) + x,
        lambda x: x.cpu(),
        lambda x: torch.tensor([1.0], device=x.device) * x,
    ],
    ids=["item", "mask", "mixed", "copy to", "copy from", "list"],
)
def test_what_a_graph_cannot_hold_is_noticed(wrong: object) -> None:
    assert callable(wrong)
    values = torch.ones(4, device="meta")
    with pytest.raises((Broken, RuntimeError, NotImplementedError)), Capture():
        wrong(values)


def test_what_is_left_behind_is_noticed() -> None:
    kept: list[Tensor] = []
    values = torch.ones(4, device="meta")
    with Capture() as seen:
        kept.append(values * 2)
        (values.view(2, 2) + 1).sum()
    assert seen.left() == 1


def without_a_look(split: Split, monkeypatch: pytest.MonkeyPatch) -> int:
    """The split gives batches whose order is on the device already; how many they are."""
    found = list(split.in_order())
    monkeypatch.setattr(split, "in_order", lambda *_, **__: iter(found))
    return len(found)


@pytest.mark.parametrize("head", HEADS)
def test_a_prediction_waits_at_its_end_alone(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look at a value comes after the last batch."""
    monkeypatch.setattr(batches, "DEVICE_TOKENS", 100)
    model, split, packed = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), head), split_of(head), []
    real = prediction._pack
    monkeypatch.setattr(prediction, "_pack", lambda *given: packed.append(real(*given)))
    count = without_a_look(split, monkeypatch)
    with pytest.raises((Broken, RuntimeError, NotImplementedError)), Capture():
        prediction.predict(model, "validation", split, everything(model).phases[0])
    assert len(packed) == count > 3


@pytest.mark.parametrize("head", HEADS)
def test_filling_the_prefix_cache_waits_nowhere(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "DEVICE_TOKENS", 100)
    model, split = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), head), split_of(head)
    assert without_a_look(split, monkeypatch) > 3
    storage = Storage(Budget({"device": 1e9}))
    prefix = Prefix(model.backbone, {"train": split}, model.head, META, storage)
    with Capture():
        prefix.fill("train", (2, DEPTH + 1))
    assert all(prefix.features("train", boundary) is not None for boundary in (2, DEPTH + 1))


@pytest.mark.parametrize("head", HEADS)
def test_a_step_on_word_vectors_can_be_captured(head: str) -> None:
    model = model_of(StaticVectors(torch.randn(VOCABULARY, WIDTH)), head)
    plan = everything(model)
    capture(Workspace(model, plan, split_of(head), RECIPE), plan)


@pytest.mark.parametrize("kind", ["weights", "several", "number"])
def test_a_step_on_every_kind_of_target_can_be_captured(kind: str) -> None:
    rng = np.random.default_rng(0)
    targets = {
        "weights": np.ones((ROWS, OUTPUTS), np.float32),
        "several": rng.integers(0, 2, (ROWS, OUTPUTS)),
        "number": rng.standard_normal(ROWS).astype(np.float32),
    }[kind]
    model = model_of(HuggingFaceEncoder(small_model("bert"), "bert"), "mean")
    head = Head("pooled", WIDTH, 1 if kind == "number" else OUTPUTS, RECIPE).to(META.torch)
    model, plan = replace(model, head=head), everything(model)
    part = replace(encoded("pooled"), targets=targets)
    split = Split(part, np.arange(VOCABULARY), PAD, META.torch, Ladder((16, 40)))
    capture(Workspace(model, plan, split, RECIPE), plan)
