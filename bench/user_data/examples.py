"""Converts rows to examples. All rules for dropping or changing rows are here, and each use is reported."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.contracts import (
    BenchError,
    LabelsExample,
    NumberExample,
    QuestionExample,
    TextExample,
    WordsExample,
)
from bench.data.numbers import LARGEST
from bench.text import counted
from bench.user_data.conll import Sentence
from bench.user_data.contexts import group_of
from bench.user_data.labels import as_number
from bench.user_data.questions import UnclearPlace, answers_of, place_answers
from bench.user_data.rules import ReadingRules
from bench.user_data.text_files import CHARACTERS
from bench.user_data.values import as_text, is_cell_error, listed, listed_words

WORDS = 2_000
"""Words above which a sentence is left out: no blank line between sentences, most likely."""

ELSEWHERE = 0.1  # share of rows whose answer may be far from its place, and may be another

Numbered = Sequence[tuple[int, Any]]
"""Rows or sentences, each with its number in its file."""


@dataclass
class Converted:
    """Examples of one file, how many rows were left out for which reason, and how often what else was done."""

    where: str
    rows: int
    examples: list[Any] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)  # by a key of DONE

    def checked(self) -> Converted:
        """Itself; BenchError if more than half of the rows were dropped."""
        gone = sum(self.left_out.values())
        if gone > self.rows / 2 or not self.examples:
            reason = self.left_out.most_common(1)[0][0] if self.left_out else "it has no rows"
            raise BenchError(
                f"{self.where}: {gone:,} of {counted(self.rows, 'row')} cannot be used, mostly because {reason}; "
                "is this the right file, adapter and column?",
                code="unusable-rows",
            )
        return self

    def said(self) -> list[str]:
        return [
            f"{self.where}: {count:,} of {counted(self.rows, 'row')} left out, because {reason}"
            for reason, count in self.left_out.items()
        ] + [f"{self.where}: {DONE[what].format(count=count)}" for what, count in self.done.items()]


DONE = {
    "cut": f"texts with more than {CHARACTERS:,} characters are cut there: {{count:,}}",
    "twice": "the answer occurs more than once and no place is given, in {count:,} contexts: the first is taken",
    "moved": "an answer is not at the place given, in {count:,} contexts: the nearest place that has it is taken",
    "far": "an answer is far from the place given, in {count:,} contexts that have it more than once: the nearest "
    "place that has it is taken",
    "units": "the place of an answer is counted in units of UTF-16, in {count:,} contexts: it is read so",
    "bytes": "the place of an answer is counted in bytes, in {count:,} contexts: it is read so",
    "ungrouped": "{count:,} rows have a missing value as their group, such as nan: they are in no group",
    "composed": "context and answer differ in how accents are written, in {count:,} rows: both are read as NFC",
}
"""The changes that a row may undergo, in words."""


def convert(reading: ReadingRules, rows: Numbered, prefix: str, where: str) -> Converted:
    """The examples of one file. Ids are `<prefix>-<number>`. BenchError where most rows cannot be used, or
    the places of answers are unclear."""
    found = Converted(where, len(rows))
    turn = TURNS[reading.adapter]
    for number, row in rows:
        try:
            result = turn(reading, row, f"{prefix}-{number}")
        except UnclearPlace as error:
            raise BenchError(f"{where}, row {number + 1:,}: {error}", code="unclear-place") from error
        if isinstance(result, str):
            found.left_out[result] += 1
            continue
        example, done = result
        found.done.update(done)
        found.done.update(["ungrouped"] if not isinstance(row, Sentence) and reading.lacks_group(row) else ())
        found.examples.append(example)
    if found.done["far"] > ELSEWHERE * len(rows):
        raise BenchError(
            f"{where}: {found.done['far']:,} of {counted(len(rows), 'answer')} are far from their place, and their "
            "contexts have them more than once: count places in characters of the context, from 0; without places "
            "the first is taken",
            code="answers-elsewhere",
        )
    return found.checked()


Result = tuple[Any, Sequence[str]] | str
"""An example, and what was done to it as keys of DONE; or why there is none."""


def _failed(what: str, *values: Any) -> str:
    """Why a row cannot be used where a formula of its spreadsheet failed; else ''."""
    return f"the {what} is the error of a spreadsheet" if any(map(is_cell_error, values)) else ""


BROKEN = "a character is incomplete (a lone surrogate)"


def _labelled(reading: ReadingRules, row: Mapping[str, Any], id: str) -> Result:
    texts = _texts(reading, row)
    if isinstance(texts, str):
        return texts
    value = reading.label(row)
    if not value:
        return _failed("label", reading.value(row, "label")) or "the label is empty"
    if _is_broken(reading.value(row, "label")):
        return BROKEN
    label = reading.labels.label(value)
    if not label:
        return f"the label '{value[:30]}' is not on the scale of the training file"
    text, pair, done = texts
    return TextExample(id, text, label, reading.group(row), pair), done


def _numbered(reading: ReadingRules, row: Mapping[str, Any], id: str) -> Result:
    texts = _texts(reading, row)
    if isinstance(texts, str):
        return texts
    value = reading.label(row)
    number = as_number(value)
    if number is None:
        failed = _failed("number", reading.value(row, "label"))
        return failed or ("the number is missing" if not value else "the label is no number")
    if abs(number) > LARGEST:
        return f"the number is beyond {LARGEST:g}"
    text, pair, done = texts
    return NumberExample(id, text, float(number), reading.group(row), pair), done


def _labelled_often(reading: ReadingRules, row: Mapping[str, Any], id: str) -> Result:
    texts = _texts(reading, row)
    if isinstance(texts, str):
        return texts
    labels = reading.label_set(row)
    if labels is None:
        return _failed("label", *reading.label_items(row)) or _why_no_labels(reading, row)
    if any(map(_is_broken, labels)):
        return BROKEN
    text, pair, done = texts
    return LabelsExample(id, text, labels, reading.group(row), pair), done


def _why_no_labels(reading: ReadingRules, row: Mapping[str, Any]) -> str:
    if reading.is_unlabelled(row):
        return "the label is empty"
    kind = "of a 0 or 1 for each label" if reading.indicators else "of labels"
    return f"the labels are no list {kind}"


def _texts(reading: ReadingRules, row: Mapping[str, Any]) -> tuple[str, str, Sequence[str]] | str:
    """The text, the second text ('' where none is read), what was done; or why the row cannot be used."""
    text, pair = reading.text(row, "text"), reading.text(row, "pair")
    if not text:
        return _failed("text", reading.value(row, "text")) or "the text is empty"
    if "pair" in reading.columns and not pair:
        return _failed("second text", reading.value(row, "pair")) or "the second text is empty"
    if any(_is_broken(reading.value(row, role)) for role in ("text", "pair")):
        return BROKEN
    done = ["cut"] if max(len(text), len(pair)) > CHARACTERS else []
    return text[:CHARACTERS], pair[:CHARACTERS], done


def _words(reading: ReadingRules, item: Mapping[str, Any] | Sentence, id: str) -> Result:
    listing = _word_list(reading, item)
    if listing is None:
        return "the words are no list, or one that was shortened with '...'"
    if not isinstance(item, Sentence):
        failed = _failed(
            "cell of the words or tags", reading.value(item, "words"), reading.value(item, "tags")
        )
        if failed:
            return failed
    words, tags = _spelled(reading, listing), tags_of(reading, item)
    if not words:
        return "there are no words"
    if len(words) != len(tags):
        return "there are not as many tags as words"
    if not all(word.strip() for word in words):
        return "a word is empty"
    if any(map(_is_broken, words)):
        return BROKEN
    if len(words) > WORDS:
        return f"it has more than {WORDS:,} words (a blank line ends a sentence)"
    if any(re.search(r"\s", tag) for tag in tags):
        return "a tag has a blank in it"
    read = reading.tagging.iob2(tags)
    if read is None or not all(tags):
        return "a tag is not of the training file's kind"
    group = "" if isinstance(item, Sentence) else reading.group(item)
    document = item.document if isinstance(item, Sentence) else reading.value(item, "document")
    if document and not group:
        group = f"{id.rsplit('-', 1)[0]}-document-{document}"
    return WordsExample(id, tuple(words), read, group), ()


def _word(value: Any) -> str:
    """A word as it is: a no-break space is part of it."""
    return value.strip(" \t\r\n") if isinstance(value, str) else as_text(value)


def words_in(reading: ReadingRules, item: Mapping[str, Any] | Sentence) -> list[str]:
    """The words of a row or sentence; [] where there is no list of them."""
    return _spelled(reading, _word_list(reading, item) or ())


def _spelled(reading: ReadingRules, words: Sequence[Any]) -> list[str]:
    return [_word(word).removeprefix(reading.mark) for word in words]


def _word_list(reading: ReadingRules, item: Mapping[str, Any] | Sentence) -> Sequence[Any] | None:
    if isinstance(item, Sentence):
        return item.words
    value = reading.value(item, "words")
    return listed_words(value, len(tags_of(reading, item))) if isinstance(value, str) else listed(value)


def tags_of(reading: ReadingRules, item: Mapping[str, Any] | Sentence) -> list[str]:
    names = reading.names.get(reading.columns.get("tags", ""))
    value = item.tags if isinstance(item, Sentence) else reading.value(item, "tags")
    tags = () if is_cell_error(value) else listed(value)
    return [as_text(tag, names) for tag in tags or ()]


def _is_broken(value: Any) -> bool:
    """Whether a text has a lone surrogate, which no encoding can write."""
    return isinstance(value, str) and not value.isascii() and bool(re.search("[\ud800-\udfff]", value))


def _is_literal(answer: Any, context: str) -> bool:
    """Whether an answer that looks like a list stands so in the context, as the mark of a reference, [12], does."""
    text = answer.strip() if isinstance(answer, str) else ""
    return text[:1] in ("[", "{") and len(text) > 2 and text in context


def _nested(what: str, value: Any) -> str:
    """Why a list or an object cannot be read as a text; else ''."""
    if isinstance(value, Mapping):
        return f"the {what} is an object: name a text in it by its path, or join its parts into one text"
    return f"the {what} is a list: join its parts into one text" if isinstance(value, (list, tuple)) else ""


def _question(reading: ReadingRules, row: Mapping[str, Any], id: str) -> Result:
    question, context = reading.text(row, "question"), row.get(reading.columns["context"])
    if not question:
        return _failed("question", reading.value(row, "question")) or "the question is empty"
    if is_cell_error(context):
        return _failed("context", context)
    nested = _nested("question", reading.value(row, "question")) or _nested("context", context)
    if nested:
        return nested
    if not isinstance(context, str) or not context.strip():
        return "the context is no text" if as_text(context) else "the context is empty"
    if len(context) > CHARACTERS:
        return f"the context has more than {CHARACTERS:,} characters"
    if _is_broken(context) or _is_broken(row.get(reading.columns["question"])):
        return BROKEN
    said = reading.value(row, "answer")
    answers = answers_of([said] if _is_literal(said, context) else said, reading.value(row, "start"))
    if isinstance(said, bool):
        return "the answer is true or false: use --adapter classification, with --pair for the context"
    if answers is None:
        return _failed("answer", said) or "the answer is neither a text nor a list of answers"
    if not answers:
        if reading.adapter != "unanswerable":
            return "there is no answer; --adapter unanswerable keeps such rows, as in SQuAD 2.0"
        group = reading.group(row) or group_of(context)
        return QuestionExample(id, question, context, (), group), ()
    context, placed, done = place_answers(context, answers)
    if not placed:
        return "the answer is not in the context"
    group = reading.group(row) or group_of(context)
    return QuestionExample(id, question, context, placed, group), done


TURNS: Mapping[str, Any] = {
    "classification": _labelled,
    "sentiment": _labelled,
    "regression": _numbered,
    "multilabel": _labelled_often,
    "ner": _words,
    "qa": _question,
    "unanswerable": _question,
}
"""How a row becomes an example, by adapter."""
