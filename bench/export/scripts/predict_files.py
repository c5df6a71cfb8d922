"""Files in, CSV out, for `predict.py` beside it. Needs Python's standard library alone."""

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from io import StringIO
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
            [str(value) for value in row] for row in read(given.file, [(r, getattr(given, r)) for r in roles])
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
        "--file", metavar="FILE", help="predict this file: CSV, TSV, JSON lines, or a text a line"
    )
    for name in columns:
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"column or key of the {name}s in the file")
    parser.add_argument("--out", metavar="FILE", help="write CSV here (default: the screen)")
    given = parser.parse_args()
    if bool(given.texts) == bool(given.file):
        parser.print_help(sys.stderr)
        sys.exit(2)
    return given


def read(file: str, columns: Sequence[tuple[str, str | None]]) -> list[list]:
    """The values of the columns, row by row. JSON lines are known by their first line, CSV by its columns' names;
    any other file is a text a line. Ends with a message where a column is missing."""
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as source:
            text = source.read()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"{file} cannot be read: {error}")
    lines = text.replace("\r\n", "\n").split("\n")
    rows = _json_lines(lines)
    if rows is None and (any(given for _, given in columns) or len(columns) > 1 or _looks_like_csv(file)):
        rows = list(csv.DictReader(StringIO(text, newline=""), delimiter=_delimiter(lines)))
    if rows is None:
        return [[line.strip()] for line in lines if line.strip()]
    names = [_found(file, role, given, rows) for role, given in columns]
    return [["" if row.get(name) is None else row[name] for name in names] for row in rows]


def write(out: str | None, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """CSV with probabilities to four digits."""
    with Path(out).open("w", encoding="utf-8", newline="") if out else nullcontext(sys.stdout) as target:
        table = csv.writer(target, lineterminator="\n")
        table.writerow(header)
        for row in rows:
            table.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row])


def _json_lines(lines: Sequence[str]) -> list[dict] | None:
    try:
        rows = [json.loads(line) for line in lines if line.strip()]
    except ValueError:
        return None
    return rows if rows and all(isinstance(row, dict) for row in rows) else None


def _looks_like_csv(file: str) -> bool:
    return Path(file).suffix.lower() in (".csv", ".tsv")


def _delimiter(lines: Sequence[str]) -> str:
    """What the header has most of."""
    header = next((line for line in lines if line.strip()), "")
    return max(",;\t|", key=header.count)


def _found(file: str, role: str, given: str | None, rows: Sequence[dict]) -> str:
    """The column that is meant: the one that was named, one that has the role's name, or the only one."""
    names = list(rows[0]) if rows else []
    if given is None and len(names) == 1:
        return names[0]
    if (given or role) in names:
        return given or role
    sys.exit(
        f"{file} has no column '{given or role}': choose one with --{role} (columns: {', '.join(map(str, names))})"
    )
