"""Trains the heads of several seeds and learning-rate scales in one computation, on the same frozen, pooled
features.

Each head is the one that it would be alone, up to rounding: it has its own initial values, order of examples,
dropout masks, clipping, learning rate, best state and patience. The cost of a step is the number of its
operations rather than their size, so many heads take little longer than one. Each is charged for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Recipe
from bench.data.batches import Split, epoch_steps, shuffled
from bench.engine.divergence import Diverged, check_finite, check_sound
from bench.engine.model import Model
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prefix import Prefix, Stopwatch
from bench.engine.schedule import rate_factor
from bench.engine.training import Fit, Score, Watch, derived_seed
from bench.engine.tuning import Trained
from bench.models.dropout import Masks
from bench.models.losses import pooled_loss, pooled_losses
from bench.models.stacked_heads import StackedHeads
from bench.runs.curve import Point

DRAWN = 8  # steps whose dropout masks are drawn at once on a GPU


@dataclass
class Member:
    """One head of the batch. building: seconds that setting up its model took; `diverged` says why it has no
    `fit`."""

    model: Model
    plan: Plan
    seed: int
    scale: float
    building: float
    fit: Fit = field(default_factory=lambda: Fit(phase_steps=[0]))
    diverged: Diverged | None = None
    waited: int = 0  # evaluations since the best one
    tokens: int = 0
    padded: int = 0

    @property
    def phase(self) -> PlannedPhase:
        """The only phase of its plan."""
        return self.plan.phases[0]

    @property
    def runs(self) -> bool:
        """Whether it still learns, that is, has neither diverged nor run out of patience."""
        return self.diverged is None and self.waited < self.phase.patience

    def count(self, lengths: np.ndarray) -> None:
        """Count one more step, on sequences of these lengths."""
        self.fit.phase_steps[0] += 1
        self.tokens += int(lengths.sum())
        self.padded += len(lengths) * int(lengths.max())

    def judge(self, logits: np.ndarray, losses: Tensor, loss: float, step: int) -> bool:
        """Whether this is its best validation loss so far; notes where it diverged.

        losses: (loss, gradient norm) of the steps since the last evaluation."""
        try:
            check_finite(losses, step)
            check_sound(logits, loss, step)
        except Diverged as error:
            self.diverged = error
            return False
        better = loss < min((point.loss for point in self.fit.curve), default=math.inf)
        self.waited = 0 if better else self.waited + 1
        return better


@dataclass(frozen=True)
class Heads:
    """Heads that were trained together, by seed and learning-rate scale."""

    members: Mapping[tuple[int, float], Member]

    def trained(self, seed: int, scale: float, watch: Watch) -> Trained:
        """One of them; `watch` hears its learning curve. Raises the Diverged that ended it."""
        one = self.members[seed, scale]
        if one.diverged:
            one.diverged.seconds = one.building + one.fit.train_seconds + one.fit.evaluate_seconds
            raise one.diverged
        for point in one.fit.curve:
            watch(point)
        return Trained(one.model, one.plan, one.fit, one.building)


def fit_together(
    members: Sequence[Member], splits: dict[str, Split], prefix: Prefix, recipe: Recipe, score: Score
) -> Heads:
    """Train all members; leave the best validation state in the head of each, and its `fit` or `diverged`.

    prefix: keeps the pooled features of `train` and `validation`. score: as in `fit`."""
    device = members[0].model.device
    training, evaluating = Stopwatch(device), Stopwatch(device)
    epoch = epoch_steps(len(splits["train"]), recipe.batch_size)
    every, steps = math.ceil(epoch / recipe.evaluations), members[0].phase.steps
    with training:
        batch = _Batch(members, splits["train"], prefix, recipe)
    step = 0
    while step < steps and any(one.runs for one in members):
        begun, step = step, min(step + every, steps)
        with training:  # the clock waits for the device: not once a step
            batch.lay(step - begun)
            factors = [rate_factor(done, steps, recipe) for done in range(begun, step)]
            losses = [batch.step(place, factor) for place, factor in enumerate(factors)]
        with evaluating:
            found = batch.evaluate(splits["validation"], prefix)
            history = torch.stack(losses).cpu()  # [steps, 2, heads]
        for number, one in enumerate(members):
            if not one.runs:
                continue
            with evaluating:
                logits = found[number].cpu().numpy()
                loss = float(pooled_loss(found[number], splits["validation"].targets))
                if one.judge(logits, history[:, :, number], loss, step):
                    batch.heads.keep(number)
                if one.diverged:
                    continue
                mean = float(history[:, 0, number].mean())
                result = score(logits)
            seconds = training.seconds + evaluating.seconds
            one.fit.curve.append(Point(step, step / epoch, seconds, 1, mean, loss, result))
    with evaluating:
        batch.heads.hand_over()
    for one in members:
        one.fit.train_seconds, one.fit.evaluate_seconds = training.seconds, evaluating.seconds
        one.fit.padding = 1 - one.tokens / max(one.padded, 1)
    return Heads({(one.seed, one.scale): one for one in members})


class _Batch:
    """The heads of all members, and what each of them sees next."""

    def __init__(self, members: Sequence[Member], train: Split, prefix: Prefix, recipe: Recipe) -> None:
        self.heads = StackedHeads(
            [one.model.head for one in members], [_rate(one) for one in members], recipe
        )
        self._members = members
        self._train = train
        self._features = _features(prefix, "train", members)
        self._dropout = recipe.dropout
        self._orders = [
            shuffled(train.lengths, recipe.batch_size, derived_seed(one.seed, "order")) for one in members
        ]
        self._masks = [
            Masks(torch.Generator().manual_seed(derived_seed(one.seed, "dropout"))) for one in members
        ]
        seeds = [derived_seed(one.seed, "dropout") for one in members]
        most = min(recipe.batch_size, len(train))
        self._draws = _Draws(seeds, recipe.dropout, most, train.targets.device)

    def lay(self, steps: int) -> None:
        """Put what so many steps need onto the device: nothing comes from the host within them."""
        rows = [[next(order) for order in self._orders] for _ in range(steps)]
        # the last batch of an epoch may be smaller, and comes at another step for every seed
        self._sizes = [[len(row) for row in step] for step in rows]
        index = np.zeros((steps, len(self._members), max(map(max, self._sizes))), np.int64)
        weights = np.zeros(index.shape, np.float32)
        for place, step in enumerate(rows):
            for number, row in enumerate(step):
                index[place, number, : len(row)] = row
                weights[place, number, : len(row)] = 1 / len(row)
                if self._members[number].runs:
                    self._members[number].count(self._train.lengths[row])
        where = torch.from_numpy(index)
        device = self._train.targets.device
        self._rows, self._kept_rows = where.to(device), where.to(self._features.device)
        self._weights = torch.from_numpy(weights).to(device)

    def step(self, place: int, factor: float) -> Tensor:
        """The optimizer step of every head that is laid at this place: (loss, norm of its gradient before
        clipping), [2, heads]."""
        width = max(self._sizes[place])
        rows, weights = self._rows[place, :, :width], self._weights[place, :, :width]
        hidden = self._features[self._kept_rows[place, :, :width]].to(rows.device)
        logits = self.heads.logits(hidden, lambda x: x * self._drop(x, place))
        targets = self._train.targets[rows]
        each = pooled_losses(logits.flatten(0, 1), targets.flatten(0, 1)).view(rows.shape)
        mean = (each * weights).sum(1)
        mean.sum().backward()
        return torch.stack([mean.detach(), self.heads.step(factor)])

    def evaluate(self, validation: Split, prefix: Prefix) -> Tensor:
        """Validation logits of every head, [heads, N, labels]."""
        hidden = _features(prefix, "validation", self._members).to(validation.targets.device)
        with torch.no_grad():
            return self.heads.logits(hidden.expand(len(self._members), -1, -1))

    def _drop(self, hidden: Tensor, place: int) -> Tensor:
        """Dropout masks [heads, B, width], each head's drawn for as many rows as it has."""
        if not self._dropout:
            return torch.ones((), device=hidden.device)
        if hidden.device.type != "cpu":
            return self._draws.mask(hidden)
        drawn = torch.zeros(hidden.shape)
        for number, (masks, size) in enumerate(zip(self._masks, self._sizes[place], strict=True)):
            drawn[number, :size] = masks.draw(drawn[number, :size], self._dropout)
        return drawn


class _Draws:
    """Dropout masks that are drawn on the device: for each head from a generator of its own, for several steps at a
    time, as each draw is one launch. Each has the `rows` of a whole batch, so that a head's masks do not depend on
    the sizes of the other heads' batches."""

    def __init__(self, seeds: Sequence[int], rate: float, rows: int, device: torch.device) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._rate = rate
        self._rows = rows
        self._left: list[Tensor] = []

    def mask(self, like: Tensor) -> Tensor:
        """A mask of the shape of `like`, [heads, B, width]: 0 with probability `rate`, else 1 / (1 - rate)."""
        _, rows, width = like.shape
        if not self._left:
            shape = (DRAWN, self._rows, width)
            drawn = [torch.rand(shape, generator=one, device=like.device) for one in self._generators]
            kept = torch.stack([one >= self._rate for one in drawn], 1)
            self._left = list(kept.to(like.dtype).div_(1 - self._rate))
        return self._left.pop()[:, :rows]


def _rate(one: Member) -> float:
    return next(rate for name, rate in one.phase.rates.items() if name.startswith("head."))


def _features(prefix: Prefix, split: str, members: Sequence[Member]) -> Tensor:
    kept = prefix.features(split, members[0].phase.frozen)
    assert kept is not None
    return kept
