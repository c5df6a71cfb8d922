"""One cell, or several seeds of one, top to bottom in a straight line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from bench.contracts import BenchError, Cell, Recipe, Strategy, Task
from bench.data.batches import epoch_steps
from bench.data.sequences import pooled_windows
from bench.data.splits import identity
from bench.engine.batched_heads import Heads, Member, fit_together
from bench.engine.cost import freezing_flops, prefix_flops, pretraining_flops, training_flops
from bench.engine.determinism import is_deterministic
from bench.engine.forgetting import forgetting
from bench.engine.freezing import as_trained, frozen_after
from bench.engine.group import CellGroup, RunContext, head_of
from bench.engine.kept_logits import kept_logits
from bench.engine.machine import describe
from bench.engine.model import Model
from bench.engine.plan import Parameters, Plan, PlannedPhase
from bench.engine.prediction import predict
from bench.engine.prefix import Stopwatch
from bench.engine.pretraining import not_captured, pretrain
from bench.engine.seeds_at_once import Seeds
from bench.engine.selection import select, selected
from bench.engine.serving import serving
from bench.engine.solving import solve
from bench.engine.speeds import Speeds
from bench.engine.training import Course, Watch, derived_seed, fitting
from bench.engine.tuning import Trained, Tuned, timed, tune
from bench.engine.turns import ANYTHING, Turns, finish
from bench.engine.unlabelled import Text
from bench.models.backbone import values
from bench.runs.curve import Point
from bench.runs.record import Record, Seconds

Tests = dict[str, dict[str, list[Any]]]
"""Per-example columns by test set, then by column."""

CellWatch = Callable[[Cell, Point], None]
"""Hears every point of a cell's learning curve."""


def run_cells(
    cells: Sequence[Cell], group: CellGroup, context: RunContext, watch: CellWatch
) -> Iterator[tuple[Record, Tests] | BaseException]:
    """Train and score one cell, or several seeds of one whose heads train together; yields what came of each.

    An exception that concerns one cell (Diverged, an error of its task) is yielded in its place. One that concerns
    all of them is raised."""
    heads: Heads | None = None
    seeds = Seeds(cells, group, context, partial(training, context=context))
    for number, cell in enumerate(cells):
        started = datetime.now(UTC).isoformat(timespec="seconds")
        seeds.make_room(cell)  # what another strategy left is in no peak but its own
        context.device.reset_peak_memory()
        if number == 0 and trains_together(cell, context):
            heads = train_heads(cell, group, context)
        try:
            take = partial(_of_heads, heads) if heads else seeds.trained
            record, tests = _run_one(cell, take(cell, partial(watch, cell)), group, context)
            found = seeds.noted(record.model_copy(update={"started": started})), tests
        except ANYTHING as error:
            found = error
        try:
            yield found
        finally:
            del found  # the frames of an exception hold the model, and this frame would hold the exception


def _of_heads(heads: Heads, cell: Cell, watch: Watch) -> Tuned:
    return tune(cell.recipe.tune, partial(heads.trained, cell.seed, watch=watch))


def _run_one(cell: Cell, tuned: Tuned, group: CellGroup, context: RunContext) -> tuple[Record, Tests]:
    """Score a trained cell, and measure what its recipe asks for."""
    trained, trials = tuned
    record, tests = score(cell, trained, group, context)
    used = None
    if cell.recipe.serving:
        used = serving(trained.model, trained.plan, group.splits["test"], len(group.rows.test))
    more: dict[str, Any] = {"trials": trials, "serving": used}
    if cell.recipe.forgetting:
        moved = forgetting(trained.model, cell, group, context)
        more |= {"forgetting": moved.similarity, "language_loss": moved.language}
    return record.model_copy(update=more), tests


def run_cell(cell: Cell, group: CellGroup, context: RunContext, watch: Watch) -> tuple[Record, Tests]:
    """Train and score one cell. Raises Diverged, and whatever the strategy, the task or torch raises."""
    (found,) = run_cells([cell], group, context, lambda _, point: watch(point))
    if isinstance(found, BaseException):
        try:
            raise found
        finally:
            del found
    return found


def trains_together(cell: Cell, context: RunContext) -> bool:
    """Whether the head of this cell trains in one computation with those of its other seeds and scales: not where
    memory is short, nor where the bits must not depend on the number of seeds."""
    roomy = context.memory.micro_batch in (0, cell.recipe.batch_size)
    return roomy and not is_deterministic() and context.registry.trains_together(cell)


def train_heads(cell: Cell, group: CellGroup, context: RunContext) -> Heads | None:
    """The heads of a cell with all seeds that the run has of it, and all scales; None where the features of the
    frozen encoder do not fit into the prefix cache. The same heads whichever of the seeds are still to be run."""
    end = group.given.depth + 1
    for split in ("train", "validation"):
        group.prefix.fill(split, (end,))
        if group.prefix.features(split, end) is None:
            return None
    members = []
    for scale in cell.recipe.tune or (1.0,):
        for seed in context.seeds_of(cell):
            building = Stopwatch(context.device)
            with building:
                model, plan = build(_scaled(replace(cell, seed=seed), scale), group, context)
            members.append(Member(model, plan, seed, scale, building.seconds))
    return fit_together(
        members, group.splits, group.prefix, cell.recipe, partial(headline, group, cell.recipe)
    )


def train(cell: Cell, scale: float, group: CellGroup, context: RunContext, watch: Watch) -> Trained:
    """Train a cell by itself, with every learning rate times `scale`. Raises Diverged."""
    return finish(training(cell, scale, group, watch, context))


def training(cell: Cell, scale: float, group: CellGroup, watch: Watch, context: RunContext) -> Turns[Trained]:
    """`train`, with a pause after every step."""
    building = Stopwatch(context.device)
    with building:
        model, plan = build(_scaled(cell, scale), group, context)
    before = Stopwatch(context.device)
    read_by(plan, group)  # outside of the watch: charged apart, to every cell that reads the text
    with timed(before, building):
        model = pretrained(model, plan, cell, group)
    for split in ("train", "validation"):
        (model.prefix or group.prefix).fill(split, plan.boundaries)
    measure = partial(headline, group, cell.recipe)
    if plan.solver == "lbfgs":
        with timed(Stopwatch(context.device), building, before):
            fitted = solve(model, plan, group.splits, cell.recipe, cell.seed, measure, watch)
        fitted.train_seconds += before.seconds
        fitted.adaptations += (*not_captured(plan.pretraining, context.device), *plan.over_budget)
        return Trained(model, plan, fitted, building.seconds)
    with building:
        workspace = group.workspaces.of(cell, model, plan, group.splits["train"])
    try:
        with timed(Stopwatch(context.device), building, before):
            fitted = yield from fitting(
                workspace, Course(plan, group.splits, cell.recipe, cell.seed, measure), watch
            )
    except BaseException:
        group.workspaces.forget()  # a cell that runs out of memory must leave none behind
        raise
    fitted.train_seconds += before.seconds
    fitted.adaptations += (*not_captured(plan.pretraining, context.device), *plan.over_budget)
    best, fitted.best = fitted.best, []
    revive = partial(workspace.optimizer.restore, best) if group.workspaces.keeps(workspace) else None
    return Trained(workspace.model, plan, fitted, building.seconds, revive=revive)


def pretrained(model: Model, plan: Plan, cell: Cell, group: CellGroup) -> Model:
    """The model after the phases that come before the task's; its prefix is then its own, of the new weights."""
    if not plan.pretraining:
        return model
    words, text = group.words, read_by(plan, group)
    if text:
        words = replace(words, rows=text.rows)
    if plan.pretraining[0].random:
        words = words.redrawn(model.backbone.table.weight, derived_seed(cell.seed, "words"))
    for number, phase in enumerate(plan.pretraining):
        seed = derived_seed(cell.seed, f"pretraining {number}") if number else cell.seed
        pretrain(model, phase, group.read_by(phase.objective), cell.recipe, seed, words)
    return replace(model, prefix=group.prefix.of(model.backbone.copy().cast(model.device.dtype)))


def read_by(plan: Plan, group: CellGroup) -> Text | None:
    """The unlabelled text, prepared, where there is one and a phase of the plan reads it."""
    reads = any(phase.objective == "masked-lm" for phase in plan.pretraining)
    return group.unlabelled.text if group.unlabelled and reads else None


def build(cell: Cell, group: CellGroup, context: RunContext) -> tuple[Model, Plan]:
    """The model of a cell and its plan; BenchError where the strategy does not fit the backbone."""
    strategy, given, recipe = context.registry.strategy(cell), group.given, cell.recipe
    if strategy.needs == "cuda" and context.device.torch.type != "cuda":
        raise BenchError(f"strategy '{cell.strategy}' needs an NVIDIA GPU", code="needs-cuda")
    changes = type(strategy).adapt is not Strategy.adapt or strategy.reinit
    if not strategy.pretrained:
        backbone = group.loaded.random(derived_seed(cell.seed, "encoder"))
        group.setup.apply(backbone)
    else:
        backbone = given.copy() if changes else given
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "reinitialised"))
        backbone.reinitialise(strategy.reinit)
        torch.manual_seed(derived_seed(cell.seed, "inserted"))
        strategy.adapt(backbone)
    changed = backbone.blocks_of(set(backbone.named_parameters()) ^ set(given.named_parameters()))
    changed |= set(range(given.depth + 1 - strategy.reinit, given.depth + 1))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(cell.seed, "head"))
        head = head_of(group.task, given, group.labels, recipe).to(context.device.torch)
    model = Model(backbone, head, context.device, group.prefix, context.memory.micro_batch)
    parameters = Parameters(list(model.parameters()), given.depth, frozenset(changed))
    steps = epoch_steps(len(group.splits["train"]), recipe.batch_size)
    plan = Plan.of(strategy, parameters, recipe, steps)
    if any(phase.select for phase in plan.phases):
        with_gradients = replace(model, backbone=backbone.copy(), prefix=None)
        table = group.table_norm
        if not strategy.pretrained:  # the rows that were left out are drawn as those that are there
            rows = backbone.table.weight.detach()
            table = float(rows.norm()) * math.sqrt(group.loaded.vocabulary / len(rows))
        chosen = select(with_gradients, plan, group.splits["train"], recipe, cell.seed, table)
        plan = Plan.of(strategy, parameters, recipe, steps, chosen)
    if given.joined > 1 and any(phase.frozen <= given.depth for phase in plan.phases):
        raise BenchError(
            f"strategy '{strategy.name}': features = '{recipe.features}' needs a frozen encoder",
            code="features-need-frozen-encoder",
        )
    if backbone is given:
        head_alone = all(name.startswith("head.") for name in plan.learning) and not plan.pretraining
        model = replace(model, backbone=group.frozen if head_alone else given.copy())
    if context.compiled and model.backbone is not group.frozen:
        model.backbone.compile(len(group.splits["train"].ladder.rungs))
    return model, plan


def score(cell: Cell, trained: Trained, group: CellGroup, context: RunContext) -> tuple[Record, Tests]:
    """Predict and score every test set with a trained model; the record, and the per-example columns."""
    device, recipe = context.device, cell.recipe
    model, plan, fitted = trained.model, trained.plan, trained.fitted
    evaluating = Stopwatch(device)
    last = plan.phases[-1]
    with evaluating:
        task = fitted_task(model, last, group, recipe)
        kept = kept_logits(model, last, group, recipe)
    boundary = (last.frozen,) if last.shared and last.frozen else ()
    scores: dict[str, dict[str, float]] = {}
    tests: Tests = {}
    for name, examples in group.rows.scored().items():
        (model.prefix or group.prefix).fill(name, boundary)
        with evaluating:
            logits, _ = predict(model, name, group.splits[name], last)
            predictions = task.decode(logits, group.encoded[name], examples, group.labels)
            scores[name] = task.score(examples, predictions)
        columns = {
            **task.columns(examples, predictions),
            **kept.columns(pooled_windows(logits, group.encoded[name])),
        }
        tests[name] = {**identity(examples), **columns}
    seconds = _seconds(group, trained, evaluating)
    lengths = group.splits["train"].lengths
    trained_plan, steps = as_trained(plan, fitted.phase_steps, fitted.boundaries)
    flops = training_flops(trained_plan, model.backbone, lengths, recipe, steps)
    flops += prefix_flops(plan, group.given, lengths)
    flops += freezing_flops(plan, fitted.boundaries, model.backbone, lengths)
    for phase in plan.pretraining:
        flops += pretraining_flops(phase, model.backbone, group.read_by(phase.objective).lengths, recipe)
    learning = (model.prefix or group.prefix).seconds("train", plan.boundaries) + seconds.train
    rate = Speeds(device, context.registry.sources.cache).gemm() if learning else 0.0
    parameters = model.parameters()
    averaged = fitted.averaged.chosen if fitted.averaged else {}
    frozen = frozen_after(fitted.boundaries, fitted.phase_steps)
    record = Record(
        cell=cell,
        fingerprint=context.registry.fingerprint(cell),
        status="done",
        adapter=task.adapter,
        headline=task.headline,
        scorer=task.scorer,
        metrics=task.metrics,
        scores=scores,
        curve=tuple(fitted.curve),
        seconds=seconds,
        peak_memory=max(device.peak_memory(), fitted.peak_memory),
        trainable=sum(values_of(name, parameters, group) for name in plan.changing),
        parameters=sum(values_of(name, parameters, group) for name in parameters),
        weights=context.registry.weights(cell.backbone),
        flops=flops,
        utilisation=flops / learning / rate if learning else 0.0,
        data=group.data.model_copy(update={"padding": fitted.padding}),
        machine=describe(device),
        attention=group.given.attention,
        chosen={**selected(plan), **frozen, **task.chosen, **kept.chosen, **averaged},
        adaptations=fitted.adaptations,
    )
    return record, tests


def fitted_task(model: Model, phase: PlannedPhase, group: CellGroup, recipe: Recipe) -> Task:
    """The task with what it chooses on the validation rows from a trained model's logits of them."""
    if type(group.task).fitted is Task.fitted:
        return group.task
    logits, _ = predict(model, "validation", group.splits["validation"], phase)
    return group.task.fitted(logits, group.encoded["validation"], group.rows.validation, group.labels, recipe)


def headline(group: CellGroup, recipe: Recipe, logits: np.ndarray) -> float:
    """The headline metric of packed validation logits."""
    examples, encoded = group.rows.validation, group.encoded["validation"]
    task = group.task.fitted(logits, encoded, examples, group.labels, recipe)
    predictions = task.decode(logits, encoded, examples, group.labels)
    return task.score(examples, predictions)[task.headline]


def values_of(name: str, parameters: dict[str, Any], group: CellGroup) -> int:
    """Values of a parameter; of the embedding table as it is in the whole model, not in the trimmed one."""
    parameter = parameters[name]
    if name.startswith("embeddings.") and parameter.dim() == 2 and len(parameter) == group.given.rows:
        return group.loaded.vocabulary * parameter.shape[1]
    return values(parameter)


def _scaled(cell: Cell, scale: float) -> Cell:
    """The cell at one of the scales that its recipe tries."""
    recipe = replace(cell.recipe, tune=(), rate_scale=cell.recipe.rate_scale * scale)
    return replace(cell, recipe=recipe)


def _seconds(group: CellGroup, trained: Trained, testing: Stopwatch) -> Seconds:
    plan, fitted = trained.plan, trained.fitted
    cache = trained.model.prefix or group.prefix
    prefix = sum(cache.seconds(split, plan.boundaries) for split in ("train", "validation"))
    last = plan.phases[-1]
    text = read_by(plan, group)
    if last.shared and last.frozen:
        prefix += sum(cache.seconds(name, (last.frozen,)) for name in group.rows.scored())
    parts = {
        "prepare": group.seconds + (text.seconds if text else 0.0) + trained.building,
        "prefix": prefix,
        "compile": fitted.compile_seconds + testing.compiling,
        "train": fitted.train_seconds,
        "evaluate": fitted.evaluate_seconds + testing.seconds,
    }
    return Seconds(**parts, cold=math.fsum(parts.values()), tune=trained.others)
