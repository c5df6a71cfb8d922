"""Text files of unknown origin: their encoding, and a bounded, repeatable sample of what is in them."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from bench.contracts import BenchError

ROWS = 100_000
"""Rows that are kept of a file; of a larger one a sample, so that memory does not grow with the file."""

CHARACTERS = 100_000
"""Characters that are kept of a text: no model here reads further."""

WHOLE_BYTES = 512 * 2**20
"""The largest file of a format that can only be read whole."""

BLOCK = 2**20
T = TypeVar("T")


def encoding_of(path: Path) -> str:
    """UTF-8 (with or without a mark), UTF-16 by its mark, else Windows-1252, the superset of Latin-1 that
    files called Latin-1 are in. BenchError for a file that is no text, or cannot be read."""
    utf8 = codecs.getincrementaldecoder("utf-8")()
    valid, start = True, b""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            file.seek(0)
            while block := file.read(BLOCK):
                if b"\0" in block:
                    raise BenchError(
                        f"{path.name} is not a text file (it has NUL bytes): save it as UTF-8 text"
                    )
                try:
                    utf8.decode(block)
                except UnicodeDecodeError:
                    valid = False
            if valid:
                utf8.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror or error})") from error
    if not valid:
        return "cp1252"
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"


def lines_of(path: Path, encoding: str) -> Iterator[str]:
    """The lines without their ends. BenchError where the bytes are not of that encoding."""
    try:
        with path.open(encoding=encoding, errors="replace" if encoding == "cp1252" else "strict") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except UnicodeError as error:
        raise BenchError(f"{path.name} is not valid {encoding}: save it as UTF-8") from error
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror or error})") from error


def whole_text(path: Path, encoding: str) -> str:
    """All of a file that cannot be read in parts. BenchError beyond WHOLE_BYTES."""
    size = path.stat().st_size
    if size > WHOLE_BYTES:
        raise BenchError(
            f"{path.name} has {size / 2**20:,.0f} MiB, and this format can only be read whole, up to "
            f"{WHOLE_BYTES // 2**20} MiB: convert it to JSON lines or Parquet, or cut it"
        )
    return "\n".join(lines_of(path, encoding))


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
