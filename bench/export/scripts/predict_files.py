"""Files in, CSV out, for `predict.py` beside it. Needs Python's standard library alone."""

import codecs
import csv
import gzip
import json
import os
import re
import sys
import zlib
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from io import StringIO, TextIOWrapper
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any, NoReturn

JSON = (".json", ".jsonl", ".ndjson")
DELIMITED = (".csv", ".tsv", ".tab")
SEPARATORS = ",;\t|"
PEEK = 500  # lines from which the separator is guessed
RARE = 0.1  # cells per row that start with a quotation mark, where it hardly quotes
BEYOND = 0.1  # share of rows with values beyond the columns with names, up to which these are no remarks
NUMBER = re.compile(r"[-+\u2212]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
RULE = re.compile(r":?-{2,}:?|:-:?|-:|-+(\+-+)+")
GZIP = b"\x1f\x8b"
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""How a file starts that says its encoding."""

LISTS = ("words",)
"""Roles whose JSON value may be a list of strings."""


def label_texts(
    probabilities: Callable[[list], list[dict[str, float]]],
    answers: Callable[[list[dict[str, float]]], list],
) -> None:
    """The program of a model of texts: the answer on each text or pair, and the probability of every label. The
    answer is a number where the model predicts one."""
    config = json.loads((Path(__file__).parent / "config.json").read_text(encoding="utf-8"))
    paired, number = bool(config.get("reads_pairs")), config.get("problem_type") == "regression"
    roles = ["text", "pair"] if paired else ["text"]
    given = arguments("Labels of texts, as CSV.", roles)
    if given.file:
        rows = read(given.file, [(role, getattr(given, role)) for role in roles], given.encoding)
    elif paired and len(given.texts) != 2:
        stop("this model reads pairs: give two texts, both in quotes")
    else:
        rows = [given.texts] if paired else [[text] for text in given.texts]
    found = probabilities([tuple(row) if paired else row[0] for row in rows])
    labels = [] if number else sorted(found[0]) if found else []
    several = config.get("problem_type") == "multi_label_classification"
    said = [f"{item:.7g}" if number else "; ".join(item) if several else item for item in answers(found)]
    table = [
        [*row, answer, *(shares[label] for label in labels)]
        for row, answer, shares in zip(rows, said, found, strict=True)
    ]
    header = "number" if number else "labels" if several else "label"
    write(given.out, [*roles, header, *(f"p({label})" for label in labels)], table)


def arguments(what: str, columns: Sequence[str]) -> Namespace:
    """The command line. Without texts and without a file it shows how to use it and ends with status 2."""
    parser = ArgumentParser(description=what)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what to predict")
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="predict this file: CSV, TSV, JSON lines, or a text a line; - is the standard input",
    )
    for name in columns:
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"column or key of the {name}s in the file")
    parser.add_argument("--encoding", default="utf-8-sig", help="of the file (default: UTF-8)")
    parser.add_argument("--out", metavar="FILE", help="write CSV here (default: the screen)")
    given = parser.parse_args()
    if bool(given.texts) == bool(given.file):
        parser.print_help(sys.stderr)
        sys.exit(2)
    if given.out and not Path(given.out).absolute().parent.is_dir():
        parser.error(f"--out {given.out}: there is no folder {Path(given.out).parent}")
    if given.out and given.file and _is_same(given.out, given.file):
        parser.error(f"--out {given.out} is the file that is read: give another name")
    given.texts = [_whole(text) for text in given.texts]
    return given


def read(file: str, columns: Sequence[tuple[str, str | None]], encoding: str = "utf-8-sig") -> list[list]:
    """The values of the columns, row by row. JSON lines are known by their first line, CSV by its columns' names;
    any other file is a text a line. Says how many blank lines were left out where each could be an empty text. Ends
    with a message where there are no rows, or a column is missing."""
    text = _content(file, encoding)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    suffix = _suffix(file)
    objects = _json_rows(file, text, lines)
    wanted = any(given for _, given in columns) or len(columns) > 1 or suffix in DELIMITED
    blank = 0
    if objects:
        names = list(dict.fromkeys(name for row in objects for name in row))
        found = [(role, _found(file, role, given, names)) for role, given in columns]
        values = [
            [_json_text(file, number, role, name, row) for role, name in found]
            for number, row in enumerate(objects, 1)
        ]
    elif objects is None and text.strip() and wanted:
        names, *rows = _csv_rows(file, text)
        found = [names.index(_found(file, role, given, names)) for role, given in columns] if names else []
        values = [[row[place] if place < len(row) else "" for place in found] for row in rows]
        blank = _blank_rows(text) if len(names) == 1 else 0
    elif objects is None:
        values = [[line.strip()] for line in lines if line.strip()]
        blank = len("\n".join(lines).rstrip().split("\n")) - len(values)
    else:
        values = []
    if not values:
        stop(f"{file} has no rows")
    if blank:
        said = "1 blank line was" if blank == 1 else f"{blank:,} blank lines were"
        print(f"{file}: {said} left out", file=sys.stderr)
    return [
        [
            [_whole(word) for word in value] if isinstance(value, list) else _whole(value).strip()
            for value in row
        ]
        for row in values
    ]


def stop(message: str) -> NoReturn:
    """End with a message and status 2."""
    print(message, file=sys.stderr)
    sys.exit(2)


def write(out: str | None, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """CSV with probabilities to four digits."""
    if not out and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a screen that cannot show every character
    try:
        with Path(out).open("w", encoding="utf-8", newline="") if out else nullcontext(sys.stdout) as target:
            table = csv.writer(target, lineterminator="\n")
            table.writerow(header)
            for row in rows:
                table.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row])
    except OSError as error:
        stop(f"{out or 'the output'} cannot be written: {error.strerror or error}")


def _is_same(out: str, file: str) -> bool:
    """Whether both names are of one file, which writing would destroy."""
    return os.path.isfile(out) and os.path.isfile(file) and os.path.samefile(out, file)


def _content(file: str, encoding: str) -> str:
    """The text of the file. Ends with a message where it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        data = gzip.decompress(data) if data.startswith(GZIP) else data
        marked = next((name for mark, name in MARKS if data.startswith(mark)), encoding)
        return data.decode(marked)
    except (OSError, EOFError, zlib.error) as error:
        stop(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}")
    except LookupError:
        stop(f"--encoding {encoding}: Python knows no such encoding; try utf-8, cp1252 or utf-16")
    except UnicodeDecodeError as error:
        shown = "UTF-8" if encoding == "utf-8-sig" else encoding
        stop(f"{file} is not text in {shown} (byte {error.start + 1}): name its --encoding, such as cp1252")


def _whole(text: str) -> str:
    """Text without halves of characters, which no tokenizer reads."""
    return text.encode(errors="replace").decode()


def _json_rows(file: str, text: str, lines: Sequence[str]) -> list[dict] | None:
    """The objects of JSON lines, of one list, or the only one; None where neither the file's name nor its start is
    that of JSON. Ends with a message at the first that is no object."""
    whole, unit = _parsed(text), "line"
    found: list[tuple[int, Any]] = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if isinstance(whole, list):
        found, unit = list(enumerate(whole, 1)), "row"
    elif isinstance(whole, dict):
        found = [(1, whole)]
    else:
        found = [(number, _parsed(line)) for number, line in found]
    named = _suffix(file) in JSON
    if not found or not (named or isinstance(found[0][1], dict)):
        return [] if named else None
    for number, row in found:
        if not isinstance(row, dict):
            stop(f"{file} is not JSON, at {unit} {number}: give an object a line, or a list of objects")
    return [row for _, row in found]


def _parsed(text: str) -> Any:
    """A value of JSON; None where the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_text(file: str, number: int, role: str, name: str, row: dict) -> Any:
    """The text of an object, or its list of words. Ends with a message where it has none: nothing else is
    predicted as if it were a text."""
    value = row.get(name)
    words = role in LISTS and isinstance(value, list) and all(isinstance(word, str) for word in value)
    if not isinstance(value, str) and not words:
        asked = "a list of words or a text" if role in LISTS else "a text"
        shown = json.dumps(value)[:40] if name in row else "missing"
        stop(f"{file}, row {number}: '{name}' is {shown}, where {asked} is needed")
    return value


def _suffix(file: str) -> str:
    return Path(file.lower().removesuffix(".gz")).suffix


def _csv_rows(file: str, text: str) -> list[list[str]]:
    """The names of the columns, and the rows that are not blank, without lines of dashes and those that repeat the
    names. Ends with a message where a row has values beyond the columns, as one whose text has the separator and no
    quotes. Quotation marks that would join rows are part of the texts, as in training."""
    csv.field_size_limit(2**31 - 1)
    text = re.sub(r"\A\ufeff?([ \t]*(\r\n|\r|\n))*", "", text)
    said = re.match(r'"?sep=(.)"?[ \t]*(\r\n|\r|\n)', text, re.IGNORECASE)
    text = text[said.end() :] if said else text
    delimiter = said[1] if said else _delimiter(text)
    rows = _quoted_rows(file, text, delimiter)
    if not rows:
        return [[]]
    names = [name.strip() for name in rows[0]]
    if _has_row_names(text, delimiter, names, rows[1:]):
        names = ["", *names]
    numbered = [
        (number, row)
        for number, row in enumerate(rows[1:], 1)
        if [cell.strip() for cell in row[: len(names)]] != names and not _is_rule(row)
    ]
    last = max((place for place, name in enumerate(names, 1) if name), default=len(names))
    beyond = [(number, row) for number, row in numbered if any(cell.strip() for cell in row[last:])]
    if len(beyond) > BEYOND * len(numbered):  # remarks in columns without names
        beyond = [(number, row) for number, row in beyond if any(cell.strip() for cell in row[len(names) :])]
    if beyond:
        number, row = beyond[0]
        stop(
            f"{file}, row {number}: it has {len(row)} cells, and the first line names {last}: a text with the "
            "separator needs quotes around it"
        )
    if '"\\N"' in text:
        return [names, *(row for _, row in numbered)]
    return [names, *(["" if cell == "\\N" else cell for cell in row] for _, row in numbered)]


def _quoted_rows(file: str, text: str, delimiter: str) -> list[list[str]]:
    """The rows that are not blank. Ends with a message where quotation marks contradict each other."""
    blanks = _has_blanks_before_quotes(text, delimiter)
    rows = _cut(text, delimiter, csv.QUOTE_MINIMAL, blanks=blanks)
    if rows is None and '\\"' in text:
        rows = _cut(_escaped(text, delimiter), delimiter, csv.QUOTE_MINIMAL, "\\", blanks)
    joined = rows is None or _joined(rows, delimiter)
    if rows is not None and not joined and all(len(row) >= len(rows[0]) or _is_broken(row) for row in rows):
        return rows
    plain = _cut(text, delimiter, csv.QUOTE_NONE) or []
    opened = [cell.strip() for row in plain for cell in row if cell.startswith('"')]
    closed = sum(len(cell) > 1 and cell.endswith('"') for cell in opened)
    rare = len(opened) <= RARE * len(plain) or closed <= len(opened) / 2
    if rare and len({len(row) for row in plain}) == 1 < len(plain[0]):
        return plain
    if joined:
        stop(f"{file} is not CSV: double the quotation marks within a text, and put quotes around it")
    return rows or []


def _is_broken(row: Sequence[str]) -> bool:
    return any("\n" in cell or "\r" in cell for cell in row)


def _has_blanks_before_quotes(text: str, delimiter: str) -> bool:
    """Whether quoted cells follow a blank after the separator, `a, "b, c"`, and all rows then have one width."""
    lines = list(islice(StringIO(text, newline=""), PEEK))
    sign = re.escape(delimiter)
    spaced = re.compile(rf'{sign} +"[^"]*"\s*({sign}|$)')
    if delimiter == " " or sum(bool(spaced.search(line)) for line in lines[1:]) < 0.5 * len(lines[1:]):
        return False
    rows = _cut("".join(lines), delimiter, csv.QUOTE_MINIMAL, blanks=True) or []
    return len(lines) > 1 and len({len(row) for row in rows}) == 1


def _has_row_names(text: str, delimiter: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether each row has one cell more than there are names, and starts with a number, as R writes tables."""
    numbers = {row[0] for row in rows if len(row) == len(names) + 1 and row[-1].strip()}
    written = delimiter == "\t" or all(f'"{number}"' in text for number in islice(numbers, 9))
    return bool(rows) and written and len(numbers) == len(rows) and all(map(str.isdecimal, numbers))


def _is_rule(row: Sequence[str]) -> bool:
    """Whether a row has dashes alone, as below the header of a table in Markdown."""
    found = [cell.strip() for cell in row if cell.strip()]
    return (len(found) > 1 or "+" in "".join(found)) and all(RULE.fullmatch(cell) for cell in found)


def _cut(
    text: str, delimiter: str, quoting: Any, escape: str | None = None, blanks: bool = False
) -> list[list[str]] | None:
    """The rows that are not blank, with those of an empty text in quotes where there is one column; None where a
    quoted text does not end where its cell ends."""
    quotes = quoting == csv.QUOTE_MINIMAL
    reader = csv.reader(
        StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=quoting,
        escapechar=escape,
        doublequote=escape is None,
        skipinitialspace=blanks,
        strict=quotes,
    )
    try:
        rows = list(dropwhile(_is_blank, reader))
    except csv.Error:
        return None
    alone = bool(rows) and len(rows[0]) == 1
    return [row for row in rows if not _is_blank(row) or (alone and row == [""])]


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _blank_rows(text: str) -> int:
    """Lines of a table of one column that have no text, nor quotes around none: before its last row."""
    return sum(_is_blank(row) and row != [""] for row in csv.reader(StringIO(text.strip(), newline="")))


def _escaped(text: str, delimiter: str) -> str:
    """The text with each backslash doubled that escapes no quotation mark, separator or backslash."""
    kept = f'"\\{delimiter}'
    return re.sub(r"\\(.)", lambda found: found[0] if found[1] in kept else f"\\{found[0]}", text)


def _joined(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Whether a quoted text of several lines is made of rows: each line has a cell for every column, and in one of
    the columns whose values repeat, as labels do, each has a value of other rows; or a number, where all others of
    the column are numbers, and some have fractions."""
    width = len(rows[0]) if rows else 0
    broken = [row for row in rows[1:] if _is_broken(row)]
    if not broken:
        return False
    counts = [Counter[str]() for _ in range(width)]
    for row in rows[1:]:
        if len(row) == width and not _is_broken(row):
            for found, cell in zip(counts, row, strict=True):
                found.update([cell.strip()] if cell.strip() else ())
    repeated = [n for n, found in enumerate(counts) if found.total() >= max(1, 2 * len(found))]
    scores = [
        n
        for n, found in enumerate(counts)
        if n not in repeated and all(map(NUMBER.fullmatch, found)) and re.search("[.,]", "".join(found))
    ]
    for row in broken:
        lines = [line.split(delimiter) for line in re.split(r"\r\n|\r|\n", delimiter.join(row))]
        if all(len(line) == width for line in lines) and any(
            all(line[n].strip() in counts[n] for line in lines) for n in repeated
        ):
            return True
        if all(len(line) == width for line in lines) and any(
            all(NUMBER.fullmatch(line[n].strip()) for line in lines) for n in scores
        ):
            return True
    return False


def _delimiter(text: str) -> str:
    """What cuts most rows into as many cells as the header, and into most cells; tabs where several do."""
    lines = list(islice(StringIO(text, newline=""), PEEK))
    fits: dict[str, tuple[float, int]] = {}
    for sign in SEPARATORS:
        try:
            rows = list(csv.reader(lines, delimiter=sign))
        except csv.Error:
            continue
        widths = [len(row) for row in rows if row]
        if widths and widths[0] > 1 and not len(rows) == 1 < len(lines):
            fits[sign] = sum(width == widths[0] for width in widths) / len(widths), widths[0]
    best = max((fit for fit, _ in fits.values()), default=0.0)
    if fits.get("\t", (0.0, 0))[0] == best:
        return "\t" if fits else ","
    return max(fits, key=lambda sign: fits[sign])


def _found(file: str, role: str, given: str | None, names: Sequence[str]) -> str:
    """The column that is meant: the one that was named, one that has the role's name, or the only one."""
    if given is None and len(names) == 1:
        return names[0]
    if names.count(given or role) > 1:
        stop(f"{file} has several columns '{given or role}': give them different names")
    if (given or role) in names:
        return given or role
    stop(
        f"{file} has no column '{given or role}': choose one with --{role} (columns: {', '.join(map(str, names))})"
    )
