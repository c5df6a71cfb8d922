"""Requests that cannot be carried out, as a user types them: exit code 2, one line on stderr, no traceback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli.app import main
from bench.contracts import Cell, Recipe
from bench.runs.folder import CHECKSUM, Store
from bench.runs.record import Record

ROOT = Path(__file__).parents[2]
TESTS = {"test": {"id": ["a", "b"], "reference": ["x", "y"], "prediction": ["x", "x"], "correct": [1, 0]}}
GRID = '[tasks.toy-sentiment]\n[[grid]]\nstrategies = ["frozen"]\nbackbones = ["BACKBONE"]\n'
STRATEGY = """
from dataclasses import dataclass
from bench.contracts import FROZEN, Phase, Strategy

@dataclass(frozen=True)
class Mine(Strategy):
    name = "mine"
    summary = "wrong"

    def phases(self, depth):
        return (Phase(1.0),)
"""
TASK = """
from bench.contracts import Splits, TextExample
from tasks.classification import Classification

class Rows(Classification):
    name = "rows"
    summary = "wrong"

    def splits(self, sources):
        rows = [TextExample(str(n), f"the number {n}", "odd" if n % 2 else "even") for n in range(60)]
        return Splits([*rows[:40], BAD], rows[40:50], rows[50:])
"""


class Outcome:
    """What the program said, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def is_one_line(self) -> None:
        assert self.code == 2, (self.code, self.out, self.err)
        assert "Traceback" not in self.err
        [last] = self.err.strip().splitlines()[-1:]
        assert last.startswith("transferbench: "), self.err
        assert 20 < len(last) < 2100


Program = Callable[..., Outcome]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """`bench.cli.app.main` in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os._exit", os._exit)  # main replaces it
    monkeypatch.setattr("bench.cli.app.refuse_silent_exits", lambda: None)

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["transferbench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Outcome(int(end.value.code or 0), said.out, said.err)

    return run


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


@pytest.fixture
def run_folder(tmp_path: Path) -> Store:
    store = Store(tmp_path / "run")
    metrics = [{"name": "accuracy", "kind": "mean", "columns": ["correct"]}]
    for seed in (0, 1):
        cell = Cell("s", "task", "full", "tiny", seed, Recipe())
        fields = {"fingerprint": "f", "status": "done", "scores": {"test": {"accuracy": 0.5}}}
        record = Record.model_validate({"cell": cell, "headline": "accuracy", "metrics": metrics, **fields})
        store.begin("s", [cell.id])
        store.save(record, TESTS)
    return store


# --------------------------------------------------------------------------------------------------
# Suites and settings


@pytest.mark.parametrize(
    "text",
    [
        f"[recipe]\nepochs = 1e308\n{GRID}",
        f"seeds = {'9' * 5000}\n{GRID}",
        f"seeds = {'9' * 4000}\n{GRID}",
        f"seeds = {'[' * 3000}{']' * 3000}\n{GRID}",
        f"seeds = 100000000\n{GRID}",
        f'[tasks.toy-sentiment]\nsizes = ["{"9" * 5000}"]\n' + GRID.partition("\n")[2],
        f"[recipe]\ntrain = 1{'0' * 4000}\n{GRID}",
        f'name = "{"n" * 5000}"\n{GRID}',
        f'name = "../evil"\n{GRID}',
        GRID.replace("BACKBONE", "x" * 5000),
        GRID.replace("BACKBONE", ".."),
    ],
    ids=["epochs", "digits", "long", "nested", "seeds", "size", "train", "name", "up", "backbone", "dots"],
)
def test_a_suite_that_goes_too_far(program: Program, tmp_path: Path, toy_plugin: Path, text: str) -> None:
    suite = write(tmp_path / "suite.toml", text)
    for command in ("run", "plan"):
        program(command, suite, "--plugin", toy_plugin).is_one_line()


@pytest.mark.parametrize(
    "setting", [f"recipe.epochs={'9' * 5000}", f"seeds={'[' * 3000}", "recipe.epochs=1e308"]
)
def test_a_setting_that_goes_too_far(program: Program, setting: str) -> None:
    program("plan", "quick", "--set", setting).is_one_line()


@pytest.mark.parametrize(
    "arguments",
    [
        ("table", "x" * 5000),
        ("status", "x/" * 3000),
        ("compare", "x" * 5000, "x" * 5000),
        ("compare", "x" * 5000 + ".jsonl", "y.jsonl"),
        ("run", "x" * 5000),
        ("run", "x" * 5000 + ".toml"),
        ("plan", "quick", "--plugin", "x" * 5000),
        ("plan", "quick", "--task", "x" * 5000),
        ("plan", "quick", "--backbone", "x" * 5000),
        ("plan", "quick", "--seeds", "100000000"),
        ("plan", "quick", "--task", f"movie-sentiment@{'9' * 5000}"),
        ("plan", "quick", "--out", "x" * 5000),
        ("history", "quick", "--file", "x" * 5000),
        ("merge", "x" * 5000),
    ],
    ids=lambda arguments: " ".join(part[:12] for part in arguments),
)
def test_paths_and_names_longer_than_the_file_system_allows(
    program: Program, arguments: tuple[str, ...]
) -> None:
    program(*arguments).is_one_line()


# --------------------------------------------------------------------------------------------------
# Runs


@pytest.mark.parametrize("command", ["table", "status", "check", "plan"])
@pytest.mark.parametrize("cell", ["a/b", "../../../x", "a/b/../seed0", 5])
def test_cell_ids_that_are_none(program: Program, run_folder: Store, command: str, cell: Any) -> None:
    plan = {"suite": "s", "cells": [cell], "grid": []}
    write(run_folder.path / "run.json", json.dumps(plan))
    if command == "check":
        outcome = program("status", "--check", run_folder.path)
        assert (outcome.code, "is no cell" in outcome.out) == (1, True)
    elif command != "plan":
        program(command, run_folder.path).is_one_line()


def rewritten(store: Store, **changes: Any) -> None:
    """A record with other values, and a checksum that fits."""
    path = store.record_files()[0]
    value = json.loads(path.read_text())
    sums = value.pop(CHECKSUM)
    value |= changes
    text = json.dumps([value, sums["predictions"]], sort_keys=True, separators=(",", ":"))
    sums["record"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps({**value, CHECKSUM: sums}))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": float("inf")},
        {"seconds": {"cold": float("nan")}},
        {"scores": {"test": {"accuracy": float("nan")}}},
        {"seconds": {"cold": -5}},
        {"seconds": {"cold": 1e308}},
        {"status": "odd"},
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["table", "status", "check"])
def test_values_that_cannot_be(program: Program, run_folder: Store, command: str, changes: Any) -> None:
    rewritten(run_folder, **changes)
    more = {"table": ["--format", "json"], "check": ["--check"]}.get(command, [])
    program(command.replace("check", "status"), run_folder.path, *more).is_one_line()


def test_a_lone_surrogate_in_a_reason_is_shown(program: Program, run_folder: Store) -> None:
    rewritten(run_folder, status="failed", reason="no \udc80 such", scores={})
    outcome = program("status", run_folder.path)
    assert (outcome.code, "no ? such" in outcome.out) == (0, True)


@pytest.mark.parametrize("suite", ["../evil", "/tmp/evil"])
def test_a_suite_of_a_stranger_is_no_path(program: Program, run_folder: Store, suite: str) -> None:
    path = run_folder.record_files()[0]
    value = json.loads(path.read_text())
    rewritten(run_folder, cell={**value["cell"], "suite": suite})
    write(run_folder.path / "run.json", json.dumps({"suite": suite, "cells": []}))
    before = sorted(run_folder.path.parent.rglob("*"))
    program("merge", run_folder.path).is_one_line()
    program("baseline", run_folder.path).is_one_line()
    program("compare", "HEAD", run_folder.path).is_one_line()
    assert sorted(run_folder.path.parent.rglob("*")) == before


def test_an_option_as_a_revision_writes_nothing(program: Program, run_folder: Store) -> None:
    program("compare", "--", "--output=stolen", run_folder.path).is_one_line()
    assert not Path("stolen").exists()


# --------------------------------------------------------------------------------------------------
# Names that are nearly right, and options of other things


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "quick", "-b", "minlm"), "backbone minlm: did you mean 'minilm'?"),
        (("table", "runn"), "did you mean 'run'?"),
        (("rates", "reference"), "make it with `python -m bench run reference --rates development`"),
        (("table", "RUN", "--default-rates", "x"), "--default-rates is for the column 'default-rates'"),
        (("table", "HISTORY"), "line 1 is of a history, which has no scores of examples"),
        (("plan", "LIST"), "key 'grid.0.strategies': write it as a list, in brackets (got 'frozen')"),
        (("plan", "SECTION"), "key 'grid': begin each part of it with [[grid]]"),
        (("plan", "NAME"), "unknown key 'grid.0.strategy': did you mean 'strategies'?"),
        (
            ("plan", "--data", "ROWS", "--text", "ticket", "--label", "ticket"),
            "--text and --label are both 'ticket'",
        ),
        (("plan", "--data", "ROWS", "--adapter", "regression"), "no label is a number, such as 'billing'"),
    ],
)
def test_the_way_out_is_named(
    program: Program, tmp_path: Path, run_folder: Store, arguments: tuple[str, ...], said: str
) -> None:
    rows = "".join(f"ticket number {n},{('billing', 'other')[n % 2]}\n" for n in range(40))
    grid = GRID.replace("BACKBONE", "minilm").replace("toy-sentiment", "movie-sentiment")
    Path("results/runs").mkdir(parents=True, exist_ok=True)
    Path("results/runs/run").symlink_to(run_folder.path)
    files = {
        "RUN": run_folder.path,
        "HISTORY": write(tmp_path / "history.jsonl", '{"history_version":3,"suite":"quick","date":"x"}\n'),
        "LIST": write(tmp_path / "list.toml", grid.replace('["frozen"]', '"frozen"')),
        "SECTION": write(tmp_path / "section.toml", grid.replace("[[grid]]", "[grid]")),
        "NAME": write(tmp_path / "name.toml", grid.replace("strategies", "strategy")),
        "ROWS": write(tmp_path / "rows.csv", f"ticket,label\n{rows}"),
    }
    outcome = program(*(files.get(argument, argument) for argument in arguments))
    outcome.is_one_line()
    assert said in outcome.err


@pytest.mark.parametrize("command", ["list", "--help", "table results/baselines/gate.jsonl --notes"])
def test_a_reader_that_closes_the_pipe_is_no_answer(command: str) -> None:
    """141, as `head` leaves a program: 1 would say that a run regressed."""
    program = [sys.executable, "-m", "bench", *command.split()]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# --------------------------------------------------------------------------------------------------
# Plug-ins


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ('name = "mine"', "name = 5"),
        ('name = "mine"', 'name = "../mine"'),
        ("    def phases(self, depth):\n        return (Phase(1.0),)\n", "    phases = 5\n"),
        ("return (Phase(1.0),)", "return 5"),
        ("return (Phase(1.0),)", "return (5,)"),
        ("Phase(1.0)", 'Phase("all")'),
        ("Phase(1.0)", "Phase(None)"),
        ("Phase(1.0)", "Phase(1.0, rates=5)"),
        ("Phase(1.0)", 'Phase(1.0, rates=(("*", "fast"),))'),
        ("Phase(1.0)", "Phase(1.0, rates=((5, 1.0),))"),
        ("Phase(1.0)", "Phase(1.0, rates=(5,))"),
        ("Phase(1.0)", 'Phase(1.0, head="1")'),
        ("Phase(1.0)", 'Phase(1.0, patience="1")'),
        ("Phase(1.0)", 'Phase(1.0, solver="sgd")'),
        ("Phase(1.0)", 'Phase(1.0, rates=(("layer.5.*", 1e-4), ("*", FROZEN)))'),
        ("Phase(1.0)", 'Phase(1.0, rates=(("layers.1", 1e-4), ("*", FROZEN)))'),
        ("Phase(1.0)", 'Phase(1.0, rates=(("*", 1e-4), ("embedding.*", FROZEN)))'),
        ("return (Phase(1.0),)", "raise SystemExit(0)"),
        ("return (Phase(1.0),)", "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})"),
        ("return (Phase(1.0),)", "raise type('E', (ValueError,), {'__str__': lambda self: 1 / 0})"),
        ("\n@dataclass", "\nraise SystemExit(0)\n@dataclass"),
        ("\n@dataclass", "\nraise BaseException('x')\n@dataclass"),
        ("\n@dataclass", "\nraise GeneratorExit\n@dataclass"),
        ("\n@dataclass", "\nraise KeyboardInterrupt\n@dataclass"),
    ],
    ids=lambda text: text[-25:].strip().replace("\n", " "),
)
def test_a_strategy_that_is_wrong(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path, good: str, bad: str
) -> None:
    assert good in STRATEGY
    plugin = write(tmp_path / "mine.py", STRATEGY.replace(good, bad))
    suite = write(tmp_path / "suite.toml", GRID.replace("BACKBONE", str(tiny_encoder)))
    arguments = (suite, "--plugin", plugin, "--plugin", toy_plugin, "--strategy", "mine")
    program("run", *arguments, "--executor", "inline", "--device", "cpu").is_one_line()


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        (
            "Splits([*rows[:40], BAD], rows[40:50], rows[50:])",
            "(rows[:40], rows[40:50], rows[50:])",
            "gave a tuple",
        ),
        ("[*rows[:40], BAD]", "(row for row in rows[:40])", "split 'train' is a generator"),
        ("rows[40:50]", '[{"text": "x", "label": "odd"}]', "split 'validation': its first row is a dict"),
        (
            "rows[50:]",
            '[TextExample("x", "a text", "strange")]',
            "none of 40 training examples has label 'strange'",
        ),
    ],
    ids=["a tuple", "a generator", "dicts", "a new label"],
)
def test_splits_that_are_none_are_named(
    program: Program, tmp_path: Path, tiny_encoder: Path, good: str, bad: str, said: str
) -> None:
    content = TASK.replace(good, bad).replace(", BAD", "")
    assert content != TASK
    suite = write(
        tmp_path / "suite.toml",
        GRID.replace("BACKBONE", str(tiny_encoder)).replace("toy-sentiment", "rows"),
    )
    arguments = ("run", suite, "--plugin", write(tmp_path / "rows.py", content), "--executor", "inline")
    outcome = program(*arguments, "--device", "cpu")
    assert outcome.code in (1, 2)
    assert "Traceback" not in outcome.err
    assert said in " ".join((outcome.out + outcome.err).split())


@pytest.mark.parametrize(
    "bad",
    [
        'TextExample("x", "a text", 5)',
        'TextExample("x", 5, "odd")',
        'TextExample(5, "a text", "odd")',
        'TextExample("x", "a text", None)',
        'TextExample("x", "a text", "od\\ud800d")',
        'TextExample("x", "a \\udfff text", "odd")',
        "5",
    ],
)
def test_rows_that_are_no_text_are_refused_before_a_cell_begins(
    program: Program, tmp_path: Path, tiny_encoder: Path, bad: str
) -> None:
    plugin = write(tmp_path / "rows.py", TASK.replace("BAD", bad))
    suite = write(
        tmp_path / "suite.toml",
        GRID.replace("BACKBONE", str(tiny_encoder)).replace("toy-sentiment", "rows"),
    )
    outcome = program("run", suite, "--plugin", plugin, "--executor", "inline", "--device", "cpu")
    outcome.is_one_line()
    assert not Path("results").exists()


# --------------------------------------------------------------------------------------------------
# Where output goes


def test_a_cache_of_a_user_who_does_not_exist(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRANSFERBENCH_CACHE", "~nosuch-user/x")
    program("plan", "quick").is_one_line()
    assert not (tmp_path / "~nosuch-user").exists()


def shown(store: Store, encoding: str, output: Any, *more: str) -> subprocess.CompletedProcess[bytes]:
    """`table` in a process of its own, since what is tested happens at its end."""
    return subprocess.run(
        [sys.executable, "-m", "bench", "table", str(store.path), "--columns", "accuracy", *more],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        stdout=output,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )


def test_output_to_a_full_device_is_one_line(run_folder: Store) -> None:
    with open("/dev/full", "wb") as full:
        done = shown(run_folder, "utf-8", full)
    assert done.returncode == 2
    [line] = done.stderr.decode().splitlines()
    assert line == "transferbench: the output: No space left on device"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf_8_is_printed_all_the_same(run_folder: Store, encoding: str) -> None:
    done = shown(run_folder, encoding, subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"tiny" in done.stdout


def test_progress_to_a_terminal_that_is_not_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from bench.cli.display import Display

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["transferbench", "table", "nothing"])
    monkeypatch.setattr("bench.cli.app.refuse_silent_exits", lambda: None)
    with pytest.raises(SystemExit):
        main()
    Display(Console(file=stream)).note("naïve → text")
    stream.flush()
    assert b"na?ve ? text" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_a_recursion_without_end_may_be_a_plugin_s(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def deeper(**_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(sys, "argv", ["transferbench", "list"])
    monkeypatch.setattr("bench.cli.app.refuse_silent_exits", lambda: None)
    monkeypatch.setattr("bench.cli.app.app", deeper)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "or a plug-in calls itself; --debug shows where" in line
