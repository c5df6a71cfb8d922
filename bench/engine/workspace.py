"""A training step as a function of buffers that do not move.

What the steps from one validation pass to the next need lies on the device before the first of them: packed tokens,
offsets and targets, activations of the frozen prefix, the order of the sequences, the factor of the learning rate
at every step, and a counter that says which step it is. Losses and gradient norms go into a history on the device.
So the steps can be queued without waiting for the device, and a step that is captured once for each phase and shape
of a batch can be replayed.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Recipe
from bench.data.batches import Batch, Split, epoch_steps
from bench.data.ladder import PAYS, Ladder
from bench.engine.divergence import check_finite
from bench.engine.model import Model, set_modes
from bench.engine.optimizer import FlatAdamW, memberships
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.replay import Called, Captured, CaptureFailed, Pool, Replay
from bench.engine.turns import Turns, finish
from bench.models.heads import count_terms, loss_terms

Shape = tuple[tuple[int, int, int], ...]
"""Of a step: its parts, which run forward and backward one after another; of each the first row, the row after the
last, and the tokens of a row."""

Key = tuple[int, int, Shape]
"""Of steps that are one captured step: the number of the phase, its frozen blocks, the shape."""


@dataclass(frozen=True)
class Stretch:
    """The steps from one validation pass to the next. rows: int64 [steps, batch], -1 where a row only fills up;
    factors: of the learning rate, [steps]; shapes: one a step; tokens: real ones; padded: all of them."""

    rows: np.ndarray
    factors: Sequence[float]
    shapes: Sequence[Shape]
    tokens: int
    padded: int


class Buffers:
    """What the steps of a stretch read and write, besides the model.

    rows: int64 [steps, batch]. factors: of the learning rate, [steps]. history: fp32 [steps, 2], losses and
    gradient norms. at: int64 [1], the step that comes next."""

    def __init__(self, steps: int, batch: int, device: torch.device, rate_type: torch.dtype) -> None:
        self.rows = torch.full((steps, batch), -1, device=device)
        self.factors = torch.zeros(steps, dtype=rate_type, device=device)
        self.history = torch.zeros((steps, 2), device=device)
        self.at = torch.zeros(1, dtype=torch.int64, device=device)

    def lay(self, stretch: Stretch) -> None:
        """Make this stretch the one that comes next."""
        steps = len(stretch.rows)
        self.rows[:steps].copy_(torch.from_numpy(stretch.rows))
        self.factors[:steps].copy_(torch.tensor(stretch.factors, dtype=torch.float64))
        self.rewind()

    def clear(self) -> None:
        """Let every row be one that only fills up."""
        self.rows.fill_(-1)
        self.rewind()

    def rewind(self) -> None:
        self.at.zero_()

    def note(self, loss: Tensor, norm: Tensor) -> None:
        """End a step with its loss and gradient norm."""
        self.history.index_copy_(0, self.at, torch.stack([loss, norm])[None])
        self.at.add_(1)


class Workspace:
    """A model in training: its parameters, their optimizer, the buffers of its steps, and what replays them. It can
    serve several cells, one after another, that differ in initial values and learning rates alone."""

    def __init__(self, model: Model, plan: Plan, split: Split, recipe: Recipe, lane: int = 0) -> None:
        """split: the training split, or a part of it. lane: among the cells that train on the device at once. The
        model's parameters become views of flat buffers."""
        self.model = model
        self.split = split
        self.parameters = model.parameters()
        self.optimizer = FlatAdamW(self.parameters, plan, recipe, model.device.dtype)
        model.backbone.cast(model.device.dtype)
        steps = -(-epoch_steps(len(split), recipe.batch_size) // recipe.evaluations)
        self.buffers = Buffers(steps, recipe.batch_size, model.device.torch, self.optimizer.rate_type)
        self.adaptations: dict[str, None] = {}  # why steps were launched one by one, in the cell at hand
        self.peak = 0  # bytes of the device, when steps were captured: replaying them allocates nothing
        self.phase = plan.phases[0]  # the one at hand
        self._recipe = recipe
        self._replays: dict[Key, Replay] = {}
        self._lane = lane
        self._pool = Pool(lane)
        self._used: set[Key] = set()
        self._number = 0
        self._ladder = split.ladder
        self._captures = False
        self._failure = ""  # of the first capture that failed; no other one is tried
        self._lost = self._owed = 0.0  # seconds of it, and what of them the cell at hand was not charged yet

    @property
    def captures(self) -> int:
        """How many steps are captured, of one phase and shape each."""
        return len(self._replays)

    def restart(self, model: Model, plan: Plan) -> None:
        """Begin with another cell: the initial values of its model, its rates, and nothing of the last cell."""
        values = model.parameters()
        self.optimizer.restart(values, memberships(values, plan, self._recipe, self.model.device.dtype))
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                if name not in plan.learning:
                    parameter.copy_(values[name])
        self._used = set()
        self._owed = self._lost
        self.adaptations = {}

    def enter(self, number: int, phase: PlannedPhase) -> None:
        """Begin a phase, the `number`-th of the plan, or go on with it above blocks that froze while it ran."""
        self._number, self.phase = number, phase
        self.optimizer.enter(number, phase.frozen)
        self.set_modes()
        lengths, batch = self.split.lengths, self._recipe.batch_size
        self._ladder = self.split.ladder.thinned(lengths, batch, phase.steps, PAYS)
        self._captures = self._ladder.fixed
        if self._captures and (reason := self._why_not()):
            self._give_up(reason)

    def set_modes(self) -> None:
        """Blocks that learn run with dropout, others without."""
        set_modes(self.model, self.parameters)

    def stretch(self, batches: Sequence[np.ndarray], factors: Sequence[float]) -> Stretch:
        """The steps on these batches, each an index array, with these factors of the learning rate."""
        rows = np.full((len(batches), self.buffers.rows.shape[1]), -1)
        shapes, tokens, padded = [], 0, 0
        for number, index in enumerate(batches):
            rows[number, : len(index)] = index
            lengths = self.split.lengths[index]
            full = rows.shape[1] if self._ladder.fixed else len(index)
            shapes.append(_shape(lengths, self._ladder, full, self.model.micro_batch))
            tokens += int(lengths.sum())
            padded += full * self._ladder.fit(int(lengths.max()))
        return Stretch(rows, factors, shapes, tokens, padded)

    def prepare(self, stretch: Stretch) -> float:
        """Capture what the stretch needs. Returns the seconds of those captures that the cell has not used before,
        whether they were made for it or for a cell before it; of one that failed, too."""
        keys = dict.fromkeys(map(self._key, stretch.shapes))
        new = [key for key in keys if key not in self._replays] if self._captures else []
        if new and self.model.device.torch.type == "cuda":
            gc.collect()  # of earlier models: nothing is collected during a capture
        for key in new:
            if self._captures:
                self._capture(key, keys)
        unused = [key for key in keys if key in self._replays and key not in self._used]
        self._used.update(unused)
        owed, self._owed = self._owed, 0.0
        return sum((self._replays[key].seconds for key in unused), owed)

    def run(self, stretch: Stretch, taken: int) -> None:
        """Take the steps of a stretch, after `taken` others. Raises Diverged: on a CPU at once, where looking at a
        loss costs nothing."""
        finish(self.steps(stretch, taken))

    def steps(self, stretch: Stretch, taken: int) -> Turns[None]:
        """`run`, with a pause after every step."""
        watched = self.model.device.torch.type == "cpu"
        self.buffers.lay(stretch)
        for number, shape in enumerate(stretch.shapes):
            replay = self._replays.get(self._key(shape))
            (replay or Called(partial(self._step, shape)))()
            if watched:
                check_finite(self.buffers.history[number : number + 1], taken + number + 1)
            yield

    def _step(self, shape: Shape) -> None:
        """One optimizer step on the rows that the counter points at."""
        buffers = self.buffers
        rows = buffers.rows.index_select(0, buffers.at)[0]
        parts = [self.split.gather(rows[start:stop], length) for start, stop, length in shape]
        loss = backward(self.model, parts, self.phase)
        buffers.note(loss, self.optimizer.step(buffers.factors.index_select(0, buffers.at)))

    def forget_above(self, number: int, frozen: int) -> None:
        """Drop the captured steps of a phase above blocks that froze while it ran: they read a cache that goes."""
        self._replays = {
            key: replay for key, replay in self._replays.items() if key[0] != number or key[1] <= frozen
        }

    def _key(self, shape: Shape) -> Key:
        return self._number, self.phase.frozen, shape

    def _why_not(self) -> str:
        """Why the steps of the phase cannot be captured; '' where they can."""
        model, phase = self.model, self.phase
        if self._failure:
            return f"a capture failed ({self._failure})"
        if 0 < model.micro_batch < self._recipe.batch_size:
            return "they run in micro-batches"
        if phase.shared and phase.frozen and model.prefix:
            below = model.prefix.highest("train", phase.frozen)
            kept = model.prefix.features("train", below)
            if kept is not None and kept.device.type != model.device.torch.type:
                return "the prefix cache is not on the device"
        if phase.steps < PAYS:
            return f"a phase has fewer than {PAYS} steps, and a capture takes as long as {PAYS}"
        return ""

    def _capture(self, key: Key, stretch: Iterable[Key]) -> None:
        """Capture a step, one of those that a stretch needs."""
        action = partial(self._step, key[-1])
        if self.model.device.torch.type != "cuda":
            self._replays[key] = Called(action)
            return
        self.buffers.clear()  # rows of this shape; real ones may be longer
        began = self.model.device.clock()
        try:
            with self.optimizer.preserved():
                self._replays[key] = Captured(action, self.model.device, self._pool, self.buffers.rewind)
        except CaptureFailed as error:
            in_vain = [other for other in stretch if other in self._replays and other not in self._used]
            took = self.model.device.clock() - began
            self._lost = self._owed = took + sum(self._replays[other].seconds for other in in_vain)
            self._replays, self._pool = {}, Pool(self._lane)  # the generator that they follow was replaced
            self._failure = str(error)[:120]
            self._give_up(self._why_not())
        self.peak = max(self.peak, self.model.device.peak_memory())

    def _give_up(self, reason: str) -> None:
        """Launch the steps of this phase one by one, as the record will say."""
        self._captures = False
        self.adaptations[f"steps launched one by one: {reason}"] = None


def backward(model: Model, parts: Sequence[Batch], phase: PlannedPhase) -> Tensor:
    """Add the gradients of the mean loss over all terms of a batch, which comes in parts, each divided by the terms
    of the whole, so that the sum is the batch's own; that loss, detached."""
    kind = model.head.kind
    counts = [count_terms(kind, part.targets) for part in parts]
    terms = torch.stack(counts).sum().clamp(min=1)
    losses = []
    for part in parts:
        total, _ = loss_terms(kind, model.logits("train", part, phase), part.targets)
        loss = total / terms
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def _shape(lengths: np.ndarray, ladder: Ladder, rows: int, micro_batch: int) -> Shape:
    """The parts of a batch of sequences of these lengths, which is filled up to `rows` rows."""
    size = micro_batch or rows
    if ladder.fixed:
        length = ladder.fit(int(lengths.max()))
        return tuple((start, min(start + size, rows), length) for start in range(0, rows, size))
    return tuple(
        (start, min(start + size, rows), int(lengths[start : start + size].max()))
        for start in range(0, rows, size)
    )
