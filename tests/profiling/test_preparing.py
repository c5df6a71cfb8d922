"""What is paid before training, part by part, here and in an older checkout."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.contracts import BenchError, Cell
from bench.profiling import preparing
from bench.profiling.preparing import PARTS, Line, profile, table
from bench.profiling.request import Request
from bench.runs.provenance import ROOT
from tests.cli.conftest import bench
from tests.cli.test_measure import Command, refused
from tests.support.made_runs import TOYS

__all__ = ["bench"]


@pytest.fixture
def on_toys(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    """The toy tasks, with a cache of their own, in one process that counts after one that does not."""
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(preparing, "ROUNDS", 1)
    return Request("quick", "toy-sentiment", str(tiny_encoder), ("full",), "cpu", 1, (Path(TOYS),))


def test_a_process_says_what_each_part_took(on_toys: Request) -> None:
    found = profile(on_toys)
    ((block,), columns) = found.blocks, [column.name for column in found.columns]
    assert block.title == "toy-sentiment"
    (row,) = block.rows
    values = dict(zip(columns, (entry.value for entry in row.entries), strict=True))
    assert all(isinstance(values[part], float) and values[part] > 0 for part in PARTS)  # type: ignore[operator]
    parts = [float(str(values[part])) for part in (*PARTS, "rest")]
    assert sum(parts) == pytest.approx(float(str(values["whole"])))
    assert values["ratio"] is None


@pytest.mark.parametrize(("threads", "expected"), [(None, 1), (2, 2)])
def test_the_note_tells_the_threads_of_the_processes(
    on_toys: Request, monkeypatch: pytest.MonkeyPatch, threads: int | None, expected: int
) -> None:
    given, described = [], []

    def run(command: list[str], **_: Any) -> SimpleNamespace:
        given.append(json.loads(command[-1])["threads"])
        said = json.dumps({"whole": 1.0, "wall": 1.0, "checkout": str(ROOT)})
        return SimpleNamespace(returncode=0, stdout=said, stderr="")

    def device(name: str, threads: int | None) -> str:
        described.append((name, threads))
        return name

    monkeypatch.setattr(preparing, "_name", lambda path: path.name)
    monkeypatch.setattr(preparing.subprocess, "run", run)
    monkeypatch.setattr(preparing, "choose_device", device)
    monkeypatch.setattr(preparing, "describe", lambda device: device)
    monkeypatch.setattr(preparing, "machine_fingerprint", str)
    profile(replace(on_toys, threads=threads))
    assert given == [expected, expected]
    assert described == [("cpu", expected)]


def line(cell: Cell, name: str, *whole: float) -> Line:
    turns = [{"rows": 0.5 * each, "encoder": 0.25, "whole": each, "wall": 9.0} for each in whole]
    return Line(cell, Path(name), name, turns)


def test_the_table_has_medians_and_what_this_checkout_takes_of_the_older_one(toy_cell: Any) -> None:
    cells = toy_cell("full"), toy_cell("full", task="toy-qa")
    lines = [
        line(cell, name, *whole) for cell in cells for name, whole in (("new", (9, 1, 1.5)), ("old", (4, 3)))
    ]
    found = table(lines, "abacus")
    assert [block.title for block in found.blocks] == ["toy-sentiment", "toy-qa"]
    names = [column.name for column in found.columns]
    for block in found.blocks:
        new, old = (dict(zip(names, (e.value for e in row.entries), strict=True)) for row in block.rows)
        assert (new["whole"], new["rows"], new["tokens"]) == (1500.0, 750.0, 0.0)
        assert new["rest"] == pytest.approx(500.0)
        assert (old["whole"], old["ratio"]) == (3500.0, 1.0)
        assert new["ratio"] == pytest.approx(1.5 / 3.5)
    assert found.notes[-1] == "Machine: abacus."


def test_checkouts_take_turns_on_every_task(
    on_toys: Request, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is told as it ends: on a busy machine all of them take a while."""
    order: list[tuple[str, Path]] = []

    def once(line: Line, *_: object) -> dict[str, float]:
        order.append((line.cell.task, line.checkout))
        return {"whole": 1.0, "wall": 1.0}

    monkeypatch.setattr(preparing, "_once", once)
    monkeypatch.setattr(preparing, "ROUNDS", 2)
    monkeypatch.setattr(preparing, "_checkout", lambda path: path)
    monkeypatch.setattr(preparing, "_check_backbone", lambda *_: None)
    every = Request("quick", "", on_toys.backbone, ("full",), "cpu", 1)
    found = profile(every, Path("older"))
    tasks = ["movie-sentiment", "reuters-r8", "financial-ner", "squad"]
    pairs = [(task, path) for task in tasks for path in (ROOT, Path("older"))]
    assert order == [*pairs, *pairs[::-1], *pairs]
    assert [block.title for block in found.blocks] == tasks
    assert "2 new processes" in found.notes[0]
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 3 * len(pairs)
    assert told[0].endswith("movie-sentiment: caches are filled")
    assert told[-1].endswith("squad: 1.00 s")


def test_a_process_that_fails_is_one_line(on_toys: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=1, stdout="", stderr="Traceback\nKeyError: 'recipe.pooling'\n")

    monkeypatch.setattr(preparing.subprocess, "run", failing)
    with pytest.raises(BenchError, match=r"KeyError: 'recipe\.pooling'$") as error:
        profile(on_toys)
    assert error.value.code == "unfinished-cell"


def test_a_process_that_imports_another_checkout_is_no_measurement(
    on_toys: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = '{"whole": 1.0, "checkout": "/elsewhere"}'
    answer = SimpleNamespace(returncode=0, stdout=said, stderr="")
    monkeypatch.setattr(preparing.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(BenchError, match="/elsewhere") as error:
        profile(on_toys)
    assert error.value.code == "wrong-checkout"


def test_what_is_no_checkout_is_refused_in_one_line(bench: Command, tmp_path: Path) -> None:
    refused(
        bench("profile", "--kind", "prepare", "--against", tmp_path / "none", "--device", "cpu"),
        "git worktree add",
    )
    refused(bench("profile", "--kind", "order", "--against", ROOT), "--kind prepare")


def test_a_checkout_is_called_by_its_commit(tmp_path: Path) -> None:
    settings = ("user.name=a", "user.email=a@b", "commit.gpgsign=false", "core.hooksPath=/dev/null")
    git = ["git", "-C", str(tmp_path), *(part for one in settings for part in ("-c", one))]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    said = subprocess.run([*git, "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True)
    assert preparing._name(tmp_path) == said.stdout.strip()
    (tmp_path / "file").write_text("two")
    assert preparing._name(tmp_path) == f"{said.stdout.strip()}+"
