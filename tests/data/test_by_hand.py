"""Rows and the scores of single examples, against plain loops, scikit-learn and scipy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from sklearn.utils.class_weight import compute_class_weight

from bench.contracts import BenchError, LabelsExample, NumberExample, QuestionExample, TextExample
from bench.data.class_weights import balanced
from bench.data.draws import check_size, few_of_each
from bench.data.encoding import Encoded
from bench.data.label_sets import (
    LabelSet,
    as_list,
    best_threshold,
    check_labels,
    decode_sets,
    frequent,
    indicators,
    ranking_precisions,
    score_sets,
    set_columns,
)
from bench.data.null_answers import answer_columns, answer_scores, answered
from bench.data.null_answers import best_threshold as best_null
from bench.data.numbers import check_number, correlations, decode_numbers, is_constant, scale_name, scale_of
from bench.data.sequences import first_windows, pooled_windows
from bench.data.splits import cut_by_group, split_by_group, split_stratified, with_validation
from bench.data.squad_metric import overlap_f1_or_none
from bench.data.texts import label_order, majority_label
from bench.data.windows import best_answers, null_margins


def encoded(lengths: Sequence[int], targets: np.ndarray | None = None, **more: Any) -> Encoded:
    """Sequences of these lengths; token n of a split is n + 1."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    count = int(offsets[-1])
    return Encoded(
        np.arange(1, count + 1, dtype=np.int32),
        offsets,
        more.pop("segments", np.zeros(count, np.int8)),
        more.pop("example", np.arange(len(lengths), dtype=np.int32)),
        np.zeros(len(lengths), np.int64) if targets is None else targets,
        **more,
    )


@pytest.mark.parametrize(
    ("pooled", "expected"), [("mean", [[2.0, 3.0], [5.0, 0.0]]), ("max", [[3.0, 4.0], [5.0, 0.0]])]
)
def test_windows_of_a_text_become_one_row(pooled: str, expected: list[list[float]]) -> None:
    given = encoded([1, 1, 1], example=np.array([0, 0, 1], np.int32), pooled=pooled)
    assert pooled_windows(np.array([[1.0, 4.0], [3.0, 2.0], [5.0, 0.0]]), given).tolist() == expected
    assert first_windows(given).tolist() == [0, 2]


# --------------------------------------------------------------------------------------------------
# Splits


def texts(count: int, **more: Any) -> list[TextExample]:
    return [TextExample(str(place), f"text {place}", str(place % 2), **more) for place in range(count)]


def test_single_rows_are_cut_to_the_fractions() -> None:
    for cut in (split_by_group, split_stratified):
        found = cut(texts(40), {"train": 0.7, "validation": 0.1, "test": 0.2})
        assert {name: len(rows) for name, rows in found.items()} == {"train": 28, "validation": 4, "test": 8}
    whole = cut_by_group(texts(40), 0.5, 0.25, "s")
    assert [len(rows) for rows in (whole.train, whole.validation, whole.test)] == [20, 10, 10]
    given = with_validation(texts(50)[:40], texts(50)[40:], 0.25, "s")
    assert [len(rows) for rows in (given.train, given.validation, given.test)] == [30, 10, 10]


def test_strata_keep_their_proportions() -> None:
    rows = [
        TextExample(str(place), f"text {place}", "rare" if place % 10 == 0 else "often")
        for place in range(100)
    ]
    found = split_stratified(rows, {"train": 0.8, "test": 0.2})
    assert [sum(row.label == "rare" for row in found[name]) for name in ("train", "test")] == [8, 2]


@pytest.mark.parametrize(("size", "refused"), [(20, False), (21, True), (None, True)])
def test_half_of_the_rows_may_be_drawn(size: int | None, refused: bool) -> None:
    if not refused:
        check_size("t", texts(41), size)
        return
    with pytest.raises(BenchError, match=r"at most half \(20\)") as error:
        check_size("t", texts(41), size)
    assert error.value.code == "too-few-rows-to-resample"


def test_shots_are_rows_of_each_class() -> None:
    found = few_of_each("t", texts(20)[:11], 3, 0)
    assert sorted(row.label for row in found) == ["0"] * 3 + ["1"] * 3
    assert len(few_of_each("t", texts(3), 9, None)) == 3


def test_balanced_weights() -> None:
    targets = np.array([0, 0, 0, 1, 2, 2])
    found = balanced({"train": encoded([1] * 6, targets)}, 3, "t")["train"].targets
    weights = compute_class_weight("balanced", classes=np.arange(3), y=targets)
    assert found == pytest.approx(np.diag(weights)[targets].astype(np.float32))
    for wrong in (encoded([1] * 6, targets.astype(np.float32)), encoded([1] * 6, np.eye(6, dtype=np.int64))):
        with pytest.raises(BenchError):
            balanced({"train": wrong}, 3, "t")
    with pytest.raises(BenchError):
        balanced({"train": encoded([1] * 6, np.zeros(6, np.int64))}, 1, "t")


def test_a_text_of_several_windows_counts_once_for_the_balance() -> None:
    windows = encoded([1] * 6, np.array([0, 0, 0, 0, 1, 1]), example=np.array([0, 0, 0, 1, 2, 3], np.int32))
    found = balanced({"train": windows}, 2, "t")["train"].targets
    assert found.max(1).tolist() == [1.0] * 6  # two texts of each class


def test_classes_are_balanced_whatever_their_number() -> None:
    for targets, classes in ((np.array([0, 0, 0, 1]), 2), (np.array([0, 0, 2, 2]), 3)):
        found = balanced({"train": encoded([1] * 4, targets)}, classes, "t")["train"].targets
        counts = np.array([(targets == target).sum() for target in targets])
        assert found.sum(1) == pytest.approx(4 / (classes * counts))


def test_labels_in_order() -> None:
    assert label_order(["10", "2", "2"]) == ("2", "10")
    assert label_order(["10", "2", "x"]) == ("10", "2", "x")
    assert majority_label([TextExample(str(n), "t", label) for n, label in enumerate("baab")]) == "a"


# --------------------------------------------------------------------------------------------------
# Sets of labels


def test_a_label_is_predicted_above_the_threshold() -> None:
    (found,) = decode_sets(np.array([[0.0, 1e-6, -3.0]]), ("a", "b", "c"))
    assert found.labels == ("b",)
    assert found.ranked == pytest.approx((0.5, 0.5, 0.0474), abs=1e-4)
    assert decode_sets(np.array([[0.0, -3.0]]), ("a", "b"), 0.04)[0].labels == ("a", "b")


def test_the_threshold_with_the_best_f1_nearest_to_one_half() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(60, 3))
    gold = (logits + rng.normal(size=(60, 3)) > 0.8).astype(int)
    names = ("a", "b", "c")
    references = [[name for name, there in zip(names, row, strict=True) if there] for row in gold]
    found = best_threshold(references, logits, names)
    scores = {
        step / 20: f1_score(gold.ravel(), (1 / (1 + np.exp(-logits)) > step / 20).ravel().astype(int))
        for step in range(1, 20)
    }
    best = max(scores.values())
    assert found in {step for step, score in scores.items() if score == pytest.approx(best)}
    assert best_threshold([["a"], []], np.array([[9.0], [-9.0]]), ("a",)) == 0.5
    assert best_threshold([["a"], []], np.array([[-1.0], [-2.0]]), ("a",)) == 0.25


@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [(0.07, 0.01, 0.05), (0.97, 0.93, 0.95), (0.5, 0.1, 0.45)],
    ids=["the least", "the largest", "a probability at a threshold is not above it"],
)
def test_thresholds_go_from_a_twentieth_to_nineteen(right: float, wrong: float, found: float) -> None:
    logits = np.log(np.array([[right], [wrong]]) / (1 - np.array([[right], [wrong]])))
    assert best_threshold([["a"], []], logits, ("a",)) == found


def test_the_labels_of_more_than_half() -> None:
    rows = [
        LabelsExample(str(n), "t", labels) for n, labels in enumerate((("a", "b"), ("a",), ("b",), ("a",)))
    ]
    found = frequent(rows, ("a", "b", "c"))
    assert (found.labels, found.ranked) == (("a",), (0.75, 0.5, 0.0))
    assert indicators(rows, ("a", "b", "c")).tolist() == [[1, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert [check_labels(labels) for labels in (("a", "b"), ("a", " "), ("b", "a", "a"))] == [
        None,
        "a label is empty",
        "label 'a' is there twice",
    ]


def test_ranking_precision_is_scikit_learns_text_by_text() -> None:
    rng = np.random.default_rng(1)
    names = ("a", "b", "c", "d")
    gold = (rng.random((30, 4)) < 0.4).astype(int)
    gold[:2] = [[0] * 4, [1] * 4]
    ranked = rng.integers(0, 4, (30, 4)) / 4
    said = [LabelSet((), names, tuple(row)) for row in ranked.tolist()]
    references = [[name for name, there in zip(names, row, strict=True) if there] for row in gold]
    expected = [label_ranking_average_precision_score(gold[[row]], ranked[[row]]) for row in range(30)]
    assert ranking_precisions(references, said) == pytest.approx(expected)


def test_the_columns_of_sets() -> None:
    said = [
        LabelSet(("b", "c"), ("a", "b", "c"), (0.1, 0.9, 0.8)),
        LabelSet((), ("a", "b", "c"), (0.4, 0.3, 0.2)),
    ]
    found = set_columns([["c", "a"], []], said)
    assert found == {
        "reference": ['["a", "c"]', "[]"],
        "prediction": ['["b", "c"]', "[]"],
        "tp": [1, 0],
        "predicted": [2, 0],
        "gold": [2, 0],
        "correct": [0, 1],
        "precision": [pytest.approx((1 / 2 + 2 / 3) / 2), 1.0],
    }
    assert as_list(["b", "ä"]) == '["b", "ä"]'
    known = LabelSet((), ("a", "b"), (0.2, 0.1))  # labels that neither text nor prediction has
    assert score_sets([[], []], [known, known]) == {"f1": 0.0, "macro_f1": 0.0, "accuracy": 1.0, "lrap": 1.0}
    assert score_sets([[], []], [LabelSet(()), LabelSet(())]) == {
        "f1": 0.0,
        "macro_f1": 0.0,
        "accuracy": 1.0,
        "lrap": 1.0,
    }


# --------------------------------------------------------------------------------------------------
# Numbers


def test_numbers_are_standardised_and_restored() -> None:
    rows = [NumberExample(str(n), "t", number) for n, number in enumerate((1.0, 2.0, 6.0))]
    name = scale_name(rows)
    assert scale_of([name]) == (3.0, pytest.approx(np.std([1, 2, 6])))
    assert decode_numbers(np.array([[0.0], [1.0]]), [name]) == pytest.approx([3.0, 3 + np.std([1, 2, 6])])
    assert [
        check_number(NumberExample("x", "t", number)) is None
        for number in (1e30, 1.1e30, -1e30, float("nan"))
    ] == [
        True,
        False,
        True,
        False,
    ]
    assert [
        is_constant(values) for values in ([1.0, 1.0], [1.0, 1.0 + 1e-13], [1.0, 1.1], [1e-14, 5e-13])
    ] == [True, True, False, True]
    assert [is_constant(values) for values in ([0.0, 1e-12], [0.0, 1.5e-12], [1e6, 1e6 + 1e-7], [1.0])] == [
        True,
        False,
        True,
        True,
    ]
    small = [NumberExample(str(n), "t", number) for n, number in enumerate((0.125, 0.375))]
    assert scale_name(small) == "mean 0.25, sd 0.125"
    assert correlations([1.0, 2.0], [4.0, 5.0])["pearson"] == pytest.approx(1)
    assert correlations([1.0, 2.0], [3.0, 3.0]) == {"spearman": 0.0, "pearson": 0.0, "mae": 1.5}
    assert correlations([1.0], [3.0])["spearman"] == 0
    assert correlations([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])["spearman"] == pytest.approx(0.5)


# --------------------------------------------------------------------------------------------------
# Answers

CONTEXT = "a b c d e f g h"


def windows(seed: int) -> tuple[Encoded, np.ndarray]:
    """Two questions, the second in two windows; the first token of each window is no part of the context."""
    whole = [(-1, -1), (0, 1), (2, 3), (4, 5)]
    spans = [*whole, *whole, (-1, -1), (4, 5), (6, 7)]
    given = encoded([4, 4, 3], example=np.array([0, 1, 1], np.int32), spans=np.array(spans, np.int32))
    logits = np.random.default_rng(seed).integers(-3, 4, (11, 2)).astype(np.float32)
    return given, logits


QUESTIONS = [QuestionExample(str(n), "q", CONTEXT, (("c", 4),)) for n in range(2)]


@pytest.mark.parametrize("seed", range(6))
def test_answers_and_null_scores_are_those_of_every_span(seed: int) -> None:
    given, logits = windows(seed)
    assert given.spans is not None
    best: dict[int, tuple[float, str]] = {}
    null: dict[int, float] = {}
    for window, example in enumerate(given.example.tolist()):
        first, last = given.offsets[window], given.offsets[window + 1]
        null[example] = min(null.get(example, np.inf), float(logits[first].sum()))
        for start in range(first + 1, last):
            for end in range(start, last):
                score = float(logits[start, 0] + logits[end, 1])
                if example not in best or score > best[example][0]:
                    best[example] = score, CONTEXT[given.spans[start, 0] : given.spans[end, 1]]
    answers, scores = best_answers(logits, given, QUESTIONS)
    assert list(zip(scores.tolist(), answers, strict=True)) == [best[0], best[1]]
    again, margins = null_margins(logits, given, QUESTIONS)
    assert again == answers
    assert margins.tolist() == [null[0] - best[0][0], null[1] - best[1][0]]
    assert answered(answers, np.array([1.0, 2.0]), 1.0) == [answers[0], ""]


def test_the_null_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    rows = [QuestionExample(str(n), "q", CONTEXT, (("c d", 4),) if n % 3 else ()) for n in range(30)]
    answers = [str(rng.choice(["c d", "c", "h"])) for _ in rows]
    margins = np.round(rng.normal(size=30) - np.array([bool(row.answers) for row in rows]), 1)

    def f1(threshold: float) -> float:
        said = answered(answers, margins, threshold)
        golds = [[text for text, _ in row.answers] for row in rows]
        return float(np.mean([overlap_f1_or_none(one, gold) for one, gold in zip(said, golds, strict=True)]))

    found = best_null(rows, answers, margins)
    candidates = {threshold: f1(threshold) for threshold in [-9.0, *margins.tolist()]}
    assert f1(found) == pytest.approx(max(candidates.values()))
    best = [
        threshold
        for threshold, score in candidates.items()
        if score == pytest.approx(max(candidates.values()))
    ]
    assert found == pytest.approx(min(best))


@pytest.mark.parametrize(
    ("margins", "golds", "found"),
    [
        ([0.5], [("c",)], 0.5),
        ([0.5], [()], np.nextafter(0.5, -np.inf)),
        ([np.inf], [("c",)], 1e9),
        ([-np.inf, 2.0], [(), ()], -1e9),
    ],
    ids=["answer", "answer none", "a context without a token", "answer none, whatever the margin"],
)
def test_the_null_threshold_is_finite(
    margins: list[float], golds: list[tuple[str, ...]], found: float
) -> None:
    rows = [QuestionExample("0", "q", CONTEXT, tuple((text, 4) for text in gold)) for gold in golds]
    assert best_null(rows, ["c"] * len(rows), np.array(margins)) == found


def test_the_columns_and_scores_of_questions_without_an_answer() -> None:
    rows = [
        QuestionExample("0", "q", CONTEXT, (("c", 4), ("c", 4))),
        QuestionExample("1", "q", CONTEXT, ()),
        QuestionExample("2", "q", CONTEXT, ()),
    ]
    found = answer_columns(rows, ["c d", "", "h"])
    assert found == {
        "reference": ["c", "", ""],
        "prediction": ["c d", "", "h"],
        "exact": [0, 1, 0],
        "overlap": [pytest.approx(2 / 3), 1.0, 0.0],
        "answerable": [1, 0, 0],
        "has_exact": [0, 0, 0],
        "has_overlap": [pytest.approx(2 / 3), 0.0, 0.0],
        "unanswerable": [0, 1, 1],
        "none_right": [0, 1, 0],
    }
    assert answer_scores(found) == {
        "f1": pytest.approx(5 / 9),
        "accuracy": pytest.approx(1 / 3),
        "has_answer_f1": pytest.approx(2 / 3),
        "has_answer_exact": 0.0,
        "no_answer": 0.5,
    }
    assert answer_scores(answer_columns(rows[:1], ["c"]))["no_answer"] == 0
