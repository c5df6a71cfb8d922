"""How long a cell may take before it counts as hanging: many times what the plan expects of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Cell
from bench.data.sources import Sources
from bench.executors import launch
from bench.executors.contract import Options, Work
from bench.executors.process import FIRST_TIMEOUT, GENEROUS, LEAST_TIMEOUT, Processes, time_limit
from bench.planning.estimates import Estimator
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.provenance import processor
from bench.runs.record import Machine, Record, Seconds

HEAVY = 1000.0
"""How many times the operations of a frozen cell every other one has here."""


def estimator(*records: Record) -> Estimator:
    found = Estimator(lambda cell: 1e9 if cell.strategy == "frozen" else HEAVY * 1e9)
    found.learn(records)
    return found


def done(cell: Cell, seconds: float) -> Record:
    return Record(cell=cell, fingerprint="f", status="done", seconds=Seconds(train=seconds, cold=seconds))


def test_where_nothing_has_run_a_cell_gets_hours(toy_cell: Callable[..., Cell]) -> None:
    assert time_limit(toy_cell("full"), estimator()) == FIRST_TIMEOUT


def test_a_quick_cell_gets_minutes(toy_cell: Callable[..., Cell]) -> None:
    known = estimator(done(toy_cell("frozen"), 2.0))
    assert time_limit(toy_cell("frozen", task="toy-ner"), known) == LEAST_TIMEOUT


def test_a_heavy_cell_is_not_held_to_the_time_of_quick_ones(toy_cell: Callable[..., Cell]) -> None:
    known = estimator(done(toy_cell("frozen"), 2.0))
    assert time_limit(toy_cell("full"), known) >= GENEROUS * HEAVY * 2.0


@pytest.mark.parametrize(
    ("elsewhere", "counts"), [({}, True), ({"device": "NVIDIA Abacus"}, False), ({"processor": "x"}, False)]
)
def test_a_cell_is_not_held_to_the_time_of_another_device_or_machine(
    elsewhere: dict[str, str], counts: bool, toy_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    class Ready(Processes):
        def ready(self) -> None: ...

        def _supervise(self) -> None: ...

    cell, store = toy_cell("full"), Store(tmp_path)
    here = {"device": "cpu", "dtype": "float32", "threads": 1, "processor": processor(), "system": "Linux"}
    machine = Machine.model_validate({**here, **elsewhere})
    store.save(done(cell, 2.0).model_copy(update={"machine": machine}))
    executor = Ready(Work(store, Options(device="cpu"), operations={cell.id: 1e9}), Silent())
    executor.run([], lambda _: None)
    executor.stop()
    assert time_limit(cell, executor._estimator) == (LEAST_TIMEOUT if counts else FIRST_TIMEOUT)


def test_workers_know_what_the_plan_expects(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operations of each cell reach the executor, and training everything is the more expensive."""
    seen: list[Work] = []

    class Caught(Processes):
        def __init__(self, work: Work, *rest: Any) -> None:
            super().__init__(work, *rest)
            seen.append(work)

        def start(self) -> None: ...

        def ready(self) -> None:
            raise KeyboardInterrupt  # rows are read by now

    monkeypatch.setattr(launch, "Processes", Caught)
    cells = [toy_cell("frozen"), toy_cell("full")]
    with pytest.raises(KeyboardInterrupt):
        launch.launch(
            cells, Registry(plugins, Sources(cache=tmp_path)), tmp_path / "run", Options(), Silent()
        )
    frozen, full = (seen[0].operations[cell.id] for cell in cells)
    assert 0 < frozen < full
