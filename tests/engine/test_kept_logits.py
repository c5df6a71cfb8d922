"""Kept logits, class weights and few examples, in whole cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_softmax

from bench.contracts import BenchError, Cell, Recipe, Splits
from bench.data.class_weights import balanced
from bench.engine.cell import build, run_cell
from bench.engine.group import RunContext, prepare_group
from bench.engine.kept_logits import fitted_temperature, kept_logits
from bench.engine.prediction import predict
from bench.models.losses import pooled_loss, pooled_losses
from bench.runs.folder import _parquet as parquet

RECIPE = {"epochs": 2, "batch_size": 8, "max_length": 32, "stride": 8}


def run(cell: Cell, context: RunContext) -> Any:
    group = prepare_group(cell, context)
    return group, *run_cell(cell, group, context, lambda point: None)


def test_predictions_keep_logits_where_asked_for(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    _, record, tests = run(toy_cell("frozen", recipe=Recipe(**RECIPE, logits=True)), toy_context)
    _, plain, without = run(toy_cell("frozen", recipe=Recipe(**RECIPE)), toy_context)
    assert set(tests["test"]) - set(without["test"]) == {"logit:negative", "logit:positive"}
    assert record.scores == plain.scores
    assert record.fingerprint != plain.fingerprint
    logits = np.stack([tests["test"][f"logit:{label}"] for label in ("negative", "positive")], 1)
    assert logits.dtype == np.float16
    said = np.array(["negative", "positive"])[logits.astype(float).argmax(1)]
    assert said.tolist() == list(tests["test"]["prediction"])
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(parquet(tests)))
    assert str(table.schema.field("logit:positive").type) == "halffloat"


def test_calibration_divides_logits_by_one_temperature(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    _, record, tests = run(toy_cell("frozen", recipe=Recipe(**RECIPE, calibrate=True)), toy_context)
    _, _, plain = run(toy_cell("frozen", recipe=Recipe(**RECIPE, logits=True)), toy_context)
    temperature = record.chosen["temperature"]
    assert temperature > 0
    for label in ("logit:negative", "logit:positive"):
        scaled = plain["test"][label].astype(float) / temperature
        assert tests["test"][label].astype(float) == pytest.approx(scaled, rel=0.01, abs=0.01)


def test_calibration_is_of_texts_and_not_of_their_windows(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """The temperature has the lowest cross-entropy on what it divides: pooled logits, a row a text."""
    recipe = Recipe(**{**RECIPE, "max_length": 8, "stride": 2}, calibrate=True, windows="max")
    cell = toy_cell("probe", recipe=recipe)
    group, record, _ = run(cell, toy_context)
    encoded = group.encoded["validation"]
    assert len(encoded) > len(group.rows.validation)
    as_test = replace(cell, recipe=replace(recipe, calibrate=False, logits=True))
    swapped = replace(
        group,
        rows=Splits(group.rows.train, group.rows.validation, group.rows.validation),
        encoded={**group.encoded, "test": encoded},
        splits={**group.splits, "test": group.splits["validation"]},
    )
    _, tests = run_cell(as_test, swapped, toy_context, lambda point: None)
    logits = np.stack([tests["test"][f"logit:{label}"] for label in group.labels], 1).astype(float)
    targets = np.array([group.labels.index(row.label) for row in group.rows.validation])
    assert record.chosen["temperature"] == pytest.approx(fitted_temperature(logits, targets), rel=0.02)


def test_classes_that_are_weighted_are_calibrated_by_their_labels(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """Targets are then weights, and a temperature is fitted on classes."""
    recipe = Recipe(**RECIPE, calibrate=True, class_weights="balanced", train=21)
    cell = toy_cell("frozen", recipe=recipe)
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    phase = plan.phases[-1]
    logits, _ = predict(model, "validation", group.splits["validation"], phase)
    assert group.encoded["validation"].targets.ndim == 2
    labels = np.array([group.labels.index(row.label) for row in group.rows.validation])
    assert set(labels) == {0, 1}
    found = kept_logits(model, phase, group, recipe)
    assert found.temperature == pytest.approx(fitted_temperature(logits, labels))


@pytest.mark.parametrize("true", [0.25, 1.0, 4.0])
def test_the_temperature_of_a_known_distribution_is_found(true: float) -> None:
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(4000, 4)) * 2
    targets = np.array([rng.choice(4, p=np.exp(row)) for row in log_softmax(exact, axis=1)])
    assert fitted_temperature(exact * true, targets) == pytest.approx(true, rel=0.1)


def test_balanced_weights_are_scikit_learns(toy_cell: Callable[..., Cell], toy_context: RunContext) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    group = prepare_group(toy_cell("frozen", recipe=Recipe(**RECIPE, train=21)), toy_context)
    found = balanced(group.encoded, 2, "toy")
    targets = group.encoded["train"].targets
    wanted = compute_class_weight("balanced", classes=np.array([0, 1]), y=targets)
    assert found["train"].targets.sum(1) == pytest.approx(wanted[targets])
    assert (found["train"].targets.argmax(1) == targets).all()


def test_weighted_targets_give_torchs_weighted_loss() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(9, 3), torch.randint(0, 3, (9,))
    weight = torch.tensor([0.5, 2.0, 1.0])
    wanted = F.cross_entropy(logits, targets, weight=weight, reduction="none")
    assert torch.allclose(pooled_losses(logits, torch.diag(weight)[targets]), wanted)
    assert torch.equal(pooled_loss(logits, targets), F.cross_entropy(logits, targets))


@pytest.mark.parametrize("strategy", ["frozen", "probe", "full", "setfit"])
def test_a_cell_runs_with_class_weights(
    strategy: str, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    _, record, _ = run(
        toy_cell(strategy, recipe=Recipe(**RECIPE, class_weights="balanced", train=21)), toy_context
    )
    _, plain, _ = run(toy_cell(strategy, recipe=Recipe(**RECIPE, train=21)), toy_context)
    assert record.status == "done"
    assert record.curve[0].loss != plain.curve[0].loss


@pytest.mark.parametrize("task", ["toy-ner", "toy-qa"])
@pytest.mark.parametrize(
    "changes", [{"class_weights": "balanced"}, {"shots": 4}, {"logits": True}, {"calibrate": True}], ids=str
)
def test_tasks_without_classes_of_texts_refuse_it(
    task: str, changes: Any, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    with pytest.raises(BenchError) as error:
        prepare_group(toy_cell("frozen", task=task, recipe=Recipe(**RECIPE, **changes)), toy_context)
    assert error.value.code in ("no-classes", "no-logits")
    assert "leave it out" in str(error.value) or "use recipe.train" in str(error.value)


def test_shots_are_rows_of_every_class_drawn_anew_for_each_seed(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    drawn = []
    for seed in range(3):
        for strategy in ("frozen", "full"):
            cell = toy_cell(strategy, seed=seed, recipe=Recipe(**RECIPE, shots=4))
            rows = prepare_group(cell, toy_context).rows.train
            assert Counter(row.label for row in rows) == {"negative": 4, "positive": 4}
            drawn.append(frozenset(row.id for row in rows))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3
    fewer = prepare_group(toy_cell("frozen", seed=2, recipe=Recipe(**RECIPE, shots=2)), toy_context)
    assert {row.id for row in fewer.rows.train} < drawn[-1]


@pytest.mark.parametrize("changes", [{"train": 5}, {"resample": "train"}], ids=str)
def test_shots_exclude_other_ways_to_choose_training_rows(changes: Any) -> None:
    with pytest.raises(BenchError) as error:
        Recipe(shots=4, **changes)
    assert error.value.code == "wrong-recipe"
