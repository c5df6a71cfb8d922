"""The loss of a prediction, and of a step, is the mean over its rows, also where there is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.contracts import Cell
from bench.engine.cell import build
from bench.engine.group import RunContext, prepare_group
from bench.engine.prediction import predict
from bench.engine.workspace import backward

ROWS = pytest.mark.parametrize("rows", [1, 2, 5])


@ROWS
def test_the_loss_of_a_prediction_is_the_mean_over_its_rows(
    rows: int, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    cell = toy_cell("full", recipe=replace(toy_cell().recipe, test=rows))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    logits, loss = predict(model, "test", group.splits["test"], plan.phases[0])
    assert logits.shape == (rows, 2)
    expected = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(group.encoded["test"].targets))
    assert loss == pytest.approx(float(expected), rel=1e-5)


@ROWS
def test_the_loss_of_a_step_is_the_mean_over_its_rows(
    rows: int, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """The last batch of an epoch may be a single row."""
    group = prepare_group(toy_cell(), toy_context)
    model, plan = build(toy_cell(), group, toy_context)
    model.head.eval()
    batch = group.splits["train"].batch(np.arange(rows))
    with torch.no_grad():
        expected = F.cross_entropy(model.logits("train", batch, plan.phases[0]), batch.targets)
    assert float(backward(model, [batch], plan.phases[0])) == pytest.approx(float(expected), rel=1e-6)
