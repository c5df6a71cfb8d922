"""The commands `recommend` and `export`: what they say beforehand, what they leave behind, how they end."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import app as program
from bench.contracts import BenchError
from tests.support import warm


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Two classes that a word tells apart."""
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["review", "stars"])
        for number in range(120):
            word, label = (("good", "yes"), ("bad", "no"))[number % 2]
            table.writerow([f"the film number {number} was {word} and long", label])
    return path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_workers: None) -> Callable[..., Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))

    def run(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["bench", *words])
        return CliRunner().invoke(program.app, list(words))

    return run


def asked(reviews: Path, encoder: Path) -> list[str]:
    """`recommend` on the reviews."""
    return [
        "recommend",
        "--data",
        str(reviews),
        *["--text", "review", "--label", "stars", "-b"],
        str(encoder),
    ]


def test_recommend_names_says_and_hands_over(
    bench: Callable[..., Any], reviews: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    words = asked(reviews, tiny_encoder)
    words += [
        "-s",
        "probe",
        "-s",
        "full",
        "--budget",
        "5m",
        "--device",
        "cpu",
        "--export",
        str(tmp_path / "best.model"),
    ]
    done = bench(*words)
    assert done.exit_code in (0, 1), done.output
    assert "a text is the mean of its tokens" in done.output
    assert "budget 5 min: expected to reach" in done.output
    if done.exit_code == 1:
        assert "no model was written" in done.output
        return
    assert "Floor: a linear model on TF-IDF" in done.output
    assert "which no budget limits" in done.output
    printed = done.output.split("Try: ")[1].split("\n")[0]
    assert printed.startswith(f"python {tmp_path / 'best.model' / 'predict.py'}")
    shown = subprocess.run(
        [warm.python(), str(tmp_path / "best.model" / "predict.py"), "a text"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("text,label,p(")


def test_no_model_is_written_where_nothing_was_learnt(
    bench: Callable[..., Any], tiny_encoder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "noise.csv"
    coins = [hashlib.md5(f"{number}".encode()).digest()[0] for number in range(120)]
    rows = [f"word{number} and word{number * 7},{'yn'[coin % 2]}" for number, coin in enumerate(coins)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    words = ["recommend", "--data", str(path), "-b", str(tiny_encoder), "-s", "probe", "--budget", "5m"]
    done = bench(*words, "--device", "cpu", "--export", str(tmp_path / "model"))
    assert done.exit_code == 1, done.output
    assert "No recommendation" in done.output
    assert "no model was written" in done.output
    assert not (tmp_path / "model").exists()


def test_export_of_longer_texts_than_the_encoder_has_positions_for_is_cut_to_them(
    bench: Callable[..., Any], tiny_encoder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    rows = [f"{'very ' * 90}{('good', 'bad')[number % 2]} {number},{number % 2}" for number in range(60)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    done = bench(
        "export",
        str(tmp_path / "x.jsonl"),
        "--data",
        str(path),
        "-b",
        str(tiny_encoder),
        "-s",
        "probe",
        "--device",
        "cpu",
    )
    assert done.exit_code == 0, done.output
    config = json.loads((tmp_path / "x.jsonl" / "tokenizer_config.json").read_text())
    assert config["model_max_length"] == 64


def test_a_target_that_cannot_be_written_is_refused_before_the_budget_is_spent(
    bench: Callable[..., Any], reviews: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    data = ["--data", str(reviews), "--text", "review", "--label", "stars", "-b", str(tiny_encoder)]
    done = bench("recommend", *data, "--export", str(reviews / "model"))
    assert isinstance(done.exception, BenchError)
    assert done.exception.code == "cannot-write"
    assert not (tmp_path / "results").exists()


def test_settings_change_the_recipe_of_what_is_exported(
    bench: Callable[..., Any], reviews: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    words = [
        "export",
        str(tmp_path / "model"),
        "--data",
        str(reviews),
        "--text",
        "review",
        "--label",
        "stars",
    ]
    words += ["-b", str(tiny_encoder), "-s", "probe", "--device", "cpu"]
    words += ["--set", "recipe.windows=max", "--set", "recipe.max_length=8", "--set", "recipe.stride=2"]
    done = bench(*words)
    assert done.exit_code == 0, done.output
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["text_windows"], config["text_stride"]) == ("max", 2)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "windows of 8 tokens that share 2" in card
    assert "epochs = 4" in card  # chosen from the data: what is not set stays


@pytest.mark.parametrize("command", ["recommend", "export"])
def test_a_setting_that_is_none_is_refused(
    command: str, bench: Callable[..., Any], reviews: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    words = [command, *([str(tmp_path / "model")] if command == "export" else []), "--data", str(reviews)]
    words += ["--text", "review", "--label", "stars", "-b", str(tiny_encoder), "--set", "recipe.window=max"]
    done = bench(*words)
    assert isinstance(done.exception, BenchError)
    assert done.exception.code == "unknown-recipe-key"
    assert "windows" in str(done.exception)


@pytest.mark.parametrize(
    ("setting", "code", "hint"),
    [
        ("wrongkey=1", "unknown-setting", "recipe.KEY=VALUE"),
        ("epoch=1", "unknown-setting", "did you mean recipe.epochs?"),
        ("seeds=7", "unknown-setting", "recipe.KEY=VALUE"),  # would have changed nothing
        ("strategies.full.scale=2", "unknown-setting", "recipe.KEY=VALUE"),
        ("tasks.other.epochs=2", "unknown-setting", "recipe.KEY=VALUE"),
        ("recipe.train=10", "unknown-setting", "recipe.KEY=VALUE"),  # all rows are used
        ("recipe.shots=8", "unknown-setting", "recipe.KEY=VALUE"),
        ("recipe.epoch=1", "unknown-recipe-key", "epochs"),
        ("recipe.epochs=x", "wrong-recipe", "epochs"),
        ("tasks.reviews.epochs=-1", "wrong-recipe", "epochs"),
        ("recipe", "wrong-setting", "recipe.epochs=2"),
    ],
)
@pytest.mark.parametrize("command", ["recommend", "export"])
def test_a_wrong_setting_is_refused_in_the_users_words(
    command: str,
    setting: str,
    code: str,
    hint: str,
    bench: Callable[..., Any],
    reviews: Path,
    tiny_encoder: Path,
    tmp_path: Path,
) -> None:
    words = [command, *([str(tmp_path / "model")] if command == "export" else []), "--data", str(reviews)]
    words += ["--text", "review", "--label", "stars", "-b", str(tiny_encoder), "--set", setting]
    done = bench(*words)
    assert isinstance(done.exception, BenchError)
    assert done.exception.code == code
    assert hint in str(done.exception)
    assert "suite" not in str(done.exception)
    assert "'own'" not in str(done.exception)


@pytest.mark.parametrize("out", ["model", "model/run"])
def test_no_model_is_asked_for_where_the_run_is_kept(
    out: str, bench: Callable[..., Any], reviews: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    words = asked(reviews, tiny_encoder)
    done = bench(*words, "--out", str(tmp_path / out), "--export", str(tmp_path / "model"))
    assert isinstance(done.exception, BenchError)
    assert done.exception.code == "export-in-use"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("setting", ["wrongkey=1", "seeds=0", "recipe.epoch=1", "recipe.epochs=x"])
def test_run_on_data_names_no_suite_that_was_not_asked_for(
    setting: str, bench: Callable[..., Any], reviews: Path, tiny_encoder: Path
) -> None:
    data = ["--data", str(reviews), "--text", "review", "--label", "stars", "-b", str(tiny_encoder)]
    done = bench("run", *data, "--set", setting)
    assert isinstance(done.exception, BenchError)
    assert "own" not in str(done.exception).split("(")[0].replace("unknown", "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["-s", "scratch"], "export-random"),
        (["-b", "glove"], "export-no-form"),
        (["-s", "full", "--budget", "soon"], "budget-form"),
    ],
)
def test_what_cannot_become_a_model_is_refused_before_anything_runs(
    words: list[str], code: str, bench: Callable[..., Any], reviews: Path, tmp_path: Path
) -> None:
    data = ["--data", str(reviews), "--text", "review", "--label", "stars"]
    done = bench("recommend", *data, *words, "--export", str(tmp_path / "model"))
    assert isinstance(done.exception, BenchError)
    assert done.exception.code == code
    assert not (tmp_path / "results").exists()
