"""SetFit beside the library of its authors, on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

pytest.importorskip("setfit")

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import build, run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.pretraining import _Pairs
from bench.peers.classifiers import sentence_encoder
from bench.peers.few_shot import run_setfit
from bench.registry import Registry, discover

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library
MakeCell = Callable[..., Cell]
CPU = Device(torch.device("cpu"), torch.float32)


def test_the_loss_of_a_batch_is_that_of_sentence_transformers(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CosineSimilarityLoss, which setfit minimises, on the same pairs and weights."""
    from sentence_transformers import losses

    cell = toy_cell("setfit", recipe=replace(toy_recipe, encoder_dropout=0.0))
    group = prepare_group(cell, toy_context)
    model, _ = build(cell, group, toy_context)
    pairs = _Pairs(model, group.splits["train"], cell.recipe, np.random.default_rng(0))
    seen: list[np.ndarray] = []
    real = pairs._vectors

    def noted(index: np.ndarray) -> torch.Tensor:
        seen.append(index)
        return real(index)

    monkeypatch.setattr(pairs, "_vectors", noted)
    ours = pairs.loss(np.arange(8))

    encoder = sentence_encoder(cell.backbone, cell, CPU)
    texts = [[group.rows.train[row].text for row in index] for index in seen]
    alike = [
        float(group.rows.train[one].label == group.rows.train[other].label)
        for one, other in zip(*seen, strict=True)
    ]
    assert sorted(set(alike)) == [0.0, 1.0]
    theirs = losses.CosineSimilarityLoss(encoder)(
        [encoder.tokenize(side) for side in texts], torch.tensor(alike)
    )
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)


def test_both_learn_the_task_in_as_many_steps_at_the_same_rates(
    toy_cell: MakeCell, toy_recipe: Recipe, toy_context: RunContext
) -> None:
    recipe = replace(toy_recipe, epochs=4, warmup=0.25, weight_decay=0.05, encoder_dropout=0.0)
    cell = toy_cell("setfit", recipe=recipe, options=(("rate", 1e-3),))
    steps: list[tuple[float, set[float]]] = []

    def note(optimizer: Any, *_: Any) -> None:
        groups = optimizer.param_groups
        steps.append((float(groups[0]["lr"]), {group["weight_decay"] for group in groups}))

    handle = register_optimizer_step_pre_hook(note)
    outcome = run_setfit(cell, toy_context.registry, CPU)
    handle.remove()
    assert [decays for _, decays in steps] == [{0.0, 0.05}] * 20  # as many as the task would get
    rates = [rate for rate, _ in steps]
    assert rates == pytest.approx([1e-3 * factor for factor in _linear(20, 5)])
    assert outcome.score is not None


def test_both_learn_from_pairs_what_kinds_there_are(
    tiny_encoder: Path, toy_recipe: Recipe, tmp_path: Path
) -> None:
    plugins = discover([Path(__file__).parents[1] / "support" / "toy_kinds.py"])
    context = RunContext(Registry(plugins, Sources(cache=tmp_path)), CPU)
    recipe = replace(toy_recipe, epochs=20, encoder_dropout=0.0)
    cell = Cell("toy", "toy-kinds", "setfit", str(tiny_encoder), 0, recipe, (("rate", 3e-3),))
    record, _ = run_cell(cell, prepare_group(cell, context), context, lambda point: None)
    theirs = run_setfit(cell, context.registry, CPU)
    assert record.scores["test"][record.headline] > 0.9
    assert theirs.score is not None
    assert theirs.score > 0.9


def _linear(steps: int, rising: int) -> list[float]:
    """The library's schedule: its first step has a rate of zero."""
    return [step / rising if step < rising else (steps - step) / (steps - rising) for step in range(steps)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"strategy": "full"}, "no-setfit-peer"),
        ({"options": (("reinit", 1),)}, "no-setfit-peer"),
        ({"recipe": Recipe(schedule="cosine")}, "peers-recipe"),
        ({"recipe": Recipe(head="bottleneck")}, "peers-recipe"),
    ],
)
def test_what_the_library_has_no_part_for_is_refused(
    changes: dict[str, Any], code: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    with pytest.raises(BenchError) as error:
        run_setfit(replace(toy_cell("setfit"), **changes), toy_context.registry, CPU)
    assert error.value.code == code
