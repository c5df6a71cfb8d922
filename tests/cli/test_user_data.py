"""A user's own data on the command line: a rule is said on screen, a refusal is one line and exit code 2."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from bench.cli.app import main
from bench.runs.drawn import drawn
from bench.runs.folder import Store
from bench.user_data import text_files
from tests.protocol.suites import SUITE

TEXTS = [f"film number {n} was {'good' if n % 2 else 'bad'}" for n in range(100)]
LABELS = ["positive" if n % 2 else "negative" for n in range(100)]

Command = Callable[..., tuple[int, str, str]]
Plan = Callable[..., tuple[int, str]]


@pytest.fixture
def bench(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`bench(*arguments)`: exit code, output and error stream of `python -m bench`, in a folder with suite.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    suite = f'seeds = 1\n[[grid]]\nstrategies = ["frozen"]\nbackbones = ["{tiny_encoder}"]\n'
    (tmp_path / "suite.toml").write_text(suite)

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bench", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return called


@pytest.fixture
def plan(bench: Command) -> Plan:
    """`plan(path, *options)`: the exit code and the error stream of `python -m bench plan --data path`."""

    def planned(path: Path, *options: str) -> tuple[int, str]:
        code, _, said = bench("plan", "suite.toml", "--data", str(path), *options)
        return code, said

    return planned


def written(path: Path, texts: Sequence[str] = TEXTS, labels: Sequence[object] | None = None) -> Path:
    pd.DataFrame({"text": texts, "label": LABELS if labels is None else labels}).to_csv(path, index=False)
    return path


def latin_1(folder: Path) -> Path:
    path = folder / "a.csv"
    path.write_bytes(
        pd.DataFrame({"text": [f"café {n}" for n in range(100)], "label": LABELS})
        .to_csv(index=False)
        .encode("latin-1")
    )
    return path


def answers_that_occur_twice(folder: Path) -> Path:
    rows = [{"question": "Where?", "context": f"Rome {n} and Rome", "answer": "Rome"} for n in range(100)]
    path = folder / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


SAID: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one row of a class": (
        lambda folder: written(folder / "a.csv", labels=["odd", *LABELS[1:]]),
        "look: no test row has class 'odd' (1 in training)",
    ),
    "empty texts": (
        lambda folder: written(folder / "a.csv", ["" if n % 10 == 0 else t for n, t in enumerate(TEXTS)]),
        "10 of 100 rows left out, because the text is empty",
    ),
    "whole floats": (
        lambda folder: written(folder / "a.csv", labels=[1.0, 2.0] * 50),
        "labels are whole numbers written as floats: 1.0 is label 1",
    ),
    "Latin-1": (latin_1, "not UTF-8: read as Windows-1252"),
    "an answer twice": (answers_that_occur_twice, "the answer occurs more than once and no place is given"),
}


@pytest.mark.parametrize("case", SAID)
def test_a_rule_is_said_on_screen(case: str, plan: Plan, tmp_path: Path) -> None:
    make, text = SAID[case]
    code, said = plan(make(tmp_path))
    assert code == 0, said
    assert text in said


def workbook(folder: Path) -> Path:
    path = folder / "a.csv"  # whatever it is called
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a constant label": (
        lambda folder: written(folder / "a.csv", labels=["spam"] * 100),
        "every row has the label 'spam'",
    ),
    "fractions": (
        lambda folder: written(folder / "a.csv", labels=[n / 7 for n in range(100)]),
        "holds numbers with fractions",
    ),
    "no such file": (lambda folder: folder / "nothing.csv", "there is no such file or folder"),
    "another format": (workbook, "a workbook or a zip archive: save the table as CSV"),
    "no rows": (lambda folder: written(folder / "a.csv", texts=[], labels=[]), "a.csv has no rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_one_line_and_exit_code_2(case: str, plan: Plan, tmp_path: Path) -> None:
    make, text = REFUSED[case]
    code, said = plan(make(tmp_path), "--adapter", "classification", "--text", "text", "--label", "label")
    assert code == 2
    assert text in said
    assert said.startswith("transferbench: ")
    assert said.count("\n") == 1


def test_rows_that_are_in_training_and_test_are_refused_in_one_line(plan: Plan, tmp_path: Path) -> None:
    path, test = written(tmp_path / "a.csv"), written(tmp_path / "b.csv", TEXTS[:8], LABELS[:8])
    code, said = plan(path, "--test", str(test))
    assert code == 2
    assert said.startswith("transferbench: leak: 8 of 100 training rows are also in the test file")
    assert said.count("\n") == 1
    code, said = plan(path, "--test", str(test), "--drop-duplicates")
    assert code == 0
    assert "8 training rows left out: they are also in the test file" in said


def test_a_file_of_more_rows_than_are_kept_is_sampled_and_that_is_said(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files.sample, "__defaults__", (60,))
    code, said = plan(written(tmp_path / "a.csv"))
    assert code == 0
    assert "a.csv: 100 rows; a fixed sample of" in said
    assert "rows: 42 train, 6 validation, 12 test" in said


def test_a_file_may_be_called_as_a_task_that_is_there(plan: Plan, tmp_path: Path) -> None:
    code, said = plan(written(tmp_path / "sst2.csv"))
    assert code == 0
    assert said.startswith("my-sst2: ")


@pytest.mark.parametrize("name", ["quick.csv", "sst2.csv"])
def test_a_file_called_as_a_suite_or_a_task_gets_a_name_of_its_own(
    name: str, plan: Plan, tmp_path: Path
) -> None:
    code, said = plan(written(tmp_path / name))
    assert code == 0
    assert said.startswith(f"my-{Path(name).stem}: ")


def test_the_name_of_a_suite_is_no_name_for_data(plan: Plan, tmp_path: Path) -> None:
    code, said = plan(written(tmp_path / "a.csv"), "--name", "quick")
    assert code == 2
    assert said == "transferbench: --name quick is the name of a suite: choose another one\n"


def test_names_in_another_script_do_not_meet(plan: Plan, tmp_path: Path) -> None:
    names = [plan(written(tmp_path / name))[1].split(":")[0] for name in ("отзывы.csv", "фильмы.csv")]
    assert names[0] != names[1]


def test_results_of_other_data_are_never_overwritten(
    bench: Command, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Two files of one name; then the first again, which finds its own results."""
    for folder, texts in (("a", TEXTS), ("b", [f"other {text}" for text in TEXTS])):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "train.csv", texts)
    run = ("--backbone", str(tiny_encoder), "--strategy", "frozen", "--executor", "inline", "--seeds", "1")
    assert bench("run", "--data", "a/train.csv", *run)[0] == 0
    kept = Store(Path("results/runs/train")).records()
    code, _, said = bench("run", "--data", "b/train.csv", *run)
    assert code == 0
    assert "results/runs/train/ holds results of other data: these are kept in results/runs/train-" in said
    assert Store(Path("results/runs/train")).records() == kept
    assert len(list(Path("results/runs").glob("train*"))) == 2
    code, _, said = bench("run", "--data", "a/train.csv", *run)
    assert "holds results of other data" not in said
    code, _, said = bench("run", "--data", "b/train.csv", "--out", "results/runs/train", *run)
    assert code == 2
    assert "--out results/runs/train holds results of other data named 'train'" in said
    assert Store(Path("results/runs/train")).records() == kept


OPTIONS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...], str]] = {
    "names of tags": (
        lambda folder: integer_tags(folder / "a.jsonl"),
        ("--label-names", "O,B-PER"),
        "1 entity type in training: PER 100%",
    ),
    "encoding": (
        lambda folder: cyrillic(folder / "a.csv"),
        ("--encoding", "cp1251"),
        "2 classes in training: нет 50%, да 50%",
    ),
    "columns by number": (
        lambda folder: written(folder / "a.csv"),
        ("--text", "1", "--label", "2"),
        "adapter guessed: sentiment, as --text and --label say",
    ),
    "a column of sentences": (
        lambda folder: words_in_rows(folder / "a.csv"),
        ("--words", "w", "--tags", "t", "--sentence", "n"),
        "one word a row, gathered into 40 sentences by 'n'",
    ),
}


def integer_tags(path: Path) -> Path:
    rows = [{"tokens": ["Ann", f"ran{n}"], "ner_tags": [1, 0]} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def cyrillic(path: Path) -> Path:
    lines = [f"Вечер номер {n},{'да' if n % 2 else 'нет'}" for n in range(40)]
    path.write_bytes("\n".join(["text,label", *lines]).encode("cp1251"))
    return path


def words_in_rows(path: Path) -> Path:
    lines = [f"{n},{word},{tag}" for n in range(40) for word, tag in (("Ann", "B-PER"), (f"ran{n}", "O"))]
    path.write_text("\n".join(["n,w,t", *lines]))
    return path


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_says_what_cannot_be_guessed(case: str, plan: Plan, tmp_path: Path) -> None:
    make, options, text = OPTIONS[case]
    code, said = plan(make(tmp_path), *options)
    assert code == 0, said
    assert text in said


def test_a_file_may_be_described_in_a_suite(bench: Command, tmp_path: Path) -> None:
    written(tmp_path / "rows.csv")
    suite = (tmp_path / "suite.toml").read_text()
    task = '[tasks.films]\ndata = "rows.csv"\nadapter = "sentiment"\ntext = "text"\nlabel = "label"\n'
    (tmp_path / "suite.toml").write_text(suite.replace("[[grid]]", f"{task}[[grid]]"))
    code, _, said = bench("plan", "suite.toml")
    assert code == 0, said
    assert said.startswith("films: sentiment; rows: 70 train, 10 validation, 20 test")


@pytest.mark.parametrize("rates", ["default", "development"])
def test_beside_a_suite_that_ranks_the_users_data_are_the_only_task(
    rates: str, bench: Command, tiny_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "ranked.toml").write_text(SUITE.replace('"minilm"', f'"{tiny_encoder}"'))
    data = ("--data", str(written(tmp_path / "films.csv")))
    code, shown, said = bench("plan", "ranked.toml", *data, "--rates", rates, "--json")
    assert code == 0, said
    tasks = {cell["id"].split("/")[0].partition("@")[0] for cell in json.loads(shown)["cells"]}
    assert tasks == {"films" if rates == "default" else drawn("films")}


def test_a_file_is_run_and_exported(bench: Command, tiny_encoder: Path, tmp_path: Path) -> None:
    path = str(written(tmp_path / "films.csv"))
    code, _, said = bench("run", "suite.toml", "--data", path, "--out", "run", "--executor", "inline")
    assert code == 0, said
    (record,) = Store(Path("run")).records()
    assert (record.cell.task, record.status) == ("films", "done")
    code, shown, said = bench(
        "export", "model", "--data", path, "-b", str(tiny_encoder), "-s", "frozen", "--device", "cpu"
    )
    assert code == 0, said
    assert "trained on 90 training and test rows" in shown
    assert "its predictions on 20 test rows are" in shown
    assert Path("model/predict.py").is_file()
