"""Shapes that other programs give files: values within objects, choices, contexts with questions, and folders in
folders."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.user_files import LABELS, ROWS, TEXTS, all_rows, json_lines, opened, refused

MANY = range(len(TEXTS))


def lines(one: Callable[[int], dict[str, Any]], folder: Path, name: str = "a.jsonl") -> Path:
    path = folder / name
    path.write_text(json_lines([one(number) for number in MANY]) + "\n")
    return path


def labelled(path: Path, **keys: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(opened(path, **keys))]


def nested(number: int) -> dict[str, Any]:
    return {"review": {"body": {"text": TEXTS[number]}, "id": number}, "said": {"label": LABELS[number]}}


def test_a_value_within_objects_is_named_by_its_path(tmp_path: Path) -> None:
    where = {"text": "review.body.text", "label": "said.label"}
    assert labelled(lines(nested, tmp_path), **where) == ROWS
    (tmp_path / "a.json").write_text(json.dumps([nested(number) for number in MANY]))
    assert labelled(tmp_path / "a.json", **where) == ROWS


def test_a_value_within_objects_of_parquet_is_named_by_its_path(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist([nested(number) for number in MANY])
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert labelled(tmp_path / "a.parquet", text="review.body.text", label="said.label") == ROWS


def test_a_column_whose_name_has_dots_comes_first(tmp_path: Path) -> None:
    path = lines(
        lambda n: {"a.text": TEXTS[n], "a": {"text": "another"}, "b": {"c.d": LABELS[n], "c": {"d": "no"}}},
        tmp_path,
    )
    assert labelled(path, text="a.text", label="b.c.d") == ROWS


def test_a_path_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = lines(nested, tmp_path)
    error = refused(path, text="review.title", label="said.label")
    assert error.code == "unknown-column"
    assert "choose one of review.body.text, review.id" in str(error)
    error = refused(path, text="review", label="said.label")
    assert error.code == "nested-column"
    assert "--text review.body.text" in str(error)
    error = refused(path)
    assert error.code in ("unclear-adapter", "nested-column")


def test_a_row_without_the_path_has_no_text(tmp_path: Path) -> None:
    path = lines(lambda n: {**nested(n), "review": {"id": n} if n == 3 else nested(n)["review"]}, tmp_path)
    found = labelled(path, text="review.body.text", label="said.label")
    assert found == [row for number, row in enumerate(ROWS) if number != 3]


OPTIONS = [{"id": name, "text": name.title()} for name in sorted(set(LABELS))]


def choice(number: int, accept: list[Any], **more: Any) -> dict[str, Any]:
    task = {"text": TEXTS[number], "options": OPTIONS, "accept": accept, "answer": "accept"}
    return {**task, "_input_hash": number, "_view_id": "choice", **more}


def test_the_option_that_was_chosen_is_the_label(tmp_path: Path) -> None:
    assert labelled(lines(lambda n: choice(n, [LABELS[n]]), tmp_path)) == ROWS


def test_a_choice_that_was_ignored_or_empty_is_left_out(tmp_path: Path) -> None:
    def one(number: int) -> dict[str, Any]:
        answer = "ignore" if number == 2 else "reject" if number == 4 else "accept"
        return choice(number, [] if number in (2, 6) else [LABELS[number]], answer=answer)

    assert labelled(lines(one, tmp_path)) == [row for n, row in enumerate(ROWS) if n not in (2, 4, 6)]


@pytest.mark.parametrize("style", [{}, {"config": {"choice_style": "multiple"}}])
def test_several_options_are_several_labels_and_none_is_none(style: dict[str, Any], tmp_path: Path) -> None:
    chosen = [["red", "blue"], ["red"], []]
    path = lines(lambda n: choice(n, chosen[n % 3], **style), tmp_path)
    found = [(row.text, set(row.labels)) for row in all_rows(opened(path))]
    assert found == [(TEXTS[n], set(chosen[n % 3])) for n in MANY]


def binary(number: int, **more: Any) -> dict[str, Any]:
    answer = ("accept", "reject", "ignore")[number % 3]
    return {"text": TEXTS[number], "label": "SPAM", "answer": answer, **more}


def test_a_label_that_was_accepted_or_rejected_is_two_classes(tmp_path: Path) -> None:
    expected = [(TEXTS[n], "not SPAM" if n % 3 else "SPAM") for n in MANY if n % 3 < 2]
    assert labelled(lines(binary, tmp_path)) == expected
    assert labelled(lines(binary, tmp_path), text="text", label="label") == expected


def test_decisions_on_no_label_are_the_labels(tmp_path: Path) -> None:
    path = lines(lambda n: {"text": TEXTS[n], "answer": "reject" if n % 2 else "accept"}, tmp_path)
    assert labelled(path) == [(TEXTS[n], "reject" if n % 2 else "accept") for n in MANY]


def test_of_several_labels_a_rejected_one_tells_no_other(tmp_path: Path) -> None:
    path = lines(lambda n: binary(n, label=LABELS[n]), tmp_path)
    assert labelled(path) == [ROWS[n] for n in MANY if n % 3 == 0]


def test_a_label_that_is_always_accepted_leaves_nothing_to_learn(tmp_path: Path) -> None:
    assert refused(lines(lambda n: binary(n, answer="accept"), tmp_path)).code == "constant-label"


CONTEXT = [f"In {1900 + n} the poet lived in Rome, and Romeo did not." for n in range(30)]


def mrqa(number: int) -> dict[str, Any]:
    start = CONTEXT[number].index("Rome")
    found = {"text": "Rome", "char_spans": [[start, start + 3]], "token_spans": [[6, 6]]}
    question = {"qid": f"q{number}", "question": f"Where, {number}?", "answers": ["Rome"]}
    return {
        "context": CONTEXT[number],
        "qas": [{**question, "detected_answers": [found]}],
        "context_tokens": [],
    }


def squad_like(number: int) -> dict[str, Any]:
    answer = {"text": "Rome", "answer_start": CONTEXT[number].index("Rome")}
    question = {"id": f"q{number}", "question": f"Where, {number}?", "answers": [answer]}
    return {"context": CONTEXT[number], "qas": [question]}


@pytest.mark.parametrize("row", [mrqa, squad_like])
@pytest.mark.parametrize("adapter", ["", "qa"])
def test_mrqa_and_paragraphs_in_lines_are_questions(
    row: Callable[[int], dict[str, Any]], adapter: str, tmp_path: Path
) -> None:
    header = {"header": {"dataset": "SQuAD", "split": "train"}}
    path = tmp_path / "train.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json_lines([header, *(row(number) for number in range(30))]) + "\n")
    found = all_rows(opened(path, adapter=adapter))
    assert [(item.question, item.context, item.answers) for item in found] == [
        (f"Where, {n}?", CONTEXT[n], (("Rome", CONTEXT[n].index("Rome")),)) for n in range(30)
    ]


@pytest.mark.parametrize("kind", ["a list", "lines"])
def test_paragraphs_of_one_title_stay_in_one_part(kind: str, tmp_path: Path) -> None:
    rows = [
        {"title": f"t{n // 4}", "context": f"{CONTEXT[n % 30]} {n}", "qas": squad_like(n % 30)["qas"]}
        for n in range(80)
    ]
    path = tmp_path / ("a.json" if kind == "a list" else "a.jsonl")
    path.write_text(json.dumps(rows) if kind == "a list" else json_lines(rows))
    splits = opened(path).splits
    parts = [{row.group for row in part} for part in (splits.train, splits.validation, splits.test)]
    assert set.union(*parts) == {f"t{n}" for n in range(20)}
    assert sum(map(len, parts)) == 20


def test_a_context_whose_questions_are_no_list_is_refused_with_its_row(tmp_path: Path) -> None:
    rows = [*(mrqa(number) for number in range(9)), {"context": "a", "qas": "what?"}]
    (tmp_path / "a.jsonl").write_text(json_lines(rows))
    error = refused(tmp_path / "a.jsonl")
    assert error.code == "not-squad"
    assert "row 10" in str(error)


def classes(folder: Path) -> Path:
    for split in ("train", "test"):
        for name in ("neg", "pos"):
            (folder / split / name).mkdir(parents=True)
            for number in range(12):
                (folder / split / name / f"{number}_7.txt").write_text(f"{split} {name} {number}")
    return folder


@pytest.mark.parametrize("deep", ["", "aclImdb", "data/aclImdb"])
def test_a_folder_that_holds_nothing_but_a_folder_is_opened(deep: str, tmp_path: Path) -> None:
    classes(tmp_path / "given" / deep)
    (tmp_path / "given" / ".DS_Store").write_text("")
    found = opened(tmp_path / "given").splits
    for rows, split in ((found.test, "test"), ([*found.train, *found.validation], "train")):
        said = {f"{split} {name} {n}": name for name in ("neg", "pos") for n in range(12)}
        assert {row.text: row.label for row in rows} == said


def test_of_several_folders_none_is_chosen(tmp_path: Path) -> None:
    classes(tmp_path / "given" / "one")
    classes(tmp_path / "given" / "two")
    error = refused(tmp_path / "given")
    assert error.code == "no-train-split"
    assert "one, two" in str(error)


def test_files_of_splits_within_a_folder_are_found(tmp_path: Path) -> None:
    inner = tmp_path / "given" / "unpacked"
    inner.mkdir(parents=True)
    (inner / "train.jsonl").write_text(json_lines([{"text": text, "label": label} for text, label in ROWS]))
    assert labelled(tmp_path / "given") == ROWS
