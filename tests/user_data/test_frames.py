"""Frames of pandas as a notebook has them: any index, any kind of column, any missing value."""

from __future__ import annotations

import datetime
import enum
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.contracts import BenchError
from bench.user_data.frames import file_of
from tests.support.user_files import LABELS, ROWS, TEXTS, all_rows, opened

FRAME = pd.DataFrame({"text": TEXTS, "label": LABELS})
PARITY = [number % 2 for number in range(len(TEXTS))]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.user_data.frames.default_cache", lambda: tmp_path)


def labelled(frame: Any, **keys: Any) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in all_rows(opened(file_of(frame), **keys))]


def missing(values: Sequence[Any]) -> list[Any]:
    """The values, every fifth of them missing."""
    return [None if number % 5 == 0 else value for number, value in enumerate(values)]


def refused(frame: Any, **keys: Any) -> BenchError:
    with pytest.raises(BenchError) as error:
        labelled(frame, **keys)
    return error.value


def test_the_index_is_no_matter_unless_it_has_a_name() -> None:
    assert labelled(FRAME.set_index(pd.Index(range(900, 900 + len(FRAME))))) == ROWS
    assert labelled(FRAME.iloc[::-1]) == ROWS[::-1]
    assert labelled(FRAME.set_index("text")) == ROWS
    assert labelled(FRAME.set_index(["label", "text"])) == ROWS
    assert labelled(FRAME.set_index(pd.Index(range(len(FRAME)), name=7))) == ROWS
    with_number = FRAME.rename_axis("text")  # an index of numbers with the name of a column is dropped
    assert labelled(with_number) == ROWS


def test_columns_of_one_name_are_chosen_by_number() -> None:
    twice = pd.concat([FRAME, FRAME[["label"]].map(lambda label: f"{label}s")], axis=1)
    error = refused(twice, text="text", label="label")
    assert error.code == "unknown-column"
    assert "several columns 'label'" in str(error)
    assert labelled(twice, text="text", label="2") == ROWS
    assert labelled(twice, text="text", label="3") == [(text, f"{label}s") for text, label in ROWS]
    numbers = FRAME.set_axis([1, "1"], axis=1)
    assert labelled(numbers, text="1", label="2") == ROWS


KINDS: dict[str, tuple[Any, Sequence[str | None]]] = {
    "categories": (pd.Categorical(LABELS, categories=[*sorted(set(LABELS)), "none"]), LABELS),
    "categories, missing": (pd.Categorical(missing(LABELS)), missing(LABELS)),
    "categories of numbers": (pd.Categorical(PARITY, ordered=True), [str(n) for n in PARITY]),
    "Int64, missing": (pd.array(missing(PARITY), dtype="Int64"), missing([str(n) for n in PARITY])),
    "floats, missing": (np.array(missing(PARITY), dtype=float), missing([str(n) for n in PARITY])),
    "boolean, missing": (
        pd.array(missing([n > 0 for n in PARITY]), dtype="boolean"),
        missing([str(n > 0).lower() for n in PARITY]),
    ),
    "uint8": (np.array(PARITY, dtype="uint8"), [str(n) for n in PARITY]),
    "pyarrow's text": (pd.array(LABELS, dtype="string[pyarrow]"), LABELS),
    "pyarrow's numbers": (
        pd.array(missing(PARITY), dtype="int64[pyarrow]"),
        missing([str(n) for n in PARITY]),
    ),
    "moments": (
        pd.to_datetime([f"202{n}-03-01" for n in PARITY]),
        [f"202{n}-03-01 00:00:00" for n in PARITY],
    ),
    "days": ([datetime.date(2020 + n, 3, 1) for n in PARITY], [f"202{n}-03-01" for n in PARITY]),
    "periods": (pd.PeriodIndex([f"202{n}-03" for n in PARITY], freq="M"), [f"202{n}-03" for n in PARITY]),
    "intervals": (pd.cut(PARITY, [-1, 0, 1]), ["(0, 1]" if n else "(-1, 0]" for n in PARITY]),
    "sparse": (pd.arrays.SparseArray(PARITY), [str(n) for n in PARITY]),
    "texts and numbers": ([n or "x" for n in PARITY], [str(n or "x") for n in PARITY]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_any_kind_are_read_as_their_text(kind: str) -> None:
    values, expected = KINDS[kind]
    found = labelled(FRAME.assign(label=values), text="text", label="label", adapter="classification")
    assert found == [(text, label) for text, label in zip(TEXTS, expected, strict=True) if label is not None]


def test_a_text_that_is_missing_leaves_its_row_out() -> None:
    for kind in ("string", "string[pyarrow]", "object"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frame = FRAME.assign(text=pd.array(missing(TEXTS), dtype=kind))
        assert labelled(frame) == [row for number, row in enumerate(ROWS) if number % 5]


class Colour(enum.Enum):
    red = 1
    blue = 2


def test_values_that_no_table_keeps_are_refused_with_their_column() -> None:
    for values in ([complex(n) for n in PARITY], [Colour(1 + n) for n in PARITY]):
        error = refused(FRAME.assign(label=values))
        assert error.code == "frame-values"
        assert "column 'label'" in str(error)


def test_a_series_or_a_list_is_no_frame() -> None:
    for data in (FRAME["text"], TEXTS, {"text": TEXTS}):
        assert refused(data).code == "data-type"
