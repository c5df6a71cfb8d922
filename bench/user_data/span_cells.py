"""Spans of characters as a cell holds them: lists of start, end and label, or objects by any usual names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.user_data.literals import parse

START = ("start", "start_offset", "start_char", "begin")
END = ("end", "end_offset", "end_char", "stop")
LABEL = ("label", "labels", "type", "entity", "entity_group", "tag", "name", "class")
ALL_LABEL = (*LABEL, "category", "entity_type")
"""Keys of a label, likeliest first."""

OUTSIDE = "O"  # the label of what is no entity


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` (exclusive). text: what the file says is there, '' where it says nothing."""

    start: int
    end: int
    label: str
    text: str = ""


def spans_of(value: Any, keys: Sequence[str] = ALL_LABEL) -> list[Span] | None:
    """The spans in a cell: lists of start, end and label, or objects with these; None for anything else. keys: of
    the label in an object."""
    items = items_of(value)
    if items is None:
        return None
    found = [span_of(item, keys) for item in items if not (isinstance(item, Mapping) and is_relation(item))]
    return None if None in found else [span for span in found if span and span.label != OUTSIDE]


def items_of(value: Any) -> Sequence[Any] | None:
    """What a cell of spans holds; None for anything else."""
    if isinstance(value, str):
        value = parse(value) if value.lstrip()[:1] in ("[", "{") else None
    if isinstance(value, Mapping):
        value = value["entities"] if "entities" in value else _in_columns(value)
    return value if isinstance(value, (list, tuple)) else None


def _in_columns(spans: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The spans in lists of one length, one of starts, one of ends and so on, as `datasets` keeps lists of objects;
    None for anything else."""
    lists = [value for value in spans.values() if isinstance(value, list)]
    if not lists or len(lists) < len(spans) or len(set(map(len, lists))) > 1:
        return None
    return [dict(zip(spans, values, strict=True)) for values in zip(*lists, strict=True)]


def place_of(value: Any) -> Any:
    """A place as a whole number, where a program wrote it as 5.0 or as text; any other value as it is."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII) else value


def span_of(item: Any, keys: Sequence[str] = ALL_LABEL) -> Span | None:
    if isinstance(item, Mapping):
        start, end, label = (
            next((item[k] for k in names if k in item), None) for names in (START, END, keys)
        )
        label = label[0] if isinstance(label, list) and len(label) == 1 else label
        text = item.get("text", "")
    elif isinstance(item, (list, tuple)) and len(item) == 3:
        (start, end, label), text = item, ""
    else:
        return None
    start, end = place_of(start), place_of(end)
    if not isinstance(start, int) or not isinstance(end, int) or isinstance(start, bool):
        return None
    if not isinstance(label, str) or not label.strip():
        return None
    return Span(start, end, re.sub(r"\s+", "-", label.strip()), text if isinstance(text, str) else "")


def is_relation(item: Mapping[str, Any]) -> bool:
    """Whether an object links two spans, as Label Studio keeps it among them."""
    return item.get("type") == "relation" and {"from_id", "to_id"} <= item.keys()
