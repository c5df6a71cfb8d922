"""A regression planted in the real engine is found, and an unchanged rerun is not one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli
from bench.analysis.history import read

PLANTED = Path(__file__).parent / "planted.py"
SUITE = """
seeds = 3
[recipe]
epochs = 3
batch_size = 16
max_length = 16
stride = 4
[tasks.toy-praise]
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


def test_a_learning_rate_off_by_a_hundred_is_a_regression_and_a_rerun_is_none(bench, monkeypatch):
    def run(name: str) -> None:
        where = ["--out", f"results/runs/{name}", "--device", "cpu", "--threads", "1", "--executor", "inline"]
        assert bench("run", "mine.toml", "--plugin", str(PLANTED), *where)[0] == 0

    run("base")
    assert bench("baseline", "base")[0] == 0
    run("rerun")
    monkeypatch.setenv("PLANTED_RATE", "3e-5")
    run("planted")

    code, out = bench("compare", "results/baselines/mine.jsonl", "rerun", "--json")
    assert (code, json.loads(out)["counts"]["unchanged"]) == (0, 2)
    code, out = bench("compare", "results/baselines/mine.jsonl", "planted", "--json")
    regressed = [cell["key"] for cell in json.loads(out)["cells"] if cell["status"] == "regressed"]
    assert (code, regressed) == (1, [{"task": "toy-praise", "strategy": "steady", "backbone": "tiny-bert"}])
    assert "toy-praise/steady/tiny-bert fell by" in bench("compare", "base", "planted")[1]
    assert len(read()) == 3
