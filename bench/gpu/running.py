"""One strategy on made-up rows, by this engine and by a peer: Trainer, tuned, or a plain loop in its place."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import Cell, Recipe, Strategy
from bench.data.batches import Split, epoch_steps, shuffled
from bench.data.encoding import Encoded
from bench.engine.cost import training_flops
from bench.engine.machine import Device
from bench.engine.memory import Budget, tiers
from bench.engine.plan import Plan, make_plan
from bench.engine.prefix import Prefix, Storage
from bench.engine.speeds import Speeds
from bench.engine.training import Model, derived_seed, fit
from bench.gpu.material import PAD, Material
from bench.models.backbones import HuggingFaceEncoder
from bench.models.heads import Head
from bench.peers.model import EncoderWithHead
from bench.peers.schedule import Thaw, optimizer_and_schedule
from bench.peers.settings import Settings

HAS_TRAINER = find_spec("accelerate") is not None
PEER = (
    "Trainer, tuned" if HAS_TRAINER else "a plain loop with Trainer's tuned settings (accelerate is missing)"
)


@dataclass(frozen=True)
class Bed:
    """What strategies share: rows, the given encoder on the device, and the prefix cache."""

    recipe: Recipe
    encoded: Mapping[str, Encoded]
    splits: Mapping[str, Split]
    given: HuggingFaceEncoder
    prefix: Prefix
    device: Device

    @classmethod
    def make(cls, material: Material, recipe: Recipe, device: Device, cache: Path) -> Bed:
        """With a cache of unlimited size. cache: the folder in which measured speeds are kept."""
        encoded = {split: material.encoded(split) for split in ("train", "validation")}
        given = HuggingFaceEncoder(material.encoder(), material.name)
        given.use_attention(Speeds(device, cache).attention(encoded["train"].lengths.mean()))
        if recipe.encoder_dropout is not None:
            given.set_dropout(recipe.encoder_dropout)
        tokens = np.unique(np.concatenate([[PAD], *(part.tokens for part in encoded.values())]))
        ids = given.trim(tokens)
        given.to(device.torch)
        splits = {name: Split(part, ids, int(ids[PAD]), device.torch) for name, part in encoded.items()}
        return cls(recipe, encoded, splits, given, _prefix(given, splits, recipe, device, np.inf), device)

    def with_cache(self, budget: float) -> Bed:
        """The same with an empty cache of at most `budget` bytes."""
        prefix = _prefix(self.given, self.splits, self.recipe, self.device, budget)
        return replace(self, prefix=prefix)


def _prefix(
    given: HuggingFaceEncoder, splits: Mapping[str, Split], recipe: Recipe, device: Device, budget: float
) -> Prefix:
    backbone = given.copy().cast(device.dtype)
    storage = Storage(Budget({tiers(device.torch)[0]: budget}))
    return Prefix(backbone, dict(splits), _head(given, recipe), device, storage)


def _head(given: HuggingFaceEncoder, recipe: Recipe, seed: int = 0) -> Head:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "head"))
        return Head("pooled", given.width, 2, recipe)


@dataclass(frozen=True)
class Ran:
    """What a run took and where it ended. prefix, train: seconds; flops: of the steps; peak: bytes; losses: on the
    validation split, in order."""

    plan: Plan
    model: Model
    prefix: float
    train: float
    flops: float
    peak: int
    losses: tuple[float, ...]


def run_engine(
    bed: Bed, strategy: Strategy, seed: int = 0, micro_batch: int = 0, compiled: bool = False
) -> Ran:
    """Train; validation is not in the seconds, nor is compiling."""
    bed.device.reset_peak_memory()
    backbone = bed.given.copy()
    if compiled:
        backbone.compile()
    head = _head(bed.given, bed.recipe, seed).to(bed.device.torch)
    model = Model(backbone, head, bed.device, bed.prefix, micro_batch)
    steps = epoch_steps(len(bed.splits["train"]), bed.recipe.batch_size)
    plan = make_plan(strategy, list(model.parameters()), backbone.depth, bed.recipe, steps)
    for split in bed.splits:
        bed.prefix.fill(split, plan.boundaries)
    fitted = fit(model, plan, dict(bed.splits), bed.recipe, seed, lambda _: 0.0, lambda _: None)
    lengths = bed.encoded["train"].lengths
    return Ran(
        plan,
        model,
        bed.prefix.seconds("train", plan.boundaries),
        fitted.train_seconds,
        training_flops(plan, backbone, lengths, bed.recipe, fitted.phase_steps),
        bed.device.peak_memory(),
        tuple(point.loss for point in fitted.curve),
    )


@dataclass(frozen=True)
class Peer:
    """A model as Trainer gets it, with the plan of a strategy. parameters: by the names that plans use."""

    model: EncoderWithHead
    parameters: dict[str, nn.Parameter]
    plan: Plan
    recipe: Recipe
    rows: list[dict[str, list[int] | int]]
    lengths: np.ndarray

    @classmethod
    def make(cls, material: Material, bed: Bed, strategy: Strategy) -> Peer:
        encoder = material.encoder()
        names = list(HuggingFaceEncoder(material.encoder(), material.name).named_parameters())
        for module in encoder.modules():
            if isinstance(module, nn.Dropout) and bed.recipe.encoder_dropout is not None:
                module.p = bed.recipe.encoder_dropout
        model = EncoderWithHead(encoder, "pooled", 2, bed.recipe)
        linear = _head(bed.given, bed.recipe).map[-1]
        model.classifier.load_state_dict(linear.state_dict())
        model.to(bed.device.torch)
        parameters = dict(zip(names, encoder.parameters(), strict=True))
        parameters |= {f"head.{name}": p for name, p in model.classifier.named_parameters()}
        train = bed.encoded["train"]
        steps = epoch_steps(len(train), bed.recipe.batch_size)
        plan = make_plan(strategy, list(parameters), material.layers, bed.recipe, steps)
        spans = zip(train.offsets[:-1], train.offsets[1:], train.targets, strict=True)
        rows = [{"input_ids": train.tokens[a:b].tolist(), "labels": int(label)} for a, b, label in spans]
        return cls(model, parameters, plan, bed.recipe, rows, train.lengths)


def run_trainer(peer: Peer, device: Device) -> float:
    """Seconds from Trainer's constructor to the end of train()."""
    from transformers import Trainer

    cell = Cell("gpu", "made-up", "", "", 0, peer.recipe)
    with tempfile.TemporaryDirectory() as output:
        settings = Settings.tuned(device)
        began = device.clock()
        Trainer(
            peer.model,
            settings.arguments(Path(output), cell, device, peer.plan.steps),
            data_collator=collate,
            train_dataset=peer.rows,  # pyright: ignore[reportArgumentType]
            optimizers=optimizer_and_schedule(peer.plan, peer.parameters, peer.recipe),
            callbacks=[Thaw(peer.plan, peer.parameters)],
        ).train()
        return device.clock() - began


def run_loop(peer: Peer, device: Device) -> float:
    """Seconds of a plain PyTorch loop: bf16 autocast where the device has it, like lengths, fused AdamW."""
    low = device.dtype == torch.bfloat16
    began = device.clock()
    optimizer, schedule = optimizer_and_schedule(peer.plan, peer.parameters, peer.recipe)
    thaw = Thaw(peer.plan, peer.parameters)
    batches = shuffled(peer.lengths, peer.recipe.batch_size, derived_seed(0, "order"))
    peer.model.train()
    for step in range(peer.plan.steps):
        thaw.on_step_begin(None, SimpleNamespace(global_step=step), None)
        batch = collate([peer.rows[i] for i in next(batches)])
        batch = {name: part.to(device.torch, non_blocking=True) for name, part in batch.items()}
        with torch.autocast(device.torch.type, torch.bfloat16, enabled=low):
            loss = peer.model(**batch)["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(peer.model.parameters(), peer.recipe.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return device.clock() - began


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """A batch padded to its longest row."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": tokens, "attention_mask": mask, "labels": labels}
