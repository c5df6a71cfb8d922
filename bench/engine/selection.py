"""Which blocks learn where a phase selects: those whose gradient is largest relative to their weights (Auto-RGN of
Lee et al. 2023, arXiv 2210.11466, section 5)."""

from __future__ import annotations

import itertools

import torch

from bench.contracts import Recipe, block_of
from bench.data.batches import Split, shuffled
from bench.engine.model import Model, set_modes
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.training import accumulate, derived_seed

BATCHES = 8
"""First batches of the seed on which gradients are measured."""


def select(
    model: Model, plan: Plan, split: Split, recipe: Recipe, seed: int, table: float
) -> dict[int, frozenset[int]]:
    """The blocks that learn in each phase that selects, by the phase's number.

    table: the norm of all word embeddings. The model holds only the rows that occur; relative to these alone,
    embeddings would be chosen more readily the fewer words a task has. The blocks are measured on the given
    weights with a new head and without dropout, before anything learns."""
    return {
        number: _largest(model, phase, split, recipe, seed, table)
        for number, phase in enumerate(plan.phases)
        if phase.select
    }


def selected(plan: Plan) -> dict[str, float]:
    """The blocks that phases selected, for the record: 0 is the embeddings, 1 the first layer. Numbered
    where there are several."""
    blocks = [
        float(block)
        for phase in plan.phases
        if phase.select
        for block in sorted({block_of(name) for name in phase.rates if not name.startswith("head.")})
    ]
    if len(blocks) == 1:
        return {"block": blocks[0]}
    return {f"block-{number}": block for number, block in enumerate(blocks, 1)}


def _largest(
    model: Model, phase: PlannedPhase, split: Split, recipe: Recipe, seed: int, table: float
) -> frozenset[int]:
    parameters = model.parameters()
    learning = {name: parameters[name] for name in phase.rates if not name.startswith("head.")}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in learning)
    set_modes(model, {})
    totals: dict[str, float] = dict.fromkeys(learning, 0.0)
    order = shuffled(split.lengths, recipe.batch_size, derived_seed(seed, "order"))
    for index in itertools.islice(order, BATCHES):
        accumulate(model, split, index, phase)
        for name, parameter in learning.items():
            if parameter.grad is not None:
                totals[name] += float(parameter.grad.norm())
                parameter.grad = None
    gradients: dict[int, float] = {}
    weights: dict[int, float] = {}
    for name, parameter in learning.items():
        block = block_of(name)
        gradients[block] = gradients.get(block, 0.0) + totals[name]
        is_table = parameter is model.backbone.table.weight
        norm = table if is_table else float(torch.linalg.vector_norm(parameter.detach()))
        weights[block] = weights.get(block, 0.0) + norm
    ratios = {block: gradients[block] / max(weights[block], 1e-12) for block in gradients}
    return frozenset(sorted(ratios, key=lambda block: (-ratios[block], block))[: phase.select])
