"""Counts the floating-point operations of a cell's matrix products by formula.

For a layer whose weight matrices hold P values, a sequence of s tokens costs 2 P s + 4 h s^2 forward (h: width;
the second term is attention). The backward pass costs the same again for the gradients of activations (twice
for the attention term), and 2 P s for the gradients of weights that learn. Padding is not counted.

A frozen prefix costs its forward pass: once over the split where its activations are shared, and in every step
where earlier phases have trained a part of it. Blocks that freeze while a phase runs cost one forward pass over the
split where their activations are kept, else one in every step. (A shared prefix that no cache has room for also
runs in every step; that is not counted.)

Not counted: the head, and everything that is no matrix product (norms, softmax, activations, the optimizer).
Counted although torch skips it: the gradient of what enters the lowest learning layer above a frozen prefix, at
most a tenth of that layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.contracts import Recipe
from bench.data.batches import epoch_steps
from bench.engine.freezing import Boundary
from bench.engine.plan import Plan, PlannedPhase, Pretraining
from bench.models.backbone import Backbone, values


def training_flops(
    plan: Plan, backbone: Backbone, lengths: np.ndarray, recipe: Recipe, steps: Sequence[int]
) -> float:
    """Operations of the training steps alone.

    lengths: tokens of each training sequence. steps: taken in each phase; there are fewer entries than phases
    where training stopped early."""
    return sum(
        _steps(phase, backbone, lengths, taken / epoch_steps(len(lengths), recipe.batch_size))
        for phase, taken in zip(plan.phases, steps, strict=False)
    )


def pretraining_flops(phase: Pretraining, backbone: Backbone, lengths: np.ndarray, recipe: Recipe) -> float:
    """Operations of a phase before the task's. lengths: tokens of each sequence that it learns from."""
    # a step of the contrastive objective encodes two batches, one for each side of its pairs
    taken = phase.steps * (2 if phase.objective == "contrastive" else 1)
    whole = PlannedPhase(phase.steps, phase.rates, 0, shared=False)
    return _steps(whole, backbone, lengths, taken / epoch_steps(len(lengths), recipe.batch_size))


def prefix_flops(plan: Plan, backbone: Backbone, lengths: np.ndarray) -> float:
    """Operations of the single pass over a split that fills every boundary of the plan."""
    matrices = _matrices(backbone)
    blocks = range(1, max(plan.boundaries, default=0))
    return backbone.runs * sum(_forward(block, matrices, backbone.width, lengths) for block in blocks)


def freezing_flops(
    plan: Plan, boundaries: Sequence[Boundary], backbone: Backbone, lengths: np.ndarray
) -> float:
    """Operations of keeping what leaves the blocks that froze while phases ran: of each phase one pass over the
    training split, from the boundary that it began with to the last one that was kept."""
    matrices = _matrices(backbone)
    blocks = [
        block
        for number, phase in enumerate(plan.phases)
        for block in range(
            max(phase.frozen if phase.shared else 0, 1),
            max((one.kept for one in boundaries if one.phase == number), default=0),
        )
    ]
    return backbone.runs * sum(_forward(block, matrices, backbone.width, lengths) for block in blocks)


def _matrices(backbone: Backbone) -> dict[str, int]:
    """The values of every weight matrix, by name."""
    return {name: values(p) for name, p in backbone.named_parameters().items() if p.dim() == 2}


def _forward(block: int, matrices: dict[str, int], width: int, lengths: np.ndarray) -> float:
    """One pass of one layer over a split."""
    weights = sum(size for name, size in matrices.items() if name.startswith(f"layers.{block - 1}."))
    attention = 4.0 * width * float((lengths.astype(np.float64) ** 2).sum())
    return 2.0 * weights * float(lengths.sum()) + attention


def _steps(phase: PlannedPhase, backbone: Backbone, lengths: np.ndarray, epochs: float) -> float:
    """So many epochs of a phase."""
    matrices = _matrices(backbone)
    blocks = range(1, backbone.depth + 1)
    once = sum(_layer(phase, block, matrices, backbone.width, lengths) for block in blocks)
    return backbone.runs * epochs * once


def _layer(
    phase: PlannedPhase, block: int, matrices: dict[str, int], width: int, lengths: np.ndarray
) -> float:
    """One epoch of one layer."""
    if block < phase.frozen:
        return 0.0 if phase.shared or block < phase.kept else _forward(block, matrices, width, lengths)
    prefix = f"layers.{block - 1}."
    own = {name: size for name, size in matrices.items() if name.startswith(prefix)}
    linear = 2.0 * sum(own.values()) * float(lengths.sum())
    attention = 4.0 * width * float((lengths.astype(np.float64) ** 2).sum())
    learning = 2.0 * sum(size for name, size in own.items() if name in phase.rates) * float(lengths.sum())
    return 2 * linear + 3 * attention + learning
