"""The errors of a spreadsheet in any column that is read, and JSON files with several splits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from tests.support.user_files import all_rows, opened

FAILED = "is the error of a spreadsheet"


def table(folder: Path, header: str, rows: list[str]) -> Path:
    (folder / "a.csv").write_text("\n".join([header, *rows]))
    return folder / "a.csv"


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#DIV/0!"])
@pytest.mark.parametrize("around", ["{}", "{};a"])
def test_several_labels_with_an_error_are_left_out(error: str, around: str, tmp_path: Path) -> None:
    labels = [around.format(error), "a", "b;c", "a;c"]
    path = table(tmp_path, "text,topics", [f"film {n} is fine,{labels[n % 4]}" for n in range(80)])
    found = opened(path, adapter="multilabel", label_separator=";")
    assert {label for row in all_rows(found) for label in row.labels} == {"a", "b", "c"}
    assert len(all_rows(found)) == 60
    assert any(f"20 of 80 rows left out, because the label {FAILED}" in note for note in found.notes)


@pytest.mark.parametrize("adapter", ["qa", "unanswerable"])
@pytest.mark.parametrize("part", ["question", "context", "answer"])
def test_a_question_with_an_error_is_left_out(part: str, adapter: str, tmp_path: Path) -> None:
    rows = []
    for n in range(80):
        row = {"question": f"who {n}?", "context": f"Ann {n} was in Oslo.", "answer": f"Ann {n}"}
        row |= {part: "#REF!"} if n % 8 == 0 else {"answer": ""} if n % 8 == 1 else {}
        rows.append(",".join(row.values()))
    found = opened(table(tmp_path, "question,context,answer", rows), adapter=adapter)
    assert len(all_rows(found)) == (70 if adapter == "unanswerable" else 60)
    assert any(f"10 of 80 rows left out, because the {part} {FAILED}" in note for note in found.notes)


@pytest.mark.parametrize(
    ("header", "row", "cell", "part", "keys"),
    [
        (
            "words,tags",
            "Ann ran to {n},{cell}",
            "B-PER O O O",
            "cell of the words or tags",
            {"adapter": "ner"},
        ),
        ("words,tags", "{cell},O B-PER", "with Ann{n}", "cell of the words or tags", {"adapter": "ner"}),
        ("text,score", "film {n},{cell}", "{n}.5", "number", {"adapter": "regression"}),
        ("text,second,label", "film {n},{cell},{label}", "other {n}", "second text", {"pair": "second"}),
    ],
)
def test_other_parts_with_an_error_are_left_out(
    header: str, row: str, cell: str, part: str, keys: dict[str, Any], tmp_path: Path
) -> None:
    cells = ["#N/A" if n % 8 == 0 else cell.format(n=n) for n in range(80)]
    rows = [row.format(n=n, cell=cells[n], label="ab"[n // 2 % 2]) for n in range(80)]
    found = opened(table(tmp_path, header, rows), **keys)
    assert len(all_rows(found)) == 70
    assert any(f"10 of 80 rows left out, because the {part} {FAILED}" in note for note in found.notes)


PAIRS = [[f"Ann Smith lives in Oslo. {n}", {"entities": [[0, 9, "PER"]]}] for n in range(30)]
OBJECTS = [{"text": f"film {n}", "label": "ab"[n % 2]} for n in range(30)]


@pytest.mark.parametrize(
    "value",
    [
        {"train": PAIRS, "dev": PAIRS, "test": PAIRS},
        {"train": [None, *PAIRS], "test": PAIRS},
        {"train": PAIRS, "test": OBJECTS},
        {"train": OBJECTS, "test": OBJECTS},
    ],
    ids=["pairs", "with null", "pairs and objects", "objects"],
)
def test_several_splits_in_one_json_file_are_refused(value: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(BenchError) as error:
        opened(tmp_path / "a.json")
    assert error.value.code == "not-records"
    assert "'train'" in str(error.value)


def test_one_list_of_pairs_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"classes": ["PER"], "annotations": [None, *PAIRS]}))
    assert len(all_rows(opened(tmp_path / "a.json"))) == 30
