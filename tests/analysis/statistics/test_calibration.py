"""Simulated tables of documents and of F1: what their designs say."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.statistics import calibration
from bench.analysis.statistics.calibration import (
    F1,
    METRIC,
    Design,
    _documents,
    behind,
    drawn,
    table,
)


def test_the_sizes_of_documents_deviate_by_about_half_their_mean() -> None:
    found = _documents(Design(2, documents=500, examples=500_000), np.random.default_rng(0))
    assert found is not None
    sizes = np.bincount(found.numbers)
    assert len(sizes) == 500
    assert sizes.std() / sizes.mean() == pytest.approx(0.5, abs=0.05)
    assert _documents(Design(2), np.random.default_rng(0)) is None


def test_the_abilities_of_a_strategy_on_documents_are_spread_around_its_own() -> None:
    """Difficulty 1.5 with spread 2.5 logits, and 0.5 more of the document: the share by integration. Examples of a
    document are alike, so their mean varies by more than its examples do."""
    design = Design(2, tasks=1, seeds=1, examples=40_000, documents=400, noise=0.0)
    found = table(design, np.random.default_rng(0))
    logits = np.linspace(1.5 - 20, 1.5 + 20, 20_001)
    density = np.exp(-(((logits - 1.5) / np.hypot(2.5, 0.5)) ** 2) / 2)
    share = np.average(1 / (1 + np.exp(-logits)), weights=density)
    for item in found.values():
        assert item.scores == pytest.approx([share], abs=0.012)
        assert item.clusters == 400
        within = np.sqrt(share * (1 - share) / 40_000)
        assert 1.2 * within < item.draws.std() < 2.2 * within


def test_f1_is_of_two_labels_that_are_as_frequent() -> None:
    """Then the mean of their F1 is nearly the share of right answers."""
    design = Design(2, tasks=1, seeds=1, examples=4000, metrics=(METRIC, F1))
    found = table(design, np.random.default_rng(0))
    assert [metric for _, metric in found] == [METRIC] * 2 + [F1] * 2
    by_metric = {
        name: [item.scores[0] for (_, metric), item in found.items() if metric == name]
        for name in (METRIC, F1)
    }
    assert by_metric[F1] == pytest.approx(by_metric[METRIC], abs=5e-3)
    assert by_metric[F1] != by_metric[METRIC]


@pytest.mark.parametrize(("seeds", "documents", "tested"), [(1, 0, True), (2, 0, False), (1, 13, False)])
def test_mcnemar_tests_the_answers_of_one_seed_to_independent_questions(
    seeds: int, documents: int, tested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "p_value", lambda one, two: float(one.mean() - two.mean()))
    design = Design(3, tasks=2, seeds=seeds, examples=50, documents=documents, metrics=(METRIC, F1))
    scores, exact = drawn(design, np.random.default_rng(0))
    assert len(exact) == (2 * 3 if tested else 0)
    for (first, second, metric), difference in exact.items():
        assert metric == METRIC
        assert first.task == second.task
        assert difference == pytest.approx(*(scores[first, METRIC].scores - scores[second, METRIC].scores))


def test_what_mcnemar_decides_is_told_apart_by_its_p() -> None:
    scores, exact = drawn(Design(2, tasks=1, seeds=1, examples=50), np.random.default_rng(0))
    assert behind(scores, dict.fromkeys(exact, 0.04))
    assert behind(scores, dict.fromkeys(exact, 0.06)) == []
