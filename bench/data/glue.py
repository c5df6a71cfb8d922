"""The layout of GLUE on the hub (Wang et al. 2019, ICLR): one or two texts a row, a label by its number, or a
number.

The test sets have no labels there. The validation set becomes the test set, as in the literature, and a tenth of
the training set becomes the validation set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bench.contracts import NumberExample, Splits, TextExample
from bench.data.formats import class_name, refusing_row
from bench.data.hub import SplitRows
from bench.data.sources import Sources
from bench.data.splits import with_validation

HUB = "nyu-mll/glue"

Rows = Iterable[dict[str, Any]]
Examples = Callable[[Rows, str], list[Any]]
"""The examples of rows of a split, with the split's name."""


def glue_rows(sources: Sources, config: str, names: Sequence[str] | None = None) -> SplitRows:
    """The rows of one of GLUE's tasks; a local copy of it is a folder of the task's name."""
    return sources.hub(HUB, config, labels=names)


def glue_splits(rows: SplitRows, examples: Examples, salt: str, dev: str = "validation") -> Splits:
    """Training, validation and test rows. dev: the split that becomes the test set. Training rows of one group
    stay on one side of the cut."""
    cut = with_validation(
        examples(rows["train"], "train"), examples(rows[dev], "dev"), fraction=0.1, salt=salt
    )
    return replace(cut, test=apart(cut.test, "test"))


def apart(rows: Sequence[Any], split: str) -> list[Any]:
    """The rows of an official test set in groups of its own: some share a text with training rows, and are compared
    with papers as they are."""
    return [replace(row, group=f"{split}: {row.group}") if row.group else row for row in rows]


def labelled(
    columns: tuple[str, ...], names: Sequence[str], group: str = ""
) -> Callable[[Rows, str], list[TextExample]]:
    """Reads one or two text columns and `label`, an index into `names`. group: the column that tells rows of one
    source. Rows with a blank text are left out."""

    def read(rows: Rows, prefix: str) -> list[TextExample]:
        found = []
        for number, row in enumerate(rows):
            with refusing_row(prefix, number):
                texts = [row[column].strip() for column in columns]
                if all(texts):
                    label, own = class_name(names, row["label"]), row[group].strip() if group else ""
                    found.append(TextExample(f"{prefix}-{number}", texts[0], label, own, *texts[1:]))
        return found

    return read


def numbered(columns: tuple[str, ...], number: str = "label") -> Callable[[Rows, str], list[NumberExample]]:
    """As `labelled`, with a number in column `number`."""

    def read(rows: Rows, prefix: str) -> list[NumberExample]:
        found = []
        for place, row in enumerate(rows):
            with refusing_row(prefix, place):
                texts = [row[column].strip() for column in columns]
                if all(texts):
                    found.append(
                        NumberExample(f"{prefix}-{place}", texts[0], float(row[number]), "", *texts[1:])
                    )
        return found

    return read
