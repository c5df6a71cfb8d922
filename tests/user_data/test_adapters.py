"""Pairs of texts, numbers and several labels in a user's files: what is guessed and said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import LabelsExample, NumberExample, TextExample
from bench.data.sources import Sources
from bench.registry import discover
from bench.user_data.description import from_values, read
from bench.user_data.summary import lengths, recipe_for, summarise
from tests.support.user_files import LABELS, TEXTS, all_rows, delimited, json_lines, opened, refused, said

SECOND = [f"another view of number {n}" for n in range(40)]
NUMBERS = [round(n * 0.37 % 5, 2) for n in range(40)]
SETS = [
    [name for place, name in enumerate(("food", "price", "staff")) if (n >> place) & 1] for n in range(40)
]


def written(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def table(path: Path, **columns: list[Any]) -> Path:
    return written(path, delimited(list(zip(*columns.values(), strict=True)), header=tuple(columns)))


@pytest.mark.parametrize(
    "names", [("premise", "hypothesis"), ("sentence1", "sentence2"), ("Question1", "Question2")], ids=str
)
def test_pairs_are_found_by_the_names_of_their_columns(names: tuple[str, str], tmp_path: Path) -> None:
    found = opened(table(tmp_path / "a.csv", **{names[0]: TEXTS, names[1]: SECOND, "label": LABELS}))
    assert all_rows(found)[3] == TextExample("train-3", TEXTS[3], LABELS[3], pair=SECOND[3])
    assert said(found, f"two texts a row, '{names[0]}' and '{names[1]}'; --text alone reads one")


def test_pairs_are_read_from_named_columns_and_one_text_where_one_is_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", premise=TEXTS, other=SECOND, hypothesis=SECOND, label=LABELS)
    found = opened(path, text="other", pair="premise")
    assert {(row.text in SECOND, row.pair in TEXTS) for row in all_rows(found)} == {(True, True)}
    assert {row.pair for row in all_rows(opened(path, text="premise"))} == {""}


def test_a_row_without_a_second_text_is_left_out_and_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", premise=TEXTS, hypothesis=["", *SECOND[1:]], label=LABELS)
    found = opened(path)
    assert len(all_rows(found)) == 39
    assert said(found, "1 of 40 rows left out, because the second text is empty")


def test_a_pair_in_two_files_is_a_leak_and_a_shared_text_is_none(tmp_path: Path) -> None:
    train = table(tmp_path / "a.csv", premise=TEXTS, hypothesis=SECOND, label=LABELS)
    other = table(tmp_path / "b.csv", premise=TEXTS, hypothesis=SECOND[::-1], label=LABELS)
    same = table(tmp_path / "c.csv", premise=TEXTS[:9], hypothesis=SECOND[:9], label=LABELS[:9])
    assert opened(train, test_data=str(other)).data.adapter == "classification"
    assert refused(train, test_data=str(same)).code == "leak"


def test_numbers_with_fractions_are_a_regression_and_that_is_said(tmp_path: Path) -> None:
    found = opened(table(tmp_path / "a.csv", text=TEXTS, score=NUMBERS), label="score")
    assert found.data.adapter == "regression"
    assert all_rows(found)[2] == NumberExample("train-2", TEXTS[2], NUMBERS[2])
    assert said(found, "'score' holds numbers with fractions (0.37, 0.74, 1.11)")
    assert said(found, "numbers from 0 to")


def test_whole_ratings_are_a_regression_where_the_user_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, stars=[n % 5 + 1 for n in range(40)])
    assert opened(path).data.adapter == "classification"
    found = opened(path, adapter="regression")
    assert {row.number for row in all_rows(found)} == {1.0, 2.0, 3.0, 4.0, 5.0}


@pytest.mark.parametrize("bad", ["", "n/a", "inf", "nan", "1e31", "1,5", "five"], ids=repr)
def test_a_row_whose_number_is_none_is_left_out(bad: str, tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, score=[bad, *NUMBERS[1:]])
    assert len(all_rows(opened(path, adapter="regression"))) == 39


def test_words_are_no_numbers(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, label=LABELS)
    assert refused(path, adapter="regression").code == "not-numbers"
    path = table(tmp_path / "b.csv", text=TEXTS, label=[*LABELS[:38], 1, 2])
    assert refused(path, adapter="regression").code == "not-numbers"
    path = table(tmp_path / "c.csv", text=TEXTS, label=[2.5] * 40)
    assert refused(path, adapter="regression").code == "constant-label"


def objects(label: Any) -> str:
    return json_lines([{"text": t, "labels": label(s)} for t, s in zip(TEXTS, SETS, strict=True)])


@pytest.mark.parametrize(
    "label", [lambda s: s, json.dumps, str, lambda s: [*s, *s]], ids=["lists", "JSON", "Python", "twice"]
)
def test_lists_are_several_labels(label: Any, tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.jsonl", objects(label)))
    assert found.data.adapter == "multilabel"
    assert said(found, "holds lists of labels (food, ")
    rows = all_rows(found)
    assert len(rows) == 40
    assert rows[3] == LabelsExample("train-3", TEXTS[3], ("food", "price"))
    assert rows[0].labels == ()


def tagged(tags: Any) -> str:
    return json_lines([{"text": text, "tags": tags(n)} for n, text in enumerate(TEXTS)])


def test_lists_called_tags_are_labels_of_the_texts_beside_them(tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.jsonl", tagged(SETS.__getitem__)))
    assert found.data.adapter == "multilabel"
    assert said(found, "by the column 'tags', which holds lists of labels (food, price)")
    assert [list(row.labels) for row in all_rows(found)] == SETS


@pytest.mark.parametrize(
    "tags",
    [
        lambda n: ["B-PER", "O"],
        lambda n: [f"P{place}" for place in range(5 + n % 3)],
        lambda n: ["NN", "NN"],
        lambda n: "food price",
        lambda n: [{"name": "food"}, {"name": "price"}],
    ],
    ids=["places", "as many as words", "twice", "a text", "objects"],
)
def test_tags_that_are_not_as_many_as_words_are_refused(tags: Any, tmp_path: Path) -> None:
    error = refused(written(tmp_path / "a.jsonl", tagged(tags)))
    assert error.code == "not-tagged-words"
    assert "or multilabel for several" in str(error)


def test_lists_of_parquet_are_several_labels(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": TEXTS, "labels": SETS}), tmp_path / "a.parquet")
    assert [list(row.labels) for row in all_rows(opened(tmp_path / "a.parquet"))] == SETS


def test_a_separator_divides_the_labels_of_a_cell(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, label=["; ".join(found) for found in SETS])
    found = opened(path, label_separator=";")
    assert [list(row.labels) for row in all_rows(found)] == SETS
    assert said(found, "because --label-separator is given")
    assert refused(path, adapter="multilabel", label_separator="|").code == "single-labels"


def test_columns_of_0_and_1_are_labels(tmp_path: Path) -> None:
    names = ("food", "price", "staff")
    columns = {name: [int(name in found) for found in SETS] for name in names}
    path = table(tmp_path / "a.csv", text=TEXTS, **columns)
    found = opened(path, label=list(names))
    assert [list(row.labels) for row in all_rows(found)] == SETS
    assert found.data.adapter == "multilabel"
    again = from_values("a", found.data.as_values(), Path())
    assert read(again, Sources()).data.rows == found.data.rows
    task = discover([found.data]).task("a")
    assert task.labels(found.splits.train) == names


def test_columns_of_0_and_1_of_which_no_row_has_two_are_labels_too(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, a=[0, 1] * 20, b=[1, 0] * 20)
    found = opened(path, label=["a", "b"])
    assert found.data.adapter == "multilabel"
    assert {row.labels for row in all_rows(found)} == {("a",), ("b",)}


@pytest.mark.parametrize("roles", [("text", "label"), ("text", "pair"), ("pair", "label")], ids=str)
def test_one_column_has_one_role(roles: tuple[str, str], tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", text=TEXTS, other=[f"other {n}" for n in range(len(TEXTS))], y=["a", "b"] * 20
    )
    given = {"text": "text", "pair": "other", "label": "y"} | dict.fromkeys(roles, "text")
    assert refused(path, **given).code == "same-column"
    assert len(all_rows(opened(path, text="text", label="y", group="text"))) == len(TEXTS)


@pytest.mark.parametrize("value", ["2", "maybe", "0.5"])
def test_a_cell_that_is_neither_0_nor_1_names_its_row(value: str, tmp_path: Path) -> None:
    columns = {name: [int(name in found) for found in SETS] for name in ("food", "price")}
    columns["food"][16] = value  # type: ignore[call-overload]
    error = refused(table(tmp_path / "a.csv", text=TEXTS, **columns), label=["food", "price"])
    assert error.code == "not-an-indicator"
    assert "row 17" in str(error)


def test_several_label_columns_are_for_several_labels_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", text=TEXTS, a=[0, 1] * 20, b=[1, 0] * 20)
    assert refused(path, label=["a", "b"], adapter="classification").code == "several-columns"
    assert refused(path, label=["a", "c"]).code == "unknown-column"
    assert refused(path, label=["a", "a"]).code == "wrong-type"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([["a", "b"]] * 40, "constant-label"),
        ([[f"x{n}", f"y{n}"] for n in range(40)], "no-labels"),
        ([["a"], ["b"]] * 20, "single-labels"),
        ([[{"name": "a"}, {"name": "b"}], ["a"]] * 20, None),
        ([[["a"], "b"], ["a"]] * 20, None),
    ],
)
def test_labels_that_cannot_be_learnt_are_refused(rows: Any, code: str | None, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", json_lines([{"text": t, "label": r} for t, r in zip(TEXTS, rows)]))  # noqa: B905
    error = refused(path, adapter="multilabel")
    assert error.code == code or code is None


def test_a_label_that_training_lacks_is_refused(tmp_path: Path) -> None:
    train = written(tmp_path / "a.jsonl", objects(lambda s: s))
    test = written(
        tmp_path / "b.jsonl",
        json_lines([{"text": f"new {n}", "labels": ["food", "taste"]} for n in range(9)]),
    )
    assert refused(train, test_data=str(test)).code == "untrained-class"


@pytest.mark.parametrize("kind", ["pairs", "numbers", "labels"])
def test_the_summary_says_what_is_in_the_data_and_a_recipe_follows(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # no backbone `none` is looked for on the hub
    if kind == "labels":
        found = opened(written(tmp_path / "a.jsonl", objects(lambda s: s)))
    elif kind == "numbers":
        found = opened(table(tmp_path / "a.csv", text=TEXTS, score=NUMBERS))
    else:
        found = opened(table(tmp_path / "a.csv", premise=TEXTS, hypothesis=SECOND, label=LABELS))
    text = "\n".join(summarise(found, lengths(found.splits, "none", Sources(cache=tmp_path))))
    wanted = {
        "pairs": "2 classes in training",
        "numbers": "numbers in training: 0",
        "labels": "3 labels in training",
    }
    assert wanted[kind] in text
    assert recipe_for(found.data.adapter, found.splits, "none", Sources(cache=tmp_path)).max_length >= 32
