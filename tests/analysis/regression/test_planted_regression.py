"""A regression planted in the real engine is found, and an unchanged rerun is not one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analysis.regression.history import COMMITTED, read, read_both
from bench.cli import app as cli

PLANTED = Path(__file__).parents[2] / "support" / "planted.py"
SUITE = """
seeds = 3
[recipe]
epochs = 3
batch_size = 16
max_length = 16
stride = 4
[tasks.toy-kinds]
[[grid]]
strategies = ["steady", "frozen"]
backbones = ["tiny-bert"]
"""


@pytest.fixture
def bench(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`python -m bench ...` in this process, in a folder with a suite and an encoder: exit code and output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / ".cache"))
    Path("tiny-bert").symlink_to(tiny_encoder)
    Path("mine.toml").write_text(SUITE, encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def test_planted_regressions_are_found_by_name_and_a_rerun_is_none(bench, monkeypatch):
    def run(name: str) -> None:
        where = ["--out", f"results/runs/{name}", "--device", "cpu", "--threads", "1", "--executor", "inline"]
        assert bench("run", "mine.toml", "--plugin", str(PLANTED), *where)[0] == 0

    def regressed(name: str) -> tuple[int, set[str]]:
        code, out = bench("compare", "results/baselines/mine.jsonl", name, "--json")
        cells = json.loads(out)["cells"]
        return code, {cell["key"]["strategy"] for cell in cells if cell["status"] == "regressed"}

    run("base")
    assert bench("baseline", "base")[0] == 0
    run("rerun")
    with monkeypatch.context() as shuffled:
        shuffled.setenv("PLANTED_SHUFFLE", "1")
        run("shuffled")
    monkeypatch.setenv("PLANTED_RATE", "3e-4")
    run("slow")

    assert regressed("rerun") == (0, set())
    assert regressed("shuffled") == (
        1,
        {"steady"},
    )  # the frozen random encoder knows nothing that could be lost
    assert regressed("slow") == (1, {"steady"})
    assert "toy-kinds/steady/tiny-bert fell by" in bench("compare", "base", "slow")[1]
    assert len(read(COMMITTED)) == 1  # the baseline
    assert len(read_both(Path("results/runs"))) == 4
