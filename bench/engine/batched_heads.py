"""Heads of several seeds and learning-rate scales on the same frozen, pooled features, trained in one computation.

Each is the head that it would be alone, to rounding: it has its own initial values, order of examples, dropout
masks, clipping, learning rate, best state and patience. A step of a head costs what its number of operations costs,
hardly what their size does, so many heads take little longer than one; each is charged the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.contracts import Recipe
from bench.data.batches import Split, epoch_steps, shuffled
from bench.engine.divergence import Diverged, check_finite, check_sound
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prefix import Prefix, Stopwatch
from bench.engine.training import Fit, Model, Score, derived_seed, rate_factor
from bench.models.dropout import Masks
from bench.models.stacked_heads import StackedHeads
from bench.runs.curve import Point


@dataclass
class Member:
    """One head of the batch, with the only phase of its plan; `diverged` says why it has no `fit`."""

    model: Model
    phase: PlannedPhase
    seed: int
    fit: Fit = field(default_factory=lambda: Fit(phase_steps=[0]))
    diverged: Diverged | None = None
    waited: int = 0  # evaluations since the best one
    tokens: int = 0
    padded: int = 0

    @property
    def runs(self) -> bool:
        """Whether it still learns: it neither diverged nor ran out of patience."""
        return self.diverged is None and self.waited < self.phase.patience

    def count(self, lengths: np.ndarray) -> None:
        """One more step, on sequences of these lengths."""
        self.fit.phase_steps[0] += 1
        self.tokens += int(lengths.sum())
        self.padded += len(lengths) * int(lengths.max())


def can_batch(plan: Plan, prefix: Prefix) -> bool:
    """Whether a cell trains nothing but a head, by AdamW and in one phase, on pooled features that are kept."""
    (first, *more) = plan.phases
    if more or plan.solver != "adamw" or not first.shared or not prefix.pools(first.frozen):
        return False
    return all(prefix.features(split, first.frozen) is not None for split in ("train", "validation"))


def fit_together(
    members: Sequence[Member], splits: dict[str, Split], prefix: Prefix, recipe: Recipe, score: Score
) -> None:
    """Train all members; leave the best validation state in the head of each, and its `fit` or `diverged`.

    prefix: keeps the pooled features of `train` and `validation`. score: as in `fit`."""
    device = members[0].model.device
    training, evaluating = Stopwatch(device), Stopwatch(device)
    epoch = epoch_steps(len(splits["train"]), recipe.batch_size)
    every, steps = math.ceil(epoch / recipe.evaluations), members[0].phase.steps
    with training:
        batch = _Batch(members, splits["train"], prefix, recipe)
    losses: list[Tensor] = []
    for step in range(1, steps + 1):
        with training:
            losses.append(batch.step(rate_factor(step - 1, steps, recipe.warmup)))
        if step % every and step < steps:
            continue
        with evaluating:
            found = batch.evaluate(splits["validation"], prefix)
            history = torch.stack(losses).cpu()  # [steps, 2, heads]
            losses = []
        for number, one in enumerate(members):
            if not one.runs:
                continue
            with evaluating:
                logits = found[number].cpu().numpy()
                loss = float(F.cross_entropy(found[number], splits["validation"].targets))
                try:
                    check_finite(list(history[:, :, number]), step)
                    check_sound(logits, loss, step)
                except Diverged as error:
                    one.diverged = error
                    continue
                if loss < min((point.loss for point in one.fit.curve), default=math.inf):
                    batch.heads.keep(number)
                    one.waited = 0
                else:
                    one.waited += 1
                mean = float(history[:, 0, number].mean())
                result = score(logits)
            seconds = training.seconds + evaluating.seconds
            point = Point(step, step / epoch, seconds, 1, mean, loss, result)
            one.fit.curve.append(point)
        if not any(one.runs for one in members):
            break
    with evaluating:
        batch.heads.hand_over()
    for one in members:
        one.fit.train_seconds, one.fit.evaluate_seconds = training.seconds, evaluating.seconds
        one.fit.padding = 1 - one.tokens / max(one.padded, 1)


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

    def step(self, factor: float) -> Tensor:
        """One optimizer step of every head: (loss, norm of its gradient before clipping), [2, heads]."""
        rows = [next(order) for order in self._orders]
        for one, row in zip(self._members, rows, strict=True):
            if one.runs:
                one.count(self._train.lengths[row])
        # the last batch of an epoch may be smaller, and comes at another step for every seed
        index = np.zeros((len(rows), max(map(len, rows))), np.int64)
        weights = np.zeros(index.shape, np.float32)
        for number, row in enumerate(rows):
            index[number, : len(row)] = row
            weights[number, : len(row)] = 1 / len(row)
        where = torch.from_numpy(index).to(self._features.device)
        hidden = self._features[where].to(self._train.targets.device)
        logits = self.heads.logits(hidden, lambda x: x * self._drop(x, [len(row) for row in rows]))
        targets = self._train.targets[where.to(self._train.targets.device)]
        each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(index.shape)
        mean = (each * torch.from_numpy(weights).to(each.device)).sum(1)
        mean.sum().backward()
        return torch.stack([mean.detach(), self.heads.step(factor)])

    def evaluate(self, validation: Split, prefix: Prefix) -> Tensor:
        """Validation logits of every head, [heads, N, labels]."""
        hidden = _features(prefix, "validation", self._members).to(validation.targets.device)
        with torch.no_grad():
            return self.heads.logits(hidden.expand(len(self._members), -1, -1))

    def _drop(self, hidden: Tensor, sizes: Sequence[int]) -> Tensor:
        """Dropout masks [heads, B, width], each head's drawn for as many rows as it has."""
        if not self._dropout:
            return torch.ones((), device=hidden.device)
        drawn = torch.zeros(hidden.shape)
        for number, (masks, size) in enumerate(zip(self._masks, sizes, strict=True)):
            drawn[number, :size] = masks.draw(drawn[number, :size], self._dropout)
        return drawn.to(hidden.device)


def _rate(one: Member) -> float:
    return next(rate for name, rate in one.phase.rates.items() if name.startswith("head."))


def _features(prefix: Prefix, split: str, members: Sequence[Member]) -> Tensor:
    kept = prefix.features(split, members[0].phase.frozen)
    assert kept is not None
    return kept
