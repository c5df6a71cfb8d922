"""Files in, CSV out, for `predict.py` beside it. Needs Python's standard library alone."""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from io import StringIO, TextIOWrapper
from pathlib import Path


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
        rows = [
            [str(value) for value in row]
            for row in read(given.file, [(role, getattr(given, role)) for role in roles], given.encoding)
        ]
    elif paired and len(given.texts) != 2:
        sys.exit("this model reads pairs: give two texts, both in quotes")
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
    rows = _json_rows(text, lines)
    if rows is None and suffix in (".json", ".jsonl", ".ndjson"):
        sys.exit(f"{file} is not JSON: give an object a line, or a list of objects")
    names = list(rows[0]) if rows else []
    wanted = any(given for _, given in columns) or len(columns) > 1 or suffix in (".csv", ".tsv")
    if rows is None and text.strip() and wanted:
        names, rows = _csv_rows(file, text, _delimiter(lines))
    if rows is None:
        values = [[line.strip()] for line in lines if line.strip()]
    else:
        found = [_found(file, role, given, names) for role, given in columns] if names else []
        values = [["" if row.get(name) is None else row[name] for name in found] for row in rows]
    if not values:
        sys.exit(f"{file} has no rows")
    return [[_whole(value) if isinstance(value, str) else value for value in row] for row in values]


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
        sys.exit(f"{out or 'the output'} cannot be written: {error.strerror or error}")


def _content(file: str, encoding: str) -> str:
    """The text of the file. Ends with a message where it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode(encoding)
    except OSError as error:
        sys.exit(f"{file} cannot be read: {error.strerror or error}")
    except LookupError:
        sys.exit(f"--encoding {encoding}: Python knows no such encoding; try utf-8, cp1252 or utf-16")
    except UnicodeDecodeError as error:
        shown = "UTF-8" if encoding == "utf-8-sig" else encoding
        sys.exit(
            f"{file} is not text in {shown} (byte {error.start + 1}): name its --encoding, such as cp1252"
        )


def _whole(text: str) -> str:
    """Text without halves of characters, which no tokenizer reads."""
    return text.encode(errors="replace").decode()


def _json_rows(text: str, lines: Sequence[str]) -> list[dict] | None:
    """The objects of JSON lines or of one list; None where it is neither."""
    for read_rows in (lambda: [json.loads(line) for line in lines if line.strip()], lambda: json.loads(text)):
        try:
            rows = read_rows()
        except (ValueError, RecursionError):
            continue
        if rows and isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return rows
    return None


def _csv_rows(file: str, text: str, delimiter: str) -> tuple[list[str], list[dict]]:
    """The names of the columns, and the rows. Ends with a message where it is not CSV."""
    csv.field_size_limit(2**31 - 1)
    table = csv.DictReader(StringIO(text, newline=""), delimiter=delimiter)
    try:
        return list(table.fieldnames or []), list(table)
    except csv.Error as error:
        sys.exit(f"{file} is not CSV (line {table.line_num}: {error})")


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
    sys.exit(
        f"{file} has no column '{given or role}': choose one with --{role} (columns: {', '.join(map(str, names))})"
    )
