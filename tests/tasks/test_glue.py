"""GLUE's tasks, read from a local copy in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.contracts import BenchError, Splits, Task
from bench.data.sources import Sources
from bench.data.splits import check_examples, check_leaks
from tasks.cola import CoLA
from tasks.mnli import MNLI
from tasks.mrpc import MRPC
from tasks.qnli import QNLI
from tasks.rte import RTE
from tasks.stsb import STSB

COLUMNS: dict[type[Task], tuple[str, ...]] = {
    MRPC: ("sentence1", "sentence2"),
    RTE: ("sentence1", "sentence2"),
    QNLI: ("question", "sentence"),
    MNLI: ("premise", "hypothesis"),
    STSB: ("sentence1", "sentence2"),
    CoLA: ("sentence",),
}
EVERY = pytest.mark.parametrize("task", list(COLUMNS), ids=lambda task: task.name)


def saved(task: type[Task], folder: Path, changes: dict[str, Any] | None = None) -> Sources:
    dev = ["validation_matched", "validation_mismatched"] if task is MNLI else ["validation"]
    for split in ("train", *dev, "test"):
        rows = []
        for number in range(60 if split == "train" else 12):
            texts = {
                name: f"{split} {name} {number // 3 if name in ('premise', 'sentence') else number}"
                for name in COLUMNS[task]
            }
            label: Any = number / 7 if task is STSB else number % 2
            rows.append({**texts, "label": -1 if split == "test" else label, "idx": number})
        if split == "train":
            rows[7] |= changes or {}
        (folder / task.name).mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / task.name / f"{split}.parquet")
    return Sources(cache=folder / "cache", local=folder)


@EVERY
def test_the_validation_set_is_the_test_set(task: type[Task], tmp_path: Path) -> None:
    splits: Splits = task().splits(saved(task, tmp_path))
    assert len(splits.train) + len(splits.validation) == 60
    assert len(splits.test) == 12
    assert {name: len(rows) for name, rows in splits.shift.items()} == (
        {"mismatched": 12} if task is MNLI else {}
    )
    check_examples(task(), splits)
    check_leaks(task(), splits)
    assert all(bool(row.pair) == (task is not CoLA) for row in splits.test)


@pytest.mark.parametrize("task", [MNLI, QNLI], ids=lambda task: task.name)
def test_rows_of_one_text_stay_on_one_side(task: type[Task], tmp_path: Path) -> None:
    splits = task().splits(saved(task, tmp_path))
    held = {row.group for row in splits.validation}
    assert held
    assert not held & {row.group for row in splits.train}


@pytest.mark.parametrize(("task", "column"), [(MNLI, "premise"), (QNLI, "sentence"), (RTE, "sentence1")])
def test_test_rows_of_one_text_are_a_group_of_their_set(
    task: type[Task], column: str, tmp_path: Path
) -> None:
    """Intervals resample them together. An official test set may share a text with training rows."""
    sources, shared = saved(task, tmp_path), f"train {column} 3"
    for path in (tmp_path / task.name).glob("validation*.parquet"):
        rows = [{**row, column: shared} for row in pq.read_table(path).to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows), path)
    splits = task().splits(sources)
    assert shared in {row.group for row in (*splits.train, *splits.validation)}
    for name, rows in splits.scored().items():
        assert {row.group for row in rows} == {f"{name}: {shared}"}
    check_leaks(task(), splits)


@EVERY
@pytest.mark.parametrize("value", [None, "x"], ids=str)
def test_a_row_that_is_not_as_published_is_named(task: type[Task], value: Any, tmp_path: Path) -> None:
    sources = saved(task, tmp_path, {COLUMNS[task][-1]: None} if value is None else {})
    if value is not None:
        path = tmp_path / task.name / "train.parquet"
        rows = pq.read_table(path).to_pylist()
        pq.write_table(
            pa.Table.from_pylist([{**row, "label": str(row["label"]) + value} for row in rows]), path
        )
    with pytest.raises(BenchError, match=r"row .* of split 'train'") as error:
        task().splits(sources)
    assert error.value.code == "unexpected-row"


def test_cola_is_ranked_by_matthews_correlation(tmp_path: Path) -> None:
    from sklearn.metrics import matthews_corrcoef

    rows = CoLA().splits(saved(CoLA, tmp_path)).test
    said = ["acceptable"] * 7 + ["unacceptable"] * 5
    assert CoLA().score(rows, said)["mcc"] == matthews_corrcoef([row.label for row in rows], said)
    assert CoLA.headline == "mcc"
