"""Several labels a text: rows without any, numbers of columns, choices of Label Studio, and texts that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.user_data.number_format import list_of_flags
from tests.support.user_files import TEXTS, all_rows, delimited, json_lines, opened, refused, said, written

SETS = [[["food"], ["price"], ["food", "price"], []][n % 4] for n in range(40)]
UNTOLD = [3, 10, 21]


def parquet(values: Sequence[Any], path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": TEXTS, "labels": values}), path)
    return path


@pytest.mark.parametrize("missing", ["null", "absent", "Parquet", "an empty cell"])
def test_a_row_that_lacks_its_list_of_labels_is_left_out(missing: str, tmp_path: Path) -> None:
    """An empty list says that there is none."""
    values = [None if n in UNTOLD else found for n, found in enumerate(SETS)]
    rows = [{"text": text, "labels": found} for text, found in zip(TEXTS, values, strict=True)]
    if missing == "absent":
        rows = [{k: v for k, v in row.items() if v is not None} for row in rows]
    if missing == "Parquet":
        path = parquet(values, tmp_path / "a.parquet")
    elif missing == "an empty cell":
        cells = [
            (text, "" if found is None else json.dumps(found))
            for text, found in zip(TEXTS, values, strict=True)
        ]
        path = written(delimited(cells, header=("text", "labels")), tmp_path)
    else:
        path = written(json_lines(rows), tmp_path, "a.jsonl")
    found = opened(path)
    assert said(found, "3 of 40 rows left out, because the label is empty")
    assert [list(row.labels) for row in all_rows(found)] == [found for found in values if found is not None]


def test_lists_of_0_and_1_may_be_missing_in_some_rows(tmp_path: Path) -> None:
    rows = [{"text": text, "labels": None if n in UNTOLD else [n % 2, 1]} for n, text in enumerate(TEXTS)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"), label_names="food,price")
    assert len(all_rows(found)) == 37


@pytest.mark.parametrize("sign", [",", ";", "|", " ", ", "])
def test_cells_of_a_0_or_1_for_each_label_are_no_classes(sign: str, tmp_path: Path) -> None:
    cells = [sign.join(map(str, (n % 2, 1 - n % 2, n % 3 % 2))) for n in range(40)]
    rows = list(zip(TEXTS, cells, strict=True))
    path = written(delimited(rows, "\t", ("text", "labels")), tmp_path, "a.tsv")
    separator = sign.strip() or " "
    error = refused(path)
    assert error.code == "indicators-without-names"
    assert f"a 0 or 1 for each label: say --label-separator '{separator}'" in str(error)
    found = opened(path, label_separator=separator, label_names="food,price,room")
    assert [row.labels for row in all_rows(found)[:2]] == [("price",), ("food", "room")]
    found = opened(path, adapter="classification")
    assert said(found, f"to read these say --label-separator '{separator}'")


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["0,1,0", "1,1,0"], ("0,1,0", ",")),
        (["0 | 1", "1 | 0", "nan"], ("0 | 1", "|")),
        (["0, 1", "1, 1"], ("0, 1", ",")),
        (["0,1", "1,0", "1,1"], ("", "")),
        (["0,1,0", "1,1"], ("", "")),
        (["0,1,0", "0,1,0"], ("", "")),
        (["0,1,2", "1,1,0"], ("", "")),
        (["0,1,0", "none of them"], ("", "")),
    ],
)
def test_zeros_and_ones_may_be_numbers_with_decimal_commas(
    cells: Sequence[str], found: tuple[str, str]
) -> None:
    assert list_of_flags(cells) == found


def flags(says: Sequence[Any], name: str, folder: Path, other: Sequence[Any] = ()) -> Path:
    """A table whose rows 0 to 39 hold food in odd ones and price in those that 3 divides; says: how 0 is
    written."""
    rows = [
        [text, 1 if n % 2 else says[n % len(says)], 1 if n % 3 == 0 else says[n % len(says)]]
        for n, text in enumerate(TEXTS)
    ]
    for n in UNTOLD:
        rows[n][1:] = other or rows[n][1:]
    return written(delimited(rows, header=("text", "food", "price")), folder, name)


@pytest.mark.parametrize("blank", ["", "nan", -1])
def test_a_row_that_is_blank_in_all_columns_of_0_and_1_is_left_out(blank: Any, tmp_path: Path) -> None:
    found = opened(flags(["0"], "a.csv", tmp_path, [blank, blank]), label=["food", "price"])
    assert said(found, "3 of 40 rows left out, because the label is empty")
    assert {row.text for row in all_rows(found)} == {text for n, text in enumerate(TEXTS) if n not in UNTOLD}


def test_a_row_that_is_blank_in_one_column_of_0_and_1_says_too_little(tmp_path: Path) -> None:
    found = opened(flags(["0"], "a.csv", tmp_path, ["", 1]), label=["food", "price"])
    assert len(all_rows(found)) == 37


def test_blank_is_no_where_nothing_says_0(tmp_path: Path) -> None:
    found = opened(flags([""], "a.csv", tmp_path), label=["food", "price"])
    assert [row.labels for row in all_rows(found)[:4]] == [("price",), ("food",), (), ("food", "price")]
    assert len(all_rows(found)) == 40


def test_blank_means_in_a_test_file_what_it_means_in_training(tmp_path: Path) -> None:
    path = flags(["0"], "a.csv", tmp_path)
    rows = [(f"new {n}", *((1, 1) if n % 3 else ("", ""))) for n in range(12)]
    test = written(delimited(rows, header=("text", "food", "price")), tmp_path, "b.csv")
    assert len(opened(path, test_data=str(test), label=["food", "price"]).splits.test) == 8


def test_numbers_are_those_of_the_files_columns_beside_several_labels(tmp_path: Path) -> None:
    rows = [(n, n % 2, n % 3 % 2, text, f"user {n}", f"reply {n}") for n, text in enumerate(TEXTS)]
    header = ("id", "food", "price", "comment", "user", "reply")
    path = written(delimited(rows, header=header), tmp_path)
    found = opened(path, text="4", label=["2", "3"], group="5")
    assert [row.text for row in all_rows(found)] == TEXTS
    assert [row.group for row in all_rows(found)] == [f"user {n}" for n in range(40)]
    assert all_rows(found)[1].labels == ("food", "price")
    turned = [tuple(reversed(row)) for row in [(n, 1, 0, f"new {n}", f"u{n}", "r") for n in range(9)]]
    test = written(delimited(turned, header=header[::-1]), tmp_path, "b.csv")
    found = opened(path, text="4", label=["2", "3"], group="5", test_data=str(test))
    assert found.splits.test[0].text == "new 0"
    assert found.splits.test[0].labels == ("food",)


CHOSEN = [["food"], ["staff"], ["price"], ["food", "price"]]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_choices_of_label_studios_short_exports_are_one_column_of_labels(kind: str, tmp_path: Path) -> None:
    cells: list[Any] = [found[0] if len(found) == 1 else {"choices": found} for found in CHOSEN]
    if kind == "json":
        rows = [{"id": n, "text": text, "topic": cells[n % 4]} for n, text in enumerate(TEXTS)]
        path = written(json.dumps(rows), tmp_path, "a.json")
    else:
        text_of = [cell if isinstance(cell, str) else json.dumps(cell) for cell in cells]
        table = [(n, text, text_of[n % 4]) for n, text in enumerate(TEXTS)]
        path = written(delimited(table, header=("id", "text", "topic")), tmp_path)
    found = opened(path, label="topic")
    assert found.data.adapter == "multilabel"
    assert [list(row.labels) for row in all_rows(found)] == CHOSEN * 10
    assert refused(path, label="topic", adapter="classification").code == "several-labels"


@pytest.mark.parametrize(
    "value", [["1. A film.", "2. It ends."], {"en": "A film."}], ids=["lists", "objects"]
)
@pytest.mark.parametrize("adapter", ["multilabel", "classification", "regression"])
@pytest.mark.parametrize("role", ["text", "pair"])
def test_texts_that_are_lists_or_objects_are_refused(
    role: str, adapter: str, value: Any, tmp_path: Path
) -> None:
    label = {"multilabel": SETS, "classification": list("ab") * 20, "regression": [n / 7 for n in range(40)]}
    rows = [
        {"text": text, "second": f"other {n}", "y": label[adapter][n], "odd": value}
        for n, text in enumerate(TEXTS)
    ]
    keys = {"text": "text", "pair": "second", "label": "y"} | {role: "odd"}
    error = refused(written(json_lines(rows), tmp_path, "a.jsonl"), adapter=adapter, **keys)
    assert error.code == "nested-column"
    assert f"choose another column with --{role}" in str(error)


def test_several_label_columns_beside_spans_are_the_labels(tmp_path: Path) -> None:
    rows = [
        {
            "text": text,
            "food": n % 2,
            "price": n % 3 % 2,
            "entities": [{"start": 0, "end": 3, "category": "X"}],
        }
        for n, text in enumerate(TEXTS)
    ]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"), label=["food", "price"])
    assert found.data.adapter == "multilabel"
    assert {row.text for row in found.splits.train} <= set(TEXTS)
