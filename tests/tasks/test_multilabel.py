"""Texts with several labels: targets, predictions, and scores exactly as scikit-learn's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, label_ranking_average_precision_score
from sklearn.preprocessing import MultiLabelBinarizer

from bench.analysis.statistics.metrics import ratios
from bench.contracts import BenchError, LabelsExample, Recipe, Splits
from bench.data.label_sets import LabelSet
from bench.data.splits import check_examples, check_labels
from tasks.multilabel import MultiLabel

RECIPE = Recipe(max_length=8, stride=0)
ONE_EACH: Any = SimpleNamespace(pooled="")  # every text is one sequence
LABELS = ("a", "b", "c", "d; e")


class Topics(MultiLabel):
    name = "topics"
    summary = "Topics of short texts"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Topics()


def sets(*found: tuple[str, ...]) -> list[LabelsExample]:
    return [LabelsExample(str(place), f"text {place}", labels) for place, labels in enumerate(found)]


def test_targets_say_for_each_label_whether_a_text_has_it(tokenizer):
    encoded = TASK.encode(sets(("b", "a"), (), ("d; e",)), tokenizer, LABELS, RECIPE)
    assert encoded.targets.tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert encoded.targets.dtype == np.int64


def test_labels_above_one_half_are_predicted():
    logits = np.array([[0.1, -0.1, 3.0, -3.0], [-1, -1, -1, -1]], np.float32)
    found = TASK.decode(logits, ONE_EACH, sets((), ()), LABELS)
    assert [prediction.labels for prediction in found] == [("a", "c"), ()]
    assert found[0].ranked == pytest.approx(tuple(1 / (1 + np.exp(-logits[0]))))


def test_a_threshold_is_chosen_where_the_recipe_asks_for_it():
    """Labels have probabilities of 0.29 and 0.21: 0.25 tells them apart, and one half predicts none."""
    rows = sets(("a",), ("b",))
    likely, unlikely = np.log(0.29 / 0.71), np.log(0.21 / 0.79)
    logits = np.array([[likely, unlikely], [unlikely, likely]], np.float32)
    chosen = [
        TASK.fitted(logits, ONE_EACH, rows, ("a", "b"), Recipe(threshold=threshold))
        for threshold in ("half", "validation")
    ]
    assert chosen[0] is TASK
    assert [dict(task.chosen) for task in chosen] == [{}, {"label_threshold": 0.25}]
    said = [[found.labels for found in task.decode(logits, ONE_EACH, rows, ("a", "b"))] for task in chosen]
    assert said == [[(), ()], [("a",), ("b",)]]


SETS = st.frozensets(st.sampled_from(LABELS)).map(lambda found: tuple(sorted(found)))
ROWS = st.lists(
    st.tuples(SETS, st.lists(st.integers(-3, 3), min_size=4, max_size=4)), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=80)
@given(ROWS)
def test_scores_are_those_of_scikit_learn(rows):
    logits = np.array([row for _, row in rows], np.float32) + np.float32(0.25)
    examples = sets(*(labels for labels, _ in rows))
    said = TASK.decode(logits, ONE_EACH, examples, LABELS)
    binary = MultiLabelBinarizer(classes=list(LABELS))
    gold = np.asarray(binary.fit_transform([labels for labels, _ in rows]))
    predicted = (logits > 0).astype(int)
    scores = TASK.score(examples, said)
    assert scores["f1"] == f1_score(gold, predicted, average="micro", zero_division=0)
    assert scores["accuracy"] == accuracy_score(gold, predicted)
    assert scores["lrap"] == label_ranking_average_precision_score(gold, np.array([p.ranked for p in said]))
    present = (gold | predicted).any(0)
    if present.any():
        every = f1_score(gold, predicted, average=None, zero_division=0)  # of all four labels
        assert scores["macro_f1"] == pytest.approx(every[present].mean(), abs=1e-12)
    columns = {name: np.array(values) for name, values in TASK.columns(examples, said).items()}
    for metric in TASK.metrics:
        assert ratios(metric, columns).score() == pytest.approx(scores[metric.name], abs=1e-12)


def test_one_label_is_not_taken_for_a_binary_task():
    """Of one column scikit-learn would average over both classes: 1/3 here, and 1/2 for micro F1."""
    said = TASK.decode(np.array([[1.0], [-1.0]], np.float32), ONE_EACH, sets((), ()), ("a",))
    scores = TASK.score(sets((), ()), said)
    assert (scores["f1"], scores["macro_f1"], scores["accuracy"]) == (0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [(("a", " "), "a label is empty"), (("a", "a"), "label 'a' is there twice")],
    ids=str,
)
def test_check_names_the_row_and_says_what_is_wrong(labels, problem):
    rows = [*sets(("a",)), LabelsExample("bad", "text", labels)]
    with pytest.raises(BenchError, match=f"'bad': {problem}"):
        check_examples(TASK, Splits(rows, rows, rows))


def test_a_label_that_training_lacks_is_refused(tokenizer):
    with pytest.raises(BenchError, match="example '0'") as error:
        TASK.encode(sets(("z",)), tokenizer, LABELS, RECIPE)
    assert error.value.code == "unknown-label"
    with pytest.raises(BenchError) as error:
        check_labels(TASK, Splits(sets(("a",)), sets(("z",)), sets(("a",))))
    assert error.value.code == "unknown-label"


def test_the_trivial_prediction_holds_what_most_training_rows_have():
    train = sets(("a", "b"), ("a",), ("a", "c"))
    (found,) = TASK.trivial(train, sets(("a",)))
    assert found.labels == ("a",)
    assert found.ranked == pytest.approx((1.0, 1 / 3, 1 / 3))


def test_two_predictions_of_the_same_labels_are_equal():
    assert LabelSet(("a",), ("a", "b"), (0.9, 0.1)) == LabelSet(("a",), ("a", "b"), (0.8, 0.2))
