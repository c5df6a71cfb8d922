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
from bench.engine.group import Bench, Ground, head_of
from bench.engine.plan import Plan, make_plan
from bench.engine.prefix import Stopwatch
from bench.engine.solving import solve
from bench.engine.speeds import Speeds
from bench.engine.training import Model, Watch, derived_seed, fit, predict
from bench.engine.tuning import Trained, tune
from bench.runs.identity import fingerprint
from bench.runs.provenance import describe
from bench.runs.record import Record, Seconds

Tests = dict[str, dict[str, list[Any]]]
"""Per-example columns by test set, then by column."""


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
    seconds = _seconds(ground, trained, evaluating)
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
    """Train a cell once, with every learning rate times `scale`. Raises Diverged."""
    if _head_key(cell, scale) in ground.heads:
        return _from_batch(cell, scale, ground, watch)
    recipe, model, plan, building = _built(cell, scale, ground, bench)
    for split in ("train", "validation"):
        ground.prefix.fill(split, plan.boundaries)
    if _batches(model, plan, ground, recipe):
        _train_heads(cell, ground, bench)
        return _from_batch(cell, scale, ground, watch)
    learn = solve if plan.solver == "lbfgs" else fit
    fitted = learn(model, plan, ground.splits, recipe, cell.seed, partial(_headline, ground), watch)
    return Trained(model, plan, fitted, building)


def _built(cell: Cell, scale: float, ground: Ground, bench: Bench) -> tuple[Recipe, Model, Plan, float]:
    """The recipe with every rate times `scale`, the model and plan of a cell under it, and the seconds it took."""
    recipe = replace(cell.recipe, rate_scale=cell.recipe.rate_scale * scale)
    building = Stopwatch(bench.device)
    with building:
        strategy = bench.plugins.strategy(cell.strategy, cell.options)
        model, plan = build(replace(cell, recipe=recipe), strategy, ground, bench)
    return recipe, model, plan, building.seconds


def _batches(model: Model, plan: Plan, ground: Ground, recipe: Recipe) -> bool:
    """Whether this head is trained in one computation with those of other seeds and scales: not where memory is
    short, nor where the bits must be the same whatever the number of seeds."""
    roomy = model.micro_batch in (0, recipe.batch_size)
    return roomy and not is_deterministic() and can_batch(plan, ground.prefix)


def _train_heads(cell: Cell, ground: Ground, bench: Bench) -> None:
    """Train the heads of all seeds and scales of a cell in one batch, and keep them with the ground."""
    pairs = [(scale, seed) for scale in cell.recipe.tune or (1.0,) for seed in bench.seeds_of(cell)]
    cells = [(replace(cell, seed=seed), scale) for scale, seed in pairs]
    built = [_built(one, scale, ground, bench) for one, scale in cells]
    members = [
        Member(model, plan.phases[0], one.seed)
        for (one, _), (_, model, plan, _) in zip(cells, built, strict=True)
    ]
    fit_together(members, ground.splits, ground.prefix, cell.recipe, partial(_headline, ground))
    for (one, scale), (_, model, plan, building), member in zip(cells, built, members, strict=True):
        result = member.diverged or Trained(model, plan, member.fit, building)
        ground.heads[_head_key(one, scale)] = result


def _from_batch(cell: Cell, scale: float, ground: Ground, watch: Watch) -> Trained:
    found = ground.heads[_head_key(cell, scale)]
    if isinstance(found, Diverged):
        raise found
    for point in found.fitted.curve:
        watch(point)
    return found


def _head_key(cell: Cell, scale: float) -> tuple[Any, ...]:
    return cell.strategy, cell.options, cell.seed, scale


def build(cell: Cell, strategy: Strategy, ground: Ground, bench: Bench) -> tuple[Model, Plan]:
    """The model of a cell and its plan; BenchError where the strategy does not fit the backbone."""
    given, recipe = ground.given, cell.recipe
    inserts = type(strategy).adapt is not Strategy.adapt
    if not strategy.pretrained:
        backbone = ground.loaded.random(derived_seed(cell.seed, "encoder"))
        ground.terms.apply(backbone)
    else:
        backbone = given.copy() if inserts else given
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "inserted"))
        strategy.adapt(backbone)
    changed = backbone.blocks_of(set(backbone.named_parameters()) ^ set(given.named_parameters()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "head"))
        head = head_of(ground.task, given, ground.labels, recipe).to(bench.device.torch)
    model = Model(backbone, head, bench.device, ground.prefix, bench.memory.micro_batch)
    steps = epoch_steps(len(ground.splits["train"]), recipe.batch_size)
    plan = make_plan(strategy, list(model.parameters()), given.depth, recipe, steps, changed)
    if given.joined > 1 and any(phase.frozen <= given.depth for phase in plan.phases):
        raise BenchError(f"strategy '{strategy.name}': features = '{recipe.features}' needs a frozen encoder")
    if backbone is given:
        head_alone = all(name.startswith("head.") for name in plan.learning)
        model = replace(model, backbone=ground.frozen if head_alone else given.copy())
    if bench.compiled and model.backbone is not ground.frozen:
        model.backbone.compile()
    return model, plan


def _headline(ground: Ground, logits: np.ndarray) -> float:
    """The headline metric of packed validation logits."""
    examples = ground.rows.validation
    predictions = ground.task.decode(logits, ground.encoded["validation"], examples, ground.labels)
    return ground.task.score(examples, predictions)[ground.task.headline]


def _seconds(ground: Ground, trained: Trained, testing: Stopwatch) -> Seconds:
    plan, fitted = trained.plan, trained.fitted
    prefix = sum(ground.prefix.seconds(split, plan.boundaries) for split in ("train", "validation"))
    last = plan.phases[-1]
    if last.shared and last.frozen:
        prefix += sum(ground.prefix.seconds(name, (last.frozen,)) for name in ground.rows.scored())
    parts = {
        "prepare": ground.seconds + trained.building,
        "prefix": prefix,
        "compile": fitted.compile_seconds + testing.compiling,
        "train": fitted.train_seconds,
        "evaluate": fitted.evaluate_seconds + testing.seconds,
    }
    return Seconds(**parts, cold=math.fsum(parts.values()), tune=trained.others)


def values_of(name: str, parameters: dict[str, Any], ground: Ground) -> int:
    """Values of a parameter; of the embedding table as it is in the whole model, not in the trimmed one."""
    parameter = parameters[name]
    if name.startswith("embeddings.") and parameter.dim() == 2 and len(parameter) == ground.given.rows:
        return ground.loaded.vocabulary * parameter.shape[1]
    return parameter.numel()
