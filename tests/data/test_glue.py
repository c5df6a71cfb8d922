"""Rows of GLUE's layout, field by field, and what is cut off them for validation."""

from __future__ import annotations

from typing import Any

import pytest

from bench.contracts import BenchError, NumberExample, TextExample
from bench.data.glue import glue_splits, labelled, numbered
from bench.data.hub import SplitRows
from bench.data.hub_squad import squad_splits

NAMES = ("no", "yes")


def test_texts_label_and_group_come_from_their_columns() -> None:
    rows = [
        {"one": " a ", "two": "b", "source": " s ", "label": 1},
        {"one": " ", "two": "c", "source": "s", "label": 1},
        {"one": "d", "two": "e", "source": "t", "label": 0},
    ]
    assert labelled(("one", "two"), NAMES, group="source")(rows, "train") == [
        TextExample("train-0", "a", "yes", "s", "b"),
        TextExample("train-2", "d", "no", "t", "e"),
    ]
    assert labelled(("two",), NAMES)(rows[:1], "dev") == [TextExample("dev-0", "b", "yes")]


def test_texts_and_number_come_from_their_columns() -> None:
    rows = [
        {"one": "a ", "two": " b", "score": "2.5", "label": 4},
        {"one": "c", "two": "", "score": 1, "label": 1},
    ]
    assert numbered(("one", "two"), "score")(rows, "dev") == [NumberExample("dev-0", "a", 2.5, "", "b")]
    assert numbered(("one",))(rows, "dev") == [
        NumberExample("dev-0", "a", 4.0),
        NumberExample("dev-1", "c", 1.0),
    ]


def split_rows(**splits: list[dict[str, Any]]) -> SplitRows:
    found = SplitRows("made-up")
    found.update(splits)
    return found


@pytest.mark.parametrize("dev", ["validation", "matched"])
def test_a_tenth_of_the_training_rows_is_for_validation(dev: str) -> None:
    def rows(kind: str, count: int) -> list[dict[str, Any]]:
        return [{"text": f"{kind} {number}", "label": number % 2} for number in range(count)]

    read = labelled(("text",), NAMES, group="text")
    given = split_rows(train=rows("train", 60), **{dev: rows(dev, 7)})
    found = glue_splits(given, read, "s") if dev == "validation" else glue_splits(given, read, "s", dev)
    assert (len(found.train), len(found.validation)) == (54, 6)
    assert [row.text for row in found.test] == [f"{dev} {number}" for number in range(7)]
    assert [row.group for row in found.test] == [f"test: {dev} {number}" for number in range(7)]
    assert "" not in {row.group for row in (*found.train, *found.validation)}


@pytest.mark.parametrize(
    "answers",
    [{"text": ["Ann", "ran"], "answer_start": [0]}, {"text": ["Ann"], "answer_start": [0, 4]}],
    ids=["a place too few", "a place too many"],
)
def test_answers_and_places_of_squad_are_as_many(answers: dict[str, list[Any]]) -> None:
    row = {"id": "0", "title": "t", "question": "Who?", "context": "Ann ran.", "answers": answers}

    class Local:
        def hub(self, path: str) -> SplitRows:
            return split_rows(train=[row], validation=[row])

    sources: Any = Local()
    with pytest.raises(BenchError, match="row 0 of split 'train'") as error:
        squad_splits(sources, "squad", "s")
    assert error.value.code == "unexpected-row"
