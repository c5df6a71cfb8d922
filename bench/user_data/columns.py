"""Assigns columns to roles: as the user says, else by obvious names and contents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import BenchError
from bench.data.squad_layout import ANSWERS, STARTS
from bench.text import counted
from bench.user_data.column_names import by_name, header_hint, is_number, names_of, resolve
from bench.user_data.quoting import DIVIDED
from bench.user_data.split_column import names_splits
from bench.user_data.tables import FEW, RawRow, RawTable
from bench.user_data.values import listed

TEXTS = ("text", "sentence", "review", "content", "body", "comment", "tweet", "message", "document")
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "classification": {
        "text": TEXTS,
        "label": (
            "label",
            "labels",
            "class",
            "category",
            "stance",
            "target",
            "topic",
            "sentiment",
            "intent",
            "gold_label",
            "stars",
            "rating",
        ),
    },
    "sentiment": {
        "text": TEXTS,
        "label": ("label", "labels", "sentiment", "polarity", "stars", "rating", "score", "class", "target"),
    },
    "regression": {
        "text": TEXTS,
        "label": ("score", "rating", "label", "similarity", "stars", "target", "value", "number", "labels"),
    },
    "multilabel": {
        "text": TEXTS,
        "label": ("labels", "label", "tags", "categories", "topics", "classes", "target", "emotions"),
    },
    "ner": {
        "words": ("words", "tokens", "word", "token", "sentence", "text"),
        "tags": (
            *("tags", "ner_tags", "labels", "entities", "spans", "ner", "tag", "ner_tag", "label"),
            *("ents", "annotations"),
        ),
    },
    "qa": {
        "question": ("question", "query"),
        "context": ("context", "passage", "paragraph", "document", "text"),
        "answer": ANSWERS,
    },
}
ROLES["unanswerable"] = ROLES["qa"]
"""The roles that an adapter needs, each with its usual column names, likeliest first."""

KNOWN = {name for roles in ROLES.values() for names in roles.values() for name in names}
"""Usual names of columns."""

LABELS = ROLES["classification"]["label"]
"""Names of columns that are never guessed to hold the texts, long as the names of classes may be."""

TEXT_ADAPTERS = ("classification", "sentiment", "regression", "multilabel")
"""The adapters of a text, or of two texts (role `pair`), with what is said of it in role `label`."""

QUESTIONS = ("qa", "unanswerable")
"""The adapters of questions on contexts."""

OPTIONAL = {
    "qa": {"start": STARTS, "group": ("title",)},
    "unanswerable": {"start": STARTS, "group": ("title",)},
    "ner": {"sentence": ("sentence_id", "sent_id", "sentence #", "sentence_no", "sentence", "sent", "sid")},
}
"""Roles that are used if there is such a column."""

ALIASES = {"ner": {"text": "words", "label": "tags"}}
"""Other names of an adapter's roles."""

PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("sentence_a", "sentence_b"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("question", "sentence"),
    ("query", "passage"),
    ("query", "document"),
    ("text", "text_pair"),
)
"""Columns of tasks with two texts a row: both are read."""

PAIRS_ALONE = (
    ("question", "passage"),
    ("question", "context"),
    ("question", "answer"),
    ("claim", "evidence"),
    ("context", "hypothesis"),
)
"""As PAIRS, where no other column is named like a text."""

READ = ("text", "question", "context")
"""Roles whose column holds texts."""

NO_TEXT = re.compile(r"[-+]?(?=\D*\d)[\d.,:/ -]+%?|(?:https?://|www\.)\S+", re.ASCII)
"""Numbers, dates and addresses."""

MARK = re.compile(r"(?=[^\s\d]*\d)[\w.:#/-]{3,}", re.ASCII)
"""One word with a digit in it, as ids and file names are."""

NEARLY_ALL = 0.9
REPEATED = 0.5  # different values a row up to which they may be no texts of their own
KINDS = 5  # single words up to which they are no texts
SEVERAL = 3  # words of a text, on average
LONGEST = 300  # characters of a mark or an address

Columns = tuple[tuple[str, str], ...]
"""(role, column) pairs."""


def choose(
    table: RawTable, adapter: str, given: Mapping[str, str]
) -> tuple[RawTable, Columns, tuple[str, ...]]:
    """The table (with its first line where that is a row), the columns of an adapter's parts, and what was guessed,
    in words. BenchError where a column that is named does not exist, or a part is not obvious."""
    aliases = ALIASES.get(adapter, {})
    _check_apart(table, {role: resolve(table, column, role) for role, column in given.items()})
    given = {aliases.get(role, role): column for role, column in given.items()}
    chosen = {role: resolve(table, column, role) for role, column in given.items()}
    numbers = [c for c in given.values() if c not in table.columns or is_number(table, c)]
    notes: list[str] = []
    if table.with_first_line is not None:
        if len(numbers) < len(ROLES[adapter]):
            raise BenchError(f"{table.where}{header_hint(table)}", code="no-header")
        table = replace(table, rows=table.with_first_line)
        notes.append("no line names the columns: the first line is a row")
    elif numbers and table.delimiter and not KNOWN & {name.casefold() for name in table.columns}:
        notes.append(f"the first line names the columns ({names_of(table.columns)[:80]}) and is no row")
    guessed = _guess(table, adapter, chosen)
    if adapter == "ner" and "sentence" not in chosen and is_single(table, chosen["words"]):
        refuse_divided(table)
    notes += [f"columns guessed: {', '.join(guessed)}"] if guessed else []
    refuse_short(table, chosen.values())
    unread = [column for column in table.columns if column not in chosen.values()]
    rows = table.peek() if unread else []
    if unread:
        notes.append(f"columns not read: {names_of(unread)}")
    if adapter in TEXT_ADAPTERS and "text" not in given and "pair" not in chosen:
        passed = by_name(unread, ROLES[adapter]["text"])
        if passed and by_name([passed, chosen["text"]], ROLES[adapter]["text"]) == passed:
            notes.append(
                f"look: '{passed}' is named like the text, and holds hardly one: '{chosen['text']}' is read in its "
                "place; choose with --text"
            )
        others = [column for column in unread if _holds_sentences(rows, column)]
        different, count = _repeats(rows, chosen["text"])
        short = mean_length([row.get(chosen["text"]) for row in rows])
        longer = [c for c in others if mean_length([row.get(c) for row in rows]) > short]
        if different and longer:
            notes.append(
                f"look: '{chosen['text']}' has {different:,} different values in {counted(count, 'row')}, and "
                f"{names_of(longer)} {'hold' if len(longer) > 1 else 'holds'} longer texts: if these are to be "
                f"classified say --text '{longer[0]}'"
            )
        elif others:
            notes.append(
                f"look: {names_of(others)} {'hold' if len(others) > 1 else 'holds'} texts, too: for two texts a "
                f"row say --text '{chosen['text']}' --pair '{others[0]}'"
            )
    if adapter in TEXT_ADAPTERS and "label" not in given:
        others = [column for column in unread if column.lower() in LABELS and _holds_classes(rows, column)]
        if others:
            notes.append(
                f"look: {names_of(others)} may be {'labels' if len(others) > 1 else 'the label'}, too: choose with "
                f"--label, such as --label '{others[0]}'"
            )
    parts = next((c for c in unread if names_splits(row.get(c) for row in rows)), None)
    if parts and "split" not in chosen:
        notes.append(
            f"look: '{parts}' says which rows are for training and which for testing, and is not used: say "
            f"--split '{parts}'"
        )
    return table, tuple(chosen.items()), tuple(notes)


def refuse_short(table: RawTable, columns: Iterable[str]) -> None:
    """BenchError where a row ends before one of these columns."""
    if table.short and not table.short.missing.isdisjoint(columns):
        raise BenchError(table.short.said, code="malformed-rows")


def refuse_divided(table: RawTable) -> None:
    """BenchError where blank lines divide the sentences of a table with a word a row: it is read without them."""
    if table.delimiter not in ("", "\t") and any(note.startswith(DIVIDED) for note in table.notes):
        raise BenchError(
            f"{table.where}: one word a row, and blank lines divide the sentences: separate words and tags by "
            "tabs, or number the sentences in a column and name it with --sentence",
            code="one-word-sentences",
        )


def _check_apart(table: RawTable, chosen: Mapping[str, str]) -> None:
    """BenchError where one column is named twice: a label that is the text tells nothing, nor does a pair of one
    text. A group may be any column."""
    roles: dict[str, str] = {}
    for role, column in chosen.items():
        if role == "group":
            continue
        if column in roles:
            raise BenchError(
                f"{table.where}: --{roles[column]} and --{role} are both '{column}': name two columns",
                code="same-column",
            )
        roles[column] = role


def _guess(table: RawTable, adapter: str, chosen: dict[str, str]) -> list[str]:
    """Adds the missing roles; returns the guesses, in words. BenchError if a role is not obvious."""
    guessed = []
    made = dict(zip(ROLES["ner"], table.tagged, strict=False))
    for role, names in ROLES[adapter].items():
        if role not in chosen:
            free = [column for column in table.columns if column not in chosen.values()]
            if role == "text" and "label" not in chosen and adapter in TEXT_ADAPTERS:
                free = [column for column in free if column.lower() not in LABELS]
            if role == "text" and "pair" not in chosen and (both := pair_of(table)):
                chosen["text"], chosen["pair"] = both
                guessed.append(f"two texts a row, '{both[0]}' and '{both[1]}'; --text alone reads one")
                continue
            column = made.get(role) or _by_name(table, free, names, role)
            column = column or _by_content(table.peek(), free, role)
            column = column or by_name([chosen[other] for other in chosen if other == "group"], names)
            if column is None:
                raise BenchError(
                    f"{table.where}: which column is the {role}? say --{role} COLUMN ({names_of(free)})"
                    f"{header_hint(table)}",
                    code="unclear-column",
                )
            chosen[role] = column
            guessed.append(f"{role} is '{column}'")
    for role, names in OPTIONAL.get(adapter, {}).items():
        free = [column for column in table.columns if column not in chosen.values()]
        column = by_name(free, names)
        if column and role not in chosen and (role != "sentence" or is_single(table, chosen["words"])):
            chosen[role] = column
            guessed.append(f"{role} is '{column}'")
    return guessed


def _by_name(table: RawTable, free: Sequence[str], names: Sequence[str], role: str) -> str | None:
    """The free column with the likeliest name; for what is read as a text, the first that holds texts: not numbers
    or addresses, nor marks of rows where another column holds texts."""
    if role not in READ:
        return by_name(free, names)
    rows = table.peek()
    texts = [column for column in free if not _are([row.get(column) for row in rows], NO_TEXT)]
    marks = [column for column in texts if _are([row.get(column) for row in rows], MARK)]
    others = [column for column in texts if column not in marks]
    if role == "text" and (other := _rather(rows, others, by_name(others, names))):
        return other
    return (
        by_name(others, names)
        or (_by_content(rows, others, role) if len(others) < len(free) else None)
        or by_name(texts, names)
    )


def _rather(rows: Sequence[RawRow], columns: Sequence[str], named: str | None) -> str | None:
    """The one column that holds different texts, where the one that is named like a text holds a few single words,
    such as yes and no, or is blank in most rows."""
    if not named:
        return None
    values = [value for row in rows if (value := row.get(named)) not in (None, "") and isinstance(value, str)]
    words = {value.strip() for value in values}
    single = len(words) <= KINDS and not any(" " in word for word in words)
    if not values or (len(values) > len(rows) / 2 and not single):
        return None
    found = [column for column in columns if column != named and _holds_sentences(rows, column)]
    return found[0] if len(found) == 1 else None


def _repeats(rows: Sequence[RawRow], column: str) -> tuple[int, int]:
    """How many different values a column has, and how many rows have one, where it holds a few again and again,
    such as titles; else (0, 0)."""
    values = [value for row in rows if isinstance(value := row.get(column), str) and value.strip()]
    different = len(set(values))
    return (different, len(values)) if different <= REPEATED * len(values) else (0, 0)


def _holds_sentences(rows: Sequence[RawRow], column: str) -> bool:
    """Whether a column holds texts of several words, most of them different, and no dates in words."""
    found = [value for row in rows if isinstance(value := row.get(column), str) and value.strip()]
    words = [word for value in found for word in value.split()]
    plain = sum(not re.search(r"\d", word) for word in words)
    several = len(words) >= SEVERAL * len(found) and plain > len(words) / 2
    return several and len(found) > len(rows) / 2 and len(set(found)) > len(found) / 2


def _holds_classes(rows: Sequence[RawRow], column: str) -> bool:
    """Whether a column has few different values, and more than one."""
    values = {str(value) for row in rows if (value := row.get(column)) not in (None, "")}
    return 1 < len(values) <= min(FEW, len(rows) // 2)


def _are(values: Sequence[Any], pattern: re.Pattern[str]) -> bool:
    """Whether nearly all values that are not missing look so."""
    found = [
        str(value).strip()
        for value in values
        if value not in (None, "") and not isinstance(value, list | dict)
    ]
    alike = sum(len(value) <= LONGEST and bool(pattern.fullmatch(value)) for value in found)
    return bool(found) and alike >= NEARLY_ALL * len(found)


def are_no_text(values: Sequence[Any]) -> bool:
    """Whether nearly all values are numbers, dates or addresses."""
    return _are(values, NO_TEXT)


def is_single(table: RawTable, column: str) -> bool:
    """Whether rows hold one word each."""
    return all(len(listed(row.get(column)) or "x") == 1 for row in table.peek())


def pair_of(table: RawTable) -> tuple[str, str] | None:
    """The columns of two texts a row, by their usual names."""
    lower = {column.lower(): column for column in table.columns}
    pairs = PAIRS if by_name(table.columns, TEXTS) else (*PAIRS, *PAIRS_ALONE)
    return next(((lower[a], lower[b]) for a, b in pairs if a in lower and b in lower), None)


def _by_content(rows: Sequence[RawRow], columns: Sequence[str], role: str) -> str | None:
    """For a text the column with by far the longest values; for a label the only one with few different values."""
    values = {column: [row.get(column) for row in rows] for column in columns}
    if role == "text":
        lengths = sorted(((mean_length(found), column) for column, found in values.items()), reverse=True)
        if lengths and lengths[0][0] >= 12 and (len(lengths) == 1 or lengths[0][0] > 2 * lengths[1][0]):
            return lengths[0][1]
    if role == "label":
        few = [
            column
            for column, found in values.items()
            if 2 <= len({str(v) for v in found}) <= min(FEW, len(rows) // 5)
        ]
        if len(few) == 1:
            return few[0]
    return None


def mean_length(values: Sequence[Any]) -> float:
    lengths = [len(value) for value in values if isinstance(value, str)]
    return sum(lengths) / len(values) if values else 0.0
