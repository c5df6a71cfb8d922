"""Text files of unknown origin: their lines, and a bounded, repeatable sample of what is in them."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from bench.contracts import BenchError
from bench.data.unpacked import opened
from bench.user_data.encodings import Encoding, unreadable

ROWS = 100_000
"""Rows that are kept of a file; of a larger one a sample, so that memory does not grow with the file."""

CHARACTERS = 100_000
"""Characters that are kept of a text: no model here reads further."""

WHOLE_BYTES = 512 * 2**20
"""The largest file of a format that can only be read whole."""

MARK = "\ufeff"
"""The byte order mark: at the start of a line it is no character of the text."""

T = TypeVar("T")


def lines_of(path: Path, encoding: Encoding) -> Iterator[str]:
    """The lines without their ends, which may be those of any system. BenchError where the bytes are not of that
    encoding."""
    for line in raw_lines(path, encoding, newline=None):
        yield line.rstrip("\n")


def raw_lines(path: Path, encoding: Encoding, newline: str | None = "") -> Iterator[str]:
    """The lines, with their ends as they stand in the file unless `newline` says otherwise. BenchError."""
    number = 0
    try:
        with (
            opened(path) as file,
            io.TextIOWrapper(file, encoding.name, encoding.errors, newline) as text,
        ):
            for number, line in enumerate(text, 1):  # noqa: B007  (the number is for the error)
                yield line.lstrip(MARK) if line[:1] == MARK else line  # where files were put together
    except UnicodeError as error:
        raise BenchError(
            f"{path.name} is not {encoding.name} ({_reason(error)} in line {number + 1:,} or later): name another "
            "encoding with --encoding, or save it as UTF-8",
            code="wrong-encoding",
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def _reason(error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02X}: {error.reason}"
    return str(error)


def whole_text(path: Path, encoding: Encoding) -> str:
    """All of a file that cannot be read in parts. BenchError beyond WHOLE_BYTES."""
    found: list[str] = []
    size = 0
    for line in lines_of(path, encoding):
        size += len(line)
        if size > WHOLE_BYTES:
            raise BenchError(
                f"{path.name} has more than {WHOLE_BYTES // 2**20} MiB, and this format can only be read whole: "
                "convert it to JSON lines or Parquet, or cut it",
                code="too-large-file",
            )
        found.append(line)
    return "\n".join(found)


def sample(items: Iterable[T], limit: int = ROWS) -> tuple[list[tuple[int, T]], int]:
    """At most `limit` items with their numbers, in order, and how many there are in all. The sample is the
    items whose number has the smallest hash: unbiased, the same everywhere, in memory for twice as many items."""
    kept: list[tuple[bytes, int, T]] = []
    count = 0
    for number, item in enumerate(items):
        kept.append((_hash(number), number, item))
        count += 1
        if len(kept) >= 2 * limit:
            kept = _smallest(kept, limit)
    return sorted(((n, item) for _, n, item in _smallest(kept, limit)), key=lambda pair: pair[0]), count


def _smallest(kept: list[tuple[bytes, int, T]], limit: int) -> list[tuple[bytes, int, T]]:
    return sorted(kept, key=lambda entry: entry[:2])[:limit] if len(kept) > limit else kept


def _hash(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=8).digest()
