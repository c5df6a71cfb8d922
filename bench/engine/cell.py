"""One cell, top to bottom, in a straight line."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.contracts import BenchError, Cell, Recipe, Strategy
from bench.data.batches import epoch_steps
from bench.engine.batched_heads import Member, can_batch, fit_together
from bench.engine.cost import prefix_flops, training_flops
from bench.engine.determinism import is_deterministic
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, head_of
from bench.engine.machine import describe
from bench.engine.plan import Plan, make_plan
from bench.engine.prefix import Stopwatch
from bench.engine.solving import solve
from bench.engine.speeds import Speeds
from bench.engine.training import Model, Watch, derived_seed, fit, predict
from bench.engine.tuning import Trained, tune
from bench.runs.record import Record, Seconds

Tests = dict[str, dict[str, list[Any]]]
"""Per-example columns by test set, then by column."""


def run_cell(cell: Cell, group: CellGroup, context: RunContext, watch: Watch) -> tuple[Record, Tests]:
    """Train and score one cell. Raises Diverged, and whatever the strategy or torch raises."""
    device, task, recipe = context.device, group.task, cell.recipe
    started = datetime.now(UTC).isoformat(timespec="seconds")
    device.reset_peak_memory()
    trained, trials = tune(recipe.tune, lambda scale: train(cell, scale, group, context, watch))
    model, plan, fitted = trained.model, trained.plan, trained.fitted
    evaluating = Stopwatch(device)
    last = plan.phases[-1]
    boundary = (last.frozen,) if last.shared and last.frozen else ()
    scores: dict[str, dict[str, float]] = {}
    tests: Tests = {}
    for name, examples in group.rows.scored().items():
        group.prefix.fill(name, boundary)
        with evaluating:
            logits, _ = predict(model, name, group.splits[name], last)
            predictions = task.decode(logits, group.encoded[name], examples, group.labels)
            scores[name] = task.score(examples, predictions)
        columns = task.columns(examples, predictions)
        tests[name] = {"id": [example.id for example in examples], **columns}
    seconds = _seconds(group, trained, evaluating)
    lengths = group.splits["train"].lengths
    flops = training_flops(plan, model.backbone, lengths, recipe, fitted.phase_steps)
    flops += prefix_flops(plan, group.given, lengths)
    learning = group.prefix.seconds("train", plan.boundaries) + seconds.train
    parameters = model.parameters()
    record = Record(
        cell=cell,
        fingerprint=context.registry.fingerprint(cell),
        status="done",
        adapter=task.adapter,
        headline=task.headline,
        metrics=task.metrics,
        scores=scores,
        curve=tuple(fitted.curve),
        trials=trials,
        seconds=seconds,
        peak_memory=device.peak_memory(),
        trainable=sum(values_of(name, parameters, group) for name in plan.learning),
        parameters=sum(values_of(name, parameters, group) for name in parameters),
        flops=flops,
        utilisation=flops / learning / Speeds(device, context.registry.sources.cache).gemm()
        if learning
        else 0.0,
        data=group.data.model_copy(update={"padding": fitted.padding}),
        machine=describe(device),
        attention=group.setup.attention,
        started=started,
    )
    return record, tests


def train(cell: Cell, scale: float, group: CellGroup, context: RunContext, watch: Watch) -> Trained:
    """Train a cell once, with every learning rate times `scale`. Raises Diverged."""
    if _head_key(cell, scale) in group.heads:
        return _from_batch(cell, scale, group, watch)
    recipe, model, plan, building = _built(cell, scale, group, context)
    for split in ("train", "validation"):
        group.prefix.fill(split, plan.boundaries)
    if _batches(model, plan, group, recipe):
        _train_heads(cell, group, context)
        return _from_batch(cell, scale, group, watch)
    learn = solve if plan.solver == "lbfgs" else fit
    fitted = learn(model, plan, group.splits, recipe, cell.seed, partial(_headline, group), watch)
    return Trained(model, plan, fitted, building)


def _built(
    cell: Cell, scale: float, group: CellGroup, context: RunContext
) -> tuple[Recipe, Model, Plan, float]:
    """The recipe with every rate times `scale`, the model and plan of a cell under it, and the seconds it took."""
    recipe = replace(cell.recipe, rate_scale=cell.recipe.rate_scale * scale)
    building = Stopwatch(context.device)
    with building:
        model, plan = build(replace(cell, recipe=recipe), group, context)
    return recipe, model, plan, building.seconds


def _batches(model: Model, plan: Plan, group: CellGroup, recipe: Recipe) -> bool:
    """Whether this head is trained in one computation with those of other seeds and scales: not where memory is
    short, nor where the bits must be the same whatever the number of seeds."""
    roomy = model.micro_batch in (0, recipe.batch_size)
    return roomy and not is_deterministic() and can_batch(plan, group.prefix)


def _train_heads(cell: Cell, group: CellGroup, context: RunContext) -> None:
    """Train the heads of all seeds and scales of a cell in one batch, and keep them with the ground."""
    pairs = [(scale, seed) for scale in cell.recipe.tune or (1.0,) for seed in context.seeds_of(cell)]
    cells = [(replace(cell, seed=seed), scale) for scale, seed in pairs]
    built = [_built(one, scale, group, context) for one, scale in cells]
    members = [
        Member(model, plan.phases[0], one.seed)
        for (one, _), (_, model, plan, _) in zip(cells, built, strict=True)
    ]
    fit_together(members, group.splits, group.prefix, cell.recipe, partial(_headline, group))
    for (one, scale), (_, model, plan, building), member in zip(cells, built, members, strict=True):
        result = member.diverged or Trained(model, plan, member.fit, building)
        group.heads[_head_key(one, scale)] = result


def _from_batch(cell: Cell, scale: float, group: CellGroup, watch: Watch) -> Trained:
    found = group.heads[_head_key(cell, scale)]
    if isinstance(found, Diverged):
        raise found
    for point in found.fitted.curve:
        watch(point)
    return found


def _head_key(cell: Cell, scale: float) -> tuple[Any, ...]:
    return cell.strategy, cell.options, cell.seed, scale


def build(cell: Cell, group: CellGroup, context: RunContext) -> tuple[Model, Plan]:
    """The model of a cell and its plan; BenchError where the strategy does not fit the backbone."""
    strategy, given, recipe = context.registry.strategy(cell), group.given, cell.recipe
    inserts = type(strategy).adapt is not Strategy.adapt
    if not strategy.pretrained:
        backbone = group.loaded.random(derived_seed(cell.seed, "encoder"))
        group.setup.apply(backbone)
    else:
        backbone = given.copy() if inserts else given
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "inserted"))
        strategy.adapt(backbone)
    changed = backbone.blocks_of(set(backbone.named_parameters()) ^ set(given.named_parameters()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "head"))
        head = head_of(group.task, given, group.labels, recipe).to(context.device.torch)
    model = Model(backbone, head, context.device, group.prefix, context.memory.micro_batch)
    steps = epoch_steps(len(group.splits["train"]), recipe.batch_size)
    plan = make_plan(strategy, list(model.parameters()), given.depth, recipe, steps, changed)
    if given.joined > 1 and any(phase.frozen <= given.depth for phase in plan.phases):
        raise BenchError(f"strategy '{strategy.name}': features = '{recipe.features}' needs a frozen encoder")
    if backbone is given:
        head_alone = all(name.startswith("head.") for name in plan.learning)
        model = replace(model, backbone=group.frozen if head_alone else given.copy())
    if context.compiled and model.backbone is not group.frozen:
        model.backbone.compile()
    return model, plan


def _headline(group: CellGroup, logits: np.ndarray) -> float:
    """The headline metric of packed validation logits."""
    examples = group.rows.validation
    predictions = group.task.decode(logits, group.encoded["validation"], examples, group.labels)
    return group.task.score(examples, predictions)[group.task.headline]


def _seconds(group: CellGroup, trained: Trained, testing: Stopwatch) -> Seconds:
    plan, fitted = trained.plan, trained.fitted
    prefix = sum(group.prefix.seconds(split, plan.boundaries) for split in ("train", "validation"))
    last = plan.phases[-1]
    if last.shared and last.frozen:
        prefix += sum(group.prefix.seconds(name, (last.frozen,)) for name in group.rows.scored())
    parts = {
        "prepare": group.seconds + trained.building,
        "prefix": prefix,
        "compile": fitted.compile_seconds + testing.compiling,
        "train": fitted.train_seconds,
        "evaluate": fitted.evaluate_seconds + testing.seconds,
    }
    return Seconds(**parts, cold=math.fsum(parts.values()), tune=trained.others)


def values_of(name: str, parameters: dict[str, Any], group: CellGroup) -> int:
    """Values of a parameter; of the embedding table as it is in the whole model, not in the trimmed one."""
    parameter = parameters[name]
    if name.startswith("embeddings.") and parameter.dim() == 2 and len(parameter) == group.given.rows:
        return group.loaded.vocabulary * parameter.shape[1]
    return parameter.numel()
