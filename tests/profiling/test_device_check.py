"""The check of a device: both sides in turns, two orders, and a time limit that ends it with what there is."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bench.analysis.tables.model import Table
from bench.contracts import BenchError
from bench.engine.group import RunContext
from bench.planning.compiled import CompiledStep, read
from bench.profiling import at_once, device_check, order
from bench.profiling.made_up import MadeUp
from bench.registry import discover
from tests.cli.conftest import bench
from tests.cli.test_measure import Command
from tests.support import warm

__all__ = ["bench"]


def cells_of(table: Table) -> dict[tuple[str, ...], dict[str, object]]:
    """The values of each row by its labels, then by column."""
    names = [column.name for column in table.columns]
    return {
        row.labels: dict(zip(names, (entry.value for entry in row.entries), strict=True))
        for block in table.blocks
        for row in block.rows
    }


def test_the_check_measures_both_sides_and_two_orders(
    bench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU `make gpu-check` runs the command itself."""
    monkeypatch.setattr(sys, "executable", warm.python())
    monkeypatch.setattr(device_check, "ROUNDS", 1)
    monkeypatch.setattr(device_check, "STRATEGIES", ("full", "frozen"))
    where = ["--device", "cpu", "--threads", 1, "--limit", 900]  # other work may slow it down
    code, out, err = bench("profile", "--kind", "device", "--out", "device.json", *where)
    assert code == 0, err
    table = TypeAdapter(Table).validate_python(json.loads((tmp_path / "device.json").read_text()))
    found = cells_of(table)
    assert {labels[0] for labels in found} == {"full", "frozen"}
    for values in found.values():
        assert all(isinstance(values[name], float) for name in ("step", "learn", "ratio", "memory"))
        assert values["rounds"] == 1
    assert found["full", "this engine"]["ratio"] == 1
    assert 0 < float(str(found["full", "this engine"]["rate"])) < 1
    assert "The same cells in two orders, cold seconds: full" in out
    assert re.search(
        r"4 seeds of full trained in [\d.]+ s at once, and in [\d.]+ s one after another",
        " ".join(out.split()),
    )
    assert "time limit" not in out
    assert "Compiled layers were not measured: on a CPU they did not pay." in " ".join(out.split())
    (compiled,) = read(tmp_path)
    assert (compiled.device, compiled.steps, compiled.reason) == ("cpu", (), "on a CPU they did not pay")


def test_a_limit_ends_it_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is put forward at the second turn, so that a busy machine has the time for the first."""

    def engine(*_: object) -> device_check.Turn:
        if slow_from_here.pop(0):
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < device_check.TURNS * limit
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            time.sleep(60)
        return turn

    limit, turn = 600.0, device_check.Turn(4, 1.0, 1.5, 2**20)
    slow_from_here = [False, True]
    monkeypatch.setattr(device_check, "_engine", engine)
    monkeypatch.setattr(device_check, "_trainer", lambda *_: turn)
    monkeypatch.setattr(device_check.Speeds, "gemm", lambda _: 1e9)
    monkeypatch.setattr(order, "measure", lambda *_: [])
    monkeypatch.setattr(at_once, "measure", lambda *_: at_once.AtOnce("full", 4, 3.4, 2.0))
    began = time.monotonic()
    table = device_check.check("cpu", limit, threads=1).table
    assert time.monotonic() - began < 59
    found = cells_of(table)
    assert found["full", "this engine"]["rounds"] == 1
    assert found["frozen", "Trainer, tuned"] == dict.fromkeys(found["frozen", "Trainer, tuned"])
    assert any("time limit was reached" in note for note in table.notes)


def test_what_fails_is_named_and_costs_nothing_but_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> device_check.Turn:
        raise RuntimeError("no kernel image\nand more")

    def refuses(*_: object) -> list[order.Places]:
        raise BenchError("a worker does not start", code="no-worker")

    monkeypatch.setattr(device_check, "ROUNDS", 0)
    monkeypatch.setattr(device_check, "STRATEGIES", ("full",))
    monkeypatch.setattr(device_check, "_trainer", fails)
    monkeypatch.setattr(order, "measure", refuses)
    monkeypatch.setattr(at_once, "measure", lambda *_: at_once.AtOnce("full", 4, 3.4, 2.0))
    table = device_check.check("cpu", 60.0, threads=1).table
    found = cells_of(table)
    assert found["full", "this engine"]["rounds"] == 1
    assert found["full", "Trainer, tuned"] == dict.fromkeys(found["full", "Trainer, tuned"])
    failed = [note for note in table.notes if note.startswith("Failed: ")]
    assert failed[0].startswith(
        "Failed: two orders: BenchError: a worker does not start (test_device_check.py:"
    )
    assert failed[1].startswith("Failed: tiny, full, Trainer, tuned: RuntimeError: no kernel image (")
    assert len(failed) == 2
    assert table.notes[-1].startswith("Summary: ms a step of this engine / Trainer: tiny full ")
    assert "tiny, full, Trainer, tuned: RuntimeError: no kernel image" in capsys.readouterr().err


def test_why_steps_were_launched_one_by_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = device_check._engine

    def launched(line: device_check.Line, context: RunContext) -> device_check.Turn:
        turn = real(line, context)
        line.adaptations = ("steps launched one by one: a capture failed (no)",)
        return turn

    monkeypatch.setattr(device_check, "ROUNDS", 0)
    monkeypatch.setattr(device_check, "STRATEGIES", ("full",))
    monkeypatch.setattr(device_check, "SIDES", ("this engine",))
    monkeypatch.setattr(device_check, "_engine", launched)
    monkeypatch.setattr(order, "measure", lambda *_: [])
    monkeypatch.setattr(at_once, "measure", lambda *_: at_once.AtOnce("full", 4, 3.4, 2.0))
    notes = device_check.check("cpu", 60.0, threads=1).table.notes
    assert "tiny, full, this engine: steps launched one by one: a capture failed (no)." in notes


def test_an_action_that_a_cell_would_take_for_its_own_failure_is_ended_all_the_same() -> None:
    def swallows() -> None:
        while True:
            try:
                time.sleep(5)
            except Exception:
                continue

    assert not device_check._until(0.2, swallows)
    assert device_check._until(5.0, lambda: None)


@pytest.mark.usefixtures("warm_workers")
def test_profile_runs_a_group_in_two_orders(
    bench: Command, tiny_encoder: Path, toy_plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--backbone", tiny_encoder, "--task", "toy-sentiment", "--plugin", toy_plugin]
    strategies = ["-s", "full", "-s", "frozen", "--suite", "smoke"]
    code, out, err = bench(
        "profile", "--kind", "order", *strategies, *arguments, "--device", "cpu", "--threads", 1
    )
    assert code == 0, err
    assert "in reverse" in out
    assert "full, frozen, and the reverse" in " ".join(out.split())


def test_one_strategy_has_no_order(bench: Command, tiny_encoder: Path, toy_plugin: Path) -> None:
    arguments = ["--backbone", tiny_encoder, "--task", "toy-sentiment", "--plugin", toy_plugin]
    code, out, err = bench("profile", "--kind", "order", "-s", "full", "--device", "cpu", *arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


def test_too_few_cells_are_named_by_a_code(toy_cell: Callable[..., object]) -> None:
    with pytest.raises(BenchError) as error:
        order.measure([toy_cell("full")], None, None)  # type: ignore[list-item, arg-type]
    assert error.value.code == "too-few-strategies"


def test_made_up_rows_are_a_task_like_any_other() -> None:
    short, long = MadeUp("short-texts", 64), MadeUp("long-texts", 64, 126)
    tasks = discover([short, long]).tasks
    assert {"short-texts", "long-texts"} <= set(tasks)
    assert tasks["short-texts"].origin != tasks["long-texts"].origin


def test_what_compiling_gains_is_kept_for_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With an engine and a Trainer that take no time."""

    def measured(line: device_check.Line, context: RunContext) -> device_check.Turn:
        return device_check.Turn(
            10, 0.1 if context.compiled else 0.2, 3.0, 7, 4.0 if context.compiled else 0.5
        )

    monkeypatch.setattr(device_check, "TO_COMPILE", {"cpu": ("tiny",)})
    monkeypatch.setattr(device_check, "missing_compiler", lambda _: "")
    monkeypatch.setattr(device_check, "_engine", measured)
    monkeypatch.setattr(device_check, "_trainer", measured)
    monkeypatch.setattr(order, "measure", lambda *_: [])
    monkeypatch.setattr(at_once, "measure", lambda *_: at_once.AtOnce("full", 4, 3.4, 2.0))
    checked = device_check.check("cpu", 60.0, threads=1)
    found = cells_of(checked.table)["full", "this engine, compiled"]
    assert (found["step"], found["setup"], found["ratio"]) == (pytest.approx(10), 4.0, 1.0)
    assert checked.table.notes[-1].startswith(
        "Summary: ms a step of this engine / Trainer / compiled: tiny full 20.00 /"
    )
    assert not any("not measured: " in note for note in checked.table.notes)
    (tmp_path / "device.json").write_bytes(checked.as_json())
    (tmp_path / "other.json").write_text("{}")
    (compiled,) = read(tmp_path)
    assert compiled.device == "cpu"
    assert compiled.steps == (
        CompiledStep("tiny", 3, 32, pytest.approx(0.02), pytest.approx(0.01), 0.5, 4.0),
    )


def test_without_a_compiler_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_check, "TO_COMPILE", {"cpu": ("tiny",)})
    monkeypatch.setattr(device_check, "missing_compiler", lambda _: "triton is not installed")
    monkeypatch.setattr(device_check, "_take_turns", lambda *_: None)
    monkeypatch.setattr(order, "measure", lambda *_: [])
    monkeypatch.setattr(at_once, "measure", lambda *_: at_once.AtOnce("full", 4, 3.4, 2.0))
    checked = device_check.check("cpu", 60.0, threads=1)
    assert checked.compiled.reason == "triton is not installed"
    assert "Compiled layers were not measured: triton is not installed." in checked.table.notes
