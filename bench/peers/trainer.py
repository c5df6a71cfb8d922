"""A cell through Hugging Face's Trainer: as most people use it, and tuned."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
)
from transformers.utils import logging

from bench.contracts import BenchError, Cell, Strategy, Task
from bench.data.batches import epoch_steps
from bench.data.encoding import Encoded
from bench.data.splits import prepare
from bench.engine.machine import Device
from bench.engine.plan import Parameters, Plan
from bench.models.catalog import folder
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.peers.measurement import Clock, SideOutcome
from bench.peers.model import EncoderWithHead
from bench.peers.schedule import Thaw, optimizer_and_schedule
from bench.peers.settings import Settings
from bench.registry import Registry


def run_trainer(cell: Cell, registry: Registry, device: Device, settings: Settings) -> SideOutcome:
    """Train through the strategy's phases and score the last state on the test set. Raises BenchError where the
    cell cannot be run by Trainer."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    recipe, task = cell.recipe, registry.task(cell.task)
    path = folder(cell.backbone, registry.sources)
    names, depth = parameter_names(path, cell.backbone)
    strategy = registry.strategy(cell)
    check(strategy, depth)
    clock = [device.clock()]
    rows = prepare(task, registry.sources, recipe, cell.draw)
    labels = task.labels(rows.train)
    tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
    train, test = (task.encode(part, tokenizer, labels, recipe) for part in (rows.train, rows.test))
    torch.manual_seed(cell.seed)
    encoder = AutoModel.from_pretrained(
        path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
    )
    if not strategy.pretrained:
        encoder = AutoModel.from_config(encoder.config)
    encoder.pooler = None
    if recipe.encoder_dropout is not None:
        set_dropout(encoder, recipe.encoder_dropout)
    model = EncoderWithHead(encoder, task.head, len(labels) or 2, recipe)
    parameters = dict(zip(names, encoder.parameters(), strict=True))
    parameters |= {f"head.{name}": p for name, p in model.classifier.named_parameters()}
    steps = epoch_steps(len(train), recipe.batch_size)
    plan = Plan.of(strategy, Parameters(list(parameters), depth), recipe, steps)
    examples = features(train, task.head)
    clock.append(device.clock())
    with tempfile.TemporaryDirectory(prefix="transferbench-peers-") as output:
        model.to(device.torch)
        trainer = Trainer(
            model,
            settings.arguments(Path(output), cell, device, plan.steps),
            data_collator=_collator(task, tokenizer),
            train_dataset=examples,  # pyright: ignore[reportArgumentType]
            processing_class=tokenizer,
            optimizers=optimizer_and_schedule(plan, parameters, recipe),
            callbacks=[Thaw(plan, parameters)],
        )
        trainer.train()
        clock.append(device.clock())
        predictions = task.decode(predict(trainer, test, task), test, rows.test, labels)
    score = task.score(rows.test, predictions)[task.headline]
    clock.append(device.clock())
    prepared, trained, evaluated = np.diff(clock).tolist()
    return SideOutcome(clock=Clock(prepare=prepared, train=trained, evaluate=evaluated), score=score)


def parameter_names(path: str, name: str) -> tuple[list[str], int]:
    """The names that strategies use of an encoder's parameters, in the model's order, and its number of layers.
    From its configuration alone: what the engine changes in a model must not be in the one that Trainer trains."""
    with torch.device("meta"):
        backbone = HuggingFaceEncoder(
            AutoModel.from_config(AutoConfig.from_pretrained(path, trust_remote_code=False)), name
        )
    return list(backbone.named_parameters()), backbone.depth


def check(strategy: Strategy, depth: int) -> None:
    """BenchError where a strategy does what Trainer cannot."""
    phases = strategy.checked_phases(depth)
    if type(strategy).adapt is not Strategy.adapt:
        raise BenchError(
            f"strategy '{strategy.name}' inserts modules: it is not compared with Trainer",
            code="no-trainer-peer",
        )
    used = {
        "objective": any(phase.objective != "task" for phase in phases),
        "select": any(phase.select for phase in phases),
        "freeze": any(phase.freeze for phase in phases),
        "reinit": strategy.reinit,
        "anchor": strategy.anchor,
        "average": strategy.average != "none",
    }
    if names := [name for name, value in used.items() if value]:
        raise BenchError(
            f"strategy '{strategy.name}' uses {', '.join(names)}: it is not compared with Trainer",
            code="no-trainer-peer",
        )
    if any(phase.solver != "adamw" or phase.patience for phase in phases):
        raise BenchError(
            f"strategy '{strategy.name}' has no fixed number of steps: it is not compared with Trainer",
            code="no-trainer-peer",
        )


def set_dropout(encoder: Any, rate: float) -> None:
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "attention_dropout", None), float):  # ModernBERT's attention
            module.attention_dropout = rate


def features(encoded: Encoded, kind: str) -> list[dict[str, Any]]:
    """One dictionary a sequence, as a tokenised data set gives them."""
    found = []
    for number, (start, stop) in enumerate(zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)):
        labels = encoded.targets[start:stop] if kind == "token" else encoded.targets[number]
        found.append(
            {
                "input_ids": encoded.tokens[start:stop].tolist(),
                "token_type_ids": encoded.segments[start:stop].tolist(),
                "attention_mask": [1] * int(stop - start),
                "labels": labels.tolist(),
            }
        )
    if not encoded.segments.any():
        for example in found:
            del example["token_type_ids"]
    return found


def predict(trainer: Trainer, encoded: Encoded, task: Task) -> np.ndarray:
    """Logits packed as `encoded` is, float32; sequences visited in order of length."""
    order = np.argsort(encoded.lengths, kind="stable")
    examples = features(encoded, task.head)
    trainer.args.train_sampling_strategy = "random"  # it governs the test set too, and must not reorder it
    found = trainer.predict([examples[i] for i in order]).predictions  # pyright: ignore[reportArgumentType]
    logits = np.asarray(found, np.float32)
    if task.head == "pooled":
        packed = np.empty_like(logits)
        packed[order] = logits
        return packed
    packed = np.empty((len(encoded.tokens), logits.shape[-1]), np.float32)
    for place, row in zip(order, logits, strict=True):
        start, stop = encoded.offsets[place], encoded.offsets[place + 1]
        packed[start:stop] = row[: stop - start]
    return packed


def _collator(task: Task, tokenizer: Any) -> Any:
    if tokenizer.pad_token is None:
        raise BenchError(
            f"{type(tokenizer).__name__} has no padding token: Trainer cannot batch with it",
            code="no-padding-token",
        )
    if task.head == "token":
        return DataCollatorForTokenClassification(tokenizer)
    return DataCollatorWithPadding(tokenizer)
