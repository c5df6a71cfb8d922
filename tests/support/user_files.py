"""Files of user data as people make them, and how they are read in tests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.data.splits import rows_digest
from bench.user_data import description
from bench.user_data.description import Read, from_values, read, task_name

TEXTS = [f"film number {n} was {'good' if n % 2 else 'bad'}, really" for n in range(40)]
LABELS = ["good" if n % 2 else "bad" for n in range(40)]
ROWS = list(zip(TEXTS, LABELS, strict=True))

Sentence = list[tuple[str, str]]
SENTENCES: list[Sentence] = [
    [("Ann", "B-PER"), ("Lee", "I-PER"), ("ran", "O"), (f"to{n}", "O"), ("Oslo", "B-LOC"), (".", "O")]
    if n % 2
    else [("The", "O"), ("Upper", "B-ORG"), ("Kite", "I-ORG"), ("Works", "I-ORG"), (f"n{n}", "O")]
    for n in range(30)
]


def opened(path: Path | str, **keys: Any) -> Read:
    """The data of a file, read as a command would; its task finds the same rows by its description."""
    description._read.cache_clear()  # it may be rewritten within one tick of the clock
    found = read(from_values(task_name(str(path)), {"data": str(path), **keys}, Path()), Sources())
    try:
        again = found.data.splits(Sources())
    except BenchError as error:
        raise AssertionError(f"refused by its own description: {error}") from error
    assert rows_digest(again) == rows_digest(found.splits)
    return found


def refused(path: Path | str, **keys: Any) -> BenchError:
    """The error with which the file is refused: one line."""
    with pytest.raises(BenchError) as error:
        opened(path, **keys)
    assert "\n" not in str(error.value)
    return error.value


def said(found: Read, text: str) -> bool:
    """Whether a note on the file has this text."""
    return any(text in note for note in found.notes)


def written(content: str | bytes, folder: Path, name: str = "a.csv") -> Path:
    """The path of a new file; text is UTF-8."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def delimited(
    rows: Sequence[Sequence[Any]] = ROWS,
    delimiter: str = ",",
    header: Sequence[str] = ("text", "label"),
    quoting: int = csv.QUOTE_MINIMAL,
) -> str:
    """Rows as CSV; without a header where that is empty."""
    written = io.StringIO()
    writer = csv.writer(
        written,
        delimiter=delimiter,
        lineterminator="\n",
        quoting=quoting,  # pyright: ignore[reportArgumentType]
    )
    writer.writerows([header, *rows] if header else rows)
    return written.getvalue()


def json_lines(rows: Sequence[Any]) -> str:
    return "\n".join(map(json.dumps, rows))


def conll(
    line: Callable[[str, str], str] = lambda word, tag: f"{word} {tag}",
    tag: Callable[[str], str] = lambda tag: tag,
    between: str = "\n\n",
) -> str:
    """SENTENCES as CoNLL columns: a line for each word and its tag."""
    return (
        between.join("\n".join(line(word, tag(t)) for word, t in sentence) for sentence in SENTENCES) + "\n"
    )


def all_rows(found: Read) -> list[Any]:
    """The examples of all splits, in the order of the file."""
    rows = [*found.splits.train, *found.splits.validation, *found.splits.test]
    return sorted(rows, key=lambda row: int(row.id.rsplit("-", 1)[1]))
