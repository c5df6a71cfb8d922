"""`recommend` compares without the test rows, keeps to its budget, and says what it knows."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.recommend import seconds_of
from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.executors.names import ExecutorName
from bench.recommend import answer as answering
from bench.recommend import page
from bench.recommend.answer import Terms, answer
from bench.recommend.budget import Budgeted, BudgetSpent, until
from bench.recommend.choice import last_full
from bench.recommend.findings import Findings
from bench.recommend.successive_halving import Bracket, Round, measured, sizes_for
from bench.recommend.views import Everything, Selection, everything, selection
from bench.registry import Registry, discover
from bench.runs.curve import Point
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from tests.support.toy_tasks import ToySentiment


@pytest.mark.parametrize(
    ("rows", "sizes"), [(525, [131, 262, 525]), (40, [40]), (4_000, [250, 500, 1_000, 2_000, 4_000])]
)
def test_sizes_double_up_to_all_rows(rows: int, sizes: list[int]) -> None:
    assert sizes_for(rows, labels=2) == sizes


def test_a_budget_is_a_time() -> None:
    assert [seconds_of(text) for text in ("90s", "10m", "2h", "1.5m", "30")] == [90, 600, 7200, 90, 1800]
    with pytest.raises(BenchError) as error:
        seconds_of("soon")
    assert error.value.code == "budget-form"


def test_what_is_compared_on_is_neither_trained_nor_tested_on() -> None:
    splits = ToySentiment().splits(Sources())
    view = selection(splits)
    ids = [{row.id for row in rows} for rows in (view.train, view.validation, view.test, splits.test)]
    assert sum(map(len, ids)) == len(set.union(*ids))
    assert ids[0] | ids[2] == {row.id for row in splits.train}


def test_the_model_that_is_handed_over_learns_from_all_but_the_validation_rows() -> None:
    splits = ToySentiment().splits(Sources())
    assert len(everything(splits).train) == len(splits.train) + len(splits.test)
    assert not {row.text for row in everything(splits).train} & {row.text for row in splits.validation}


TOY = ("frozen", "full")


def asked(cell: Cell, budget: float, goal: str = "accuracy", strategies: tuple[str, ...] = TOY) -> Terms:
    return Terms(strategies, cell.backbone, goal, budget, "python -m bench recommend")


def found_on(
    cell: Cell, toy_plugin: Path, folder: Path, terms: Terms, executor: ExecutorName = "inline"
) -> Findings:
    plugins = discover([toy_plugin, Selection("toy-sentiment"), Everything("toy-sentiment", False)])
    options = Options(device="cpu", executor=executor, plugin_files=plugins.given)
    cell = replace(cell, recipe=replace(cell.recipe, epochs=1))
    return answer(cell, terms, Registry(plugins, Sources(cache=folder)), (folder / "run", options, Silent()))


def test_an_answer_has_a_choice_a_test_score_and_a_page(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    found = found_on(cell, toy_plugin, tmp_path, asked(cell, 600))
    assert found.choice == found.round.best
    assert found.final is not None or found.round.degenerate
    assert found.floor is not None
    assert {key.strategy for key in found.floor.gains} == set(found.round.means)
    text = "\n".join([page.sentence(found), *page.details(found), page.plot(found), *page.tried(found)])
    assert "Again: python -m bench recommend" in text
    assert "Floor: a linear model on TF-IDF" in text
    assert found.outcome.stopped == ""
    assert found.training_rows == len(ToySentiment().splits(Sources()).train)


def test_the_test_rows_are_those_that_the_recipe_keeps(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so few rows nothing is learnt, which this ignores."""
    monkeypatch.setattr(answering, "last_full", lambda *of: replace(last_full(*of), degenerate=False))
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, test=8))
    found = found_on(cell, toy_plugin, tmp_path, asked(cell, 600))
    assert found.final is not None
    assert "on 8 rows that no choice has seen" in "\n".join(page.details(found))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_budget_that_ends_before_any_strategy_is_refused(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    with pytest.raises(BenchError) as error:
        found_on(cell, toy_plugin, tmp_path, asked(cell, 0.001))
    assert error.value.code == "too-small-budget"


class Slow(Silent):
    """A screen on which every point of a learning curve takes a while, as cells of large data would."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.points = 0
        self.first = float("inf")

    def point(self, cell: Cell, point: Point) -> None:
        self.points += 1
        self.first = min(self.first, time.monotonic())
        time.sleep(self.pause)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("timer", [True, False])
def test_a_budget_ends_in_the_middle_of_a_cell(
    timer: bool,
    toy_cell: Callable[..., Cell],
    toy_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the timer of the main thread, and without: at the next point of a learning curve."""
    if not timer:
        monkeypatch.delattr(signal, "setitimer")
    plugins = discover([toy_plugin])
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, epochs=40, evaluations=4, patience=1000))
    screen = Slow(0.1)

    def deadline() -> float:
        return screen.first + 0.3

    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    with pytest.raises(BudgetSpent), until(deadline):
        launch(
            [cell],
            Registry(plugins, Sources(cache=tmp_path)),
            tmp_path / "run",
            options,
            Budgeted(screen, deadline),
        )
    assert 0 < screen.points < 160
    assert not Store(tmp_path / "run").records()
    assert not list((tmp_path / "run").rglob("*.lock")) or launch(
        [replace(cell, recipe=replace(cell.recipe, epochs=1))],
        Registry(plugins, Sources(cache=tmp_path)),
        tmp_path / "run",
        options,
        Silent(),
    )


def test_a_budget_ends_while_a_worker_starts(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    registry = Registry(discover([toy_plugin]), Sources(cache=tmp_path))
    options = Options(device="cpu", plugin_files=(toy_plugin,))
    began = time.monotonic()
    with pytest.raises(BudgetSpent), until(lambda: began + 0.5):
        launch([toy_cell("full")], registry, tmp_path / "run", options, Silent())
    assert time.monotonic() - began < 10
    assert not Store(tmp_path / "run").records()


def test_the_timer_is_gone_after_its_block() -> None:
    before = signal.getsignal(signal.SIGALRM)
    began = time.monotonic()
    with pytest.raises(BudgetSpent), until(lambda: began + 0.05):
        time.sleep(5)
    with until(lambda: began + 60):
        pass
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_alarm_that_comes_as_the_block_ends_raises_nothing() -> None:
    deadline = [time.monotonic() + 60]
    with until(lambda: deadline[0]):
        ring = signal.getsignal(signal.SIGALRM)
    deadline[0] = 0.0
    assert callable(ring)
    ring(signal.SIGALRM, None)


def test_strategies_that_do_not_fit_the_encoder_are_left_out(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, layers=1))
    found = found_on(
        cell, toy_plugin, tmp_path, asked(cell, 600, strategies=("frozen", "top-layers", "gradual"))
    )
    assert set(found.strategies) | set(found.unfit) == {"frozen", "top-layers", "gradual"}
    assert found.unfit
    assert any(line.startswith("Left out: ") for line in page.tried(found))
    only = tuple(found.unfit)
    with pytest.raises(BenchError) as error:
        found_on(cell, toy_plugin, tmp_path / "none", asked(cell, 600, strategies=only))
    assert error.value.code == "no-strategy-fits"


def test_what_an_earlier_request_left_in_the_folder_is_not_evidence(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    plugins = discover([toy_plugin, Selection("toy-sentiment")])
    sources = Sources(cache=tmp_path)
    cell, recipe = toy_cell("full"), replace(toy_cell("full").recipe, epochs=1)
    bracket = Bracket(
        "toy-sentiment",
        Selection("toy-sentiment").name,
        ("frozen",),
        cell.backbone,
        recipe,
        1,
        tmp_path / "run",
    )
    (first, *_) = bracket.cells(Round(40, 1, ("frozen",)))
    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    launch([first], Registry(plugins, sources), tmp_path / "run", options, Silent())
    found = measured(bracket, [40], Registry(plugins, sources)).records
    assert [item.cell.id for item in found] == [first.id]
    other = replace(bracket, recipe=replace(recipe, epochs=2))
    assert not measured(other, [40], Registry(plugins, sources)).records
