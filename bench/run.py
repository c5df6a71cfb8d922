"""One cell, top to bottom, in a straight line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.contracts import Cell, Splits, Strategy, Task
from bench.data.batches import Split, epoch_steps
from bench.data.encoding import Encoded
from bench.data.sources import Sources
from bench.data.splits import fingerprint as rows_fingerprint
from bench.data.splits import prepare
from bench.discovery import Plugins
from bench.engine.cost import training_flops
from bench.engine.machine import Device, describe, gemm_rate
from bench.engine.memory import WHOLE, Memory, cache_budget
from bench.engine.plan import Plan, make_plan
from bench.engine.prefix import Prefix, Stopwatch
from bench.engine.training import Fit, Model, Watch, derived_seed, fit, predict
from bench.identity import fingerprint
from bench.models.backbones import Backbone
from bench.models.heads import Head
from bench.models.loading import Loaded, load
from bench.record import Data, Record, Seconds

Tests = dict[str, dict[str, list[Any]]]
"""Per-example columns by test set, then by column."""


@dataclass(frozen=True)
class Bench:
    """What every cell needs: the plug-ins, where data come from, where it runs and in how much memory."""

    plugins: Plugins
    sources: Sources
    device: Device
    memory: Memory = WHOLE


@dataclass(frozen=True)
class Ground:
    """What cells of one task, backbone and recipe share: rows, encoded splits, given weights, prefix."""

    task: Task
    rows: Splits
    labels: tuple[str, ...]
    encoded: dict[str, Encoded]
    splits: dict[str, Split]
    loaded: Loaded
    tokens: np.ndarray  # the token ids that occur, of the whole vocabulary
    given: Backbone  # trimmed to `tokens`, on the device; never trained
    prefix: Prefix
    data: Data
    seconds: float


def run_cell(cell: Cell, ground: Ground, bench: Bench, watch: Watch) -> tuple[Record, Tests]:
    """Train and score one cell. Raises Diverged, and whatever the strategy or torch raises."""
    device, task, recipe = bench.device, ground.task, cell.recipe
    started = datetime.now(UTC).isoformat(timespec="seconds")
    device.reset_peak_memory()
    building = Stopwatch(device)
    with building:
        strategy = bench.plugins.strategy(cell.strategy, cell.options)
        model, plan = build(cell, strategy, ground, bench)
    for split in ("train", "validation"):
        ground.prefix.fill(split, plan.boundaries)
    fitted = fit(model, plan, ground.splits, recipe, cell.seed, partial(_headline, ground), watch)
    evaluating = Stopwatch(device)
    last = plan.phases[-1]
    boundary = (last.frozen,) if last.shared and last.frozen else ()
    scores: dict[str, dict[str, float]] = {}
    tests: Tests = {}
    for name, examples in ground.rows.scored().items():
        ground.prefix.fill(name, boundary)
        with evaluating:
            logits, _ = predict(model, name, ground.splits[name], last)
            predictions = task.decode(logits, ground.encoded[name], examples, ground.labels)
            scores[name] = task.score(examples, predictions)
        columns = task.columns(examples, predictions)
        tests[name] = {"id": [example.id for example in examples], **columns}
    seconds = _seconds(ground, plan, fitted, building.seconds, evaluating.seconds)
    flops = training_flops(plan, model.backbone, ground.splits["train"].lengths, recipe, fitted.steps)
    parameters = model.parameters()
    record = Record(
        cell=cell,
        fingerprint=fingerprint(cell, bench.plugins, bench.sources),
        status="done",
        adapter=task.adapter,
        headline=task.headline,
        metrics=task.metrics,
        scores=scores,
        curve=tuple(fitted.curve),
        seconds=seconds,
        peak_memory=device.peak_memory(),
        trainable=sum(_size(name, parameters, ground) for name in plan.learning),
        parameters=sum(_size(name, parameters, ground) for name in parameters),
        flops=flops,
        utilisation=flops / seconds.train / gemm_rate(device) if seconds.train else 0.0,
        data=ground.data.model_copy(update={"padding": fitted.padding}),
        machine=describe(device),
        started=started,
    )
    return record, tests


def build(cell: Cell, strategy: Strategy, ground: Ground, bench: Bench) -> tuple[Model, Plan]:
    """The model of a cell and its plan; BenchError where the strategy does not fit the backbone."""
    given, recipe = ground.given, cell.recipe
    if strategy.pretrained:
        backbone = given.copy()
    else:
        backbone = ground.loaded.random(derived_seed(cell.seed, "encoder"))
        if recipe.encoder_dropout is not None:
            backbone.set_dropout(recipe.encoder_dropout)
        backbone.trim(ground.tokens)
        backbone.to(bench.device.torch)
    strategy.adapt(backbone)
    before = set(given.named_parameters())
    changed = backbone.blocks_of(set(backbone.named_parameters()) ^ before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "head"))
        head = Head(ground.task.head, given.width, len(ground.labels) or 2, recipe).to(bench.device.torch)
    model = Model(backbone, head, bench.device, ground.prefix, bench.memory.micro_batch)
    steps = epoch_steps(len(ground.splits["train"]), recipe.batch_size)
    return model, make_plan(strategy, list(model.parameters()), given.depth, recipe, steps, changed)


def prepare_ground(cell: Cell, bench: Bench) -> Ground:
    """Rows, encoded splits and the backbone of a cell, checked. Raises BenchError."""
    watch = Stopwatch(bench.device)
    with watch:
        task, recipe = bench.plugins.task(cell.task), cell.recipe
        rows = prepare(task, bench.sources, recipe)
        if not recipe.shift:
            rows = Splits(rows.train, rows.validation, rows.test)
        loaded = load(cell.backbone, bench.sources)
        if recipe.encoder_dropout is not None:
            loaded.backbone.set_dropout(recipe.encoder_dropout)
        labels = task.labels(rows.train)
        named = {"train": rows.train, "validation": rows.validation, **rows.scored()}
        encoded = {
            name: task.encode(examples, loaded.tokenizer, labels, recipe) for name, examples in named.items()
        }
        pad = loaded.tokenizer.pad_token_id or 0
        tokens = np.unique(np.concatenate([[pad], *(part.tokens for part in encoded.values())]))
        given = loaded.backbone
        token_ids = given.trim(tokens)
        given.to(bench.device.torch)
        splits = {
            name: Split(part, token_ids, int(token_ids[pad]), bench.device.torch)
            for name, part in encoded.items()
        }
    head = Head(task.head, given.width, len(labels) or 2, recipe)
    budget = cache_budget(bench.memory, bench.device, parts=len(splits) * (given.depth + 2))
    return Ground(
        task=task,
        rows=rows,
        labels=labels,
        encoded=encoded,
        splits=splits,
        loaded=loaded,
        tokens=tokens,
        given=given,
        prefix=Prefix(given, splits, head, bench.device, budget),
        data=_data(task, rows, labels, encoded["train"]),
        seconds=watch.seconds,
    )


def _headline(ground: Ground, logits: np.ndarray) -> float:
    """The headline metric of packed validation logits."""
    examples = ground.rows.validation
    predictions = ground.task.decode(logits, ground.encoded["validation"], examples, ground.labels)
    return ground.task.score(examples, predictions)[ground.task.headline]


def _seconds(ground: Ground, plan: Plan, fitted: Fit, building: float, testing: float) -> Seconds:
    prefix = sum(ground.prefix.seconds(split, plan.boundaries) for split in ("train", "validation"))
    last = plan.phases[-1]
    if last.shared and last.frozen:
        prefix += sum(ground.prefix.seconds(name, (last.frozen,)) for name in ground.rows.scored())
    parts = {
        "prepare": ground.seconds + building,
        "prefix": prefix,
        "train": fitted.train_seconds,
        "evaluate": fitted.evaluate_seconds + testing,
    }
    return Seconds(**parts, cold=math.fsum(parts.values()))


def _size(name: str, parameters: dict[str, Any], ground: Ground) -> int:
    """Values of a parameter; of the embedding table as it is in the whole model, not in the trimmed one."""
    parameter = parameters[name]
    if name.startswith("embeddings.") and parameter.dim() == 2 and len(parameter) == ground.given.rows:
        return ground.loaded.vocabulary * parameter.shape[1]
    return parameter.numel()


def _data(task: Task, rows: Splits, labels: tuple[str, ...], train: Encoded) -> Data:
    named = {"train": rows.train, "validation": rows.validation, **rows.scored()}
    every = [example for examples in named.values() for example in examples]
    return Data(
        fingerprint=rows_fingerprint(every),
        task_version=task.version,
        sizes={name: len(examples) for name, examples in named.items()},
        labels=labels,
        truncated=train.truncated / max(len(train), 1),
        majority=task.score(rows.test, task.trivial(rows.train, rows.test)),
    )
