"""Rows as examples. Every rule about what is left out or changed is here, and every time it is used it is said."""

from __future__ import annotations

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contracts import BenchError, QuestionExample, TextExample, WordsExample, digest
from bench.user_data.conll import Sentence, scheme_of, to_iob2
from bench.user_data.labels import Labelling, labelling
from bench.user_data.questions import answers_of
from bench.user_data.text_files import CHARACTERS

WORDS = 2_000
"""Words above which a sentence is left out: no blank line between sentences, most likely."""

Numbered = Sequence[tuple[int, Any]]
"""Rows or sentences, each with its number in its file."""


@dataclass
class Converted:
    """Examples of one file, how many rows were left out for which reason, and what else was done, in words."""

    where: str
    rows: int
    examples: list[Any] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def checked(self) -> Converted:
        """Itself; BenchError where more than half of the rows were left out."""
        gone = sum(self.left_out.values())
        if gone > self.rows / 2 or not self.examples:
            reason = self.left_out.most_common(1)[0][0] if self.left_out else "it has no rows"
            raise BenchError(
                f"{self.where}: {gone:,} of {self.rows:,} rows cannot be used, mostly because {reason}; "
                "is this the right file, adapter and column?"
            )
        return self

    def said(self) -> list[str]:
        return [
            f"{self.where}: {count:,} of {self.rows:,} rows left out, because {reason}"
            for reason, count in self.left_out.items()
        ] + [f"{self.where}: {note}" for note in self.notes]


PLAIN = Labelling()


@dataclass(frozen=True)
class Reading:
    """How the rows of a task's files are read: the same for all of them, learnt from the training file.

    columns: column by role. names: label names by column. labels: of texts. scheme: of tags."""

    adapter: str
    columns: Mapping[str, str]
    names: Mapping[str, Sequence[str]]
    labels: Labelling = PLAIN
    scheme: str = "IOB2"

    def value(self, row: Mapping[str, Any], role: str) -> Any:
        return row.get(self.columns.get(role, ""))

    def text(self, row: Mapping[str, Any], role: str) -> str:
        """The value of a part as text; '' where it is missing."""
        column = self.columns.get(role, "")
        return as_text(row.get(column), self.names.get(column))


def as_text(value: Any, names: Sequence[str] | None = None) -> str:
    """A stored value as text without blanks around it: missing is '', a whole float is an int, a number with
    a name is its name."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    text = value if isinstance(value, str) else str(value)
    return (
        text.encode(errors="replace").decode().strip()
    )  # a lone surrogate, as JSON may have, is no character


def learn(
    adapter: str, columns: Mapping[str, str], names: Mapping[str, Sequence[str]], rows: Numbered
) -> Reading:
    """How to read the files of a task, from the rows of its training file. BenchError."""
    plain = Reading(adapter, columns, names)
    if adapter in ("classification", "sentiment"):
        values = [label for _, row in rows if (label := plain.text(row, "label"))]
        return Reading(adapter, columns, names, labelling(values, adapter, columns["label"]))
    if adapter == "ner":
        return Reading(adapter, columns, names, scheme=scheme_of(_tags(plain, item) for _, item in rows))
    return plain


def convert(reading: Reading, rows: Numbered, prefix: str, where: str) -> Converted:
    """The examples of one file. Ids are `<prefix>-<number>`. BenchError where most rows cannot be used."""
    found = Converted(where, len(rows))
    turn = {"ner": _words, "qa": _question}.get(reading.adapter, _labelled)
    cut = twice = 0
    for number, row in rows:
        result = turn(reading, row, f"{prefix}-{number}")
        if isinstance(result, str):
            found.left_out[result] += 1
            continue
        example, was_cut, was_twice = result
        cut, twice = cut + was_cut, twice + was_twice
        found.examples.append(example)
    if cut:
        found.notes.append(f"{cut:,} texts have more than {CHARACTERS:,} characters and are cut there")
    if twice:
        found.notes.append(
            f"in {twice:,} contexts the answer occurs more than once and no place is given: the first is taken"
        )
    return found.checked()


Result = tuple[Any, int, int] | str
"""An example, whether it was cut, whether its answer occurs twice; or why there is none."""


def _labelled(reading: Reading, row: Mapping[str, Any], id: str) -> Result:
    text = reading.text(row, "text")
    if not text:
        return "the text is empty"
    value = reading.text(row, "label")
    if not value:
        return "the label is empty"
    label = reading.labels.label(value)
    if not label:
        return f"the label '{value[:30]}' is not on the scale of the training file"
    return TextExample(id, text[:CHARACTERS], label, reading.text(row, "group")), len(text) > CHARACTERS, 0


def _words(reading: Reading, item: Mapping[str, Any] | Sentence, id: str) -> Result:
    words = list(item.words) if isinstance(item, Sentence) else _listed(reading.value(item, "words"))
    tags = _tags(reading, item)
    if not words:
        return "there are no words"
    if len(words) != len(tags):
        return "there are not as many tags as words"
    if not all(word.strip() for word in words):
        return "a word is empty"
    if len(words) > WORDS:
        return f"it has more than {WORDS:,} words (a blank line ends a sentence)"
    if any(re.search(r"\s", tag) for tag in tags):
        return "a tag has a blank in it"
    if reading.scheme != "none" and not all(tag == "O" or re.fullmatch(r"[BIESLU]-.+", tag) for tag in tags):
        return "a tag is not of the training file's kind"
    if isinstance(item, Sentence):
        group = f"{id.rsplit('-', 1)[0]}-document-{item.document}" if item.document else ""
    else:
        group = reading.text(item, "group")
    return WordsExample(id, tuple(words), to_iob2(tags, reading.scheme), group), 0, 0


def _tags(reading: Reading, item: Mapping[str, Any] | Sentence) -> list[str]:
    if isinstance(item, Sentence):
        return list(item.tags)
    names = reading.names.get(reading.columns["tags"])
    return [as_text(tag, names) for tag in _listed(reading.value(item, "tags"), texts=False)]


def _listed(value: Any, texts: bool = True) -> list[Any]:
    """A list as it is, of JSON or of Python's repr, or of text split on blanks."""
    if isinstance(value, str):
        value = _literal(value) if value.startswith("[") else value.split()
    if not isinstance(value, Iterable) or isinstance(value, Mapping):
        return []
    return [as_text(item) for item in value] if texts else list(value)


def _literal(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, list) else []
    return text.split()


def _question(reading: Reading, row: Mapping[str, Any], id: str) -> Result:
    question, context = reading.text(row, "question"), row.get(reading.columns["context"])
    if not question:
        return "the question is empty"
    if not isinstance(context, str) or not context.strip():
        return "the context is empty"
    if len(context) > CHARACTERS:
        return f"the context has more than {CHARACTERS:,} characters"
    context = context.encode(errors="replace").decode()
    answers = answers_of(reading.value(row, "answer"), reading.value(row, "start"))
    if answers is None:
        return "the answer is neither a text nor a list of answers"
    if not answers:
        return "there is no answer (as in SQuAD 2.0)"
    placed: dict[tuple[str, int], None] = {}
    twice = 0
    for text, start in answers:
        places = (
            [match.start() for match in re.finditer(re.escape(text.strip()), context)] if text.strip() else []
        )
        if not places:
            continue
        twice |= start is None and len(places) > 1
        nearest = (
            places[0] if start is None else min(places, key=lambda place, given=start: abs(place - given))
        )
        placed[text.strip(), nearest] = None
    if not placed:
        return "the answer is not in the context"
    group = reading.text(row, "group") or f"{context[:40]} ({digest(context)})"
    return QuestionExample(id, question, context, tuple(placed), group), 0, twice
