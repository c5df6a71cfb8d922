"""The training loop."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Recipe
from bench.data.batches import Split, epoch_steps, shuffled
from bench.engine.averaging import Averaged, Averaging
from bench.engine.divergence import Diverged, check_finite, check_sound
from bench.engine.freezing import Boundary, Freezing
from bench.engine.model import Model
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prediction import predict
from bench.engine.prefix import Stopwatch
from bench.engine.schedule import rate_factor
from bench.engine.turns import Turns, finish
from bench.engine.workspace import Workspace, backward
from bench.runs.curve import Point


def derived_seed(seed: int, purpose: str) -> int:
    """A separate seed for each purpose (initialisation, order, dropout), so that one never shifts another."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:4])


@dataclass
class Fit:
    """What training left behind besides the model, which holds the best validation state."""

    curve: list[Point] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    finish_seconds: float = 0.0  # of evaluating: after the last pass, to restore the best state or to average
    compile_seconds: float = 0.0
    padding: float = 0.0  # share of the tokens of the training batches
    phase_steps: list[int] = field(default_factory=list)  # steps taken in each phase
    phase_seconds: list[float] = field(default_factory=list)  # of training, in each phase
    adaptations: tuple[str, ...] = ()  # why steps were launched one by one
    peak_memory: int = 0  # bytes of replayed steps, at least; 0: the device has counted them
    best: list[Tensor] = field(default_factory=list)  # the state in the model, as the optimizer gives it
    boundaries: list[Boundary] = field(default_factory=list)  # where blocks froze while a phase ran
    averaged: Averaged | None = None  # what `best` was replaced with

    @property
    def steps(self) -> int:
        return sum(self.phase_steps)

    @property
    def loss(self) -> float:
        """The validation loss of the state in the model."""
        return self.averaged.loss if self.averaged else min(point.loss for point in self.curve)

    @property
    def score(self) -> float:
        """The validation score of the state in the model."""
        return self.averaged.score if self.averaged else min(self.curve, key=lambda point: point.loss).score


Score = Callable[[np.ndarray], float]
Watch = Callable[[Point], None]


@dataclass(frozen=True)
class Course:
    """What a model is trained through: the plan, `train` and `validation`, and the recipe.

    seed: of the order and dropout. score: the headline metric from packed validation logits."""

    plan: Plan
    splits: dict[str, Split]
    recipe: Recipe
    seed: int
    score: Score

    @property
    def epoch(self) -> int:
        """Steps of one pass over the training split."""
        return epoch_steps(len(self.splits["train"]), self.recipe.batch_size)

    @property
    def every(self) -> int:
        """Steps from one validation pass to the next."""
        return math.ceil(self.epoch / self.recipe.evaluations)


def fit(
    model: Model, plan: Plan, splits: dict[str, Split], recipe: Recipe, seed: int, score: Score, watch: Watch
) -> Fit:
    """Train through the plan's phases, in buffers of the model's own; leave the best validation state in the model.

    splits: `train` and `validation`. score: the headline metric from packed validation logits. watch: called
    with every point of the learning curve. Raises Diverged."""
    workspace = Workspace(model, plan, splits["train"], recipe)
    return fit_in(workspace, Course(plan, splits, recipe, seed, score), watch)


def fit_in(workspace: Workspace, course: Course, watch: Watch) -> Fit:
    """`fit`, in a workspace that holds the initial values of the model."""
    return finish(fitting(workspace, course, watch))


def fitting(workspace: Workspace, course: Course, watch: Watch) -> Turns[Fit]:
    """`fit_in`, with a pause after every step."""
    result = Fit()
    try:
        yield from _train(workspace, course, watch, result)
    except Diverged as error:
        error.phase_steps = tuple(result.phase_steps)
        raise
    return result


def _train(workspace: Workspace, course: Course, watch: Watch, result: Fit) -> Turns[None]:
    """`fitting`, with what it leaves behind in `result`."""
    plan, every = course.plan, course.every
    device = workspace.model.device
    batches = shuffled(
        course.splits["train"].lengths, course.recipe.batch_size, derived_seed(course.seed, "order")
    )
    training, evaluating, finishing = Stopwatch(device), Stopwatch(device), Stopwatch(device)
    best, averaging = _Best(workspace.optimizer), Averaging(plan, workspace.optimizer)
    freezing = Freezing(workspace, course.epoch, result.boundaries)
    tokens = padded = 0
    torch.manual_seed(derived_seed(course.seed, "dropout"))
    workspace.model.renew_masks()
    for number, phase in enumerate(plan.phases):
        before = training.seconds
        with training:
            freezing.enter(number, phase)
        best.waited = 0
        result.phase_steps.append(0)
        for stop in _stops(phase.steps, result.steps, every):
            with training:
                steps = range(result.phase_steps[-1], stop)
                factors = [rate_factor(step, phase.steps, course.recipe) for step in steps]
                stretch = workspace.stretch(list(islice(batches, len(steps))), factors)
            result.compile_seconds += workspace.prepare(stretch)
            with training:  # the clock waits for the device: twice a stretch, never in it
                yield from workspace.steps(stretch, result.steps)
            tokens, padded = tokens + stretch.tokens, padded + stretch.padded
            result.phase_steps[-1] = stop
            losses = workspace.buffers.history[: len(steps)]
            last = number == len(plan.phases) - 1 and stop == phase.steps
            if result.steps % every and not last:
                with evaluating:
                    check_finite(losses, result.steps)
                continue
            with evaluating:
                check_finite(losses, result.steps)
                logits, loss = predict(
                    workspace.model, "validation", course.splits["validation"], workspace.phase
                )
                check_sound(logits, loss, result.steps)
                point = Point(
                    step=result.steps,
                    epoch=result.steps / course.epoch,
                    seconds=training.seconds + evaluating.seconds,
                    phase=number + 1,
                    train_loss=float(losses[:, 0].mean()),
                    loss=loss,
                    score=course.score(logits),
                )
                best.offer(loss)
                averaging.take(number)
                workspace.set_modes()
            result.curve.append(point)
            watch(point)
            if phase.patience and best.waited >= phase.patience:
                break
            if phase.freeze:
                with training:
                    freezing.advance(stop)
        result.phase_seconds.append(training.seconds - before)
    freezing.finish()
    with finishing:
        best.restore()
        result.averaged = averaging.finish(best.state, partial(_judge, workspace.model, course))
    result.train_seconds, result.finish_seconds = training.seconds, finishing.seconds
    result.evaluate_seconds = evaluating.seconds + finishing.seconds
    result.compile_seconds += training.compiling + evaluating.compiling + finishing.compiling
    result.padding = 1 - tokens / padded
    result.adaptations, result.peak_memory = tuple(workspace.adaptations), workspace.peak
    result.best = result.averaged.state if result.averaged else best.state


def _judge(model: Model, course: Course) -> tuple[float, float]:
    """The validation loss and score of a model that has been trained."""
    logits, loss = predict(model, "validation", course.splits["validation"], course.plan.phases[-1])
    return loss, course.score(logits)


def _stops(steps: int, taken: int, every: int) -> list[int]:
    """The steps of a phase after which it pauses: where the steps of all phases together are a multiple of
    `every`, and at its end. taken: steps of the phases before it."""
    first = every - taken % every
    return sorted({*range(first, steps, every), steps})


def accumulate(model: Model, split: Split, index: np.ndarray, phase: PlannedPhase) -> Tensor:
    """Add the gradients of the mean loss over all terms of the batch; that loss, detached. The batch runs in parts
    of `model.micro_batch` sequences."""
    size = model.micro_batch or len(index)
    parts = [split.batch(index[start : start + size]) for start in range(0, len(index), size)]
    return backward(model, parts, phase)


class _Best:
    """The state at the lowest validation loss, and how many evaluations have passed since."""

    def __init__(self, optimizer: FlatAdamW) -> None:
        self._optimizer = optimizer
        self._loss = math.inf
        self.state: list[Tensor] = []
        self.waited = 0

    def offer(self, loss: float) -> None:
        """Keep the state if it is the best so far; else count one more evaluation without a better one."""
        if loss < self._loss:
            self._loss = loss
            self.state = self._optimizer.state()
            self.waited = 0
        else:
            self.waited += 1

    def restore(self) -> None:
        self._optimizer.restore(self.state)
