"""Files that are no text in bytes of ASCII: other formats, which are refused with the way out, and UTF-16."""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

from bench.contracts import BenchError

PICKLE = "a pickle, which is not read because it can run code: save it as Parquet, CSV or JSON lines"
WEB_PAGE = "a web page: download the file itself"
BINARY = {
    b"PK\x03\x04": "a workbook or a zip archive: save the table as CSV (UTF-8), or unpack the archive",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file: save the table as CSV (UTF-8)",
    b"%PDF": "a PDF: give the text as CSV or JSON lines",
    b"SQLite format 3": "an SQLite database: export the table as CSV",
    b"ARROW1": "an Arrow file: save it as Parquet",
    b"FEA1": "a Feather file: save it as Parquet",
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
    b"#format=webanno tsv": "WebAnno's TSV: export it as CoNLL 2002 or 2003 instead",
    b"@relation": "Weka's ARFF: save it as CSV (UTF-8)",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with `git lfs pull`",
}
"""How files of text start that hold no rows; in lower case."""

SQL = re.compile(
    rb"(?:--[^\n]*\n\s*|/\*[^*]*\*/;?\s*|(?:pragma|begin|set|drop|lock|use|start)\b[^;]*;\s*)*"
    rb"(?:insert into\b[^;,]{1,200}\bvalues\b|insert into\b[^;,]{1,200}\(|create table\b[^;,]{1,200}\()"
)
"""The first statement of a dump, after comments and settings; in lower case."""

COMMENTS = re.compile(rb"\A(?:%[^\n]*\n\s*)+")
"""What stands above the first declaration of ARFF."""

LETTERS = 0.5  # share of the characters that must be letters in UTF-16 without a mark


def refuse_other_formats(path: Path, start: bytes) -> None:
    """BenchError for a format that is known and not read, with the way out."""
    begins = start.removeprefix(codecs.BOM_UTF8).lstrip()
    known = BINARY if re.search(rb"[\x00-\x08]", begins) else {}
    found = next((what for magic, what in known.items() if begins.startswith(magic)), "")
    begins = begins.lower()
    begins = begins if not begins.startswith(b"%") else COMMENTS.sub(b"", begins)
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


def wide_encoding(path: Path, start: bytes) -> str:
    """The name of UTF-16 without a mark, by the place of its NUL bytes, or where it gives a text. BenchError for
    any other file that has some."""
    even, odd = start[::2].count(0) / len(start), start[1::2].count(0) / len(start)
    for name, here, there in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if (here > 0.2 and there < 0.01) or _is_text(start, name):
            return name
    raise binary(path)


def _is_text(start: bytes, name: str) -> bool:
    """Whether bytes give lines of letters. Read in the other order of bytes, a line's end is no character."""
    text = codecs.getincrementaldecoder(name)("replace").decode(start)
    kinds = [unicodedata.category(sign) for sign in text if sign not in "\t\r\n"]
    letters = sum(kind[0] in "LM" for kind in kinds)
    return "\n" in text and not {"Cc", "Cn", "Co", "Cs"} & set(kinds) and letters > LETTERS * len(kinds)


def binary(path: Path) -> BenchError:
    return BenchError(
        f"{path.name} is not a text file (it has NUL bytes): save it as UTF-8 text, or if it is UTF-16 without a "
        "mark, say --encoding utf-16-le or utf-16-be",
        code="not-text",
    )
