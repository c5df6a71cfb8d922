"""The suite file of a report gives the cells of the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import suite
from bench.contracts import Cell, Recipe
from bench.registry import Plugins
from bench.report.reproduce import commands, suite_file
from bench.runs.record import Machine, Record


def record(cell: Cell) -> Record:
    return Record(cell=cell, fingerprint="x", status="done")


def test_the_suite_file_gives_the_same_cells(plugins: Plugins, tmp_path: Path):
    recipe = Recipe(epochs=1.5, train=100, encoder_dropout=0.0, head="bottleneck")
    cells = (
        [Cell("my suite", "toy-sentiment", "full", "minilm", seed, recipe) for seed in range(2)]
        + [
            Cell("my suite", "toy-sentiment", "top-layers", "some/folder", seed, recipe, (("layers", 1),))
            for seed in range(2)
        ]
        + [
            Cell("my suite", "toy-ner", "full", "minilm", seed, replace(recipe, batch_size=4))
            for seed in range(2)
        ]
    )
    cells += [
        Cell("my suite", f"toy-qa@{size}", "full", "minilm", seed, replace(recipe, train=train))
        for size, train in (("20", 20), ("all", None))
        for seed in range(2)
    ]
    path = tmp_path / "again.toml"
    path.write_text(suite_file([record(cell) for cell in cells]))
    assert set(suite.cells(suite.load(str(path)), plugins)) == set(cells)


def test_the_commands_end_with_the_report(plugins: Plugins):
    cell = Cell("quick", "toy-sentiment", "full", "minilm", 0, Recipe())
    assert commands([record(cell)], "quick")[-1].startswith("python -m bench report")


@pytest.mark.parametrize(
    ("ran_at", "first"),
    [
        ({"commit": "abc123"}, ["git checkout abc123", "make setup-report"]),
        ({"versions": {"transferbench": "0.1.0"}}, ["pip install 'transferbench[report]==0.1.0'"]),
    ],
)
def test_the_commands_begin_with_the_code_of_the_run(ran_at: dict[str, Any], first: list[str]):
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="", system="", **ran_at)
    ran = record(Cell("quick", "toy-sentiment", "full", "minilm", 0, Recipe()))
    assert commands([ran.model_copy(update={"machine": machine})], "quick")[:-2] == first
