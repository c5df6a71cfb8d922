"""The budget is a promise: on a clock that the test moves, an answer never takes more than a tenth beyond it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.cli import recommend as command
from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.recommend import answer as answering
from bench.recommend import budget, reserve, successive_halving
from bench.recommend.answer import Terms, answer
from bench.recommend.budget import Budgeted, BudgetSpent
from bench.recommend.views import Selection
from bench.registry import Registry, discover
from bench.runs.curve import Point
from bench.runs.listeners import Silent
from bench.runs.record import Record

POINT = Point(step=1, epoch=1.0, seconds=1.0, phase=1, train_loss=1.0, loss=1.0, score=0.5)


class Clock:
    """Seconds that pass only where a test lets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Paced(Silent):
    """A screen on which every point of a curve takes as long, and so does what follows the last one."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.notes: list[str] = []
        self.points: list[float] = []
        self.cells = 0

    def point(self, cell: Cell, point: Point) -> None:
        self._clock.now += self._seconds
        self.points.append(self._clock.now)

    def cell_done(self, record: Record) -> None:
        self._clock.now += self._seconds
        self.cells += 1

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of everything that keeps to a budget, without the timer of the system."""
    made = Clock()
    fake = SimpleNamespace(monotonic=made.monotonic, perf_counter=time.perf_counter)
    fake.thread_time = time.thread_time
    for module in (answering, budget, reserve, successive_halving):
        monkeypatch.setattr(module, "time", fake)
    for module in (answering, successive_halving):
        monkeypatch.setattr(module, "until", lambda _: nullcontext())
    monkeypatch.setattr(reserve, "slowness", lambda: 1.0)
    return made


def test_a_budget_is_checked_at_every_point_of_a_curve_and_after_every_cell(
    clock: Clock, toy_cell: Callable[..., Cell]
) -> None:
    cell = toy_cell()
    record = Record(cell=cell, fingerprint="x", status="failed")
    end = clock.now + 10
    screen = Budgeted(Paced(clock, 4.0), lambda: end)
    screen.point(cell, POINT)
    screen.cell_done(record)
    with pytest.raises(BudgetSpent):
        screen.point(cell, POINT)
    with pytest.raises(BudgetSpent):
        screen.cell_done(record)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("seconds", "pace"), [(100, 3.0), (300, 2.0), (1_000, 0.5)])
@pytest.mark.parametrize("before", [0.0, 30.0])
def test_an_answer_takes_at_most_a_tenth_more_than_its_budget(
    seconds: float,
    pace: float,
    before: float,
    clock: Clock,
    toy_cell: Callable[..., Cell],
    toy_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """before: what reading the user's rows took. The floor takes as long as a point of a curve."""
    floor = answering.floor

    def slow(*of: object) -> object:
        clock.now += pace
        return floor(*of)  # type: ignore[arg-type]

    monkeypatch.setattr(answering, "floor", slow)
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, epochs=2))
    plugins = discover([toy_plugin, Selection("toy-sentiment")])
    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    began = clock.now
    clock.now += before
    screen = Paced(clock, pace)
    terms = Terms(("frozen", "full"), cell.backbone, "accuracy", seconds, "again", began=began)
    registry = Registry(plugins, Sources(cache=tmp_path))
    found = answer(cell, terms, registry, (tmp_path / "run", options, screen))
    assert screen.cells >= 1
    assert clock.now - began <= 1.1 * seconds
    assert found.outcome.seconds == pytest.approx(clock.now - began)


def test_rows_that_took_the_whole_budget_to_read_leave_none_to_train_on(
    clock: Clock, toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    cell = toy_cell("full")
    plugins = discover([toy_plugin, Selection("toy-sentiment")])
    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    screen = Paced(clock, 1.0)
    terms = Terms(("frozen",), cell.backbone, "accuracy", 60, "again", began=clock.now - 70)
    with pytest.raises(BenchError) as error:
        answer(cell, terms, Registry(plugins, Sources(cache=tmp_path)), (tmp_path / "run", options, screen))
    assert error.value.code == "too-small-budget"
    assert len(screen.points) <= 1
    assert "--budget 2m" in str(error.value)  # what would be enough


def test_a_budget_that_is_spent_before_two_strategies_are_scored_is_exceeded_by_a_tenth_at_most_for_an_answer(
    clock: Clock, toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    """Two strategies finish within the tenth and are compared, on however little."""
    cell = toy_cell("full")
    plugins = discover([toy_plugin, Selection("toy-sentiment")])
    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    screen = Paced(clock, 0.0)
    terms = Terms(("probe", "frozen"), cell.backbone, "accuracy", 60, "again", began=clock.now - 61)
    registry = Registry(plugins, Sources(cache=tmp_path))
    found = answer(cell, terms, registry, (tmp_path / "run", options, screen))
    assert found.measured == {"probe", "frozen"}
    assert set(found.round.means) == {"probe", "frozen"}
    assert found.final is None
    assert found.outcome.stopped


def test_a_floor_that_takes_too_long_is_left_out_and_the_screen_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the real timer, in the middle of the floor's own work."""

    def endless(*_: object) -> None:
        time.sleep(30)

    monkeypatch.setattr(answering, "floor", endless)
    last = SimpleNamespace(records=[SimpleNamespace(cell=None)])
    screen = Paced(Clock(), 0.0)
    began = time.monotonic()
    found = answering._floor(last, None, None, screen, began + 0.4)  # type: ignore[arg-type]
    assert found is None
    assert time.monotonic() - began < 10
    assert len(screen.notes) == 1


def test_the_training_of_the_model_to_save_is_announced_with_its_own_time_before_it_starts(
    toy_cell: Callable[..., Cell],
    toy_plugin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from bench.export import folder as exporting
    from bench.export.scores import Request
    from bench.recommend.views import Everything

    def stop(*_: object) -> None:
        raise BenchError("trained", "test-trained")

    monkeypatch.setattr(exporting, "export", stop)
    monkeypatch.setattr("sys.argv", ["bench", "recommend"])
    plugins = discover([toy_plugin, Everything("toy-sentiment", False)])
    cell = toy_cell("full")
    subject = command.Subject("toy-sentiment", Registry(plugins, Sources(cache=tmp_path)), cell.recipe, False)
    with pytest.raises(BenchError) as error:
        command._export(cell, subject, tmp_path / "model", ("cpu", tmp_path / "run"), Request())
    assert error.value.code == "test-trained"
    said = " ".join(capsys.readouterr().err.split())
    assert "training full on" in said
    assert "about" in said
    assert "which no budget limits" in said
