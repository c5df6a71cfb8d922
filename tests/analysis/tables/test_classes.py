"""The table of classes: its numbers are scikit-learn's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from bench.analysis.groups import gather
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.uncertainty import Shown, from_predictions
from bench.analysis.statistics.uncertainty_notes import NO_INTERVAL, TWO_SEEDS
from bench.analysis.tables import classes
from bench.contracts import BenchError, Metric
from tests.analysis.conftest import make_record
from tests.analysis.test_derived import LABELS, predictions

ZERO: Any = 0
"""Of scikit-learn's `zero_division`, whose type is said to be a text."""


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
    wanted: Any = precision_recall_fscore_support(gold, said, labels=order, zero_division=ZERO)
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
        classes.build([make_record(adapter="qa")], lambda _: predictions())
    assert error.value.code == "no-classes"


def rows_of(reference: Sequence[str], *said: str) -> dict[str, np.ndarray]:
    return {
        "split": np.full(len(reference), "test", object),
        "id": np.arange(len(reference)).astype(str).astype(object),
        "reference": np.array(reference, object),
        "prediction": np.array(said, object),
    }


@pytest.mark.parametrize(
    ("adapter", "nothing", "something"), [("ner", "O O", "B-PER O"), ("multilabel", "[]", '["a"]')]
)
def test_a_group_that_has_and_names_no_class_has_no_rows(adapter: str, nothing: str, something: str) -> None:
    silent, other = (make_record(strategy=name, adapter=adapter) for name in ("frozen", "full"))
    files = {silent.cell.id: rows_of([nothing] * 2, nothing, nothing)}
    files[other.cell.id] = rows_of([nothing] * 2, nothing, something)
    (block,) = classes.build([silent, other], files.__getitem__).blocks
    assert block.title == "reviews/full/minilm"
    with pytest.raises(BenchError) as error:
        classes.build([silent], files.__getitem__)
    assert error.value.code == "no-classes"


def scores_of(table: Any) -> dict[str, list[Any]]:
    (block,) = table.blocks
    return {row.labels[0]: [entry.value for entry in row.entries] for row in block.rows}


def test_each_of_several_labels_has_the_scores_of_scikit_learn() -> None:
    sets = [("a", "b"), ("a",), (), ("c",), ("b", "c"), ("a", "c")]
    said = [("a",), ("a", "c"), ("b",), ("c",), (), ("a", "c")]
    rows = rows_of([json.dumps(item) for item in sets], *(json.dumps(item) for item in said))
    found = scores_of(classes.build([make_record(adapter="multilabel")], lambda _: rows))
    binary = MultiLabelBinarizer(classes=["a", "b", "c"])
    wanted: Any = precision_recall_fscore_support(
        binary.fit_transform(sets), binary.transform(said), zero_division=ZERO
    )
    for place, name in enumerate("abc"):
        support, *scores, _ = found[name]
        assert support == wanted[3][place]
        assert scores == pytest.approx([part[place] for part in wanted[:3]])


def test_entity_types_have_the_scores_of_seqeval() -> None:
    from seqeval.metrics import classification_report

    gold = ["B-PER O B-LOC", "B-LOC I-LOC O", "O B-PER I-PER"]
    said = ["B-PER O B-PER", "B-LOC O O", "O B-PER I-PER"]
    found = scores_of(classes.build([make_record(adapter="ner")], lambda _: rows_of(gold, *said)))
    wanted: Any = classification_report(
        [item.split() for item in gold], [item.split() for item in said], output_dict=True, zero_division=ZERO
    )
    for name in ("PER", "LOC"):
        support, *scores, _ = found[name]
        assert support == wanted[name]["support"]
        assert scores == pytest.approx([wanted[name][kind] for kind in ("precision", "recall", "f1-score")])


def test_what_cannot_be_counted_has_no_score_and_rare_classes_are_marked() -> None:
    """'never' is never predicted, 'new' has no example: 0 would be a statement about nothing."""
    rows = rows_of(["often"] * 12 + ["never"] * 2, *["often"] * 13, "new")
    table = classes.build([make_record(), make_record(seed=1)], lambda _: rows)
    found = scores_of(table)
    assert found["never"][:4] == [2, None, 0.0, 0.0]
    assert found["new"][:4] == [0, 0.0, None, 0.0]
    (block,) = table.blocks
    assert {row.labels[0]: row.entries[0].note for row in block.rows} == {
        "often": "",
        "never": "2 (rare)",
        "new": "",
    }
    assert classes.IS_RARE in table.notes


def test_one_seed_has_no_interval_and_says_so() -> None:
    table = classes.build([make_record()], lambda _: predictions(0))
    assert not any(entry.spread for block in table.blocks for row in block.rows for entry in row.entries)
    assert NO_INTERVAL in table.notes


def test_intervals_are_those_that_the_same_metric_has_elsewhere() -> None:
    """The interval of a class's recall is that of its examples' accuracy."""
    records = [make_record(seed=seed) for seed in range(3)]
    files = {record.cell.id: predictions(0) for record in records}
    rng = np.random.default_rng(1)
    for rows in files.values():
        flip = rng.random(len(rows["prediction"])) < 0.1
        rows["prediction"] = np.where(flip, "so", rows["prediction"]).astype(object)
    table = classes.build(records, files.__getitem__)
    metric = Metric("recall", "class_recall", ("pos",))
    scored = [
        record.model_copy(
            update={
                "metrics": (metric,),
                "scores": {"test": {"recall": ratios(metric, files[record.cell.id]).score()}},
            }
        )
        for record in records
    ]
    groups = gather(scored)
    known = from_predictions(groups, dict.fromkeys(groups, ("recall",)), files.__getitem__)
    (key,) = groups
    (row,) = (row for block in table.blocks for row in block.rows if row.labels == ("pos",))
    assert row.entries[2].value == pytest.approx(np.mean(groups[key].scores("recall")))
    assert row.entries[2].spread == pytest.approx(known.spread[Shown(key, "recall")])


def test_documents_and_two_seeds_are_named() -> None:
    rows = predictions(0)
    count = len(rows["reference"])
    rows["group"] = np.array([f"d{n // 4}" for n in range(count)], object)
    table = classes.build([make_record(), make_record(seed=1)], lambda _: rows)
    assert f"reviews ({-(-count // 4):,}) documents." in table.notes[-2]
    assert TWO_SEEDS in table.notes
    assert TWO_SEEDS not in classes.build([make_record(seed=n) for n in range(3)], lambda _: rows).notes
