"""Readers of the file formats of corpora. Each function reads one format."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bench.contracts import BenchError, QuestionExample, TextExample, WordsExample
from bench.data.squad_layout import articles_of, questions_of

T = TypeVar("T")


@contextmanager
def refusing(place: str) -> Iterator[None]:
    """Turn a violation of a format into one line that names the place."""
    try:
        yield
    except BenchError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise BenchError(
            f"{place} is damaged ({reason}): delete it and run again", code="damaged-file"
        ) from error


def read_tab(path: Path, prefix: str) -> list[TextExample]:
    """An Orange `.tab` file with columns Category and Text below three header rows. Rows without a text
    are left out. Ids are `<prefix>-<row>`, counted from 0 over all rows."""
    csv.field_size_limit(2**24)
    with refusing(path.name), path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    if rows[:1] != [["Category", "Text"]]:
        raise BenchError(
            f"{path.name} does not have the columns Category and Text: delete it and run again",
            code="wrong-columns",
        )
    return [
        TextExample(f"{prefix}-{number}", row[1].strip(), row[0])
        for number, row in enumerate(rows[3:])
        if len(row) == 2 and row[1].strip()
    ]


def read_ratings(path: Path, prefix: str) -> list[TextExample]:
    """Lines of id, mean rating and text (Hutto and Gilbert, ICWSM 2014): positive above zero, negative
    below, left out at zero. The id's part before `_`, where there is one, is the document. BenchError for a rating
    that is no finite number."""
    examples = []
    with refusing(path.name):
        lines = path.read_text(encoding="utf-8").split("\n")
    for place, line in enumerate(lines, 1):
        with refusing(f"{path.name}, line {place}"):
            number, rating, text = line.strip("\r").split("\t", 2)
            if not math.isfinite(float(rating)):
                raise ValueError(f"the rating is {rating}")
        if float(rating):
            label = "positive" if float(rating) > 0 else "negative"
            group = f"{prefix}-{number.split('_')[0]}" if "_" in number else ""
            examples.append(TextExample(f"{prefix}-{number}", text.strip(), label, group))
    return examples


_TYPES = {"PERSON": "PER", "ORGANIZATION": "ORG", "LOCATION": "LOC"}
_MENTION = re.compile(r"(.+?) - (PERSON|ORGANIZATION|LOCATION)(?:, |$)")


def read_mentions(path: Path, prefix: str) -> list[WordsExample]:
    """JSON lines whose last input is a sentence split on spaces and whose `ideal` lists its entities as
    `[NAME - TYPE, …]` in order of appearance. Each is matched left to right after the one before it.
    BenchError where one cannot be placed."""
    examples = []
    with refusing(path.name):
        lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        with refusing(f"{path.name}, line {number + 1}"):
            row = json.loads(line)
            words = row["input"][-1]["content"].split()
            listed = row["ideal"][1:-1] if row["ideal"].startswith("[") else ""
        tags = _aligned(words, [(name.split(), _TYPES[kind]) for name, kind in _MENTION.findall(listed)])
        if tags is None:
            raise BenchError(
                f"{path.name}, line {number + 1}: an entity of {listed} is not in the sentence",
                code="unmatched-entity",
            )
        examples.append(WordsExample(f"{prefix}-{number}", tuple(words), tags))
    return examples


def _aligned(words: Sequence[str], mentions: Iterable[tuple[list[str], str]]) -> tuple[str, ...] | None:
    tags, start = ["O"] * len(words), 0
    for name, kind in mentions:
        width = len(name)
        places = range(start, len(words) - width + 1)
        start = next((place for place in places if list(words[place : place + width]) == name), -1)
        if start < 0:
            return None
        tags[start : start + width] = [f"B-{kind}", *[f"I-{kind}"] * (width - 1)]
        start += width
    return tuple(tags)


def read_squad(path: Path) -> list[QuestionExample]:
    """A SQuAD 1.1 JSON file; the group is the article's title. BenchError where a value is not of its type, or a
    title, id or place is missing."""
    with refusing(path.name):
        articles = articles_of(json.loads(path.read_text(encoding="utf-8")))
        return [
            question_example(
                str(_given(question.id, "id")),
                _given(article.title, "title"),
                question.question,
                paragraph.context,
                [(answer.text, _given(answer.answer_start, "answer_start")) for answer in question.answers],
            )
            for article, paragraph, question in questions_of(articles)
        ]


def _given(value: T | None, key: str) -> T:
    """A value that published files always have and other files may lack. ValueError if it is missing."""
    if value is None or value == "":
        raise ValueError(f"a question has no {key}")
    return value


def question_example(
    id: str, title: str, question: str, context: str, answers: Iterable[tuple[str, int]]
) -> QuestionExample:
    """A question with each distinct answer once, without blanks around it, at the place of its text that is
    nearest to the stated offset: 0.6% of the published offsets are wrong by a few characters."""
    placed = {}
    for text, start in answers:
        stripped = text.strip()
        starts = [found.start() for found in re.finditer(re.escape(stripped), context)]
        if starts:
            placed[stripped, min(starts, key=lambda place, given=start: abs(place - given))] = None
    return QuestionExample(id, question.strip(), context, tuple(placed), title)


def tagged_examples(rows: Iterable[dict[str, Any]], names: Sequence[str], prefix: str) -> list[WordsExample]:
    """Rows with `tokens` and `ner_tags` (indices into `names`), as the hub has them. Rows without a token are
    left out. BenchError where a value is not of its kind."""
    examples = []
    for number, row in enumerate(rows):
        with refusing_row(prefix, number):
            if row["tokens"]:
                tags = tuple(class_name(names, tag) for tag in row["ner_tags"])
                examples.append(WordsExample(f"{prefix}-{number}", tuple(row["tokens"]), tags))
    return examples


def labelled_examples(
    rows: Iterable[dict[str, Any]], column: str, names: Sequence[str], prefix: str
) -> list[TextExample]:
    """Rows with a text in `column` and `label`, an index into `names`, as the hub has them. Blank texts are
    left out. BenchError where a value is not of its kind."""
    examples = []
    for number, row in enumerate(rows):
        with refusing_row(prefix, number):
            if text := row[column].strip():
                examples.append(TextExample(f"{prefix}-{number}", text, class_name(names, row["label"])))
    return examples


@contextmanager
def refusing_row(split: str, number: int) -> Iterator[None]:
    """Turn a violation of the hub's layout into one line that names the row."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise BenchError(
            f"row {number} of split '{split}' is not as expected ({type(error).__name__}: {str(error)[:100]}): "
            "replace the data set by a copy of the published one",
            code="unexpected-row",
        ) from error


def class_name(names: Sequence[str], index: Any) -> str:
    """The name with this index; an index below 0, as the hub has it for hidden labels, has none."""
    if not 0 <= int(index) < len(names):
        raise ValueError(f"label {index} is not one of 0 to {len(names) - 1}")
    return names[int(index)]
