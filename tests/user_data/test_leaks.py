"""Rows, groups and contexts that are in two of the user's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.data.splits import check_leaks
from bench.registry import adapters
from bench.user_data.description import Read
from tests.support.user_files import LABELS, ROWS, TEXTS, delimited, opened, said

CONTEXT = [f"In {1900 + n} the poet lived in Rome." for n in range(30)]


def table(numbers: range, folder: Path, name: str, authors: int) -> Path:
    rows = [(TEXTS[n], LABELS[n], f"author {n % authors}") for n in numbers]
    path = folder / name
    path.write_text(delimited(rows, header=("text", "label", "author")))
    return path


def is_sound(found: Read) -> bool:
    """Whether a cell takes the rows."""

    check_leaks(found.data.task(adapters(), {})(), found.splits)
    return True


def test_a_group_that_training_and_the_test_file_have_is_refused(tmp_path: Path) -> None:
    path = table(range(30), tmp_path, "a.csv", authors=15)
    test = table(range(30, 32), tmp_path, "b.csv", authors=15)
    with pytest.raises(BenchError) as error:
        opened(path, test_data=str(test), group="author")
    assert error.value.code == "leak"
    assert "4 of 30 training rows are of groups that the test file has, too (such as 'author" in str(
        error.value
    )
    found = opened(path, test_data=str(test), group="author", drop_duplicates=True)
    assert is_sound(found)
    assert len(found.splits.train) + len(found.splits.validation) == 26
    assert said(found, "4 training rows left out: their groups are also in the test file")


def test_a_group_that_validation_and_the_test_file_have_is_refused(tmp_path: Path) -> None:
    files = [table(range(10 * n, 10 * n + 10), tmp_path, f"{n}.csv", authors=40) for n in range(3)]
    keys: dict[str, Any] = {"validation_data": str(files[1]), "test_data": str(files[2]), "group": "author"}
    assert is_sound(opened(files[0], **keys))
    files[2].write_text(files[2].read_text().replace("author 25", "author 15"))
    with pytest.raises(BenchError) as error:
        opened(files[0], **keys)
    assert error.value.code == "leak"
    assert "1 of 10 validation rows" in str(error.value)


def squad(numbers: range, folder: Path, name: str, title: str | None) -> Path:
    articles = []
    for n in numbers:
        context = CONTEXT[n]
        answer = {"text": "Rome", "answer_start": context.index("Rome")}
        question = {"id": str(n), "question": f"Where, {n}?", "answers": [answer]}
        articles.append({"title": title, "paragraphs": [{"context": context, "qas": [question]}]})
    path = folder / name
    path.write_text(json.dumps({"data": articles}))
    return path


@pytest.mark.parametrize("title", ["a title", None])
def test_articles_that_two_files_share_are_told_apart(title: str | None, tmp_path: Path) -> None:
    """Who made the files divided them so; articles without a title share nothing but their number."""
    path, test = squad(range(10), tmp_path, "a.json", title), squad(range(10, 20), tmp_path, "b.json", title)
    other = squad(range(20, 30), tmp_path, "c.json", title)
    found = opened(path, test_data=str(test), validation_data=str(other))
    assert is_sound(found)
    assert said(found, "look: 10 training rows are on a context, article") == bool(title)
    assert [len(part) for part in (found.splits.train, found.splits.validation, found.splits.test)] == [
        10
    ] * 3


def test_validation_rows_that_are_test_rows_are_pointed_out(tmp_path: Path) -> None:
    path, test = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(delimited(ROWS[:30]))
    test.write_text(delimited(ROWS[30:]))
    found = opened(path, test_data=str(test), validation_data=str(test))
    assert said(found, "look: 10 validation rows are also in the test file")


def test_training_rows_that_are_all_in_the_test_file_are_refused(tmp_path: Path) -> None:
    path, test = tmp_path / "a.csv", tmp_path / "b.csv"
    for file in (path, test):
        file.write_text(delimited())
    with pytest.raises(BenchError) as error:
        opened(path, test_data=str(test), drop_duplicates=True)
    assert error.value.code == "leak"


def test_one_row_is_spoken_of_in_the_singular(tmp_path: Path) -> None:
    path = table(range(30), tmp_path, "a.csv", authors=40)
    shared = table(range(29, 32), tmp_path, "b.csv", authors=40)
    with pytest.raises(BenchError, match="1 of 30 training rows is also in the test file"):
        opened(path, test_data=str(shared))
    found = opened(path, test_data=str(shared), drop_duplicates=True)
    assert said(found, "1 training row left out: it is also in the test file")
    rows = [(TEXTS[n], LABELS[n], f"author {n - 1 if n == 30 else n}") for n in range(30, 34)]
    other = tmp_path / "c.csv"
    other.write_text(delimited(rows, header=("text", "label", "author")))
    with pytest.raises(BenchError, match="1 of 30 training rows is of groups"):
        opened(path, test_data=str(other), group="author")
    found = opened(path, test_data=str(other), group="author", drop_duplicates=True)
    assert said(found, "1 training row left out: its group is also in the test file")


def test_a_training_file_whose_groups_are_all_in_the_test_file_has_no_row_left(tmp_path: Path) -> None:
    path = table(range(20), tmp_path, "a.csv", authors=2)
    test = table(range(20, 30), tmp_path, "b.csv", authors=2)
    with pytest.raises(BenchError, match="whose text or group another file has") as error:
        opened(path, test_data=str(test), group="author", drop_duplicates=True)
    assert error.value.code == "leak"
