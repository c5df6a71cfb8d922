"""Questions on contexts: which stay together, where their answers are, and what cannot be read."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from bench.data.sources import Sources
from bench.data.splits import check_leaks
from bench.registry import adapters
from bench.user_data.description import Read
from bench.user_data.questions import answers_of, place_answers
from bench.user_data.summary import lengths, summarise
from tests.support.user_files import all_rows, json_lines, opened, refused, said, written

CONTEXTS = [f"Rome {n} is old and Rome is warm." for n in range(40)]
PLACES = [context.rindex("Rome") for context in CONTEXTS]
REPORTS = [f"Report {n} says that Ann lives in Rome." for n in range(20)]


def question(n: int, **more: Any) -> dict[str, Any]:
    return {"question": f"What is warm, {n}?", "context": CONTEXTS[n], **more}


def lines(row: Callable[[int], dict[str, Any]], folder: Path, numbers: Sequence[int] = range(40)) -> Path:
    return written(json_lines([row(n) for n in numbers]), folder, "a.jsonl")


def paragraph(n: int) -> dict[str, Any]:
    """One of four questions on a report."""
    context = REPORTS[n // 4]
    answer = {"text": "Rome", "answer_start": context.index("Rome")}
    return {"context": context, "qas": [{"id": f"q{n}", "question": f"Where, {n}?", "answers": [answer]}]}


def articles(folder: Path, name: str, numbers: Sequence[int], title: Callable[[int], str | None]) -> Path:
    found = [{"title": title(n), "paragraphs": [paragraph(n)]} for n in numbers]
    return written(json.dumps({"data": found}), folder, name)


def are_apart(found: Read, key: Callable[[Any], Any]) -> bool:
    """Whether no two parts have rows of one key."""
    splits = found.splits
    parts = [{key(row) for row in part} for part in (splits.train, splits.validation, splits.test)]
    return all(parts) and all(a.isdisjoint(b) for a, b in combinations(parts, 2))


# --------------------------------------------------------------------------------------------------
# Contexts and articles


@pytest.mark.parametrize("title", [lambda n: None, lambda n: f"q{n}", lambda n: f"t{n // 8}"])
def test_questions_on_one_context_stay_in_one_part(
    title: Callable[[int], str | None], tmp_path: Path
) -> None:
    found = opened(articles(tmp_path, "a.json", range(80), title))
    assert are_apart(found, lambda row: row.context)


def test_a_list_of_paragraphs_may_repeat_a_context(tmp_path: Path) -> None:
    found = opened(written(json.dumps([paragraph(n) for n in range(80)]), tmp_path, "a.json"))
    assert are_apart(found, lambda row: row.context)


def test_articles_with_a_context_in_common_stay_together(tmp_path: Path) -> None:
    """Every title is on two contexts, and every context has four titles."""
    found = opened(articles(tmp_path, "a.json", range(80), lambda n: f"t{n % 40}"))
    assert are_apart(found, lambda row: row.context)
    assert are_apart(found, lambda row: int(row.id.rsplit("-", 1)[1]) % 40)


def test_a_context_is_one_however_its_accents_are_written(tmp_path: Path) -> None:
    """Only some of its answers need it composed."""

    def row(n: int) -> dict[str, Any]:
        context = unicodedata.normalize("NFD", f"Rom {n // 4} ist wärm.")
        return question(n, context=context, answer="wärm" if n % 2 else "Rom")

    assert len({row.group for row in all_rows(opened(lines(row, tmp_path)))}) == 10


@pytest.mark.parametrize("title", [lambda n: None, lambda n: f"q{n}"])
def test_contexts_that_two_files_share_are_pointed_out(
    title: Callable[[int], str | None], tmp_path: Path
) -> None:
    path = articles(tmp_path, "a.json", range(0, 80, 2), title)
    test = articles(tmp_path, "b.json", range(1, 21, 2), title)
    assert said(opened(path, test_data=str(test)), "look: 10 training rows are on a context")


def test_groups_that_the_user_names_may_divide_a_context_and_that_is_said(tmp_path: Path) -> None:
    def row(n: int) -> dict[str, Any]:
        return question(n, context=REPORTS[n % 4], answer="Rome", author=f"author {n % 20}")

    found = opened(lines(row, tmp_path), group="author")
    assert are_apart(found, lambda row: row.group)
    assert said(found, "on a context that held-out rows of another group have, too")
    assert not said(
        opened(lines(lambda n: question(n, answer="warm", author=n), tmp_path), group="author"), "look"
    )


@pytest.mark.parametrize("count", [1, 3, 4])
def test_of_few_articles_contexts_are_cut(count: int, tmp_path: Path) -> None:
    found = opened(articles(tmp_path, "a.json", range(80), lambda n: f"manual {n // 4 % count}"))
    assert are_apart(found, lambda row: row.context)
    assert said(found, f"only {count} article")
    assert not said(opened(articles(tmp_path, "a.json", range(80), lambda n: f"manual {n // 4}")), "only")


def test_contexts_of_few_articles_are_told_from_those_of_the_test_file(tmp_path: Path) -> None:
    path = articles(tmp_path, "a.json", range(0, 80, 2), lambda n: f"manual {n // 4 % 3}")
    test = articles(tmp_path, "b.json", [1], lambda n: None)
    found = opened(path, test_data=str(test))
    check_leaks(found.data.task(adapters(), {})(), found.splits)
    assert said(found, "look: 2 training rows are on a context")


# --------------------------------------------------------------------------------------------------
# Answers and their places

FORMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "start and end": lambda n: {"answers": [{"text": "Rome", "start": PLACES[n], "end": PLACES[n] + 4}]},
    "one with a start": lambda n: {"answers": {"text": "Rome", "start": PLACES[n]}},
    "lists with starts": lambda n: {"answers": {"text": ["Rome"], "start": [PLACES[n]]}},
    "a text and a column": lambda n: {"answers": ["Rome"], "answer_start": PLACES[n]},
    "an object and a column": lambda n: {"answers": [{"text": "Rome"}], "answer_start": [PLACES[n]]},
    "a float": lambda n: {"answer": "Rome", "answer_start": float(PLACES[n])},
    "a float in words": lambda n: {"answer": "Rome", "answer_start": f"{PLACES[n]}.0"},
    "a decimal comma": lambda n: {"answer": "Rome", "answer_start": f"{PLACES[n]},0"},
    "floats in a list": lambda n: {"answers": ["Rome"], "answer_start": f"[{PLACES[n]}.0]"},
    "numpy's list": lambda n: {"answers": "array(['Rome'])", "answer_start": f"array([{PLACES[n]}])"},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_place_that_is_stated_is_used(form: str, tmp_path: Path) -> None:
    found = opened(lines(lambda n: question(n, **FORMS[form](n)), tmp_path))
    assert [row.answers for row in all_rows(found)] == [(("Rome", place),) for place in PLACES]
    assert not said(found, "the answer")
    assert not said(found, "an answer")


QAS: dict[str, Callable[[int], Any]] = {
    "the hub's lists": lambda n: {"text": ["Rome"], "answer_start": [PLACES[n]]},
    "one object": lambda n: {"text": "Rome", "answer_start": PLACES[n]},
    "start and end": lambda n: [{"text": "Rome", "start": PLACES[n], "end": PLACES[n] + 4}],
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("form", QAS)
def test_answers_in_paragraphs_are_read_as_those_in_tables(form: str, name: str, tmp_path: Path) -> None:
    rows = [
        {"context": CONTEXTS[n], "qas": [{"question": f"{n}?", "answers": QAS[form](n)}]} for n in range(40)
    ]
    found = opened(written(json_lines(rows) if name == "a.jsonl" else json.dumps(rows), tmp_path, name))
    assert [row.answers for row in all_rows(found)] == [(("Rome", place),) for place in PLACES]


@pytest.mark.parametrize("answers", ["Ann", ["Ann", "Rome"], {"text": ["Ann", "Rome"], "answer_start": []}])
def test_answers_in_paragraphs_may_be_bare_texts(answers: Any, tmp_path: Path) -> None:
    rows = [{"context": text, "qas": [{"question": "Who?", "answers": answers}]} for text in REPORTS]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert {row.answers[0][0] for row in all_rows(found)} == {"Ann"}


def test_more_texts_than_places_in_a_paragraph_are_refused_with_the_row(tmp_path: Path) -> None:
    answers = {"text": ["Rome", "Ann"], "answer_start": [0]}
    rows = [{"context": text, "qas": [{"question": "Who?", "answers": answers}]} for text in REPORTS]
    error = refused(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert "a.jsonl, row 1 is not in SQuAD's layout" in str(error)
    assert "as many places as texts" in str(error)


@pytest.mark.parametrize("spans", [[[4, 7]], [4, 7], 4, [4]])
def test_a_place_of_mrqa_may_stand_alone(spans: Any, tmp_path: Path) -> None:
    detected = [{"text": "Rome", "char_spans": spans}]
    rows = [
        {"context": f"Now Rome and Rome {n}", "qas": [{"question": "Where?", "detected_answers": detected}]}
        for n in range(40)
    ]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert {row.answers for row in all_rows(found)} == {(("Rome", 4),)}
    assert not said(found, "the answer occurs more than once")


@pytest.mark.parametrize(
    ("answers", "start"),
    [("Rome", "19.5"), ("Rome", "1,000"), ("Rome", "about 19"), ("Rome", True), (["Rome", "warm"], [19])],
)
def test_a_place_that_cannot_be_read_is_refused_with_its_row(
    answers: Any, start: Any, tmp_path: Path
) -> None:
    odd = {"answers": answers, "answer_start": start}
    path = lines(
        lambda n: question(n, answers="Rome", answer_start=PLACES[n]) | (odd if n == 6 else {}), tmp_path
    )
    error = refused(path)
    assert error.code == "unclear-place"
    assert "a.jsonl, row 7: the answer 'Rome' is in the context 2 times" in str(error)


def test_a_place_that_cannot_be_read_does_not_matter_where_there_is_one(tmp_path: Path) -> None:
    found = opened(lines(lambda n: question(n, answer="warm", answer_start="about 27"), tmp_path))
    assert all_rows(found)[0].answers == (("warm", CONTEXTS[0].index("warm")),)
    assert said(found, "an answer is not at the place given, in 40 contexts")


def test_only_answers_without_a_place_are_counted_as_such(tmp_path: Path) -> None:
    path = lines(
        lambda n: question(n, answer="Rome", answer_start=f"{PLACES[n]}.0" if n % 4 else "nan"), tmp_path
    )
    assert said(opened(path), "no place is given, in 10 contexts")


def test_a_place_is_kept_where_accents_are_composed() -> None:
    context = unicodedata.normalize("NFD", "wärm und wärm")
    answers = [("wärm", context.rindex("w"))]
    assert place_answers(context, answers) == ("wärm und wärm", (("wärm", 9),), ["composed"])


def test_lists_of_two_answers_are_no_answer_and_its_place() -> None:
    assert answers_of([["Rome", "Roma"], ["Rome", "5"]], None) == [
        ("Rome", None),
        ("Roma", None),
        ("Rome", 5),
    ]


def task(n: int, labels: Sequence[str] = ("Answer",)) -> dict[str, Any]:
    """A task of Label Studio, of which every fourth has no answer."""
    value = {"start": PLACES[n], "end": PLACES[n] + 4, "text": "Rome", "labels": [labels[n % len(labels)]]}
    result = [{"from_name": "answer", "to_name": "text", "type": "labels", "value": value}] if n % 4 else []
    return {
        "data": {"text": CONTEXTS[n], "question": f"What is warm, {n}?"},
        "annotations": [{"result": result}],
    }


def test_spans_that_answer_a_question_in_label_studio_are_answers(tmp_path: Path) -> None:
    tasks = [*(task(n) for n in range(40)), {"data": task(0)["data"], "annotations": []}]
    found = opened(written(json.dumps(tasks), tmp_path, "a.json"))
    assert found.data.adapter == "unanswerable"
    assert said(found, "1 task left out, because nobody annotated it")
    assert [(row.question, row.context, row.answers) for row in all_rows(found)] == [
        (f"What is warm, {n}?", CONTEXTS[n], (("Rome", PLACES[n]),) if n % 4 else ()) for n in range(40)
    ]


@pytest.mark.parametrize(("labels", "adapter"), [(("PER", "LOC"), ""), (("Answer",), "ner")])
def test_other_spans_in_label_studio_are_entities(
    labels: Sequence[str], adapter: str, tmp_path: Path
) -> None:
    path = written(json.dumps([task(n, labels) for n in range(40)]), tmp_path, "a.json")
    assert opened(path, adapter=adapter).data.adapter == "ner"


# --------------------------------------------------------------------------------------------------
# What cannot be read, or answered

NO_TEXTS: dict[str, tuple[dict[str, Any], str]] = {
    "a list": ({"context": [["Title", ["It is in Rome."]]]}, "the context is a list: join its parts"),
    "an object": ({"context": {"title": ["Rome"]}}, "the context is an object"),
    "a number": ({"context": 5}, "the context is no text"),
    "questions": ({"question": ["Where?", "When?"]}, "the question is a list"),
    "an object for a question": ({"question": {"stem": "Where?"}}, "the question is an object"),
}


@pytest.mark.parametrize("case", NO_TEXTS)
def test_a_context_or_question_that_is_no_text_is_refused_as_what_it_is(case: str, tmp_path: Path) -> None:
    more, says = NO_TEXTS[case]
    path = lines(lambda n: question(n, answer="Rome") | more, tmp_path)
    error = refused(path, question="question", context="context", answer="answer")
    assert error.code == "unusable-rows"
    assert says in str(error)


@pytest.mark.parametrize(("words", "share"), [(31, "20 of 40 questions with an answer (50%)"), (30, "")])
def test_answers_that_are_too_long_to_be_predicted_are_counted(
    words: int, share: str, tmp_path: Path
) -> None:
    def row(n: int) -> dict[str, Any]:
        long = " ".join(f"w{n}x{place}" for place in range(words))
        return question(n, context=f"As we said, {long}.", answer=long if n % 2 else f"w{n}x0")

    found = opened(lines(row, tmp_path))
    looks = [
        line for line in summarise(found, lengths(found.splits, "words.kv", Sources())) if "30 tokens" in line
    ]
    assert len(looks) == bool(share)
    assert all(line.startswith(f"look: {share}") for line in looks)
