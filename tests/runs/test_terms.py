"""Which cells can stand in one table: what may differ between them, and what is a conflict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.contracts import Cell, Recipe
from bench.runs.record import Data, Record
from bench.runs.terms import conflicts

ROWS = Data(fingerprint="rows", task_version=1)


def record(strategy: str = "full", seed: int = 0, recipe: Recipe | None = None, **changes: Any) -> Record:
    cell = Cell("s", "task", strategy, "tiny", seed, recipe or Recipe())
    return Record(cell=cell, **{"fingerprint": "f", "status": "done", "data": ROWS, **changes})


def found(*records: Record) -> list[str]:
    return [conflict.words for conflict in conflicts((each, "") for each in records)]


@pytest.mark.parametrize("keys", [{"epochs": 9.0}, {"max_length": 64}, {"calibrate": True}], ids=str)
def test_a_recipe_is_that_of_its_task(keys: dict[str, Any]) -> None:
    other = record("frozen", recipe=replace(Recipe(), **keys))
    assert found(record(), other) == [f"recipes ({', '.join(keys)})"]


@pytest.mark.parametrize(
    "keys",
    [{"rate_scale": 3.0}, {"serving": True}, {"forgetting": True}, {"logits": True}, {"unlabelled": "a.txt"}],
    ids=str,
)
def test_strategies_may_differ_in_rates_in_what_they_read_and_in_what_is_measured(
    keys: dict[str, Any],
) -> None:
    assert found(record(), record("tapt", recipe=replace(Recipe(), **keys))) == []


def test_the_seeds_of_a_strategy_read_the_same_text() -> None:
    texts = [record("tapt", seed, replace(Recipe(), unlabelled=f"{seed}.txt")) for seed in range(2)]
    assert found(*texts) == ["unlabelled texts"]


def test_an_encoder_has_the_same_weights_whatever_strategy_uses_it() -> None:
    """As where the checkpoint in a folder is trained further between two commands."""
    assert found(record(weights="aa"), record("frozen", weights="bb")) == ["weights of the encoder"]
    assert found(record(weights="aa"), record("frozen", weights="aa")) == []


def test_of_records_that_do_not_name_their_weights_nothing_is_known() -> None:
    assert found(record(weights="aa"), record("frozen"), record("lora", weights="aa")) == []
