"""Options, suites and streams at their limits: numbers that are none, values of another kind, closed streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.runs.folder import Store
from tests.cli.test_refusals import ROOT, STRATEGY, Program, program, run_folder, write

__all__ = ["program", "run_folder"]  # fixtures

GRID = '[tasks.toy-sentiment]\n[[grid]]\nstrategies = ["mine"]\nbackbones = ["BACKBONE"]\n'


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "quick", "--timeout", "nan"),
        ("run", "quick", "--timeout", "inf"),
        ("run", "quick", "--cache-dir", "kept", "--cache-size", "nan"),
        ("run", "quick", "--cache-dir", "kept", "--cache-size", "1e400"),
        ("run", "quick", "--threads", "1000000000000"),
        ("run", "quick", "--threads", "9" * 5000),
        ("run", "quick", "--per-device", "1000000000"),
        ("run", "quick", "--shard", f"1/{'9' * 5000}"),
        ("run", "quick", "--shard", f"{'9' * 5000}/{'9' * 5000}"),
        ("recommend", "--task", "movie-sentiment", "--margin", "nan"),
        ("recommend", "--task", "movie-sentiment", "--budget", "nan"),
        ("recommend", "--task", "movie-sentiment", "--budget", f"{'9' * 400}h"),
        ("recommend", "--task", "movie-sentiment", "--budget", "0.0s"),
        ("recommend", "--validate", "--rows", "1" + "0" * 30),
        ("profile", "--kind", "device", "--limit", "nan"),
        ("profile", "--steps", "1000000000000"),
        ("power", "--trials", "1000000000000"),
        ("power", "--seeds", "1000000000"),
        ("power", "--examples", "1000000000000"),
        ("simulate", "x.jsonl", "--cells", "1000000000000"),
        ("simulate", "x.jsonl", "--gpus", "1000000000000"),
    ],
    ids=lambda arguments: " ".join(part[:12] for part in arguments),
)
def test_a_number_beyond_all_use_is_refused_before_anything_is_done(
    program: Program, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    program(*arguments).is_one_line()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "options",
    [
        'base = ["full"]',
        "base = 5",
        "base = {a = 1}",
        'peft = ["LoraConfig"]',
        'peft = "LoraConfig"\nr = 2020-01-01',
    ],
    ids=str,
)
def test_options_of_a_strategy_that_are_of_another_kind(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path, options: str
) -> None:
    text = f"[strategies.mine]\n{options}\n{GRID.replace('BACKBONE', str(tiny_encoder))}"
    program("run", write(tmp_path / "suite.toml", text), "--plugin", toy_plugin).is_one_line()


def test_options_of_a_strategy_may_be_lists_and_tables(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path
) -> None:
    """As PEFT has them; a cell and its strategy are looked up by their options."""
    options = 'peft = "LoraConfig"\nr = 2\nrank_pattern = {"attention" = 4}\nexclude_modules = ["dense"]\n'
    text = f"[strategies.mine]\n{options}{GRID.replace('BACKBONE', str(tiny_encoder))}"
    more = ("--plugin", toy_plugin, "--seeds", 1, "--executor", "inline", "--device", "cpu")
    suite = write(tmp_path / "suite.toml", f"[recipe]\nepochs = 1\n{text}")
    assert program("plan", suite, "--plugin", toy_plugin).code == 0
    assert program("run", suite, "--out", tmp_path / "mine", *more).code == 0
    again = program("run", suite, "--out", tmp_path / "mine", *more)
    assert again.code == 0
    assert "1 finished before" in again.err
    (record,) = Store(tmp_path / "mine").records()
    assert dict(record.cell.options)["rank_pattern"] == {"attention": 4}


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ('summary = "wrong"', 'summary = "wrong"\n    option: frozenset = frozenset()', "frozenset"),
        (
            "    def phases",
            '    exec("def adapt(self, encoder): pass")\n\n    def phases',
            "its source cannot be read",
        ),
    ],
    ids=["set", "exec"],
)
def test_a_strategy_that_has_no_digest(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path, good: str, bad: str, said: str
) -> None:
    text = STRATEGY.replace(good, bad)
    if said == "frozenset":
        text = text.replace("    def phases", "    def adapt(self, encoder): pass\n\n    def phases")
    plugin = write(tmp_path / "mine.py", text)
    suite = write(tmp_path / "suite.toml", GRID.replace("BACKBONE", str(tiny_encoder)))
    outcome = program("run", suite, "--plugin", plugin, "--plugin", toy_plugin)
    outcome.is_one_line()
    assert said in outcome.err


def test_a_link_to_itself_is_no_file(program: Program, tmp_path: Path) -> None:
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    program("list", "--plugin", "loop.py").is_one_line()
    program("plan", "--data", "loop.csv").is_one_line()
    program("merge", "loop.py").is_one_line()


def test_what_a_plug_in_prints_is_no_part_of_the_output(program: Program, tmp_path: Path) -> None:
    plugin = write(tmp_path / "loud.py", "print('hello')\n")
    outcome = program("list", "strategies", "--json", "--plugin", plugin)
    assert "strategies" in json.loads(outcome.out)
    assert outcome.err == "hello\n"


GLOBAL = """
import torch
from dataclasses import dataclass
from bench.contracts import Phase, Strategy

@dataclass(frozen=True)
class Mine(Strategy):
    name = "mine"
    summary = "changes what all cells share"

    def phases(self, depth):
        return (Phase(1.0, (("*", 1e-3),)),)

    def adapt(self, encoder):
        AFTER
"""


@pytest.mark.parametrize("state", ["set_default_dtype(torch.float64)", "set_grad_enabled(False)"])
def test_a_plug_in_changes_no_other_cell(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path, state: str
) -> None:
    """At its import, or in its own cell, which runs before that of `full`."""
    import torch

    grid = GRID.replace("BACKBONE", str(tiny_encoder)).replace('["mine"]', '["mine", "full"]')
    suite = write(tmp_path / "suite.toml", f"[recipe]\nepochs = 1\n{grid}")
    more = ("--plugin", toy_plugin, "--seeds", 1, "--executor", "inline", "--device", "cpu")
    scores = {}
    try:
        for when, text in {
            "never": GLOBAL.replace("AFTER", "pass"),
            "import": f"{GLOBAL.replace('AFTER', 'pass')}\ntorch.{state}\n",
            "cell": GLOBAL.replace("AFTER", f"torch.{state}"),
        }.items():
            plugin = write(tmp_path / f"{when}.py", text)
            program("run", suite, "--plugin", plugin, "--out", tmp_path / when, *more)
            records = {record.cell.strategy: record for record in Store(tmp_path / when).records()}
            assert records["full"].status == "done", records["full"].reason
            scores[when] = records["full"].scores
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
    assert scores["never"] == scores["import"] == scores["cell"]


@pytest.mark.parametrize("data", ["~nosuch-user/rows.csv", "rows\0.csv"])
@pytest.mark.parametrize("key", ["data", "test_data"])
def test_data_whose_path_cannot_be_one(program: Program, tmp_path: Path, key: str, data: str) -> None:
    other = "" if key == "data" else 'data = "x.csv"\n'
    name = data.replace("\0", "\\u0000")
    text = f'[tasks.rows]\n{other}{key} = "{name}"\n[[grid]]\nstrategies = ["full"]\nbackbones = ["minilm"]\n'
    program("plan", write(tmp_path / "suite.toml", text)).is_one_line()
    if "\0" not in data:
        program("plan", "--data", "x.csv", f"--{key.partition('_')[0]}", data).is_one_line()


def test_text_that_never_ends_is_refused(
    program: Program, tmp_path: Path, tiny_encoder: Path, toy_plugin: Path
) -> None:
    text = GRID.replace("BACKBONE", str(tiny_encoder)).replace("mine", "tapt")
    suite = write(tmp_path / "suite.toml", f'[recipe]\nunlabelled = "/dev/zero"\n{text}')
    program("run", suite, "--plugin", toy_plugin).is_one_line()


@pytest.mark.parametrize(
    "text", ["x = " + "9" * 5000, "x = " + "[" * 5000, "[[claim]]\nabove = nan", "\x00", ""]
)
def test_claims_that_cannot_be_read(program: Program, run_folder: Store, tmp_path: Path, text: str) -> None:
    program("verify", run_folder.path, "--claims", write(tmp_path / "claims.toml", text)).is_one_line()


# --------------------------------------------------------------------------------------------------
# Streams and devices


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_stream_that_the_caller_has_closed_is_the_null_device(
    run_folder: Store, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """Else the page would get the number of the closed stream, and hold what is printed."""

    def close() -> None:
        for number in closed:
            os.close(number)

    page = tmp_path / "page.html"
    arguments: dict[str, Any] = (
        {} if closed == (0, 1, 2) else {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    )
    done = subprocess.run(
        [sys.executable, "-m", "bench", "report", str(run_folder.path), "-o", str(page)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=close,
        timeout=120,
        check=False,
        **arguments,
    )
    assert done.returncode == 0
    assert not done.stderr
    assert page.read_text().rstrip().endswith("</html>")
    assert "open it in a browser" not in page.read_text()


def test_a_table_goes_into_no_device(program: Program, run_folder: Store) -> None:
    program("table", run_folder.path, "--into", "/dev/zero").is_one_line()


def test_commands_that_are_to_be_typed_again_are_quoted(
    program: Program, run_folder: Store, tmp_path: Path
) -> None:
    apart = run_folder.path.rename(tmp_path / "a run; of mine")
    outcome = program("merge", apart, "--out", tmp_path / "both $HOME")
    assert outcome.code == 0
    assert f"table '{tmp_path / 'both $HOME'}' --format md" in outcome.out
