"""Texts with numbers: targets, predictions in the units of the data, and scores exactly as scipy and
scikit-learn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error

from bench.analysis.statistics.metrics import ratios
from bench.contracts import BenchError, NumberExample, Recipe, Splits
from bench.data.numbers import is_constant
from bench.data.splits import check_examples
from tasks.regression import Regression

RECIPE = Recipe(max_length=8, stride=0)
ONE_EACH: Any = SimpleNamespace(pooled="")  # every text is one sequence


class Ratings(Regression):
    name = "ratings"
    summary = "Ratings of short texts"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Ratings()


def numbers(*found: float) -> list[NumberExample]:
    return [NumberExample(str(place), f"text {place}", value) for place, value in enumerate(found)]


def test_targets_are_standardised_by_the_training_rows(tokenizer):
    train = numbers(1.0, 2.0, 6.0)
    labels = TASK.labels(train)
    encoded = TASK.encode(train, tokenizer, labels, RECIPE)
    assert encoded.targets.dtype == np.float32
    assert encoded.targets.mean() == pytest.approx(0, abs=1e-6)
    assert encoded.targets.std() == pytest.approx(1, rel=1e-6)
    other = TASK.encode(numbers(3.0), tokenizer, labels, RECIPE)
    assert other.targets == pytest.approx([0.0], abs=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20).filter(lambda values: np.std(values) > 1e-3))
def test_predictions_are_in_the_units_of_the_data(values):
    from bench.data.numbers import standardised

    rows = numbers(*values)
    labels = TASK.labels(rows)
    logits = standardised(rows, labels)[:, None]
    found = TASK.decode(logits, ONE_EACH, rows, labels)
    assert found == pytest.approx(values, abs=1e-5 * max(map(abs, [*values, 1.0])))


VALUES = st.lists(
    st.tuples(st.integers(-20, 20).map(lambda x: x / 4), st.floats(-100, 100).map(lambda x: round(x, 3))),
    min_size=2,
    max_size=80,
)


@settings(deadline=None, max_examples=80)
@given(VALUES)
def test_scores_are_those_of_scipy_and_scikit_learn(pairs):
    gold, said = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    scores = TASK.score(numbers(*gold), said)
    assert scores["mae"] == mean_absolute_error(gold, said)
    if is_constant(gold) or is_constant(said):
        assert (scores["spearman"], scores["pearson"]) == (0.0, 0.0)
    else:
        assert scores["spearman"] == spearmanr(gold, said).statistic
        assert scores["pearson"] == pearsonr(gold, said).statistic


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_scores_follow_from_the_columns(pairs):
    examples, said = numbers(*(float(a) for a, _ in pairs)), [float(b) for _, b in pairs]
    columns = {name: np.array(values) for name, values in TASK.columns(examples, said).items()}
    for metric in TASK.metrics:
        assert ratios(metric, columns).score() == pytest.approx(
            TASK.score(examples, said)[metric.name], abs=1e-9
        )


def test_rows_of_one_number_cannot_be_learnt():
    with pytest.raises(BenchError) as error:
        TASK.labels(numbers(3.0, 3.0))
    assert error.value.code == "constant-number"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e301, -1e31, 3, "3"], ids=repr)
def test_a_number_that_is_none_names_its_row(number):
    rows = [*numbers(1.0, 2.0), NumberExample("bad", "text", number)]
    with pytest.raises(BenchError, match="'bad'") as error:
        check_examples(TASK, Splits(rows, rows, rows))
    assert error.value.code == "unsound-example"


def test_the_trivial_prediction_is_the_mean_and_has_no_correlation():
    train = numbers(1.0, 2.0, 6.0)
    assert TASK.trivial(train, numbers(1.0, 2.0)) == [3.0, 3.0]
    assert TASK.score(numbers(1.0, 2.0), [3.0, 3.0]) == {"spearman": 0.0, "pearson": 0.0, "mae": 1.5}
