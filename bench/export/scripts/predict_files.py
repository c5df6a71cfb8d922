"""Files in, CSV out, for `predict.py` beside it. Needs Python's standard library alone."""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

JSON = (".json", ".jsonl", ".ndjson")
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
    given.texts = [_whole(text) for text in given.texts]
    return given


def read(file: str, columns: Sequence[tuple[str, str | None]], encoding: str = "utf-8-sig") -> list[list]:
    """The values of the columns, row by row. JSON lines are known by their first line, CSV by its columns' names;
    any other file is a text a line. Ends with a message where there are no rows, or a column is missing."""
    text = _content(file, encoding)
    lines = text.replace("\r\n", "\n").split("\n")
    suffix = Path(file).suffix.lower()
    objects = _json_rows(file, text, lines)
    wanted = any(given for _, given in columns) or len(columns) > 1 or suffix in (".csv", ".tsv")
    if objects:
        names = list(dict.fromkeys(name for row in objects for name in row))
        found = [(role, _found(file, role, given, names)) for role, given in columns]
        values = [
            [_json_text(file, number, role, name, row) for role, name in found]
            for number, row in enumerate(objects, 1)
        ]
    elif objects is None and text.strip() and wanted:
        names, rows = _csv_rows(file, text, _delimiter(lines))
        found = [(role, _found(file, role, given, names)) for role, given in columns] if names else []
        values = [[row.get(name) or "" for _, name in found] for row in rows]
    else:
        values = [[line.strip()] for line in lines if line.strip()]
    if not values:
        stop(f"{file} has no rows")
    return [
        [[_whole(word) for word in value] if isinstance(value, list) else _whole(value) for value in row]
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


def _content(file: str, encoding: str) -> str:
    """The text of the file. Ends with a message where it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode(encoding)
    except OSError as error:
        stop(f"{file} cannot be read: {error.strerror or error}")
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
    named = Path(file).suffix.lower() in JSON
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


def _csv_rows(file: str, text: str, delimiter: str) -> tuple[list[str], list[dict]]:
    """The names of the columns, and the rows. Ends with a message where it is not CSV."""
    csv.field_size_limit(2**31 - 1)
    table = csv.DictReader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(table.fieldnames or []), list(table)
    except csv.Error as error:
        stop(f"{file} is not CSV (line {table.line_num}: {error})")


def _delimiter(lines: Sequence[str]) -> str:
    """What the header has most of."""
    header = next((line for line in lines if line.strip()), "")
    return max(",;\t|", key=header.count)


def _found(file: str, role: str, given: str | None, names: Sequence[str]) -> str:
    """The column that is meant: the one that was named, one that has the role's name, or the only one."""
    if given is None and len(names) == 1:
        return names[0]
    if (given or role) in names:
        return given or role
    stop(
        f"{file} has no column '{given or role}': choose one with --{role} (columns: {', '.join(map(str, names))})"
    )
