"""Unlabelled in-domain text for masked-language-model training: a file with one passage a line, plain or gzip.

With such a file, `tapt` is domain-adaptive pretraining (DAPT: Gururangan et al. 2020, arXiv 2004.10964)."""

from __future__ import annotations

import hashlib
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError, Splits
from bench.data.file_state import while_unchanged
from bench.data.splits import parts
from bench.data.unpacked import opened
from bench.text import counted

MOST = 100_000
"""Passages that are kept, those with the smallest hashes: memory does not grow with the file."""

LONGEST = 400_000
"""Bytes of a line that are kept: no model reads further."""


@dataclass(frozen=True)
class Passages:
    """The passages of a file that a model may read, in the file's order.

    empty: lines without text. held_out: passages left out because they are validation or test texts. beyond:
    passages left out because there are more than MOST."""

    texts: tuple[str, ...]
    empty: int = 0
    held_out: int = 0
    beyond: int = 0

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of the file, one line each."""
        left_out = "the unlabelled text: "
        found = (
            (self.empty, f"{left_out}{counted(self.empty, 'empty line')} skipped"),
            (
                self.held_out,
                f"{left_out}{counted(self.held_out, 'passage')} left out: validation or test texts",
            ),
            (
                self.beyond,
                f"{left_out}{len(self.texts):,} of {len(self.texts) + self.beyond:,} passages kept",
            ),
        )
        return tuple(line for count, line in found if count)


def digest_of(path: str) -> str:
    """A digest of the unpacked bytes of a file. BenchError where it cannot be read."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise _unreadable(path, ValueError("it is not a regular file"))
    return _digest(path)


@while_unchanged
def _digest(path: str) -> str:
    found = hashlib.sha256()
    try:
        with opened(Path(path)) as file:
            while block := file.read(2**20):
                found.update(block)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(path, error) from error
    return found.hexdigest()[:16]


def read(path: str, rows: Splits) -> Passages:
    """The passages of a file without the validation and test texts among `rows`. BenchError where the file cannot
    be read, is not UTF-8, or leaves nothing to learn from."""
    held_out = {
        _plain(text)
        for part in (rows.validation, *rows.scored().values())
        for row in part
        for text in parts(row)
    }
    kept: list[tuple[bytes, int, str]] = []
    count = empty = known = 0
    for number, line in enumerate(_lines(path)):
        text = line.strip()
        if not text:
            empty += 1
        elif _plain(text) in held_out:
            known += 1
        else:
            count += 1
            kept.append((hashlib.blake2b(str(number).encode(), digest_size=8).digest(), number, text))
            if len(kept) >= 2 * MOST:
                kept = sorted(kept)[:MOST]
    if not count:
        why = "all of its passages are validation or test texts" if known else "it has no line with text"
        raise BenchError(
            f"recipe.unlabelled {path}: {why}; give a text file with one passage a line", code="no-passages"
        )
    chosen = sorted(sorted(kept)[:MOST], key=lambda entry: entry[1])
    return Passages(tuple(text for _, _, text in chosen), empty, known, count - len(chosen))


def _lines(path: str) -> Iterator[str]:
    """The lines of a file, without what lies beyond LONGEST."""
    number = 0
    try:
        with opened(Path(path)) as file:
            while line := file.readline(LONGEST):
                number += 1
                is_cut = len(line) == LONGEST and not line.endswith(b"\n")
                while is_cut and (more := file.readline(LONGEST)) and not more.endswith(b"\n"):
                    pass
                if b"\0" in line:
                    raise UnicodeDecodeError("utf-8", line, 0, 1, "a NUL byte")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8", "ignore" if is_cut else "strict")
    except UnicodeDecodeError as error:
        raise BenchError(
            f"recipe.unlabelled {path} is not a text file in UTF-8 (line {number:,}: {error.reason}): save it "
            "as UTF-8, plain or gzip",
            code="wrong-encoding",
        ) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> BenchError:
    reason = getattr(error, "strerror", None) or error
    return BenchError(
        f"recipe.unlabelled {path[:300]} cannot be read ({reason}): give a text file with one passage a line",
        code="cannot-read",
    )


def _plain(text: str) -> str:
    """The text with single blanks, as a line holds it."""
    return " ".join(text.split())
