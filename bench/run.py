"""One cell, top to bottom, in a straight line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.contracts import BenchError, Cell, Recipe, Splits, Strategy, Task, digest
from bench.data.batches import Split, epoch_steps
from bench.data.encoding import Encoded
from bench.data.sources import Sources
from bench.data.splits import content, prepare
from bench.data.splits import fingerprint as rows_fingerprint
from bench.discovery import Plugins
from bench.engine.cost import prefix_flops, training_flops
from bench.engine.machine import Device, processor
from bench.engine.memory import WHOLE, Memory, cache_budget
from bench.engine.plan import Plan, make_plan
from bench.engine.prefix import Prefix, Stopwatch, Storage
from bench.engine.shelf import Shelf
from bench.engine.solving import solve
from bench.engine.speeds import Speeds
from bench.engine.training import Model, Watch, derived_seed, fit, predict
from bench.engine.tuning import Trained, tune
from bench.identity import fingerprint
from bench.models.backbones import Backbone
from bench.models.heads import Head
from bench.models.loading import Loaded, load
from bench.models.trained_vectors import Texts
from bench.provenance import describe
from bench.record import Data, Record, Seconds

JOINED = {"last": 1, "last-4": 4, "mix": 10**6}
"""How many of the last blocks' outputs the head reads; the embeddings are the first block."""

Tests = dict[str, dict[str, list[Any]]]
"""Per-example columns by test set, then by column."""


@dataclass(frozen=True)
class Bench:
    """What every cell needs: the plug-ins, where data come from, where it runs and in how much memory."""

    plugins: Plugins
    sources: Sources
    device: Device
    memory: Memory = WHOLE
    shelf: Shelf | None = None  # activations that other runs left


@dataclass(frozen=True)
class Terms:
    """How a group's backbones are set up, with given weights or random ones.

    tokens: the token ids that occur, of the whole vocabulary. attention: its implementation. layers: that are kept,
    None: all. joined: the last blocks whose outputs the head reads."""

    tokens: np.ndarray
    attention: str
    dropout: float | None
    layers: int | None
    joined: int
    device: torch.device

    def apply(self, backbone: Backbone) -> np.ndarray:
        """Set a backbone up, in place; the new id of each vocabulary entry."""
        if self.layers is not None:
            backbone.keep_layers(self.layers)
        backbone.join(self.joined)
        if self.dropout is not None:
            backbone.set_dropout(self.dropout)
        backbone.use_attention(self.attention)
        token_ids = backbone.trim(self.tokens)
        backbone.to(self.device)
        return token_ids


@dataclass(frozen=True)
class Ground:
    """What cells of one task, backbone and recipe share: rows, encoded splits, given weights, prefix."""

    task: Task
    rows: Splits
    labels: tuple[str, ...]
    encoded: dict[str, Encoded]
    splits: dict[str, Split]
    loaded: Loaded
    terms: Terms
    given: Backbone  # on these terms, in fp32; never trained
    prefix: Prefix
    data: Data
    seconds: float


def run_cell(cell: Cell, ground: Ground, bench: Bench, watch: Watch) -> tuple[Record, Tests]:
    """Train and score one cell. Raises Diverged, and whatever the strategy or torch raises."""
    device, task, recipe = bench.device, ground.task, cell.recipe
    started = datetime.now(UTC).isoformat(timespec="seconds")
    device.reset_peak_memory()
    trained, trials = tune(recipe.tune, lambda scale: train(cell, scale, ground, bench, watch))
    model, plan, fitted = trained.model, trained.plan, trained.fitted
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
    seconds = _seconds(ground, trained, evaluating.seconds)
    lengths = ground.splits["train"].lengths
    flops = training_flops(plan, model.backbone, lengths, recipe, fitted.phase_steps)
    flops += prefix_flops(plan, ground.given, lengths)
    learning = ground.prefix.seconds("train", plan.boundaries) + seconds.train
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
        trials=trials,
        seconds=seconds,
        peak_memory=device.peak_memory(),
        trainable=sum(values_of(name, parameters, ground) for name in plan.learning),
        parameters=sum(values_of(name, parameters, ground) for name in parameters),
        flops=flops,
        utilisation=flops / learning / Speeds(device, bench.sources.cache).gemm() if learning else 0.0,
        data=ground.data.model_copy(update={"padding": fitted.padding}),
        machine=describe(device),
        attention=ground.terms.attention,
        started=started,
    )
    return record, tests


def train(cell: Cell, scale: float, ground: Ground, bench: Bench, watch: Watch) -> Trained:
    """Train a cell once, with every learning rate times `scale`."""
    recipe = replace(cell.recipe, rate_scale=cell.recipe.rate_scale * scale)
    building = Stopwatch(bench.device)
    with building:
        strategy = bench.plugins.strategy(cell.strategy, cell.options)
        model, plan = build(replace(cell, recipe=recipe), strategy, ground, bench)
    for split in ("train", "validation"):
        ground.prefix.fill(split, plan.boundaries)
    learn = solve if plan.solver == "lbfgs" else fit
    fitted = learn(model, plan, ground.splits, recipe, cell.seed, partial(_headline, ground), watch)
    return Trained(model, plan, fitted, building.seconds)


def build(cell: Cell, strategy: Strategy, ground: Ground, bench: Bench) -> tuple[Model, Plan]:
    """The model of a cell and its plan; BenchError where the strategy does not fit the backbone."""
    given, recipe = ground.given, cell.recipe
    if strategy.pretrained:
        backbone = given.copy()
    else:
        backbone = ground.loaded.random(derived_seed(cell.seed, "encoder"))
        ground.terms.apply(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "inserted"))
        strategy.adapt(backbone)
    before = set(given.named_parameters())
    changed = backbone.blocks_of(set(backbone.named_parameters()) ^ before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "head"))
        head = head_of(ground.task, given, ground.labels, recipe).to(bench.device.torch)
    model = Model(backbone, head, bench.device, ground.prefix, bench.memory.micro_batch)
    steps = epoch_steps(len(ground.splits["train"]), recipe.batch_size)
    plan = make_plan(strategy, list(model.parameters()), given.depth, recipe, steps, changed)
    if given.joined > 1 and any(phase.frozen <= given.depth for phase in plan.phases):
        raise BenchError(f"strategy '{strategy.name}': features = '{recipe.features}' needs a frozen encoder")
    return model, plan


def head_of(task: Task, backbone: Backbone, labels: tuple[str, ...], recipe: Recipe) -> Head:
    """A new head for what leaves the backbone."""
    return Head(task.head, backbone.output_width, len(labels) or 2, recipe, backbone.joined)


def prepare_ground(cell: Cell, bench: Bench) -> Ground:
    """Rows, encoded splits and the backbone of a cell, checked. Raises BenchError."""
    watch = Stopwatch(bench.device)
    with watch:
        task, recipe = bench.plugins.task(cell.task), cell.recipe
        rows = prepare(task, bench.sources, recipe)
        if not recipe.shift:
            rows = Splits(rows.train, rows.validation, rows.test)
        others = [rows.validation, *rows.scored().values()]
        texts = Texts([content(row) for row in rows.train], [content(row) for part in others for row in part])
        loaded = load(cell.backbone, bench.sources, texts)
        labels = task.labels(rows.train)
        named = {"train": rows.train, "validation": rows.validation, **rows.scored()}
        encoded = {
            name: task.encode(examples, loaded.tokenizer, labels, recipe) for name, examples in named.items()
        }
        pad = loaded.tokenizer.pad_token_id or 0
        tokens = np.unique(np.concatenate([[pad], *(part.tokens for part in encoded.values())]))
        fastest = Speeds(bench.device, bench.sources.cache).attention(encoded["train"].lengths.mean())
        joined = JOINED[recipe.features]
        terms = Terms(tokens, fastest, recipe.encoder_dropout, recipe.layers, joined, bench.device.torch)
        given = loaded.backbone
        token_ids = terms.apply(given)
        splits = {
            name: Split(part, token_ids, int(token_ids[pad]), bench.device.torch)
            for name, part in encoded.items()
        }
    head = head_of(task, given, labels, recipe)
    parts = len(splits) * (given.depth + 2)
    budget = cache_budget(bench.memory, bench.device, parts, bench.sources.cache)
    machine = (processor(), torch.get_num_threads(), torch.__version__, terms.attention)
    frozen = given.copy().cast(bench.device.dtype)
    weights = (
        digest([frozen.content(), str(frozen.dtype), recipe.features, *map(str, machine)])
        if bench.shelf
        else ""
    )
    storage = Storage(budget, bench.sources.cache / "work", bench.shelf, weights)
    return Ground(
        task=task,
        rows=rows,
        labels=labels,
        encoded=encoded,
        splits=splits,
        loaded=loaded,
        terms=terms,
        given=given,
        prefix=Prefix(frozen, splits, head, bench.device, storage),
        data=_data(task, rows, labels, encoded["train"]),
        seconds=watch.seconds + loaded.spared,
    )


def _headline(ground: Ground, logits: np.ndarray) -> float:
    """The headline metric of packed validation logits."""
    examples = ground.rows.validation
    predictions = ground.task.decode(logits, ground.encoded["validation"], examples, ground.labels)
    return ground.task.score(examples, predictions)[ground.task.headline]


def _seconds(ground: Ground, trained: Trained, testing: float) -> Seconds:
    plan, fitted = trained.plan, trained.fitted
    prefix = sum(ground.prefix.seconds(split, plan.boundaries) for split in ("train", "validation"))
    last = plan.phases[-1]
    if last.shared and last.frozen:
        prefix += sum(ground.prefix.seconds(name, (last.frozen,)) for name in ground.rows.scored())
    parts = {
        "prepare": ground.seconds + trained.building,
        "prefix": prefix,
        "train": fitted.train_seconds,
        "evaluate": fitted.evaluate_seconds + testing,
    }
    return Seconds(**parts, cold=math.fsum(parts.values()), tune=trained.others)


def values_of(name: str, parameters: dict[str, Any], ground: Ground) -> int:
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
