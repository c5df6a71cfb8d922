"""The character encoding of a text file: from its mark, else from its bytes. A guess must be plausible.

UTF-8 is self-checking (RFC 3629), so a file that decodes is UTF-8. Of other encodings only Windows-1252, which
files called Latin-1 are in, can be told from the bytes alone; anything else must be named."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError
from bench.data.unpacked import opened
from bench.text import counted
from bench.user_data.alphabets import alphabet_of, mixes_languages, words_beyond_ascii
from bench.user_data.no_text import binary, refuse_other_formats, wide_encoding
from bench.user_data.plausible_words import is_plausible, parts_of
from bench.user_data.seven_bits import OVERLAP, shifted, words_of_utf_7

BLOCK = 2**20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

NEARLY_ALL = (
    10  # well-formed characters beyond ASCII per stray byte, from which a file is UTF-8 with stray bytes
)


@dataclass(frozen=True)
class Encoding:
    """name: as Python has it. errors: what happens to a byte that is not of it. note: a line for the user, or
    ''."""

    name: str
    errors: str = "strict"
    note: str = ""


def start_of(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file. BenchError where it cannot be read."""
    try:
        with opened(path) as file:
            return file.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> BenchError:
    reason = getattr(error, "strerror", None) or error
    return BenchError(f"{path} cannot be read ({reason})", code="cannot-read")


def encoding_of(path: Path, given: str = "") -> Encoding:
    """The encoding that is named, else that of the file's mark, else UTF-8 where all or nearly all of it is that,
    else Windows-1252 where that gives plausible words. BenchError otherwise, and for a file that is not text."""
    return encodings_of([path], path.name, given)[path]


def encodings_of(paths: Sequence[Path], where: str, given: str = "") -> dict[Path, Encoding]:
    """The encoding of each file of a folder. Files without a mark have one, decided over all of their bytes, which
    tell more than those of one. BenchError."""
    known = _known(given) if given else ""
    found = {path: encoding for path in paths if (encoding := _stated(path, given, known))}
    others = [path for path in paths if path not in found]
    if others:
        try:
            found.update(dict.fromkeys(others, _narrow(others, where)))
        except (OSError, EOFError, zlib.error) as error:
            raise unreadable(Path(where) if len(paths) > 1 else paths[0], error) from error
    return found


def notes_of(encodings: Mapping[Path, Encoding]) -> list[str]:
    """The notes on the encodings of a folder's files, each once."""
    return [note for note in dict.fromkeys(found.note for found in encodings.values()) if note]


def _stated(path: Path, given: str, known: str) -> Encoding | None:
    """The encoding of a file's mark, or that is named, or that its NUL bytes tell; else None."""
    start = start_of(path)
    refuse_other_formats(path, start)
    for mark, name in MARKS:
        if start.startswith(mark):
            other = bool(known) and not known.startswith(name.removesuffix("-sig"))
            instead = f", by the mark at its start, not {given}" if other else ""
            return Encoding(
                name,
                note="" if name == "utf-8-sig" and not instead else f"the file is {name.upper()}{instead}",
            )
    if known:
        return Encoding(known, note=f"read as {given}, as --encoding says")
    wide = wide_encoding(path, start) if b"\0" in start else ""
    if wide:
        return Encoding(
            wide, note=f"the file is {wide.upper()} without a mark: if not, name it with --encoding"
        )
    return None


def _known(given: str) -> str:
    try:
        found = codecs.lookup(given)
        "".encode(found.name)  # refuses codecs from bytes to bytes, such as hex
    except (LookupError, ValueError) as error:
        raise BenchError(
            f"--encoding {given}: there is no such text encoding; write it as utf-8, cp1251, gbk or shift_jis",
            code="unknown-encoding",
        ) from error
    return found.name


@dataclass
class _Scan:
    """What the bytes of files hold: well-formed characters beyond ASCII, stray bytes, and where the first is."""

    good: int = 0
    bad: int = 0
    first: str = ""

    def add(self, path: Path, named: bool) -> None:
        """Counts a file. BenchError for one with NUL bytes or the shifts of ISO-2022 or HZ."""
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        lines, tail = 0, b""
        for block in _blocks(path):
            if b"\0" in block:
                raise binary(path)
            _refuse_shifts(path, tail + block)
            tail = block[-OVERLAP:]
            text = decode(block, final=not block)
            stray = re.search("[\udc80-\udcff]", text)
            if stray and not self.bad:
                line = lines + text.count("\n", 0, stray.start()) + 1
                place = f"{path.name}, line {line:,}" if named else f"line {line:,}"
                self.first = f"0x{ord(stray[0]) - 0xDC00:02X} in {place}"
            lines += text.count("\n")
            if not text.isascii():
                strays = len(re.findall("[\udc80-\udcff]", text))
                self.bad += strays
                self.good += len(re.findall(r"[^\x00-\x7f]", text)) - strays


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, b"" last."""
    with opened(path) as file:
        block = b"start"
        while block:
            block = file.read(BLOCK)
            yield block


def _refuse_shifts(path: Path, block: bytes) -> None:
    name = shifted(block)
    if name is not None:
        way = f"say --encoding {name}, or save it as UTF-8" if name else "save it as UTF-8"
        kind = "HZ" if name == "hz" else "ISO-2022"
        raise BenchError(f"{path.name} has the escape sequences of {kind}: {way}", code="unknown-encoding")


def _narrow(paths: Sequence[Path], where: str) -> Encoding:
    scan = _Scan()
    for path in paths:
        scan.add(path, len(paths) > 1)
    good, bad = scan.good, scan.bad
    if not bad and not good:
        for path in paths:
            _refuse_utf_7(path)
    if not bad:
        return Encoding("utf-8")
    if good >= NEARLY_ALL * bad:
        plural = "bytes that are" if bad > 1 else "byte that is"
        what = "the file is" if len(paths) == 1 else "the files are"
        return Encoding(
            "utf-8",
            "replace",
            f"{what} UTF-8 but for {bad:,} {plural} not ({scan.first}{' is the first' if bad > 1 else ''}): read "
            "as U+FFFD; correct it, or name another encoding with --encoding",
        )
    return _one_byte(paths, where, scan)


def _refuse_utf_7(path: Path) -> None:
    words = words_of_utf_7(start_of(path, BLOCK))
    if words:
        raise BenchError(
            f"{path.name} is in UTF-7 ({', '.join(words)}): say --encoding utf-7, or save it as UTF-8",
            code="unknown-encoding",
        )


def _one_byte(paths: Sequence[Path], where: str, scan: _Scan) -> Encoding:
    """The encoding that the letters tell, else Windows-1252, if the words are plausible when read so."""
    content = _start_of_all(paths)
    told = alphabet_of(content)
    name = told.encoding if told else "cp1252"
    text = content.decode(name, errors="replace")
    parts = parts_of(content)
    if parts:
        raise BenchError(
            f"{where} is partly in UTF-8 ({counted(parts[0], 'line')} with letters beyond ASCII) and partly in "
            f"Windows-1252 ({counted(parts[1], 'line')}; the first such byte is {scan.first}): save all of it as "
            "UTF-8",
            code="mixed-encodings",
        )
    foreign = not told and mixes_languages(words_beyond_ascii(text))
    if foreign or scan.good > scan.bad or not is_plausible(text, scan.bad):
        raise BenchError(
            f"{where} is not UTF-8 ({scan.bad:,} bytes are not), and read as {_usual(name)} it has no plausible "
            "words: name its encoding, such as --encoding cp1251, gbk or shift_jis, or save it as UTF-8",
            code="unknown-encoding",
        )
    what = "the file is not UTF-8" if len(paths) == 1 else "not all files are UTF-8"
    how = "read as Windows-1252, the superset of Latin-1"
    if told:
        how = f"by the letters of {told.language} read as {_usual(name)}"
    return Encoding(name, "replace", f"{what}: {how}{_shown(text)}")


def _start_of_all(paths: Sequence[Path]) -> bytes:
    """The first bytes of the files, one after another."""
    found: list[bytes] = []
    left = 8 * BLOCK
    for path in paths:
        found.append(start_of(path, left))
        left -= len(found[-1])
        if left <= 0:
            break
    return b"\n".join(found)


def _usual(name: str) -> str:
    return f"Windows-{name.removeprefix('cp')}" if name.startswith("cp") else name


def _shown(text: str) -> str:
    """Some words that the reading gives, so that the user can tell; '' where it has none."""
    words = [word for word in words_beyond_ascii(text) if any(map(str.isalpha, word))]
    shown = f" ({', '.join(words[:3])}): if these are no words, name its encoding with --encoding"
    return shown if words else ""
