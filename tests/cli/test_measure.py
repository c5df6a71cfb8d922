"""The commands that measure: profile, power, simulate and recommend --validate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analysis.opening import open_source
from bench.recommend import validation
from bench.report.ledger import steps
from tests.support.made_runs import TOYS

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "results" / "baselines" / "quick.jsonl"

Command = Callable[..., tuple[int, str, str]]


def refused(answer: tuple[int, str, str], *texts: str) -> None:
    code, out, err = answer
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert all(text in err for text in texts), err


# --------------------------------------------------------------------------------------------------
# profile


@pytest.fixture
def on_toys(tiny_encoder: Path) -> list[object]:
    """Options that put `profile` on the tiny encoder."""
    where = ["--backbone", tiny_encoder, "--task", "toy-sentiment", "--plugin", TOYS]
    return [*where, "--device", "cpu", "--threads", 1, "--steps", 2]


def test_profile_shows_strategies_side_by_side_and_saves_them_for_the_report(
    bench: Command, on_toys: list[object], tmp_path: Path
) -> None:
    code, out, err = bench("profile", "-s", "full", "-s", "bitfit", "--out", "ledger.json", *on_toys)
    assert (code, err) == (0, "")
    saved = steps(tmp_path)
    assert saved is not None
    assert [row.labels for row in saved.blocks[0].rows] == [("full",), ("bitfit",)]
    assert "medians of 2 steps" in " ".join(out.split())


def test_profile_of_kernels_is_a_block_a_strategy(bench: Command, on_toys: list[object]) -> None:
    code, out, err = bench(
        "profile", "--kind", "kernels", "-s", "full", "-s", "bitfit", "-f", "json", *on_toys
    )
    assert (code, err) == (0, "")
    assert [block["title"] for block in json.loads(out)["blocks"]] == ["full", "bitfit"]


def test_profile_refuses_in_one_line(bench: Command, on_toys: list[object]) -> None:
    refused(bench("profile", "-s", "probe", *on_toys), "'probe' takes no training steps")
    refused(bench("profile", "-s", "frozn", *on_toys), "did you mean 'frozen'?")
    refused(bench("profile", *on_toys, "--device", "tpu"), "--device tpu")


# --------------------------------------------------------------------------------------------------
# power


def test_power_prints_a_row_for_each_made_up_run(bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.analysis.regression.power.NOISES", (0.03, 0.05))
    code, out, _ = bench("power", "--trials", 1, "--examples", 50, "--seeds", 2)
    assert code == 0
    names = [line.split("|")[1].strip() for line in out.splitlines()[2:]]
    assert names == ["synthetic, noise 0.03", "synthetic, noise 0.05"]


def test_power_of_a_baseline_as_json(bench: Command) -> None:
    code, out, _ = bench("power", BASELINE, "--trials", 1, "--json")
    assert code == 0
    (line,) = out.splitlines()
    assert json.loads(line)["trials"] == 1


def test_power_of_the_cells_of_a_baseline(bench: Command) -> None:
    code, out, _ = bench("power", BASELINE, "--cells")
    assert code == 0
    assert "| detectable drop |" in " ".join(out.split())
    code, out, _ = bench("power", BASELINE, "--cells", "--json")
    assert code == 0
    found = [json.loads(line) for line in out.splitlines()]
    assert {"run", "key", "detectable", "seconds"} <= found[0].keys()
    assert found[0]["key"]["task"] == "all tasks"


@pytest.mark.parametrize("source", ["none.jsonl", "nowhere"])
def test_power_checks_every_run_before_it_measures_one(bench: Command, source: str) -> None:
    refused(bench("power", BASELINE, source), source)


# --------------------------------------------------------------------------------------------------
# simulate


def test_simulate_reads_a_baseline_and_says_what_it_assumes(bench: Command) -> None:
    code, out, _ = bench("simulate", BASELINE, "--cells", 100, "--gpus", 2, "--gpus", 4)
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()[2:4]] == ["2", "4"]
    recorded = len([record for record in open_source(str(BASELINE)).records if record.status == "done"])
    assert f"100 cells, repeated from the {recorded} recorded" in out
    assert "Every cell asks for a whole GPU" in out


def test_simulate_without_a_baseline_is_refused_in_one_line(bench: Command) -> None:
    refused(bench("simulate"), "results/baselines/quick.jsonl")


@pytest.mark.parametrize("option", ["--cells", "--gpus"])
def test_simulate_refuses_numbers_below_one(bench: Command, option: str) -> None:
    refused(bench("simulate", BASELINE, option, "0"), option, "greater than or equal to 1")


# --------------------------------------------------------------------------------------------------
# recommend --validate


def test_validate_runs_the_named_tasks_with_what_was_set(
    bench: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[object, ...]] = []

    def run(tasks: object, setting: object, sources: object, out: object, *_: object) -> str:
        seen.append((tasks, setting, out))
        return "the table"

    monkeypatch.setattr(validation, "run", run)
    sizes = ["--rows", 50, "--test-rows", 20, "--share", 0.4]
    code, out, _ = bench(
        "recommend", "--validate", "-t", "reuters-r8", "-t", "sst2", *sizes, "-s", "full", "-s", "frozen"
    )
    assert (code, out) == (0, "the table\n")
    setting = validation.Setting(rows=50, test=20, share=0.4, strategies=("full", "frozen"))
    assert seen == [(["reuters-r8", "sst2"], setting, Path("results/recommend"))]


@pytest.mark.parametrize(
    ("local", "expected"),
    [([], validation.REGISTRY), (["--local", "."], (*validation.REGISTRY, *validation.LOCAL))],
)
def test_validate_takes_all_data_sets_at_hand(
    bench: Command, monkeypatch: pytest.MonkeyPatch, local: list[str], expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(validation, "run", lambda tasks, *_: " ".join(tasks))
    assert bench("recommend", "--validate", *local)[1].split() == list(expected)


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--rows", "50"], ["--rows", "--validate"]),
        (["--test-rows", "50"], ["--test-rows", "--validate"]),
        (["-t", "sst2", "-t", "reuters-r8"], ["--task", "one task"]),
        (["--validate", "--budget", "5m"], ["--budget", "--validate"]),
        (["--validate", "--set", "recipe.epochs=1"], ["--set does", "--validate"]),
        (["--validate", "--export", "model"], ["--export", "--validate"]),
        (["--validate", "--data", "rows.csv"], ["--data", "--validate"]),
        (["--validate", "--share", "0"], ["--share 0"]),
        (["--validate", "--share", "inf"], ["--share inf"]),
        (["--validate", "-t", "sst22"], ["did you mean 'sst2'?"]),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    bench: Command, arguments: list[str], texts: list[str]
) -> None:
    refused(bench("recommend", *arguments), *texts)
