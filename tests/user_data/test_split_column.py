"""A column that says to which split a row belongs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.cli.recommend import subject_of
from bench.data.sources import Sources
from bench.recommend.views import Everything
from bench.user_data.description import Read, from_values, read
from tests.support.user_files import LABELS, TEXTS, delimited, opened, refused, said, written

HEADER = ("text", "label", "part")
NAMES = ["train"] * 28 + ["dev"] * 4 + ["test"] * 8


def table(parts: Sequence[str] = NAMES) -> list[tuple[str, str, str]]:
    return list(zip(TEXTS, LABELS, parts, strict=True))


def texts(found: Read) -> dict[str, list[str]]:
    splits = {"train": found.splits.train, "validation": found.splits.validation, "test": found.splits.test}
    return {split: [row.text for row in rows] for split, rows in splits.items()}


@pytest.mark.parametrize("spelling", [str, str.upper, " {} ".format], ids=["plain", "upper", "blanks"])
def test_rows_are_divided_as_their_column_says(spelling: Any, tmp_path: Path) -> None:
    path = written(delimited(table(list(map(spelling, NAMES))), header=HEADER), tmp_path)
    found = opened(path, split="part")
    assert texts(found) == {"train": TEXTS[:28], "validation": TEXTS[28:32], "test": TEXTS[32:]}
    assert said(
        found, "rows are divided by 'part': 28 rows for train, 4 rows for validation, 8 rows for test"
    )
    assert not said(found, "look: 'part'")
    assert not said(found, "columns not read: 'part'")


def test_the_rows_may_be_in_any_order(tmp_path: Path) -> None:
    parts = ["test" if n % 5 == 0 else "train" for n in range(len(TEXTS))]
    found = texts(opened(written(delimited(table(parts), header=HEADER), tmp_path), split="part"))
    assert found["test"] == TEXTS[::5]
    learnt = [text for n, text in enumerate(TEXTS) if n % 5]
    assert sorted(found["train"] + found["validation"]) == sorted(learnt)
    assert found["validation"]  # cut from the training rows


@pytest.mark.parametrize("lines", [False, True], ids=["numbers", "json"])
def test_it_may_be_a_number_or_a_path(lines: bool, tmp_path: Path) -> None:
    if lines:
        rows = [json.dumps({"text": t, "label": x, "meta": {"part": p}}) for t, x, p in table()]
        found = opened(written("\n".join(rows), tmp_path, "a.jsonl"), split="meta.part")
    else:
        content = delimited(table(), header=())
        found = opened(written(content, tmp_path), text="1", label="2", split="3")
    assert texts(found) == {"train": TEXTS[:28], "validation": TEXTS[28:32], "test": TEXTS[32:]}


def test_words_and_tags_are_divided_too(tmp_path: Path) -> None:
    rows = [
        {"tokens": ["Ann", f"ran{n}"], "tags": ["B-PER", "O"], "part": "test" if n > 14 else "train"}
        for n in range(20)
    ]
    found = opened(written("\n".join(map(json.dumps, rows)), tmp_path, "a.jsonl"), split="part")
    assert found.data.adapter == "ner"
    assert [row.words[1] for row in found.splits.test] == [f"ran{n}" for n in range(15, 20)]


def test_a_complete_description_is_read_again_alike(tmp_path: Path) -> None:
    """As workers and suites do."""
    found = opened(written(delimited(table(), header=HEADER), tmp_path), split="part")
    again = read(from_values(found.data.name, found.data.as_values(), tmp_path), Sources())
    assert again.data.rows == found.data.rows


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            ["train"] * 39 + ["later"],
            "row 40: 'part' is 'later', and --split needs train, validation or test",
        ),
        (["train"] * 39 + [""], "row 40: 'part' is '"),
        (["train"] * 40, "'part' is train in every row: leave out --split"),
        (["test"] * 20 + ["dev"] * 20, "'part' names no row for training: leave out --split"),
    ],
)
def test_what_does_not_divide_rows_is_refused(parts: list[str], message: str, tmp_path: Path) -> None:
    path = written(delimited(table(parts), header=HEADER), tmp_path)
    assert message in str(refused(path, split="part"))


def test_two_ways_to_split_are_one_too_many(tmp_path: Path) -> None:
    path = written(delimited(table(), header=HEADER), tmp_path)
    other = written(delimited(table(), header=HEADER), tmp_path, "b.csv")
    assert "test rows are in a file of their own" in str(refused(path, split="part", test_data=str(other)))


def test_a_row_in_both_is_a_leak(tmp_path: Path) -> None:
    rows = [*table(), (TEXTS[0], LABELS[0], "test")]
    path = written(delimited(rows, header=HEADER), tmp_path)
    assert "--drop-duplicates" in str(refused(path, split="part"))
    assert TEXTS[0] not in texts(opened(path, split="part", drop_duplicates=True))["train"]


def test_a_column_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    path = written(delimited(table(), header=HEADER), tmp_path)
    assert "no column 'parts' for --split: did you mean 'part'?" in str(refused(path, split="parts"))
    tagged = written("Ann B-PER\nran O\n\n" * 30, tmp_path, "a.conll")
    assert "leave out --split" in str(refused(tagged, split="3"))


@pytest.mark.parametrize(("keys", "cut"), [({}, True), ({"split": "part"}, False)], ids=["cut", "given"])
def test_rows_that_are_for_testing_are_never_trained_on(
    keys: dict[str, str], cut: bool, tiny_encoder: Path, tmp_path: Path
) -> None:
    """A model that is handed over also learns from test rows, but for those that the user means for testing."""
    path = written(delimited(table(), header=HEADER), tmp_path)
    own = from_values("films", {"data": str(path), "text": "text", "label": "label", **keys}, tmp_path)
    subject = subject_of(own, "", [], str(tiny_encoder))
    assert subject.own_test is cut
    view = Everything(subject.name, subject.own_test).name
    learnt = {row.text for row in subject.registry.task(view).splits(subject.registry.sources).train}
    assert bool(learnt & set(TEXTS[32:])) is cut
