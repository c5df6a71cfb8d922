"""Each corpus format becomes examples."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench.contracts import BenchError, QuestionExample, TextExample
from bench.data.formats import (
    labelled_examples,
    question_example,
    read_mentions,
    read_ratings,
    read_squad,
    read_tab,
    tagged_examples,
)


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_a_tab_file_has_three_header_rows_and_maybe_empty_ones(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tab", 'Category\tText\nd\tstring\nclass\t\n\nx\t"a ""b"""\ny\t\nz\tc d \n\n')
    assert read_tab(path, "train") == [
        TextExample("train-1", 'a "b"', "x"),
        TextExample("train-3", "c d", "z"),
    ]


def test_a_text_of_a_tab_file_may_be_long(tmp_path: Path) -> None:
    csv.field_size_limit(2**17)  # what Python starts with
    text = "x" * 2**18
    assert read_tab(written(tmp_path / "a.tab", f"Category\tText\n\n\nx\t{text}\n"), "train")[0].text == text


def test_another_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        read_tab(written(tmp_path / "a.tab", "Text\tCategory\n"), "train")
    assert error.value.code == "wrong-columns"


def test_ratings_become_polarities_and_zero_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", '1_1\t-0.9\tbad, "very"\r\n1_2\t0\tso\r\n2\t0.1\tgood\n3\t1e-9\ta\tb')
    assert read_ratings(path, "p") == [
        TextExample("p-1_1", 'bad, "very"', "negative", "p-1"),
        TextExample("p-2", "good", "positive"),
        TextExample("p-3", "a\tb", "positive"),
    ]


def sample(sentence: str, ideal: str) -> str:
    return json.dumps({"input": [{"content": "List."}, {"content": sentence}], "ideal": ideal}) + "\n"


def test_mentions_are_placed_left_to_right(tmp_path: Path) -> None:
    lines = sample("Bank and Bank of Ohio , Bank", "[Bank - ORGANIZATION, Bank of Ohio - LOCATION]")
    first, second = read_mentions(written(tmp_path / "a", lines + sample("no one", "No entities found")), "f")
    assert first.tags == ("B-ORG", "O", "B-LOC", "I-LOC", "I-LOC", "O", "O")
    assert second.tags == ("O", "O")


def test_a_mention_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a", sample("Ann ran", "[Bob - PERSON]"))
    with pytest.raises(BenchError, match=r"line 1: an entity of Bob - PERSON is not") as error:
        read_mentions(path, "f")
    assert error.value.code == "unmatched-entity"


def test_questions_are_grouped_by_article(tmp_path: Path) -> None:
    answers = [{"text": "Ann", "answer_start": 0}, {"text": "Ann", "answer_start": 0}]
    questions = [{"id": "q", "question": "Who?", "answers": answers}]
    paragraphs = [{"context": "Ann ran", "qas": questions}]
    path = written(tmp_path / "a", json.dumps({"data": [{"title": "T", "paragraphs": paragraphs}]}))
    assert read_squad(path) == [QuestionExample("q", "Who?", "Ann ran", (("Ann", 0),), "T")]


@pytest.mark.parametrize("key", ["id", "title", "answer_start"])
def test_a_published_question_has_an_id_a_title_and_a_place(key: str, tmp_path: Path) -> None:
    answer = {"text": "Ann", "answer_start": 0}
    question = {"id": "q", "question": "Who?", "answers": [answer]}
    article = {"title": "T", "paragraphs": [{"context": "Ann ran", "qas": [question]}]}
    for part in (answer, question, article):
        part.pop(key, None)
    with pytest.raises(BenchError, match=f"a question has no {key}") as error:
        read_squad(written(tmp_path / "a", json.dumps({"data": [article]})))
    assert error.value.code == "damaged-file"


def test_an_offset_that_is_off_moves_to_the_nearest_place() -> None:
    example = question_example("q", "T", "Who?", "Ann, Ann, Ann", [(" Ann", 4), ("Bob", 0)])
    assert example.answers == (("Ann", 5),)


@pytest.mark.parametrize("label", [-1, 2, None, "x", float("nan"), float("inf")])
def test_a_label_that_has_no_name_is_refused(label: object) -> None:
    """The hub has -1 where the labels of a test set are hidden: it is not the last label."""
    with pytest.raises(BenchError, match="row 1 of split 'test' is not as expected") as error:
        labelled_examples(
            [{"text": "a", "label": 0}, {"text": "b", "label": label}], "text", ["n", "p"], "test"
        )
    assert error.value.code == "unexpected-row"
    with pytest.raises(BenchError, match="row 0 of split 'test' is not as expected") as error:
        tagged_examples([{"tokens": ["a"], "ner_tags": [label]}], ["O", "B-X"], "test")
    assert error.value.code == "unexpected-row"
