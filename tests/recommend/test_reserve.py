"""What is kept of a budget grows with the load, on a clock that the test moves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bench.contracts import Cell
from bench.recommend import reserve as module
from bench.recommend.budget import Budgeted, BudgetSpent, until
from bench.recommend.reserve import CLOSING, EVERY, JUDGING, LARGEST, REMEMBERED, START, Reserve
from bench.runs import processes
from bench.runs.listeners import Silent
from bench.runs.record import Record

END = 1_090.0


class Machine:
    """A clock, and how slow the machine is."""

    def __init__(self) -> None:
        self.now, self.slowness, self.computed, self.measured = 1_000.0, 1.0, 0.0, 0

    def measure(self) -> float:
        self.measured += 1
        return self.slowness


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    fake = SimpleNamespace(monotonic=lambda: made.now, thread_time=lambda: made.computed)
    monkeypatch.setattr(module, "time", fake)
    monkeypatch.setattr(module, "slowness", made.measure)
    monkeypatch.setattr(module, "NEEDED", ())
    return made


def test_the_reserve_grows_with_the_load(machine: Machine) -> None:
    assert Reserve(90, END).last_cell() == pytest.approx(END - (CLOSING + JUDGING))
    machine.slowness = 8.0
    assert Reserve(90, END).last_cell() == pytest.approx(END - 8 * (CLOSING + JUDGING))
    assert Reserve(90, END).starting() == 8 * START


def test_the_reserve_includes_what_is_not_imported_yet(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Reserve(90, END).closing()
    monkeypatch.setattr(module, "NEEDED", ("not_imported_yet",))
    assert Reserve(90, END).closing() == pytest.approx(before + module.IMPORTING)


def test_the_mean_of_the_last_half_minute_counts(machine: Machine) -> None:
    reserve = Reserve(90, END)
    machine.slowness = 9.0
    assert reserve.slowness() == 9.0
    machine.slowness = 1.0
    for number in range(2, REMEMBERED + 1):
        machine.now += EVERY
        assert reserve.slowness() == pytest.approx((9.0 + number - 1) / number)
    machine.now += EVERY
    assert reserve.slowness() == 1.0


def test_the_machine_is_measured_every_five_seconds(machine: Machine) -> None:
    reserve = Reserve(90, END)
    for _ in range(10):
        reserve.last_round(0.1)
        machine.now += EVERY / 5
    assert machine.measured == 2


def test_an_alarm_in_the_middle_of_a_measurement_starts_no_other(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a measurement takes longer than the time between two alarms, each asks for the deadline again."""
    reserve = Reserve(90, END)
    asked: list[float] = []

    def interrupted() -> float:
        asked.append(reserve.last_round(0.1))
        return machine.measure()

    monkeypatch.setattr(module, "slowness", interrupted)
    for _ in range(3):
        assert reserve.slowness() == 1.0
        machine.now += EVERY
    assert machine.measured == len(asked) == 3


def test_a_look_at_the_scores_teaches_what_the_last_one_takes(machine: Machine) -> None:
    reserve = Reserve(90, END)
    before = reserve.closing()
    with reserve.timing():
        machine.computed += JUDGING + 2
    assert reserve.closing() == pytest.approx(before + 2)


@pytest.fixture
def answered(machine: Machine) -> Reserve:
    """A reserve with as many strategies as an answer needs."""
    reserve = Reserve(90, END)
    reserve.note("probe")
    reserve.note("full")
    return reserve


def test_until_two_strategies_have_a_score_no_time_is_kept_but_for_judging_them(machine: Machine) -> None:
    reserve = Reserve(90, END)
    late = END + 9 - reserve.closing()
    for strategy in (None, "probe", "probe"):
        if strategy:
            reserve.note(strategy)
        assert reserve.last_round(0.1) == pytest.approx(late)
    reserve.note("full")
    assert reserve.last_round(0.1) < reserve.last_cell()


def test_where_one_strategy_is_asked_for_it_is_the_answer(machine: Machine) -> None:
    reserve = Reserve(90, END, needed=1)
    reserve.note("probe")
    assert reserve.last_round(0.1) < reserve.last_cell()


def test_time_for_the_test_rows_is_kept_once_there_is_an_answer(machine: Machine, answered: Reserve) -> None:
    judged = answered.last_cell() - JUDGING
    assert answered.last_round(0.1) == pytest.approx(judged - 9)
    machine.slowness, machine.now = 3.0, machine.now + REMEMBERED * EVERY
    for _ in range(REMEMBERED):  # all that is remembered
        answered.slowness()
        machine.now += EVERY
    assert answered.starting() > 9  # no worker would start in that time: it is better used for another cell
    assert answered.last_round(0.1) == pytest.approx(answered.last_cell() - 3 * JUDGING)


def test_half_of_a_budget_is_for_training_however_busy_the_machine(machine: Machine) -> None:
    machine.slowness = 1_000.0
    reserve = Reserve(90, END, needed=1)
    reserve.note("probe")
    assert reserve.last_round(0.1) == END - LARGEST * 90
    assert reserve.last_cell() == END - LARGEST * 90


def test_a_deadline_that_moves_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real timer: it looks again, as the machine may have become busy."""
    monkeypatch.setattr("bench.recommend.budget.LOOK", 0.05)
    began = time.monotonic()

    def moving() -> float:
        return began + (60 if time.monotonic() < began + 0.2 else 0)

    with pytest.raises(BudgetSpent), until(moving):
        time.sleep(30)
    assert time.monotonic() - began < 20


def test_outside_of_the_main_thread_a_screen_looks_at_the_clock(toy_cell: Callable[..., Cell]) -> None:
    """No exception is thrown into a thread from outside: it ends at the next point of a curve or finished cell."""
    found: list[str] = []

    def work() -> None:
        began = time.monotonic()
        screen = Budgeted(Silent(), lambda: began + 0.1)
        try:
            with until(lambda: began + 0.1):
                time.sleep(0.3)
                found.append("not interrupted")
                screen.cell_done(Record(cell=toy_cell(), fingerprint="x", status="failed"))
        except BudgetSpent:
            found.append("ended")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(50)
    assert found == ["not interrupted", "ended"]


def test_a_budget_begins_with_the_process() -> None:
    before = processes.began()
    assert before < time.monotonic()
    assert processes.began() == pytest.approx(before, abs=0.5)
