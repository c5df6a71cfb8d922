"""Metrics that tables compute from predictions: exactly scikit-learn's where it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score, log_loss, matthews_corrcoef

from bench.analysis.derived import BINS, DERIVED, with_derived
from bench.analysis.loading import columns
from bench.analysis.tables.build import TableOptions, build
from bench.contracts import BenchError
from tests.analysis.conftest import make_record

LABELS = ("neg", "pos", "so")


def predictions(seed: int = 0, count: int = 400, logits: bool = True) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 3, count)
    found = rng.normal(size=(count, 3)) * 2 + 2 * np.eye(3)[gold]
    said = found.argmax(1)
    names = np.array(LABELS, object)
    table: dict[str, np.ndarray] = {
        "split": np.array(["test"] * count, object),
        "id": np.array([str(n) for n in range(count)], object),
        "reference": names[gold],
        "prediction": names[said],
        "correct": (gold == said).astype(int),
    }
    if logits:
        table |= {f"logit:{name}": found[:, place].astype(np.float16) for place, name in enumerate(LABELS)}
    return table


def derived(seed: int = 0, **options: Any) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    rows = predictions(seed, **options)
    records, read = with_derived([make_record()], lambda _: rows, list(DERIVED))
    return records[0].scores["test"], columns(read("x"))


def test_scores_are_those_of_scikit_learn() -> None:
    scores, rows = derived()
    gold, said = rows["reference"].astype(str), rows["prediction"].astype(str)
    shares = softmax(np.stack([rows[f"logit:{name}"].astype(float) for name in LABELS], 1), axis=1)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(gold, said), abs=1e-12)
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(gold, said), abs=1e-12)
    assert scores["nll"] == pytest.approx(log_loss(gold, shares, labels=LABELS), abs=1e-9)
    one_hot = np.array(LABELS) == gold[:, None]
    assert scores["brier"] == pytest.approx(((shares - one_hot) ** 2).sum(1).mean(), abs=1e-12)


def test_the_calibration_error_is_that_of_its_definition() -> None:
    scores, rows = derived()
    shares = softmax(np.stack([rows[f"logit:{name}"].astype(float) for name in LABELS], 1), axis=1)
    sure, right = shares.max(1), rows["correct"]
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, BINS)
    assert {len(part) for part in bins} <= {len(order) // BINS, len(order) // BINS + 1}
    wanted = sum(len(part) * abs(right[part].mean() - sure[part].mean()) for part in bins) / len(order)
    assert scores["ece"] == pytest.approx(wanted, abs=0.005)  # the larger bins may be others


def test_a_table_shows_them_on_request_with_intervals() -> None:
    records = [make_record(seed=seed, strategy=s) for seed in range(3) for s in ("full", "frozen")]
    table = build(
        records,
        lambda cell: predictions(int(cell[-1]) + 10 * ("full" in cell)),
        TableOptions(columns=("accuracy", "mcc", "balanced_accuracy", "nll", "ece")),
    )
    entries = table.blocks[0].rows[0].entries
    assert [column.unit for column in table.columns] == ["score", "score", "score", "error", "error"]
    assert all(entry.value and entry.spread for entry in entries)


def test_without_logits_the_table_says_how_to_keep_them() -> None:
    with pytest.raises(BenchError, match=r"recipe\.logits=true") as error:
        build([make_record()], lambda _: predictions(logits=False), TableOptions(columns=("nll",)))
    assert error.value.code == "unknown-column"
    found = build([make_record()], lambda _: predictions(logits=False), TableOptions(columns=("mcc",)))
    assert found.blocks[0].rows[0].entries[0].value


def test_records_of_other_tasks_stay_as_they_are() -> None:
    record = make_record(adapter="ner")
    records, _ = with_derived([record], lambda _: predictions(), ["mcc"])
    assert records == [record]


def test_what_failed_or_has_the_metric_stays_as_it_is() -> None:
    failed = make_record(status="failed", scores={"test": {"accuracy": 0.5}})
    own = make_record(metrics=(*make_record().metrics, DERIVED["mcc"]), scores={"test": {"mcc": 0.123}})
    lost = make_record(seed=9)

    def read(cell: str) -> dict[str, np.ndarray]:
        if cell == lost.cell.id:
            raise KeyError(cell)
        return predictions()

    records, _ = with_derived([failed, own, lost], read, ["mcc"])
    assert records == [failed, own, lost]


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    def read(cell: str) -> dict[str, np.ndarray]:
        raise AssertionError(cell)

    records, given = with_derived([make_record()], read, ["accuracy"])
    assert records == [make_record()]
    assert given is read


def test_certain_and_wrong_has_a_finite_loss() -> None:
    rows = predictions(count=40)
    wrong = rows["reference"] != "neg"
    rows |= {f"logit:{name}": np.full(40, 900.0 * (name == "neg")) for name in LABELS}
    records, read = with_derived([make_record()], lambda _: rows, ["nll", "brier"])
    assert columns(read("x"))["nll"] == pytest.approx(np.where(wrong, -np.log(1e-12), 0.0))
    assert records[0].scores["test"]["brier"] == pytest.approx(2 * wrong.mean())


def test_each_test_set_has_its_own_calibration_error() -> None:
    """The bins of each are of its own rows."""
    first, second = predictions(0, 100), predictions(1, 60)
    whole = {name: np.concatenate([first[name], second[name]]) for name in first}
    whole["split"] = np.repeat(np.array(["test", "tweets"], object), [100, 60])
    record = make_record(scores={"test": {"accuracy": 0.5}, "tweets": {"accuracy": 0.5}})
    records, _ = with_derived([record], lambda _: whole, ["ece"])
    expected = {"test": derived(0, count=100)[0]["ece"], "tweets": derived(1, count=60)[0]["ece"]}
    assert {test: scores["ece"] for test, scores in records[0].scores.items()} == pytest.approx(expected)
