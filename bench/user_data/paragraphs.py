"""Tables with a context a row and its questions in a list: MRQA's files (Fisch et al. 2019), and SQuAD's paragraphs
as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.data.squad_layout import title_of
from bench.user_data.questions import squad_rows
from bench.user_data.tables import RawTable


def holds_paragraphs(table: RawTable) -> bool:
    """Whether the rows are contexts with lists of questions."""
    return {"context", "qas"} <= set(table.columns)


def paragraph_rows(table: RawTable) -> Iterator[dict[str, Any]]:
    """The questions, as `squad_rows` has them. The first line of MRQA is a header. BenchError names the row."""
    for number, row in enumerate(table.rows(), 1):
        if "header" in row and not row.get("qas"):
            continue
        questions = row.get("qas")
        if isinstance(questions, list):
            questions = [_question(item) if isinstance(item, Mapping) else item for item in questions]
        paragraph = {"context": row.get("context"), "qas": questions}
        for asked in squad_rows([paragraph], f"{table.where}, row {number:,}"):
            yield {**asked, "group": title_of(row)}


def _question(item: Mapping[str, Any]) -> dict[str, Any]:
    """A question in SQuAD's layout, without keys that say nothing: in Parquet all have those of one. MRQA has the
    places of answers in `detected_answers`, not in `answers`."""
    found = {key: value for key, value in item.items() if value is not None}
    found["id"] = item.get("id") or item.get("qid") or ""
    if "is_impossible" in found:
        found["is_impossible"] = found["is_impossible"] or False
    detected = item.get("detected_answers")
    if isinstance(detected, list) and detected:
        found["answers"] = [answer for one in detected for answer in _places(one)]
    return found


def _places(answer: Any) -> Iterator[Any]:
    """An answer of MRQA, once for each place of it, which has a start and an end."""
    spans = answer.get("char_spans") if isinstance(answer, Mapping) else None
    if not spans:
        yield answer
        return
    several = isinstance(spans, list) and isinstance(spans[0], list)
    for span in spans if several else [spans]:
        yield {
            "text": answer.get("text"),
            "answer_start": span[0] if isinstance(span, list) and span else span,
        }
