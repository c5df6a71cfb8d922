"""A run in this process: what is finished stays, what is damaged runs again, and a plug-in may raise anywhere."""

from __future__ import annotations

import importlib
import io
import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from bench.cli.display import Display
from bench.contracts import BenchError, Cell, Task
from bench.data.sources import Sources
from bench.executors.contract import Options, Work
from bench.executors.launch import _estimator as estimator_of
from bench.executors.launch import launch
from bench.planning.shards import Shard
from bench.planning.workload import Workload
from bench.registry import Plugins, Registry
from bench.runs import planned_work
from bench.runs.folder import Store
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds
from tests.support.made_runs import results
from tests.support.toy_tasks import ToySentiment

INLINE = Options(device="cpu", threads=1, executor="inline")


class Launch:
    """Launches cells into one folder and keeps what was shown."""

    def __init__(self, folder: Path, plugins: Plugins) -> None:
        self.run = folder / "run"
        self.plugins = plugins
        self.sources = Sources(cache=folder / "cache")
        self.shown = ""

    def __call__(self, *cells: Cell, options: Options = INLINE) -> list[Record]:
        output = io.StringIO()
        display = Display(Console(file=output, width=10_000))
        try:
            return launch(cells, Registry(self.plugins, self.sources), self.run, options, display)
        finally:
            self.shown = output.getvalue()


@pytest.fixture
def launched(tmp_path: Path, plugins: Plugins) -> Launch:
    return Launch(tmp_path, plugins)


def test_a_finished_cell_does_not_run_again(launched: Launch, toy_cell: Callable[..., Cell]) -> None:
    launched(toy_cell("frozen"))
    first = Store(launched.run).record_path(toy_cell("frozen").id).stat().st_mtime_ns
    launched(toy_cell("frozen"))
    assert Store(launched.run).record_path(toy_cell("frozen").id).stat().st_mtime_ns == first


def test_a_run_notes_how_much_its_cells_compute(launched: Launch, toy_cell: Callable[..., Cell]) -> None:
    full, frozen = toy_cell("full"), toy_cell("frozen")
    launched(frozen)
    launched(full, frozen)
    found = planned_work.read(launched.run)
    assert found.of(full.id)[0] > found.of(frozen.id)[0] > found.of(frozen.id)[1] > 0 == found.of(full.id)[1]


def test_a_shard_with_nothing_but_misfits_says_so_in_records(
    launched: Launch, toy_cell: Callable[..., Cell]
) -> None:
    """The strategy fits another backbone of the request."""
    cells = [toy_cell("top-layers"), toy_cell("top-layers", backbone="tfidf")]
    [record] = launched(*cells, options=replace(INLINE, shard=Shard(2, 2)))
    assert (record.cell, record.status) == (cells[1], "skipped")
    with pytest.raises(BenchError) as error:
        launched(cells[1], options=replace(INLINE, shard=Shard(1, 1)))
    assert error.value.code == "strategy-does-not-fit"


def test_a_run_notes_which_cells_it_runs_again(launched: Launch, toy_cell: Callable[..., Cell]) -> None:
    full, frozen = toy_cell("full"), toy_cell("frozen")
    launched(frozen)
    launched(full, frozen)
    assert planned_work.read(launched.run).again == {}
    store = Store(launched.run)
    stamps = {cell.id: store.record_path(cell.id).stat().st_mtime_ns for cell in (full, frozen)}
    launched(full, frozen, options=replace(INLINE, fresh=True))
    assert planned_work.read(launched.run).again == stamps
    launched(full, frozen, toy_cell("top-layers"))
    assert planned_work.read(launched.run).again == {}
    assert planned_work.read(launched.run).covers(full.id)


@pytest.mark.parametrize("alive", [True, False])
def test_what_another_run_still_runs_again_stays_noted_while_it_runs(
    alive: bool, launched: Launch, toy_cell: Callable[..., Cell]
) -> None:
    """A second run in its folder, of a new cell or of those that failed, forgets nothing; a later one does."""
    theirs = {f"task/full/tiny/seed{seed}": seed for seed in (1, 2)}
    planned_work.note_again(launched.run, theirs)
    leased(launched.run, "task/full/tiny/seed0", os.getppid() if alive else os.getpid())
    launched(toy_cell("frozen"))
    assert planned_work.read(launched.run).again == (theirs if alive else {})
    stamp = Store(launched.run).record_path(toy_cell("frozen").id).stat().st_mtime_ns
    launched(toy_cell("frozen"), options=replace(INLINE, fresh=True))
    own = {toy_cell("frozen").id: stamp}
    assert planned_work.read(launched.run).again == (theirs if alive else {}) | own


def leased(run: Path, cell: str, process: int) -> None:
    """A lease of a living process."""
    path = run / "claims" / cell
    path.parent.mkdir(parents=True)
    began = psutil.Process(process).create_time()
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": process, "began": began}))


@pytest.mark.parametrize(("executor", "learns"), [("process", False), ("ray", True)])
def test_records_of_another_machine_tell_the_time_of_a_cluster_alone(
    executor: Any, learns: bool, toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    cell, store, workload = toy_cell("full"), Store(tmp_path), Workload(Registry(plugins))
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="abacus", system="Linux")
    store.save(Record(cell=cell, fingerprint="", status="done", seconds=Seconds(train=9), machine=machine))
    work = Work(store, Options(device="cpu", executor=executor))
    assert estimator_of(work, workload, store.readable_records()).has_samples == learns
    here = machine.model_copy(update={"processor": processor()})
    store.save(Record(cell=cell, fingerprint="", status="done", seconds=Seconds(train=9), machine=here))
    assert estimator_of(work, workload, store.readable_records()).has_samples


@pytest.mark.parametrize(
    ("device", "counting"),
    [
        ("cpu", {"cpu"}),
        ("cuda", {"NVIDIA Abacus"}),
        ("cuda:0,cuda:1", {"NVIDIA Abacus"}),
        ("cpu,cuda", {"cpu", "NVIDIA Abacus"}),
    ],
)
def test_records_of_a_gpu_do_not_tell_the_time_of_a_cpu_nor_the_reverse(
    device: str, counting: set[str], toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    """The time-out of a cell follows from them: 30 times the seconds of a GPU is too short for a CPU."""
    workload, learns = Workload(Registry(plugins)), set[str]()
    for ran in ("cpu", "NVIDIA Abacus"):
        store = Store(tmp_path / ran)
        machine = Machine(device=ran, dtype="float32", threads=1, processor=processor(), system="Linux")
        record = Record(cell=toy_cell("full"), fingerprint="", status="done", seconds=Seconds(train=9))
        store.save(record.model_copy(update={"machine": machine}))
        work = Work(store, Options(device=device))
        if estimator_of(work, workload, store.readable_records()).has_samples:
            learns.add(ran)
    assert learns == counting


@pytest.mark.parametrize("kind", ["record", "predictions", "lost predictions", "plan"])
def test_what_is_damaged_is_set_aside_with_a_notice_and_runs_again(
    launched: Launch, toy_cell: Callable[..., Cell], kind: str
) -> None:
    cells = [toy_cell("frozen"), toy_cell("top-layers")]
    launched(*cells)
    store, before = Store(launched.run), results(launched.run)
    paths = {
        "record": store.record_path(cells[0].id),
        "predictions": store.predictions_path(cells[0].id),
        "lost predictions": store.predictions_path(cells[0].id),
        "plan": launched.run / "run.json",
    }
    if kind == "lost predictions":
        paths[kind].unlink()
    else:
        paths[kind].write_bytes(paths[kind].read_bytes()[:-40])
    records = launched(*cells)
    assert [record.status for record in records] == ["done", "done"]
    assert "is damaged" in launched.shown
    assert "quarantine" in launched.shown
    assert results(launched.run) == before
    assert len(store.planned()) == 2


def test_a_cell_that_failed_runs_again(launched: Launch, toy_cell: Callable[..., Cell]) -> None:
    assert _with(launched, decode=_raise)(toy_cell(task="broken"))[0].status == "failed"
    assert _with(launched)(toy_cell(task="broken"))[0].status == "done"


def _raise(*_: object, **__: object) -> Any:
    raise KeyError("inside a plug-in")


def _with(launched: Launch, **methods: Any) -> Launch:
    """The launch, with a task `broken`: the toy task with some methods replaced."""
    broken: type[Task] = type("Broken", (ToySentiment,), {"name": "broken", **methods})
    plugins = launched.plugins
    launched.plugins = Plugins(plugins.strategies, {**plugins.tasks, "broken": broken})
    return launched


@pytest.mark.parametrize("stage", ["splits", "check"])
def test_a_task_whose_rows_cannot_be_read_is_refused_before_anything_is_written(
    launched: Launch, toy_cell: Callable[..., Cell], stage: str
) -> None:
    with pytest.raises(BenchError, match=r"'broken': .*KeyError") as error:
        _with(launched, **{stage: _raise})(toy_cell(task="broken"))
    assert error.value.code == "cannot-read-rows"
    assert not launched.run.exists()


@pytest.mark.parametrize("stage", ["labels", "encode", "decode", "trivial", "score", "columns"])
def test_a_task_that_raises_later_fails_its_cells_and_no_other(
    launched: Launch, toy_cell: Callable[..., Cell], stage: str
) -> None:
    cells: Sequence[Cell] = [toy_cell("frozen", task="broken"), toy_cell("frozen")]
    failed, done = _with(launched, **{stage: _raise})(*cells)
    assert (failed.status, done.status) == ("failed", "done")
    assert "KeyError: 'inside a plug-in' (test_launch.py:" in failed.reason
    log = failed.reason.split("traceback in ")[1].rstrip(")")
    assert "in _raise" in (launched.run / log).read_text()


def test_names_with_markup_and_terminal_escapes_are_shown_as_they_are(
    launched: Launch, toy_cell: Callable[..., Cell]
) -> None:
    def wrong(*_: object) -> Any:
        raise RuntimeError("label '[red]x[/red]\x1b[2J\x1b]0;title\x07'")

    _with(launched, decode=wrong)(toy_cell("frozen", task="broken"))
    assert "label '[red]x[/red] [2J ]0;title " in launched.shown
    assert not [character for character in launched.shown if ord(character) < 32 and character != "\n"]


def test_a_run_folder_that_cannot_be_made_is_one_line(
    launched: Launch, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    launched.run = tmp_path / "file" / "run"
    with pytest.raises(BenchError, match=r"cannot be locked|cannot be written"):
        launched(toy_cell("frozen"))


class Unreadable:
    """A description that no other process can read, as one defined in a script is."""

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, ("only_in_the_script",)


def test_what_a_worker_cannot_read_is_one_line_and_not_a_wait(
    launched: Launch, toy_cell: Callable[..., Cell]
) -> None:
    options = Options(device="cpu", threads=1, plugin_files=(Unreadable(),))  # pyright: ignore[reportArgumentType]
    with pytest.raises(BenchError, match="only_in_the_script") as error:
        launched(toy_cell("frozen"), options=options)
    assert error.value.code == "not-in-a-file"
