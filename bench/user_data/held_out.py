"""What a held-out file must have: labels to score on, and the groups that the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.contracts import BenchError
from bench.user_data.column_names import names_of
from bench.user_data.columns import QUESTIONS
from bench.user_data.conll import Sentence
from bench.user_data.examples import Numbered
from bench.user_data.files import Source
from bench.user_data.labels import as_number, single_label
from bench.user_data.questions import answers_of
from bench.user_data.rules import ReadingRules
from bench.user_data.tables import MISSING
from bench.user_data.tagging import OUTSIDES
from bench.user_data.values import as_text, is_cell_error, listed

NOUNS = {"ner": "entities", "qa": "answers", "unanswerable": "answers"}
UNKNOWN = frozenset({"-1", "-100", *MISSING})
"""What stands for a label that is not told, where training has no such label."""


def unknown_labels(reading: ReadingRules, rows: Numbered) -> frozenset[str]:
    """Those of UNKNOWN that no training row has. An answer may be any text."""
    if reading.adapter in QUESTIONS:
        return frozenset()
    if reading.adapter == "ner":
        return UNKNOWN
    return UNKNOWN - {_plain(label) for _, row in rows for label in _said(reading, row)}


def without_labels(rules: ReadingRules, rows: Numbered) -> bool:
    """Whether no row says what is to be predicted, as in the test file of a competition: none has a label, an
    entity or an answer."""
    return all(_plain(label) in rules.unknown for _, row in rows for label in _said(rules, row))


def left_out(
    split: str, source: Source, rules: ReadingRules, others: Sequence[str], with_validation: bool
) -> str:
    """What is said of a held-out file without labels that nobody named. others: its columns that the training file
    lacks, one of which may hold them."""
    instead = "the validation rows are" if split == "test" and with_validation else "training rows become"
    noun, column = NOUNS.get(rules.adapter, "labels"), rules.columns[_role(rules)]
    if others and source.table and column not in source.table.columns:
        return (
            f"look: {source.where} has no column '{column}' (it has {names_of(source.table.columns)}): {instead} "
            f"the {split} rows; if a column of it holds the {noun}, name it '{column}'"
        )
    return f"{source.where} has no {noun}: {instead} the {split} rows"


def unlabelled(split: str, where: str, adapter: str) -> BenchError:
    """Why a file without labels that the user named is refused."""
    noun = NOUNS.get(adapter, "labels")
    return BenchError(
        f"{where} has no {noun}, so nothing can be scored on it: give a file with {noun} for --{split}, or leave "
        "the option out",
        code="without-labels",
    )


def refuse_without_groups(rules: ReadingRules, rows: Numbered, source: Source) -> None:
    """BenchError where no row has a group, so that rows of one group may be in training, too."""
    if any(rules.group(row) for _, row in rows):
        return
    column = rules.columns["group"]
    columns = source.table.columns if source.table else ()
    missing = f"has no column '{column}'" if column not in columns else f"has nothing in column '{column}'"
    raise BenchError(
        f"{source.where} {missing}, which --group names, so rows of one group may be in training, too: give it "
        f"that column (it has {names_of(columns)})",
        code="without-groups",
    )


def _said(rules: ReadingRules, row: Mapping[str, Any] | Sentence) -> Sequence[str]:
    """The label, the labels, the tags of entities or the answers of a row; a value of another kind as it is."""
    if isinstance(row, Sentence):
        return _entities(rules, row.tags)
    value = rules.value(row, _role(rules))
    if is_cell_error(value) or (not isinstance(value, (list, tuple, Mapping)) and not as_text(value)):
        return ()
    if rules.adapter == "ner":
        tags = listed(value)
        return [as_text(value)] if tags is None else _entities(rules, tags)
    if rules.adapter in QUESTIONS:
        answers = answers_of(value, rules.value(row, "start"))
        return [as_text(value)] if answers is None else [text for text, _ in answers]
    if rules.adapter == "multilabel":
        return _several(rules, row)
    return [rules.label(row) or as_text(single_label(value))]


def _role(rules: ReadingRules) -> str:
    """The role of the column that says what is to be predicted."""
    return "tags" if rules.adapter == "ner" else "answer" if rules.adapter in QUESTIONS else "label"


def _entities(rules: ReadingRules, tags: Sequence[Any]) -> list[str]:
    names = rules.names.get(rules.columns.get("tags", ""))
    written = [as_text(tag, names) or as_text(tag) for tag in tags]
    return [tag for tag in written if tag not in ("", "O", rules.tagging.outside, *OUTSIDES)]


def _several(rules: ReadingRules, row: Mapping[str, Any]) -> Sequence[str]:
    labels = rules.label_set(row)
    if labels or (labels is not None and rules.indicators):
        return labels
    return [text for item in rules.label_items(row) if (text := as_text(item))]


def _plain(label: str) -> str:
    number = as_number(label)
    return label.casefold() if number is None else f"{number:g}"
