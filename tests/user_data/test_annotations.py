"""What annotation tools export: spans of characters, decisions, categories; and a folder for each class."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.user_data.spans import words_in
from tests.support import user_files
from tests.support.user_files import LABELS, ROWS, TEXTS, all_rows, json_lines, opened, said

NAMES = ["Ann Lee", "Bob"]
TEXT = [f"{NAMES[n % 2]} ran to Oslo ({n})." for n in range(30)]
TRUE = [
    ["B-PER", "I-PER", "O", "O", "B-LOC", "O", "O", "O", "O"]
    if n % 2 == 0
    else ["B-PER", "O", "O", "B-LOC", "O", "O", "O", "O"]
    for n in range(30)
]


def spans(n: int) -> list[tuple[int, int, str]]:
    place = TEXT[n].index("Oslo")
    return [(0, len(NAMES[n % 2]), "PER"), (place, place + 4, "LOC")]


def written(content: str | bytes, folder: Path, name: str = "a.jsonl") -> Path:
    return user_files.written(content, folder, name)


def rows_of(one: Callable[[int], dict[str, Any]]) -> str:
    return json_lines([{"id": n, "text": TEXT[n], **one(n)} for n in range(30)])


TOOLS: dict[str, tuple[str, str]] = {
    "doccano": (rows_of(lambda n: {"label": [list(span) for span in spans(n)]}), "a.jsonl"),
    "doccano, with relations": (
        rows_of(
            lambda n: {
                "entities": [
                    {"id": 1, "label": c, "start_offset": a, "end_offset": b} for a, b, c in spans(n)
                ],
                "relations": [],
            }
        ),
        "a.jsonl",
    ),
    "Prodigy": (
        rows_of(
            lambda n: {
                "tokens": [{"text": "Ann", "start": 0, "end": 3, "id": 0}],
                "spans": [{"start": a, "end": b, "token_start": 0, "label": c} for a, b, c in spans(n)],
                "answer": "accept",
            }
        ),
        "a.jsonl",
    ),
    "spaCy's pairs": (json.dumps([[TEXT[n], {"entities": spans(n)}] for n in range(30)]), "a.json"),
    "spaCy's pairs, one a line": (
        json_lines([[TEXT[n], {"entities": spans(n)}] for n in range(30)]),
        "a.jsonl",
    ),
    "Label Studio's short form": (
        json.dumps(
            [
                {
                    "text": TEXT[n],
                    "id": n,
                    "label": [
                        {"start": a, "end": b, "text": TEXT[n][a:b], "labels": [c]} for a, b, c in spans(n)
                    ],
                }
                for n in range(30)
            ]
        ),
        "a.json",
    ),
    "Label Studio": (
        json.dumps(
            [
                {
                    "id": n,
                    "data": {"text": TEXT[n]},
                    "annotations": [
                        {
                            "result": [
                                {
                                    "type": "labels",
                                    "value": {"start": a, "end": b, "text": TEXT[n][a:b], "labels": [c]},
                                }
                                for a, b, c in spans(n)
                            ]
                        }
                    ],
                }
                for n in range(30)
            ]
        ),
        "a.json",
    ),
    "the last character as the end": (
        rows_of(lambda n: {"entities": [[a, b - 1, c] for a, b, c in spans(n)]}),
        "a.jsonl",
    ),
    "a blank at the end": (
        rows_of(lambda n: {"entities": [[a, b + 1, c] for a, b, c in spans(n)]}),
        "a.jsonl",
    ),
}


@pytest.mark.parametrize("case", TOOLS)
def test_spans_become_tags_of_words(case: str, tmp_path: Path) -> None:
    content, name = TOOLS[case]
    found = opened(written(content, tmp_path, name))
    assert found.data.adapter == "ner"
    assert [list(row.tags) for row in all_rows(found)] == TRUE
    assert all_rows(found)[1].words == ("Bob", "ran", "to", "Oslo", "(", "1", ")", ".")
    assert said(found, "holds spans of characters")


def test_what_was_done_to_spans_is_said(tmp_path: Path) -> None:
    def one(n: int) -> dict[str, Any]:
        (first, last), odd = spans(n), n == 0
        widened = (first[0], first[1] - odd, first[2])
        inside = [(first[0], first[0] + 3, "NICK")] if n == 2 else []
        return {"entities": [widened, last, *inside]}

    found = opened(written(rows_of(one), tmp_path))
    assert [list(row.tags) for row in all_rows(found)] == TRUE
    assert said(found, "1 span begins or ends inside a word")
    assert said(found, "1 span overlaps a longer one: left out")


def test_spans_beyond_their_text_cost_their_rows_and_are_counted(tmp_path: Path) -> None:
    content = rows_of(lambda n: {"entities": spans(n) if n else [(0, 900, "PER")]})
    found = opened(written(content, tmp_path))
    assert len(all_rows(found)) == 29
    assert said(found, "1 row is left out, because a span is not where its text is")


@pytest.mark.parametrize(
    ("shift", "text", "code"), [(-2, False, "spans-within-words"), (-2, True, "spans-elsewhere")]
)
def test_spans_that_are_counted_in_another_way_are_refused(
    shift: int, text: bool, code: str, tmp_path: Path
) -> None:
    def one(n: int) -> dict[str, Any]:
        (_, (a, b, label)) = spans(n)
        span = {"start": a + shift, "end": b + shift, "label": label}
        return {"entities": [span | ({"text": "Oslo"} if text else {})]}

    with pytest.raises(BenchError) as error:
        opened(written(rows_of(one), tmp_path))
    assert error.value.code == code


def test_words_of_any_script() -> None:
    def cut(text: str) -> list[str]:
        return [text[a:b] for a, b in words_in(text)]

    assert cut("Ann's re-do, 3.5 %") == ["Ann", "'", "s", "re", "-", "do", ",", "3", ".", "5", "%"]
    assert cut("東京へ行く") == list("東京へ行く")
    assert cut("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert cut("cafe\u0301 x") == ["cafe\u0301", "x"]


def test_rows_that_were_rejected_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": label, "answer": ("accept", "accept", "reject", "ignore")[n % 4]}
        for n, (text, label) in enumerate(ROWS)
    ]
    path = written(json_lines(rows), tmp_path)
    assert len(all_rows(opened(path))) == 20
    assert said(opened(path), "20 rows left out, because 'answer' is not accept")
    assert len(all_rows(opened(path, text="text", label="answer"))) == 40


def test_categories_are_labels_of_one_half_or_more(tmp_path: Path) -> None:
    rows = [{"text": text, "cats": {"good": n % 2, "bad": 1.0 - n % 2}} for n, text in enumerate(TEXTS)]
    found = opened(written(json_lines(rows), tmp_path))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert said(found, "those with 0.5 or more are the labels")


@pytest.mark.parametrize("several", [False, True])
def test_choices_of_label_studio_are_labels(several: bool, tmp_path: Path) -> None:
    def task(text: str, label: str) -> dict[str, Any]:
        choices = [label, "long"] if several else [label]
        result = {"type": "choices", "value": {"choices": choices}}
        return {"data": {"text": text, "id": 3}, "annotations": [{"result": [result]}, {"result": []}]}

    found = opened(written(json.dumps([task(*row) for row in ROWS]), tmp_path, "a.json"))
    assert [row.labels[0] if several else row.label for row in all_rows(found)] == LABELS
    assert said(found, "40 tasks have several annotations: the first is read")


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for n, (text, label) in enumerate(ROWS):
        written(text, tmp_path / "films" / ("train" if n < 30 else "test") / label, f"{n}_7.txt")
    written("no label", tmp_path / "films" / "train" / "unsup", "1.txt")
    found = opened(tmp_path / "films")
    assert {(row.text, row.label) for row in all_rows(found)} == set(ROWS)
    assert len(found.splits.test) == 10
    assert said(found, "30 text files, and the folder of each is its label (bad, good)")
    assert said(found, "1 other file of the folder not read, such as 1.txt")


def test_a_folder_for_each_class_without_splits_is_cut(tmp_path: Path) -> None:
    for n, (text, label) in enumerate(ROWS):
        written(text, tmp_path / "films" / label, str(n))
    found = opened(tmp_path / "films")
    splits = found.splits
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [28, 4, 8]
    assert {(row.text, row.label) for row in all_rows(found)} == set(ROWS)


def test_a_class_that_only_the_test_folder_has_is_refused(tmp_path: Path) -> None:
    for n, (text, label) in enumerate(ROWS):
        written(text, tmp_path / "films" / ("train" if n < 30 else "test") / label, f"{n}.txt")
    written("odd", tmp_path / "films" / "test" / "odd", "1.txt")
    with pytest.raises(BenchError) as error:
        opened(tmp_path / "films")
    assert error.value.code == "untrained-class"


def test_files_of_splits_come_before_folders_of_texts(tmp_path: Path) -> None:
    written("\n".join(["text,label", *(f'"{a}",{b}' for a, b in ROWS)]), tmp_path / "films", "train.csv")
    for name in ("docs", "notes"):
        written("x", tmp_path / "films" / name, "1.txt")
    assert [(row.text, row.label) for row in all_rows(opened(tmp_path / "films"))] == ROWS


def test_spans_and_labels_of_texts_need_an_adapter(tmp_path: Path) -> None:
    path = written(rows_of(lambda n: {"label": LABELS[n], "entities": spans(n)}), tmp_path)
    with pytest.raises(BenchError) as error:
        opened(path)
    assert error.value.code == "spans-and-labels"
    assert [list(row.tags) for row in all_rows(opened(path, adapter="ner"))] == TRUE
    assert [row.label for row in all_rows(opened(path, adapter="classification"))] == LABELS[:30]
