"""One table whose rows say to which split they belong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError
from bench.text import clipped, counted
from bench.user_data.column_names import resolve
from bench.user_data.folders import SPLITS
from bench.user_data.tables import RawRow

if TYPE_CHECKING:
    from bench.user_data.files import Source

ALSO = {"train": ("trn",), "validation": ("devel",), "test": ("tst", "evaluation", "holdout", "held-out")}
"""What a row says of its split, in lower case, besides the names of files."""

_SPLITS = {name: split for split, names in SPLITS.items() for name in (*names, *ALSO[split])}


def split_of(value: Any) -> str:
    """The split that a cell names; '' where it names none."""
    return _SPLITS.get(str(value).strip().lower(), "")


def names_splits(values: Iterable[Any]) -> bool:
    """Whether values are names of splits alone, of training and of another one."""
    found = {split_of(value) for value in values}
    return len(found) > 1 and "train" in found and "" not in found


def divided(found: Mapping[str, Source], column: str, together: Sequence[str] = ()) -> dict[str, Source]:
    """The one source of `found` as a source for each split that the column names. BenchError where the rows cannot
    be divided so, or the words of one sentence would be. together: the column that numbers these, and that of their
    documents."""
    source, *others = found.values()
    if others:
        given = " and ".join(split for split in found if split != "train")
        raise BenchError(
            f"--split {column} divides the rows of one file, and {given} rows are in a file of their own: leave "
            "--split out, or give the one file",
            code="two-ways-to-split",
        )
    table = source.table
    if table is None:
        raise BenchError(
            f"{source.where} has no columns to choose: leave out --split", code="no-columns-to-choose"
        )
    name = resolve(table, column, "split")
    counts: Counter[str] = Counter()
    before: tuple[tuple[Any, ...], str] = (None,), ""
    for number, row in enumerate((table.with_first_line or table.rows)(), 1):
        split = split_of(row.get(name))
        if not split:
            raise BenchError(
                f"{table.where}, row {number:,}: '{clipped(name)}' is '{clipped(str(row.get(name)))}', and --split "
                "needs train, validation or test there (or dev, eval ...)",
                code="unknown-split",
            )
        counts[split] += 1
        known = together and row.get(together[0]) not in (None, "")  # else it goes on
        sentence = tuple(row.get(column) for column in together) if known else before[0]
        if together and before[1] not in ("", split) and sentence == before[0]:
            raise BenchError(
                f"{table.where}, row {number:,}: a word of sentence '{clipped(str(sentence[0]))}' is for {split}, "
                f"and the one before it for {before[1]}: give all words of a sentence one value of "
                f"'{clipped(name)}'; if the rows are texts of their own, say --adapter classification",
                code="divided-sentence",
            )
        before = sentence, split
    if not counts:  # a table without rows, which is refused for that
        return dict(found)
    if len(counts) == 1 or not counts["train"]:
        what = f"is {next(iter(counts))} in every row" if len(counts) == 1 else "names no row for training"
        raise BenchError(f"{table.where}: '{clipped(name)}' {what}: leave out --split", code="undivided")
    kept = [split for split in SPLITS if counts[split]]
    said = ", ".join(f"{counted(counts[split], 'row')} for {split}" for split in kept)
    note = f"rows are divided by '{name}': {said}"

    def of(split: str) -> Source:
        def only(rows: Callable[[], Iterable[RawRow]]) -> Callable[[], Iterator[RawRow]]:
            return lambda: (row for row in rows() if split_of(row.get(name)) == split)

        first = table.with_first_line
        part = replace(
            table,
            where=f"{table.where} ({split})",
            rows=only(table.rows),
            with_first_line=only(first) if first else None,
        )
        notes = (*source.notes, note) if split == "train" else source.notes
        return replace(source, where=part.where, table=part, items=part.rows, notes=notes)

    return {split: of(split) for split in kept}
