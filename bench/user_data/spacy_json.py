"""spaCy's training format of version 2: documents of paragraphs of sentences of tokens.

Its outline looks like SQuAD's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.text import counted
from bench.user_data.tables import RawRow, RawTable

DOCUMENT = "document"

UNKNOWN = (None, "", "-")
"""The tag of a token that was not annotated."""


def is_spacy(value: Any) -> bool:
    """Whether a JSON value is a list of documents with sentences in their paragraphs."""
    return isinstance(value, list) and any(True for _ in _paragraphs(value))


def spacy_table(value: list[Any], where: str, notes: tuple[str, ...] = ()) -> RawTable:
    """A row for each sentence, of words and tags, with the number of its document; or, where no token has a
    tag, a row for each paragraph, of a text and its categories."""
    sentences = [
        (number, sentence) for number, paragraph in _paragraphs(value) for sentence in paragraph["sentences"]
    ]
    rows: list[RawRow] = [
        {**row, DOCUMENT: number} for number, sentence in sentences if (row := _tagged(sentence))
    ]
    if rows:
        left = len(sentences) - len(rows)
        said = f"{counted(left, 'sentence')} left out, because not all tokens have a tag"
        notes = ("spaCy's training format: a row for each sentence", *([said] if left else []), *notes)
        return RawTable(where, ("words", "tags"), lambda: rows, notes=notes, document=DOCUMENT)
    rows = [_categorised(paragraph) for _, paragraph in _paragraphs(value)]
    notes = ("spaCy's training format: a row for each paragraph", *notes)
    return RawTable(where, tuple(rows[0]) if rows else (), lambda: rows, notes=notes)


def _paragraphs(value: list[Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The paragraphs, each with the number of its document."""
    for number, document in enumerate(value, 1):
        found = document.get("paragraphs") if isinstance(document, Mapping) else None
        for paragraph in found if isinstance(found, list) else ():
            if isinstance(paragraph, Mapping) and isinstance(paragraph.get("sentences"), list):
                yield number, paragraph


def _tagged(sentence: Any) -> RawRow | None:
    """The words of a sentence and their tags; None where it has none, or not all were annotated."""
    tokens = sentence.get("tokens") if isinstance(sentence, Mapping) else None
    tokens = [
        token for token in tokens or () if isinstance(token, Mapping) and str(token.get("orth", "")).strip()
    ]
    tags = [token.get("ner") for token in tokens]
    if not tokens or any(tag in UNKNOWN for tag in tags):
        return None
    return {"words": [token.get("orth") for token in tokens], "tags": tags}


def _categorised(paragraph: Mapping[str, Any]) -> RawRow:
    cats = paragraph.get("cats")
    found = {
        str(item.get("label")): item.get("value")
        for item in (cats if isinstance(cats, list) else ())
        if isinstance(item, Mapping)
    }
    return {"text": paragraph.get("raw"), "cats": found}
