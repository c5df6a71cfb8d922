"""Test and validation files that do not say what is to be predicted, or lack what a user names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.user_data.description import Read
from tests.support.user_files import LABELS, TEXTS, delimited, json_lines, opened, refused, said, written

NEW = [f"another film, number {n}" for n in range(12)]
SETS = [[["food"], ["price"], ["food", "price"]][n % 3] for n in range(40)]
FLAGS = [[n % 2, 1 - n % 2, n % 3 % 2] for n in range(40)]
CITIES = [f"In {1900 + n} the poet lived in Rome." for n in range(52)]


def several(labels: Sequence[Any], first: int = 0) -> str:
    texts = [*TEXTS, *NEW][first:]
    return json_lines([{"text": text, "labels": found} for text, found in zip(texts, labels, strict=False)])


def without(rows: str, key: str) -> str:
    """The rows of JSON lines without one of their values."""
    return json_lines([{k: v for k, v in json.loads(row).items() if k != key} for row in rows.splitlines()])


def questions(answers: Sequence[Any], first: int = 0) -> str:
    asked = [{"question": f"Where, {n}?", "context": CITIES[n]} for n in range(first, first + len(answers))]
    return json_lines([{**row, "answers": found} for row, found in zip(asked, answers, strict=True)])


def squad(numbers: range, answers: Callable[[int], Mapping[str, Any]]) -> str:
    asked = {n: {"id": str(n), "question": f"Where, {n}?", **answers(n)} for n in numbers}
    contexts = {n: {"context": CITIES[n], "qas": [question]} for n, question in asked.items()}
    return json.dumps({"data": [{"title": f"T{n}", "paragraphs": [one]} for n, one in contexts.items()]})


def half(n: int) -> Mapping[str, Any]:
    found = [{"text": "Rome", "answer_start": CITIES[n].index("Rome")}] if n % 2 else []
    return {"answers": found, "is_impossible": not n % 2}


def columns(word: str, tags: Sequence[str], rows: int = 30) -> str:
    return "\n".join(f"{word}{n}\t{tags[0]}\nran\t{tags[1]}\n" for n in range(rows))


HUB = [{"text": ["Rome"], "answer_start": [CITIES[n].index("Rome")]} for n in range(40)]
SOME = [["Rome"] if n % 2 else [] for n in range(40)]
RATED = [(text, 1 + n % 5) for n, text in enumerate(TEXTS)]
CODES = [(text, n % 2) for n, text in enumerate(TEXTS)]

HIDDEN: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "several labels, no column": ("jsonl", several(SETS), json_lines([{"text": text} for text in NEW]), {}),
    "several labels, null": ("jsonl", several(SETS), several([None] * 12, 40), {}),
    "several labels, empty lists": ("jsonl", several(SETS), several([[]] * 12, 40), {}),
    "lists of 0 and 1, no column": (
        "jsonl",
        several(FLAGS),
        json_lines([{"text": text} for text in NEW]),
        {"label_names": "food,price,room"},
    ),
    "lists of 0 and 1, -1": ("jsonl", several(FLAGS), several([[-1] * 3] * 12, 40), {"label_names": "a,b,c"}),
    "columns of 0 and 1, none of them": (
        "csv",
        delimited([(t, n % 2, n % 3 % 2) for n, t in enumerate(TEXTS)], header=("text", "food", "price")),
        delimited([(t,) for t in NEW], header=("text",)),
        {"label": ["food", "price"]},
    ),
    "columns of 0 and 1, -1": (
        "csv",
        delimited([(t, n % 2, n % 3 % 2) for n, t in enumerate(TEXTS)], header=("text", "food", "price")),
        delimited([(t, -1, -1) for t in NEW], header=("text", "food", "price")),
        {"label": ["food", "price"]},
    ),
    "classes, -1": ("csv", delimited(CODES), delimited([(t, -1) for t in NEW]), {}),
    "classes, ?": ("csv", delimited(CODES), delimited([(t, "?") for t in NEW]), {}),
    "classes with names, -1": (
        "csv",
        delimited(CODES),
        delimited([(t, -1) for t in NEW]),
        {"label_names": "a,b"},
    ),
    "ratings, -1": ("csv", delimited(RATED), delimited([(t, -1) for t in NEW]), {"adapter": "sentiment"}),
    "numbers, -1": ("csv", delimited(RATED), delimited([(t, -1.0) for t in NEW]), {"adapter": "regression"}),
    "questions, no column": (
        "jsonl",
        questions(SOME),
        without(questions([None] * 12, 40), "answers"),
        {},
    ),
    "questions, empty lists": ("jsonl", questions(SOME), questions([[]] * 12, 40), {}),
    "questions of which all have answers": (
        "jsonl",
        questions(HUB),
        questions([{"text": [], "answer_start": []}] * 12, 40),
        {},
    ),
    "SQuAD without answers": ("json", squad(range(40), half), squad(range(40, 52), lambda n: {}), {}),
    "SQuAD with empty lists": (
        "json",
        squad(range(40), half),
        squad(range(40, 52), lambda n: {"answers": []}),
        {},
    ),
    "tags that are all O": ("conll", columns("Ann", ("B-PER", "O")), columns("Bob", ("O", "O")), {}),
    "tags that are all _": ("conll", columns("Ann", ("B-PER", "O")), columns("Bob", ("_", "_")), {}),
    "tagged words, no column": (
        "jsonl",
        json_lines([{"tokens": ["Ann", f"ran{n}"], "tags": ["B-PER", "O"]} for n in range(40)]),
        json_lines([{"tokens": ["Bob", f"ran{n}"]} for n in range(12)]),
        {},
    ),
    "spans, empty lists": (
        "jsonl",
        json_lines([{"text": f"Ann ran {n}", "entities": [[0, 3, "PER"]]} for n in range(40)]),
        json_lines([{"text": f"Bob ran {n}", "entities": []} for n in range(12)]),
        {},
    ),
}


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("case", HIDDEN)
def test_a_held_out_file_of_a_folder_without_labels_is_left_out(
    case: str, split: str, tmp_path: Path
) -> None:
    suffix, train, hidden, keys = HIDDEN[case]
    written(train, tmp_path / "films", f"train.{suffix}")
    written(hidden, tmp_path / "films", f"{split}.{suffix}")
    found = opened(tmp_path / "films", **keys)
    assert said(found, f"{split}.{suffix} has no ")
    assert said(found, f"training rows become the {split} rows")
    assert all(row.id.startswith("train-") for row in rows_of(found))


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_held_out_file_of_a_folder_whose_labels_have_another_name_is_pointed_out(
    split: str, tmp_path: Path
) -> None:
    written(delimited(), tmp_path / "films", "train.csv")
    rows = [(text, LABELS[n]) for n, text in enumerate(NEW)]
    written(delimited(rows, header=("text", "category")), tmp_path / "films", f"{split}.csv")
    found = opened(tmp_path / "films")
    assert said(found, f"look: {split}.csv has no column 'label' (it has 'text', 'category')")
    assert said(
        found, f"training rows become the {split} rows; if a column of it holds the labels, name it 'label'"
    )
    assert all(row.id.startswith("train-") for row in rows_of(found))


@pytest.mark.parametrize("header", [("body", "label"), ("body",), ()], ids=str)
def test_a_held_out_file_of_a_folder_without_the_texts_is_refused(
    header: Sequence[str], tmp_path: Path
) -> None:
    written(delimited(), tmp_path / "films", "train.csv")
    rows = [(text, LABELS[n])[: len(header) or 2] for n, text in enumerate(NEW)]
    written(delimited(rows, header=header), tmp_path / "films", "test.csv")
    error = refused(tmp_path / "films")
    assert error.code == "different-columns"
    assert "test.csv has no column 'text', which train.csv has" in str(error)
    assert "to leave it out, give train.csv alone as --data" in str(error)


def choice(n: int) -> list[Any]:
    value = {"choices": [LABELS[n]]}
    return [{"result": [{"from_name": "label", "to_name": "text", "type": "choices", "value": value}]}]


UNREAD: dict[str, Callable[[Sequence[str], bool], str]] = {
    "Label Studio.json": lambda texts, annotated: json.dumps(
        [
            {"id": n, "data": {"text": text}, "annotations": choice(n) if annotated else []}
            for n, text in enumerate(texts)
        ]
    ),
    "doccano.jsonl": lambda texts, annotated: json_lines(
        [
            {"id": n, "data": text, **({"label": LABELS[n]} if annotated else {})}
            for n, text in enumerate(texts)
        ]
    ),
}


@pytest.mark.parametrize("tool", UNREAD)
def test_a_tools_held_out_file_that_nobody_annotated_is_left_out(tool: str, tmp_path: Path) -> None:
    suffix = tool.partition(".")[2]
    written(UNREAD[tool](TEXTS, True), tmp_path / "films", f"train.{suffix}")
    written(UNREAD[tool](NEW, False), tmp_path / "films", f"test.{suffix}")
    found = opened(tmp_path / "films")
    assert said(found, f"test.{suffix} has no labels: training rows become the test rows")
    assert not said(found, "look: test")
    assert all(row.id.startswith("train-") for row in rows_of(found))


def rows_of(found: Read) -> list[Any]:
    return [*found.splits.train, *found.splits.validation, *found.splits.test]


@pytest.mark.parametrize("split", ["test", "validation"])
@pytest.mark.parametrize("case", HIDDEN)
def test_a_held_out_file_without_labels_that_is_named_is_refused(
    case: str, split: str, tmp_path: Path
) -> None:
    suffix, train, hidden, keys = HIDDEN[case]
    path = written(train, tmp_path, f"a.{suffix}")
    other = written(hidden, tmp_path, f"b.{suffix}")
    error = refused(path, **{f"{split}_data": str(other)}, **keys)
    missing = "no column" in case or "none of them" in case
    assert error.code in (("different-columns", "unknown-column") if missing else ("without-labels",))
    assert "b." in str(error)


def test_validation_rows_are_the_test_rows_where_the_test_file_has_no_answers(tmp_path: Path) -> None:
    for name, content in (
        ("train", questions(SOME[:30])),
        ("dev", questions(SOME[:10], 30)),
        ("test", questions([[]] * 12, 40)),
    ):
        written(content, tmp_path / "qa", f"{name}.jsonl")
    found = opened(tmp_path / "qa")
    assert said(found, "test.jsonl has no answers: the validation rows are the test rows")
    assert len(found.splits.test) == 10


def test_a_class_that_training_has_is_a_label_even_if_all_test_rows_have_it(tmp_path: Path) -> None:
    for value in ("-1", "none"):
        path = written(delimited([(t, value if n % 2 else "1") for n, t in enumerate(TEXTS)]), tmp_path)
        test = written(delimited([(t, value) for t in NEW]), tmp_path, "b.csv")
        assert {row.label for row in opened(path, test_data=str(test)).splits.test} == {value}


def test_a_number_that_has_no_name_is_no_unknown_label(tmp_path: Path) -> None:
    path = written(delimited(CODES), tmp_path)
    test = written(delimited([(t, 7) for t in NEW]), tmp_path, "b.csv")
    assert refused(path, test_data=str(test), label_names="bad,good").code == "label-without-name"


@pytest.mark.parametrize("odd", [None, [1, 0], [1, 0, 1, 0], ["x", 0, 1], [2, 0, 1]], ids=str)
def test_a_test_row_without_a_0_or_1_for_each_label_is_left_out(odd: Any, tmp_path: Path) -> None:
    path = written(several(FLAGS), tmp_path, "a.jsonl")
    test = written(several([odd, *FLAGS[:11]], 40), tmp_path, "b.jsonl")
    found = opened(path, test_data=str(test), label_names="food,price,room")
    assert len(found.splits.test) == 11
    why = "the label is empty" if odd is None else "the labels are no list of a 0 or 1 for each label"
    assert said(found, f"b.jsonl: 1 of 12 rows left out, because {why}")


def test_texts_of_a_test_file_that_are_lists_are_refused(tmp_path: Path) -> None:
    path = written(several(SETS), tmp_path, "a.jsonl")
    lists = json_lines([{"text": [text, text], "labels": ["food"]} for text in NEW])
    error = refused(path, test_data=str(written(lists, tmp_path, "b.jsonl")))
    assert error.code == "nested-column"
    assert "b.jsonl: column 'text' holds lists" in str(error)


def authors(texts: Sequence[str], names: Sequence[Any], header: str = "author") -> str:
    rows = [(text, label, name) for text, label, name in zip(texts, LABELS, names, strict=False)]
    return delimited(rows, header=("text", "label", header))


@pytest.mark.parametrize(("train", "test"), [(float, int), (int, float)])
def test_a_group_that_is_a_whole_number_is_one_group_in_all_files(
    train: type, test: type, tmp_path: Path
) -> None:
    """pandas writes a column of whole numbers as floats where one cell of it is empty."""
    path = written(authors(TEXTS, [train(7 * n % 40) for n in range(40)]), tmp_path)
    other = written(authors(NEW, [test(3 * n % 20) for n in range(12)]), tmp_path, "b.csv")
    error = refused(path, test_data=str(other), group="author")
    assert error.code == "leak"
    assert "12 of 40 training rows are of groups" in str(error)


@pytest.mark.parametrize("header", ["Author", "writer"])
def test_a_held_out_file_without_the_column_of_groups_is_refused(header: str, tmp_path: Path) -> None:
    written(authors(TEXTS, range(40)), tmp_path / "films", "train.csv")
    written(authors(NEW, range(12), header), tmp_path / "films", "test.csv")
    error = refused(tmp_path / "films", group="author")
    assert error.code == "without-groups"
    assert "test.csv has no column 'author', which --group names" in str(error)
    assert f"'{header}'" in str(error)
    assert opened(tmp_path / "films").splits.test


def test_a_held_out_file_with_an_empty_column_of_groups_is_refused(tmp_path: Path) -> None:
    path = written(authors(TEXTS, range(40)), tmp_path)
    other = written(authors(NEW, [""] * 12), tmp_path, "b.csv")
    assert refused(path, test_data=str(other), group="author").code == "without-groups"


def test_a_test_file_without_labels_needs_no_groups(tmp_path: Path) -> None:
    written(authors(TEXTS, range(40)), tmp_path / "films", "train.csv")
    written(delimited([(t,) for t in NEW], header=("text",)), tmp_path / "films", "test.csv")
    assert said(opened(tmp_path / "films", group="author"), "test.csv has no labels")
