"""Unlabelled text that a run names is checked before anything is written, and what is left out of it is said."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.cli.display import Display
from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.registry import Plugins, Registry
from bench.runs.record import Record

MakeCell = Callable[..., Cell]


@pytest.fixture
def launched(tmp_path: Path, plugins: Plugins) -> Callable[..., tuple[list[Record], str]]:
    def run(*cells: Cell) -> tuple[list[Record], str]:
        output = io.StringIO()
        registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
        options = Options(device="cpu", threads=1, executor="inline")
        records = launch(cells, registry, tmp_path / "run", options, Display(Console(file=output, width=999)))
        return records, output.getvalue()

    return run


@pytest.fixture
def recipe(toy_recipe: Recipe, tmp_path: Path) -> Recipe:
    path = tmp_path / "text.txt"
    path.write_text("anna saw a film\n\nthe room was lovely 28\n")  # the last is a test text
    return replace(toy_recipe, unlabelled=str(path))


def test_what_is_left_out_is_said_once(
    launched: Callable[..., tuple[list[Record], str]], toy_cell: MakeCell, recipe: Recipe, plugins: Plugins
) -> None:
    test = plugins.task("toy-sentiment").splits(Sources()).test
    Path(recipe.unlabelled).write_text(f"anna saw a film\n\n{test[0].text}\n")
    records, shown = launched(*(toy_cell("tapt", seed=seed, recipe=recipe) for seed in range(2)))
    assert [record.status for record in records] == ["done", "done"]
    assert shown.count("toy-sentiment: the unlabelled text: 1 empty line skipped") == 1
    assert shown.count("1 passage left out: validation or test texts") == 1


@pytest.mark.parametrize("content", ["", None])
def test_a_text_that_cannot_be_used_stops_the_run_before_it_begins(
    content: str | None,
    launched: Callable[..., tuple[list[Record], str]],
    toy_cell: MakeCell,
    recipe: Recipe,
    tmp_path: Path,
) -> None:
    path = Path(recipe.unlabelled)
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(BenchError, match=r"text\.txt") as error:
        launched(toy_cell("tapt", recipe=recipe))
    assert error.value.code in ("no-passages", "cannot-read")
    assert not (tmp_path / "run").exists()


def test_a_text_that_nothing_reads_is_said(
    launched: Callable[..., tuple[list[Record], str]], toy_cell: MakeCell, recipe: Recipe
) -> None:
    _, shown = launched(toy_cell("frozen", recipe=recipe))
    assert "no strategy of this run reads recipe.unlabelled" in shown
