"""How far a budget reaches is said before it is spent, and the budget that is named reaches all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.planning.machine_speed import default_threads
from bench.recommend.forecast import Pace, Reach, reach, reached, training_seconds
from bench.recommend.successive_halving import Bracket
from bench.recommend.views import Selection
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds

ALL = ("frozen", "lp-ft", "full")
SIZES = (100, 200, 400)


def one_second_a_hundred_rows(_: str, rows: int) -> float:
    return rows / 100


@pytest.mark.parametrize(("budget", "rows"), [(2, 0), (10, 100), (70, 400)])
def test_a_larger_budget_reaches_more_rows(budget: float, rows: int) -> None:
    assert reached(ALL, SIZES, budget, one_second_a_hundred_rows) == rows


def test_no_budget_is_spent_beyond_its_end() -> None:
    """Whatever the budget, the rounds that are foreseen fit into it."""
    for budget in range(5, 200, 5):
        spent = 0.0
        rows = reached(ALL, SIZES, budget, one_second_a_hundred_rows)
        if rows:
            spent += len(ALL) * rows / 100
        assert not rows or spent <= budget


@pytest.fixture
def foreseen(toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path) -> Callable[..., Reach]:
    view = Selection("toy-sentiment")
    registry = Registry(discover([toy_plugin, view]), Sources(cache=tmp_path))
    splits = registry.task(view.name).splits(registry.sources)
    cell = toy_cell("full")
    sizes = (len(splits.train) // 4, len(splits.train) // 2, len(splits.train))

    def find(budget: float, slowness: float = 1.0) -> Reach:
        bracket = Bracket(
            "toy-sentiment", view.name, ALL, cell.backbone, cell.recipe, budget, tmp_path / "run"
        )
        return reach(bracket, sizes, splits, registry, Pace("cpu", slowness))

    return find


def test_the_budget_that_is_named_reaches_all(foreseen: Callable[..., Reach]) -> None:
    short = foreseen(3.0)
    assert short.rows < short.of
    assert foreseen(short.enough * 1.05).rows == short.of


def test_a_busy_machine_needs_a_larger_budget(foreseen: Callable[..., Reach]) -> None:
    idle, busy = foreseen(3.0), foreseen(3.0, slowness=7.0)
    assert busy.enough > 2 * idle.enough
    assert foreseen(idle.enough * 1.05).rows == idle.of
    assert foreseen(idle.enough * 1.05, slowness=7.0).rows < idle.of


ELSEWHERE = [{"processor": "abacus, 64 cores"}, {"device": "NVIDIA Abacus"}]


def saved(cell: Cell, folder: Path, seconds: float, machine: dict[str, str]) -> None:
    """A record of a cell that has run, here where nothing else is said."""
    here = {"device": "cpu", "dtype": "float32", "threads": default_threads(), "processor": processor()}
    where = Machine.model_validate({"system": "Linux", **here, **machine})
    took = Seconds(train=seconds, cold=seconds)
    Store(folder).save(Record(cell=cell, fingerprint="", status="done", seconds=took, machine=where))


@pytest.mark.parametrize(("machine", "counts"), [({}, True), *((other, False) for other in ELSEWHERE)])
def test_a_folder_tells_what_cells_take_on_this_machine_alone(
    machine: dict[str, str],
    counts: bool,
    foreseen: Callable[..., Reach],
    toy_cell: Callable[..., Cell],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.recommend.forecast.assumed_rate", lambda _: 1e11)
    before = foreseen(3.0)
    saved(toy_cell("full"), tmp_path / "run", 10_000.0, machine)
    assert (foreseen(3.0) != before) == counts


@pytest.mark.parametrize(("machine", "counts"), [({}, True), *((other, False) for other in ELSEWHERE)])
def test_training_on_all_rows_takes_what_cells_took_on_this_machine(
    machine: dict[str, str],
    counts: bool,
    toy_cell: Callable[..., Cell],
    toy_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.recommend.forecast.assumed_rate", lambda _: 1e11)
    monkeypatch.setattr("bench.recommend.forecast.slowness", lambda: 1.0)
    registry = Registry(discover([toy_plugin]), Sources(cache=tmp_path))
    cell = toy_cell("full")
    splits = registry.task(cell.task).splits(registry.sources)
    before = training_seconds(cell, splits, registry, tmp_path / "run", "cpu")
    saved(cell, tmp_path / "run", 10_000.0, machine)
    seconds = training_seconds(cell, splits, registry, tmp_path / "run", "cpu")
    assert (seconds > 2 * before) == counts
    assert (seconds == before) != counts


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Reach(800, 800, 60), "budget 10 min: expected to reach all 800 training rows"),
        (
            Reach(200, 800, 2_400),
            "expected to reach 200 of 800 training rows; about 40 min would reach all (--budget 40m)",
        ),
        (
            Reach(0, 800, 20_000),
            "not expected to finish the first round; about 5 h 33 min would reach all",
        ),
        (Reach(200, 800, 0), "expected to reach 200 of 800 training rows"),
    ],
)
def test_what_to_expect_is_one_sentence(found: Reach, words: str) -> None:
    assert words in found.sentence(600)
