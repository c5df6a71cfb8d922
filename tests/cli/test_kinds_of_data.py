"""A new user's files of every kind, from `run` to the report and the exported model, on the command line alone."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.cli.app import main
from bench.runs.folder import Store
from bench.runs.record import Record
from tests.support import warm

WORDS = ("good", "great", "lovely", "fine", "bad", "awful", "dull", "poor")


def rows_of(count: int = 96) -> list[dict[str, Any]]:
    """Everything that the kinds below need of a row."""
    rows = []
    for number in range(count):
        first, second = WORDS[number % 8], WORDS[(5 * number + number // 8) % 8]
        good = [word in WORDS[:4] for word in (first, second)]
        rows.append(
            {
                "premise": f"the film was {first} {number}",
                "hypothesis": f"a {second} book",
                "judgement": "same" if good[0] == good[1] else "other",
                "food": int(good[0]),
                "price": int(number % 3 == 0),
                "topics": "; ".join(
                    name for name, held in (("food", good[0]), ("price", number % 3 == 0)) if held
                ),
                "score": number % 4 + (2.5 if good[0] else 0.0),
            }
        )
    return rows


def table(folder: Path) -> str:
    path, rows = folder / "rows.csv", rows_of()
    with path.open("w", newline="", encoding="utf-8") as file:
        written = csv.DictWriter(file, list(rows[0]))
        written.writeheader()
        written.writerows(rows)
    return str(path)


def questions(folder: Path) -> str:
    rows = []
    for number in range(60):
        context = f"anna {number} lives in rome and bert lives in oslo"
        answers = [{"text": "rome", "answer_start": context.index("rome")}] if number % 3 else []
        question = {"id": f"q{number}", "question": "where does anna live", "answers": answers}
        rows.append({"title": f"t{number}", "paragraphs": [{"context": context, "qas": [question]}]})
    path = folder / "questions.json"
    path.write_text(json.dumps({"version": "v2.0", "data": rows}), encoding="utf-8")
    return str(path)


KINDS: dict[str, tuple[Callable[[Path], str], list[str], str, list[str]]] = {
    "pairs": (
        table,
        ["--text", "premise", "--pair", "hypothesis", "--label", "judgement"],
        "classification",
        ["the film was good", "a bad book"],
    ),
    "columns of 0 and 1": (
        table,
        ["--text", "premise", "--label", "food", "--label", "price"],
        "multilabel",
        ["the film was good"],
    ),
    "labels in a cell": (
        table,
        ["--text", "premise", "--label", "topics", "--label-separator", ";"],
        "multilabel",
        ["the film was good"],
    ),
    "numbers": (
        table,
        ["--text", "premise", "--label", "score", "--adapter", "regression"],
        "regression",
        ["the film was good"],
    ),
    "unanswerable": (questions, [], "unanswerable", ["where does anna live", "anna lives in rome"]),
}


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """`bench(*arguments)`: the exit code, and all that `python -m bench` said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))

    def called(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return called


def run_of(bench: Callable[..., tuple[int, str]], words: list[str], encoder: Path) -> Record:
    options = ["-b", str(encoder), "-s", "probe", "--seeds", "1", "--executor", "inline"]
    code, said = bench("run", *words, *options, "--set", "recipe.epochs=1", "--out", "run")
    assert code == 0, said
    (record,) = Store(Path("run")).records()
    assert record.status == "done", record.reason
    return record


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_run_reported_and_exported(
    kind: str, bench: Callable[..., tuple[int, str]], tiny_encoder: Path, tmp_path: Path
) -> None:
    make, columns, adapter, inputs = KINDS[kind]
    data = ["--data", make(tmp_path), *columns]
    record = run_of(bench, data, tiny_encoder)
    assert record.adapter == adapter
    code, said = bench("report", "run", "--out", "page.html")
    assert code == 0, said
    (given,) = json.loads(Path("run/given.json").read_text())["tasks"].values()
    named = [columns[place + 1] for place, word in enumerate(columns) if word == "--label"]
    assert given.get("label", []) == (named if len(named) > 1 else "".join(named) or [])
    code, said = bench("export", "model", *data, "-b", str(tiny_encoder), "-s", "probe", "--device", "cpu")
    assert code == 0, said
    done = subprocess.run(
        [warm.python(), "model/predict.py", *inputs], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list(csv.DictReader(done.stdout.splitlines()))) == 1


def test_the_columns_that_are_asked_for_are_there(
    bench: Callable[..., tuple[int, str]], tiny_encoder: Path, tmp_path: Path
) -> None:
    """Of pairs, with class weights, few examples and calibrated logits at once."""
    data = ["--data", table(tmp_path), "--text", "premise", "--pair", "hypothesis", "--label", "judgement"]
    more = ["--set", "recipe.shots=8", "--set", "recipe.class_weights=balanced", "--calibrate"]
    record = run_of(bench, [*data, *more], tiny_encoder)
    assert record.data
    assert record.data.sizes["train"] == 16
    assert record.chosen["temperature"] > 0
    names = ["accuracy", "balanced_accuracy", "mcc", "nll", "brier", "ece"]
    code, said = bench("table", "run", "--columns", ",".join(names), "--format", "json")
    assert code == 0, said
    found = json.loads(said)
    (row,) = found["blocks"][0]["rows"]
    assert list(row["values"]) == names
    assert all(isinstance(entry["value"], float) for entry in row["values"].values())
    code, said = bench("table", "run", "--kind", "classes")
    assert code == 0, said
    assert "same" in said
    assert "precision" in said
