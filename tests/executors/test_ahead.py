"""What only later cells need is fetched while the first ones run."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError, Cell, Splits
from bench.data.sources import Sources
from bench.executors import ahead
from bench.executors.ahead import Background, divide
from bench.registry import Plugins, Registry
from tests.executors.test_launch import Launch
from tests.support.toy_tasks import ToySentiment

MakeCell = Callable[..., Cell]


class Remote(ToySentiment):
    """Rows that are cached once they were built."""

    name = "remote"
    fetched: list[str] = []  # noqa: RUF012  (the order of events, emptied by each test)

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, 1, lambda: self.build(sources))

    def build(self, sources: Sources) -> Splits:
        self.fetched.append(self.name)
        return super().splits(sources)


class Other(Remote):
    name = "other"


class Broken(Remote):
    name = "broken"

    def build(self, sources: Sources) -> Splits:
        raise BenchError("no network", code="no-network")


@pytest.fixture
def both(plugins: Plugins) -> Plugins:
    Remote.fetched.clear()
    tasks = {**plugins.tasks, "remote": Remote, "other": Other, "broken": Broken}
    return Plugins(plugins.strategies, tasks, plugins.given)


def test_the_first_task_and_whatever_is_here_come_first(
    both: Plugins, toy_cell: MakeCell, tmp_path: Path
) -> None:
    registry = Registry(both, Sources(tmp_path))
    cells = [toy_cell("frozen", task=task) for task in ("remote", "other", "toy-ner")]
    assert divide(cells, registry) == ([cells[0], cells[2]], [cells[1]])
    other = registry.task("other")
    other.splits(registry.sources)
    assert divide(cells, registry) == (cells, [])


def test_rows_of_later_cells_are_fetched_while_the_first_cells_run(
    both: Plugins, toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ran = threading.Event(), threading.Event()
    real = Other.build

    def slow(task: Other, sources: Sources) -> Splits:
        began.set()
        assert ran.wait(60)  # a cell finishes before these rows are there
        return real(task, sources)

    monkeypatch.setattr(Other, "build", slow)
    launched = Launch(tmp_path, both)
    cells = [toy_cell("frozen", task="remote"), toy_cell("frozen", task="other")]
    saved = ahead.Background.wait

    def wait(background: Background) -> None:
        assert began.wait(60)
        assert (launched.run / "records" / f"{cells[0].id}.json").is_file()
        ran.set()
        saved(background)

    monkeypatch.setattr(Background, "wait", wait)
    assert [record.status for record in launched(*cells)] == ["done", "done"]
    assert "fetched while the first cells run: what other" in launched.shown


def test_finished_cells_run_again_where_what_was_fetched_meanwhile_has_changed(
    both: Plugins, toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched = Launch(tmp_path, both)
    cells = [toy_cell("frozen", task="remote"), toy_cell("frozen", task="other")]
    first = launched(*cells)
    for path in (tmp_path / "cache").rglob("other*"):
        path.unlink()  # on a hub, rows change and are fetched anew
    real = Other.build

    def changed(task: Other, sources: Sources) -> Splits:
        found = real(task, sources)
        return replace(found, train=[replace(row, text=f"{row.text} again") for row in found.train])

    monkeypatch.setattr(Other, "build", changed)
    again = launched(*cells, toy_cell("full", task="remote"))
    assert again[0] == first[0]
    assert again[1].data is not None
    assert again[1].data != first[1].data
    assert "other: its rows have changed since cells finished" in launched.shown


def test_what_cannot_be_fetched_ends_the_run_after_the_first_cells(
    both: Plugins, toy_cell: MakeCell, tmp_path: Path
) -> None:
    launched = Launch(tmp_path, both)
    cells = [toy_cell("frozen", task="remote"), toy_cell("frozen", task="broken")]
    with pytest.raises(BenchError) as error:
        launched(*cells)
    assert error.value.code == "no-network"
    assert (launched.run / "records" / f"{cells[0].id}.json").is_file()


def test_what_the_first_cells_need_is_still_checked_before_anything_is_written(
    both: Plugins, toy_cell: MakeCell, tmp_path: Path
) -> None:
    launched = Launch(tmp_path, both)
    with pytest.raises(BenchError):
        launched(toy_cell("frozen", task="broken"), toy_cell("frozen", task="remote"))
    assert not launched.run.exists()


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="priorities of threads are Linux's")
def test_the_thread_takes_only_what_others_leave() -> None:
    found: list[int] = []
    before = os.getpriority(os.PRIO_PROCESS, 0)
    Background(lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))).wait()
    assert found == [ahead.LOWEST]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
