"""The character encoding of a text file: from its mark, else from its bytes. A guess must be plausible.

UTF-8 is self-checking (RFC 3629), so a file that decodes is UTF-8. Of other encodings only Windows-1252, which
files called Latin-1 are in, can be told from the bytes alone; anything else must be named."""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import BenchError
from bench.data.unpacked import opened
from bench.user_data.alphabets import alphabet_of

BLOCK = 2**20
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PICKLE = "a pickle, which is not read because it can run code: save it as Parquet, CSV or JSON lines"
WEB_PAGE = "a web page: download the file itself"
BINARY = {
    b"PK\x03\x04": "a workbook or a zip archive: save the table as CSV (UTF-8), or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file: save the table as CSV (UTF-8)",
    b"%PDF": "a PDF: give the text as CSV or JSON lines",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"\xff\xff\xff\xff": "an Arrow stream: save it as Parquet",
    b"ORC": "an ORC file: save it as Parquet",
    b"Obj\x01": "an Avro file: save it as Parquet",
    b"<stata_dta>": "a Stata file: save it as CSV (UTF-8)",
    b"$FL2": "an SPSS file: save it as CSV (UTF-8)",
    b"\x89HDF": "an HDF5 file: save it as Parquet or CSV (UTF-8)",
    b"\x93NUMPY": "a numpy array: save the rows as CSV or JSON lines",
    b"\x80\x03": PICKLE,
    b"\x80\x04": PICKLE,
    b"\x80\x05": PICKLE,
    b"RDX": "saved by R: write it as CSV with write.csv",
    b"BZh": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ": "compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it first",
}
"""How files start that are no text, and what to do with them."""

MARKUP = {
    b"<!doctype html": WEB_PAGE,
    b"<html": WEB_PAGE,
    b"<table": "a table of HTML: save it as CSV (UTF-8)",
    b"<?xml": "XML: convert it to CSV or JSON lines, a row for each text",
    b"@relation": "Weka's ARFF: save it as CSV (UTF-8)",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with `git lfs pull`",
}
"""How files of text start that hold no rows; in lower case."""

SQL = re.compile(
    rb"(?:--[^\n]*\n\s*|/\*[^*]*\*/;?\s*|(?:pragma|begin|set|drop|lock|use|start)\b[^;]*;\s*)*"
    rb"(?:insert into\b[^;,]{1,200}\bvalues\b|insert into\b[^;,]{1,200}\(|create table\b[^;,]{1,200}\()"
)
"""The first statement of a dump, after comments and settings; in lower case."""

SEVEN_BITS = re.compile(rb"\+([A-Za-z0-9+/]{3,})-?")
"""How UTF-7 writes characters beyond ASCII (RFC 2152): base64 of UTF-16. A mark starts with +/v."""

SHIFTED = re.compile(rb"\x1b\$[@B]")
"""What ISO-2022 writes before Japanese characters: a file of ASCII bytes alone that is none."""

NEARLY_ALL = (
    10  # well-formed characters beyond ASCII per stray byte, from which a file is UTF-8 with stray bytes
)
ODD = 0.2  # share of odd places above which Windows-1252 is no plausible reading
APOSTROPHES = "’‘´`·®™-–—…"
"""Non-ASCII characters that Western texts have inside words."""


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
    start = start_of(path)
    _refuse_other_formats(path, start)
    known = _known(given) if given else ""
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
    if b"\0" in start:
        return _wide(path, start)
    try:
        return _narrow(path)
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error


def _refuse_other_formats(path: Path, start: bytes) -> None:
    """BenchError for a format that is known and not read, with the way out."""
    begins = start.removeprefix(codecs.BOM_UTF8).lstrip()
    known = BINARY if re.search(rb"[\x00-\x08]", begins) else {}
    found = next((what for magic, what in known.items() if begins.startswith(magic)), "")
    begins = begins.lower()
    found = found or next((what for magic, what in MARKUP.items() if begins.startswith(magic)), "")
    if found:
        raise BenchError(f"{path.name} is {found}", code="not-text")
    if start[257:262] == b"ustar":
        raise BenchError(f"{path.name} is a tar archive: unpack it first", code="not-text")
    if SQL.match(begins):
        raise BenchError(
            f"{path.name} holds SQL statements: export the table as CSV, such as with `sqlite3 -header -csv`, "
            "`mysql --batch` or COPY … TO … CSV HEADER",
            code="not-text",
        )


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


def _wide(path: Path, start: bytes) -> Encoding:
    """UTF-16 without a mark, by the place of its NUL bytes. BenchError for any other file that has some."""
    even, odd = start[::2].count(0) / len(start), start[1::2].count(0) / len(start)
    for name, here, there in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if here > 0.2 and there < 0.01:
            return Encoding(name, note=f"the file is {name.upper()} without a mark")
    raise _binary(path)


def _binary(path: Path) -> BenchError:
    return BenchError(
        f"{path.name} is not a text file (it has NUL bytes): save it as UTF-8 text", code="not-text"
    )


def _narrow(path: Path) -> Encoding:
    if SHIFTED.search(start_of(path)):
        raise BenchError(
            f"{path.name} has the escape sequences of ISO-2022: say --encoding iso2022_jp, or save it as UTF-8",
            code="unknown-encoding",
        )
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    good = bad = lines = first_line = first_byte = 0
    with opened(path) as file:
        more = True
        while more:
            block = file.read(BLOCK)
            more = bool(block)
            if b"\0" in block:
                raise _binary(path)
            text = decode(block, final=not more)
            stray = re.search("[\udc80-\udcff]", text)
            if stray and not bad:
                first_line = lines + text.count("\n", 0, stray.start()) + 1
                first_byte = ord(stray[0]) - 0xDC00
            lines += text.count("\n")
            if not text.isascii():
                strays = len(re.findall("[\udc80-\udcff]", text))
                bad += strays
                good += len(re.findall(r"[^\x00-\x7f]", text)) - strays
    if not bad and not good:
        _refuse_seven_bits(path)
    if not bad:
        return Encoding("utf-8")
    if good >= NEARLY_ALL * bad:
        plural = "bytes that are" if bad > 1 else "byte that is"
        return Encoding(
            "utf-8",
            "replace",
            f"the file is UTF-8 but for {bad:,} {plural} not (0x{first_byte:02X} in line {first_line:,}"
            f"{' is the first' if bad > 1 else ''}): read as U+FFFD; correct it, or name another encoding "
            "with --encoding",
        )
    return _western(path, good, bad)


def _refuse_seven_bits(path: Path) -> None:
    """BenchError for UTF-7, of which nearly every + starts characters beyond ASCII."""
    start = start_of(path, BLOCK)
    runs = [found[0] for found in SEVEN_BITS.finditer(start)]
    words = [word for run in runs if (word := _decoded(run)) and not word.isascii() and word.isprintable()]
    if start.startswith(b"+/v") or len(words) >= max(3, 0.8 * start.count(b"+")):
        raise BenchError(
            f"{path.name} is in UTF-7 ({', '.join(words[:3])}): say --encoding utf-7, or save it as UTF-8",
            code="unknown-encoding",
        )


def _decoded(run: bytes) -> str:
    try:
        return "" if run.strip(b"+-").isdigit() else run.decode("utf-7")  # a number of a telephone
    except UnicodeDecodeError:
        return ""


def _western(path: Path, good: int, bad: int) -> Encoding:
    """The encoding that the letters tell, else Windows-1252, if the words are plausible when read so."""
    with opened(path) as file:
        content = file.read(8 * BLOCK)
    told = alphabet_of(content)
    if told:
        shown = _shown(content.decode(told.encoding, errors="replace"))
        usual = "windows-" + told.encoding.removeprefix("cp") if told.encoding[:2] == "cp" else told.encoding
        return Encoding(
            told.encoding,
            "replace",
            f"the file is not UTF-8: by the letters of {told.language} it is read as {usual}{shown}",
        )
    text = content.decode("cp1252", errors="replace")
    runs = re.findall(r"[^\x00-\x7f]+", text)
    within = re.findall(r"(?<=[a-z])[^\x00-\x7f](?=[a-z])", text)
    long = sum(len(run) > 2 for run in runs) / max(1, len(runs))
    odd = sum(not (sign.islower() or sign in APOSTROPHES) for sign in within) / max(1, len(within))
    if long > ODD or odd > ODD or text.count("\ufffd") > ODD * bad or good > bad:
        raise BenchError(
            f"{path.name} is not UTF-8 ({bad:,} bytes are not), and read as Windows-1252 it has no plausible words"
            ": name its encoding, such as --encoding cp1251, gbk or shift_jis, or save it as UTF-8",
            code="unknown-encoding",
        )
    return Encoding(
        "cp1252",
        "replace",
        f"the file is not UTF-8: it is read as Windows-1252, the superset of Latin-1{_shown(text)}",
    )


def _shown(text: str) -> str:
    """Some words that the reading gives, so that the user can tell; '' where it has none."""
    words = dict.fromkeys(re.findall(r"[^\W\d_]*[^\W\d_\x00-\x7f][^\W\d_]*", text))
    shown = f" ({', '.join(list(words)[:3])}): if these are no words, name its encoding with --encoding"
    return shown if words else ""
