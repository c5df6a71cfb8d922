"""What a cell predicts on its test rows is what its final model gives, run plainly: no prefix, no cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell, Recipe
from bench.data.batches import Split
from bench.engine import cell as cells
from bench.engine.cell import run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.tuning import Trained
from bench.registry import discover

STRATEGIES = sorted(name for name, cls in discover().strategies.items() if not cls.needs)


def plain_forward(trained: Trained, split: Split) -> np.ndarray:
    """Logits [N, labels] of whole sequences through the whole encoder and the head, in evaluation mode."""
    model = trained.model
    for module in (*model.encoder_modules(), model.head):
        module.eval()
    found = torch.zeros(len(split), 2)
    with torch.no_grad():
        for batch in split.in_order():
            hidden = model.backbone.encode(batch.tokens, batch.mask, batch.segments)
            found[batch.index] = model.head(hidden, batch.mask)
    return found.numpy()


@pytest.fixture
def final(monkeypatch: pytest.MonkeyPatch) -> list[Trained]:
    """The models that cells are scored with."""
    found: list[Trained] = []
    real = cells.score

    def noted(cell: Cell, trained: Trained, group: CellGroup, context: RunContext) -> Any:
        found.append(trained)
        return real(cell, trained, group, context)

    monkeypatch.setattr(cells, "score", noted)
    return found


@pytest.mark.parametrize("name", STRATEGIES)
def test_test_rows_are_predicted_by_the_final_model(
    name: str,
    toy_cell: Callable[..., Cell],
    toy_recipe: Recipe,
    toy_context: RunContext,
    final: list[Trained],
) -> None:
    """Rates are ten times the usual, so that every phase moves every logit."""
    cell = toy_cell(name, recipe=replace(toy_recipe, logits=True, rate_scale=10.0))
    group = prepare_group(cell, toy_context)
    _, tests = run_cell(cell, group, toy_context, lambda point: None)
    kept = np.stack([tests["test"][f"logit:{label}"] for label in group.labels], 1).astype(np.float64)
    plain = plain_forward(final[-1], group.splits["test"])
    assert np.unique(plain[:, 0]).size == len(plain)  # no constant: every row tells
    assert np.abs(kept - plain).max() < 2e-3 * max(1.0, np.abs(plain).max())
    said = np.array(group.labels)[plain.argmax(1)]
    assert list(tests["test"]["prediction"]) == said.tolist()
