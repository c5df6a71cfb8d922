"""A suite that ranks may run its tasks at several sizes, each with rates of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import suite as suites
from bench.cli.rates import RatesMode, at_rates, check_chosen
from bench.contracts import BenchError, Cell, Recipe
from bench.planning.grids import Filters
from bench.protocol import development_run, draw
from bench.protocol.choice import place_of
from bench.registry import Plugins, Registry, discover
from bench.runs.drawn import drawn, drawn_from
from bench.runs.record import Record
from tests.protocol.suites import SUITE, fixed

SIZED = SUITE.replace("[tasks.movie-sentiment]\n", '[tasks.movie-sentiment]\nsizes = ["8shots", 500]\n')
PLACES = [(f"movie-sentiment@{size}", "minilm", "full") for size in ("8shots", "500")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sized.toml"
    path.write_text(SIZED)
    return path


@pytest.mark.parametrize("task", ["movie-sentiment", "movie-sentiment@8shots", "a.b@500"])
def test_a_draw_keeps_the_size_of_its_task(task: str) -> None:
    name, at, size = task.partition("@")
    assert drawn(task) == f"{name}.development{at}{size}"
    assert drawn_from(drawn(task)) == drawn_from(task) == task
    assert place_of(Cell("s", drawn(task), "full", "minilm", 0, Recipe())) == (task, "minilm", "full")


def test_every_size_of_a_task_is_tried_on_its_draw(path: Path, plugins: Plugins) -> None:
    _, _, cells = development_run.cells(Registry(plugins), suites.load(str(path)), Filters())
    found = {cell.task: (cell.recipe.shots, cell.recipe.train) for cell in cells}
    assert found == {
        "movie-sentiment.development@8shots": (8, None),
        "movie-sentiment.development@500": (None, 500),
        "reuters-r8.development": (None, 50),
    }
    assert [place_of(cell) for cell in cells][:2] == PLACES


def test_a_suite_with_sizes_runs_at_the_rates_of_each(path: Path, plugins: Plugins) -> None:
    sentiment = Filters(tasks=("movie-sentiment",))
    registry, suite = Registry(plugins), suites.load(str(path))
    with pytest.raises(
        BenchError, match="no rate was chosen for movie-sentiment@8shots/minilm/full"
    ) as error:
        check_chosen(suite, suites.cells(suite, plugins, sentiment), registry, str(path))
    assert error.value.code == "rates-not-chosen"
    for place, scale in zip(PLACES, (2.0, 0.5), strict=True):
        fixed(path, scale, place=place)
    suite = suites.load(str(path))
    cells = suites.cells(suite, plugins, sentiment)
    check_chosen(suite, cells, registry, str(path))
    scales = {cell.task: cell.recipe.rate_scale for cell in cells if cell.strategy == "full"}
    assert scales == {"movie-sentiment@8shots": 2.0, "movie-sentiment@500": 0.5}


@pytest.mark.parametrize("task", ["movie-sentiment@700", "reuters-r8@8shots", "newsgroups@20"])
def test_a_request_for_a_size_is_tried_on_that_tasks_draw(path: Path, plugins: Plugins, task: str) -> None:
    filters = Filters(tasks=(task,))
    suite = suites.load(str(path))
    asked = Registry(plugins), suite, suites.cells(suite, plugins, filters)
    registry, _, cells = at_rates(RatesMode.development, asked, filters)
    assert {cell.task for cell in cells} == {drawn(task)}
    assert registry.task(cells[0].task).name == drawn(task.partition("@")[0])


def test_and_its_rate_can_then_be_chosen(path: Path, plugins: Plugins) -> None:
    """What was asked for beyond the suite's grid is no reason for `bench rates` to leave it out."""
    registry, suite = Registry(plugins), suites.load(str(path))
    filters = Filters(tasks=("newsgroups@20",), strategies=("lora",))
    among, trying, cells = development_run.cells(registry, suite, filters)
    records = [Record(cell=cell, fingerprint=among.fingerprint(cell), status="done") for cell in cells]
    stranger = Cell(trying.name, "no-such-task.development", "full", "minilm", 0, Recipe())
    records.append(Record(cell=stranger, fingerprint="f", status="done"))
    found = development_run.sorted_out(registry, suite, records)
    assert [place_of(record.cell) for record in found.whole] == [("newsgroups@20", "minilm", "lora")]
    assert found.partly == []
    assert "reuters-r8/minilm/full" in found.missing
    assert not any("no-such-task" in name for name in found.missing)


def test_a_suite_that_names_a_task_that_is_not_there_says_so(path: Path) -> None:
    path.write_text(SIZED.replace("[tasks.reuters-r8]", "[tasks.reuters-r9]"))
    with pytest.raises(BenchError, match="reuters-r9") as error:
        discover(draw.draws(suites.load(str(path))))
    assert error.value.code == "unknown-task"
