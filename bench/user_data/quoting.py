"""How a delimited file is cut into rows: its separator, what stands above its header, and whether `"` quotes.

Each is guessed and then checked against all rows. If quoting would swallow lines that are rows by themselves,
or does not end at the end of a cell, `"` does not quote. If nothing fits, the error names the contradicting
line."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.column_values import ColumnValues
from bench.user_data.encodings import Encoding
from bench.user_data.text_files import raw_lines

DELIMITERS = (",", ";", "\t", "|")
NAMES = {"\t": "tabs", ",": "commas", ";": "';'", "|": "'|'"}
PEEK = 500  # lines from which the separator is guessed
RARE = 0.1  # cells per row that start with a quotation mark, where it hardly quotes
DIVIDING = 0.4  # share of blank lines below which they divide rows, not each from the next
TOLD = 0.5  # share of rows that must have as many cells as the header where another separator cuts them alike
DIVIDED = "look: blank lines divide the rows"
WAY_OUT = "a text with the separator, a line break or a quotation mark needs quotes around it"


class MalformedRows(BenchError):
    """A file whose quoting or widths contradict each other; `line` is where."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        self.line = line
        super().__init__(
            f"{path.name} is not well-formed, line {line:,} ({reason}): {WAY_OUT}", code="malformed-rows"
        )


@dataclass(frozen=True)
class Layout:
    """How a file is cut into rows. skip: lines before the header. quotes: whether `"` quotes, as in RFC 4180.
    blanks: whether blanks follow separators, and are no part of a cell. escape: what stands before a `"` inside a
    quoted text, where it is not another `"`."""

    path: Path
    encoding: Encoding
    delimiter: str
    skip: int
    quotes: bool = True
    blanks: bool = False
    escape: str | None = None

    def _escaped(self, line: str) -> str:
        """The line with each `\\` doubled that escapes no quote, separator or backslash: `\\n` stays `\\n`."""
        kept = f'"\\{self.delimiter}'
        return re.sub(r"\\(.)", lambda found: found[0] if found[1] in kept else f"\\{found[0]}", line)

    def records(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """The rows that are not blank: their first line's number, their cells, and their lines. BenchError."""
        return (found for found in self.all_records() if any(cell.strip() for cell in found[1]))

    def all_records(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """As `records`, with the rows that are blank."""
        csv.field_size_limit(2**30)
        held: list[str] = []

        def lines() -> Iterator[str]:
            for line in itertools.islice(raw_lines(self.path, self.encoding), self.skip, None):
                held.append(line)
                yield self._escaped(line) if self.escape else line

        quoting = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        number = self.skip
        rows = csv.reader(
            lines(),
            delimiter=self.delimiter,
            quoting=quoting,
            escapechar=self.escape,
            skipinitialspace=self.blanks,
            doublequote=self.escape is None,
            strict=self.quotes,
        )
        try:
            for cells in rows:
                first, number = number + 1, number + len(held)
                yield first, cells, held.copy()
                held.clear()
        except csv.Error as error:
            raise MalformedRows(self.path, number + 1, str(error)) from error


def layout_of(path: Path, encoding: Encoding) -> tuple[Layout, list[str]]:
    """The separator, the lines before the header, and whether quotation marks quote; what was guessed."""
    start = list(itertools.islice(raw_lines(path, encoding), PEEK))
    skip = next((n for n, line in enumerate(start) if line.strip()), len(start))
    notes = [f"{counted(skip, 'blank line')} before the header"] if skip else []
    if skip == len(start):
        raise BenchError(f"{path.name} is empty: its first line must name the columns", code="empty-file")
    said = start[skip].strip().strip('"').lower()
    if said.startswith("sep=") and len(said) == 5:
        delimiter = start[skip].strip().strip('"')[4]
        skip += 1
        notes.append(
            f"columns are separated by {NAMES.get(delimiter, repr(delimiter))}, as the first line says"
        )
    elif said == "sep=":  # of a tab, which was stripped
        delimiter, skip = "\t", skip + 1
    else:
        delimiter = _delimiter(path, start[skip:])
        usual = "\t" if path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")) else ","
        if delimiter != usual and delimiter in start[skip]:
            notes.append(f"columns are separated by {NAMES.get(delimiter, repr(delimiter))}")
    layout = Layout(path, encoding, delimiter, skip, blanks=_blanks_before_quotes(start[skip:], delimiter))
    if layout.blanks:
        notes.append("blanks stand between separators and quotation marks: they are no part of a cell")
    layout, notes = _with_quotes_as_text(layout, notes)
    if _is_divided(layout):
        tabs = "" if layout.delimiter == "\t" else ", and separate them by tabs"
        notes.append(f"{DIVIDED}: if these are the words and tags of sentences, say --adapter ner{tabs}")
    return layout, notes


def _is_divided(layout: Layout) -> bool:
    """Whether blank lines stand between some of the first rows: not within quoted texts, nor at the end."""
    blank = [not "".join(lines).strip() for _, _, lines in itertools.islice(layout.all_records(), 1, PEEK)]
    while blank and blank[-1]:
        blank.pop()
    return 1 < sum(blank) < DIVIDING * len(blank)


def _blanks_before_quotes(lines: Sequence[str], delimiter: str) -> bool:
    """Whether quoted cells follow a blank after the separator, `a, "b, c"`, and all rows then have one width."""
    spaced = re.compile(rf'{re.escape(delimiter)} +"[^"]*"\s*({re.escape(delimiter)}|$)')
    if delimiter == " " or sum(bool(spaced.search(line)) for line in lines[1:]) < 0.5 * len(lines[1:]):
        return False
    try:
        rows = [
            row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True) if row
        ]
    except csv.Error:  # such as a text that goes on beyond the lines that are looked at
        return False
    return len(lines) > 1 and len({len(row) for row in rows}) == 1


def _delimiter(path: Path, lines: Sequence[str]) -> str:
    """The separator that cuts most rows into as many cells as the header. BenchError where the first line is a
    title above a table."""
    fits: dict[str, tuple[float, int]] = {}
    title, told = 0, 0.0
    for delimiter in DELIMITERS:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        if len(rows) == 1 < len(lines) and _is_broken(lines, delimiter):
            continue  # as `;` in `"a &quot;","b"`: one row that swallows all lines
        widths = [len(row) for row in rows if row]
        fits[delimiter] = sum(width == widths[0] for width in widths) / len(widths), widths[0]
        if widths[0] > 1:  # one more cell than names may be row names
            told = max(told, *(widths.count(widths[0] + more) / len(widths) for more in (0, 1)))
        usual, count = Counter(widths[1:]).most_common(1)[0] if widths[1:] else (1, 0)
        if widths[0] == 1 < usual and count >= max(3, 0.9 * len(widths[1:])):
            title = usual
    many = {delimiter: fit for delimiter, fit in fits.items() if fit[1] > 1}
    best = max((fit[0] for fit in many.values()), default=0.0)
    if title and told < TOLD:
        raise BenchError(
            f"{path.name}: line 1 is '{lines[0].strip()[:40]}', and the others have {title} columns: delete what "
            "is above the line that names the columns",
            code="title-above-table",
        )
    if many.get("\t", (0.0, 0))[0] == best:  # texts have commas, but hardly tabs
        return "\t" if many else ","
    return max(many, key=lambda delimiter: many[delimiter])


def _is_broken(lines: Sequence[str], delimiter: str) -> bool:
    """Whether a quoted text does not end where its cell ends; one that goes on beyond the lines is not broken."""
    try:
        for _ in csv.reader(lines, delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" not in str(error)
    return False


def _with_quotes_as_text(layout: Layout, notes: list[str]) -> tuple[Layout, list[str]]:
    """The layout; with `\\"` for a quote inside a text where that makes it well-formed; without quoting where
    quotation marks are part of the texts: every line then has as many cells as the header, and with quoting lines
    that are rows would be swallowed, or the quoting is broken. BenchError."""
    swallowed, reason, joined = _misquoted_line(layout)
    if not swallowed and not joined:
        return layout, notes
    escaped = replace(layout, escape="\\")
    if (
        swallowed
        and any('\\"' in line for line in raw_lines(layout.path, layout.encoding))
        and not _misquoted_line(escaped)[0]
    ):
        return escaped, [*notes, 'a quote inside a text is written \\": it is read so']
    plain = replace(layout, quotes=False)
    widths: Counter[int] = Counter()
    rows = opened = closed = 0
    for _, cells, _ in plain.records():
        rows += 1
        widths[len(cells)] += 1
        started = [cell.strip() for cell in cells if cell.startswith('"')]
        opened += len(started)
        closed += sum(len(cell) > 1 and cell.endswith('"') for cell in started)
    rare = opened <= RARE * rows or closed <= opened / 2
    if len(widths) == 1 and next(iter(widths)) > 1 and rare:
        reason = reason or f"the quoted text in line {joined:,} would join two cells"
        return plain, [*notes, f'a " is read as text, not as a quote: {reason}']
    if joined:
        return layout, notes
    raise MalformedRows(layout.path, swallowed, reason)


def _misquoted_line(layout: Layout) -> tuple[int, str, int]:
    """The line with a quotation mark that does not quote, and the evidence; 0 if there is none. Then the line whose
    quotation marks make it a cell short, which it is not without them; 0 if there is none."""
    usual: list[ColumnValues] = []
    width = joined = 0
    several = False
    try:
        for first, cells, lines in layout.records():
            names = not width
            width = width or len(cells)
            usual = usual or [ColumnValues() for _ in range(width)]
            if len(lines) > 1:
                several = True
            elif len(cells) < width == lines[0].count(layout.delimiter) + 1:
                joined = joined or first
            elif len(cells) == width and not names:
                for column, cell in zip(usual, cells, strict=True):
                    column.add(cell)
    except MalformedRows as error:
        return error.line, "a quoted text does not end where its cell ends", 0
    tests = [(n, test) for n, column in enumerate(usual) if (test := column.test())]
    for first, _, lines in layout.records() if several and tests else ():
        if len(lines) == 1:
            continue
        cells = [line.rstrip("\r\n").split(layout.delimiter) for line in lines]
        if all(len(row) == width for row in cells) and any(
            all(test(row[n]) for row in cells) for n, test in tests
        ):
            return (
                first,
                f"the quoted text from line {first:,} would swallow {counted(len(lines) - 1, 'row')}",
                0,
            )
    return 0, "", joined
