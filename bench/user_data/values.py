"""The values of cells: as text, as lists, and as labels."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.user_data.literals import parse, parse_words, words_of

INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
"""Characters without a width: around a label they are left-overs of copying."""

AROUND = f"{INVISIBLE} \t\r\n\u00a0"  # what is no part of a label at its ends

EMPTY_SET = "set()"

BARE_LABELS = re.compile(r"""\[([^\[\]{}'"]*)\]|\{([^\[\]{}'":]*)\}""")

START_OF_LIST = re.compile(r"\s*[\[(]|array\(")
QUOTED_LIST = re.compile(r"\s*[\[(]['\"]|array\(")
"""The start of what can only be a list."""

SHORT_LIST = re.compile(r"\s*\[.*\.\.\..*\]\s*", re.DOTALL)
"""A list that numpy shortened, or a sentence."""


CELL_ERROR = re.compile(
    r"#(N/A|N/D|NV|YOK|Н/Д|GETTING_DATA|[¡¿]?("
    r"REF|VALUE|NAME|NUM|NULL|DIV/0|SPILL|CALC|BEZUG|WERT|ZAHL|ÜBERLAUF|VALEUR|NOM|NOMBRE|NUL|VALOR|NULO|RIF|VALORE|"
    r"NOME|BAŞV|DEĞER|AD|SAYI|BOŞ|SAYI/0|ССЫЛКА|ЗНАЧ|ИМЯ|ЧИСЛО|ПУСТО|ДЕЛ/0)[!?])"
)
"""What spreadsheets write into a cell whose formula failed, in the languages of their menus."""


def is_cell_error(value: Any) -> bool:
    """Whether a cell holds the error of a spreadsheet, which is a missing value."""
    return isinstance(value, str) and value[:1] == "#" and bool(CELL_ERROR.fullmatch(value.strip()))


def as_text(value: Any, names: Sequence[str] | None = None) -> str:
    """A stored value as text without blanks around it: missing is '', a whole float is an int, a number with
    a name is its name."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if names and isinstance(value, str):
        value = value.strip()
        if value not in names and re.fullmatch(r"-?\d{1,9}(\.0*)?", value):
            value = int(float(value))
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    text = value if isinstance(value, str) else str(value)
    return (
        text.encode(errors="replace").decode().strip()
    )  # a lone surrogate, as JSON may have, is no character


def as_label(value: Any, names: Sequence[str] | None = None) -> str:
    """A label as text: composed (NFC), and without blanks or invisible characters around it."""
    value = value.strip(AROUND) if isinstance(value, str) else value
    return unicodedata.normalize("NFC", as_text(value, names)).strip(AROUND)


def listed(value: Any) -> list[Any] | None:
    """A list, a list written out in a cell, or text cut at blanks; None for anything else, such as a list that was
    shortened."""
    if isinstance(value, str):
        found = parse_words(value) if START_OF_LIST.match(value) else None
        if not isinstance(found, list):
            return None if QUOTED_LIST.match(value) or SHORT_LIST.fullmatch(value) else words_of(value)
        value = found
    if not isinstance(value, Iterable) or isinstance(value, (Mapping, bytes)):
        return None
    return list(value)


def listed_words(value: Any, count: int) -> list[Any] | None:
    """As `listed`, for a cell of words with `count` tags: a sentence in brackets is no list where cutting it at
    blanks gives as many words, and a list does not."""
    found = listed(value)
    is_text = isinstance(value, str) and not QUOTED_LIST.match(value)
    if is_text and len(found or ()) != count and len(words := words_of(value)) == count:
        return words
    return found


def written_list(value: Any) -> list[Any] | None:
    """The list that a cell holds in any notation, sets among them; None for a text or anything else."""
    several = choices(value)
    if several is not None:
        return several
    if isinstance(value, str):
        start = value.lstrip()
        if start.strip() == EMPTY_SET:
            return []
        is_one = start[:1] in ("[", "(", "{") or start.startswith("array(")
        value = parse(value) if is_one else None
    if value is None or isinstance(value, (str, Mapping, bytes)) or not isinstance(value, Iterable):
        return None
    return list(value)


def written_labels(value: Any) -> list[Any] | None:
    """As `written_list`, for a cell of labels: also a list without quotes, as `[food, price]` and the arrays of
    databases, `{food,price}`."""
    found = written_list(value)
    bare = BARE_LABELS.fullmatch(value.strip()) if found is None and isinstance(value, str) else None
    if bare is None:
        return found
    return [label.strip() for label in (bare[1] or bare[2] or "").split(",") if label.strip()]


def choices(value: Any) -> list[Any] | None:
    """The list in {"choices": […]}, as Label Studio writes several choices beside single ones in plain text; None
    for anything else."""
    if isinstance(value, str) and value.lstrip()[:1] == "{" and "choices" in value:
        value = parse(value)
    found = value.get("choices") if isinstance(value, Mapping) and len(value) == 1 else None
    return found if isinstance(found, list) else None
