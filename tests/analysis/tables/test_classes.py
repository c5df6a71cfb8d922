"""The table of classes: its numbers are scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from bench.analysis.tables import classes
from bench.contracts import BenchError
from tests.analysis.conftest import make_record
from tests.analysis.test_derived import LABELS, predictions


def means(found: Sequence[Any]) -> Any:
    return np.mean(found, axis=0)


def test_scores_and_confusions_are_those_of_scikit_learn() -> None:
    records = [make_record(seed=seed) for seed in range(2)]
    table = classes.build(records, lambda _: predictions(0))
    rows = predictions(0)
    gold, said = rows["reference"].astype(str), rows["prediction"].astype(str)
    (block,) = table.blocks
    order = [row.labels[0] for row in block.rows]
    assert sorted(order) == sorted(LABELS)
    wanted = precision_recall_fscore_support(gold, said, labels=order, zero_division=0)  # pyright: ignore[reportArgumentType]
    confusion = confusion_matrix(gold, said, labels=order, normalize="true")
    for place, row in enumerate(block.rows):
        support, precision, recall, f1, *confused = (entry.value for entry in row.entries)
        assert support == wanted[3][place]
        assert (precision, recall, f1) == pytest.approx(tuple(part[place] for part in wanted[:3]))
        names = [column.heading.removeprefix("as ") for column in table.columns[4:]]
        assert confused == pytest.approx([confusion[place][order.index(name)] for name in names])
        assert all(entry.spread for entry in row.entries[1:4])


def test_with_several_tasks_the_most_frequent_confusion_is_named() -> None:
    records = [make_record("a"), make_record("b")]
    table = classes.build(records, lambda _: predictions(0))
    assert table.columns[-1].heading == "most taken for"
    assert all("%" in str(row.entries[-1].value) for block in table.blocks for row in block.rows)


def test_runs_without_such_tasks_are_refused() -> None:
    with pytest.raises(BenchError) as error:
        classes.build([make_record(adapter="ner")], lambda _: predictions())
    assert error.value.code == "no-classes"
