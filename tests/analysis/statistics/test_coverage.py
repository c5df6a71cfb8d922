"""Intervals hold the truth where seeds scatter, and the documented figures are those that were measured."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from bench.analysis.statistics import coverage
from bench.analysis.statistics.coverage import Setting, measure
from bench.analysis.statistics.dispersion import TESTS
from bench.cli.app import app
from tests.docs.pages import ROOT

MEASURED = ROOT / "results" / "statistics" / "coverage.jsonl"
NOISY = Setting("accuracy", 3, 600, 0.05)


def test_a_cell_whose_seeds_scatter_is_covered_among_calm_ones() -> None:
    """The prior that suits tests of many cells is too sure of this one: it covers 84%."""
    found = measure(NOISY, 400)
    assert found.alone >= 0.94
    assert found.table >= 0.89
    assert found.error == pytest.approx((found.table * (1 - found.table) / 400) ** 0.5)
    assert found.runs == 400


def test_the_prior_of_the_tests_would_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "INTERVALS", TESTS)
    found = measure(NOISY, 400)
    assert found.alone < 0.94
    assert found.table < 0.89


def test_a_calm_cell_is_not_much_wider_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = Setting("accuracy", 3, 300, 0.01)
    wide = measure(calm, 100)
    assert 0.92 <= wide.table <= 0.995
    monkeypatch.setattr(coverage, "INTERVALS", TESTS)
    assert wide.half < 1.2 * measure(calm, 100).half


def test_few_entities_are_covered() -> None:
    assert measure(Setting("entity F1", 3, 100, 0.01), 300).table >= 0.92


def test_collapsing_seeds_are_outside_the_promise() -> None:
    """With three seeds, 8 cells in 27 show no collapse, and nothing in them tells of it."""
    assert measure(Setting("accuracy", 3, 300, 0.01, coverage.COLLAPSE), 200).table < 0.8


def test_the_simulated_deviation_is_the_one_asked_for() -> None:
    for score in ("accuracy", "entity F1"):
        setting = Setting(score, 3, 300, 0.05)
        assert coverage._moments(score, coverage._ability(setting))[1] == pytest.approx(0.05)


def test_the_page_shows_what_was_measured() -> None:
    found = coverage.read(MEASURED.read_text(encoding="utf-8"))
    assert [item.setting for item in found] == coverage.settings()
    assert all(item.runs >= 1000 for item in found)
    assert coverage.markdown(found) in (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_the_region_that_the_page_promises_is_the_one_that_holds() -> None:
    """Three or five seeds: every deviation. Two: up to three points. Collapsing seeds: never."""
    for item in coverage.read(MEASURED.read_text(encoding="utf-8")):
        setting = item.setting
        promised = not setting.collapse and (setting.seeds > 2 or setting.deviation <= 0.03)
        assert item.holds is promised, setting


def test_the_command_measures_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "settings", lambda: [Setting("accuracy", 2, 60, 0.01)])
    runner = CliRunner()
    line = runner.invoke(app, ["power", "--intervals", "--trials", "5", "--json"]).stdout
    assert json.loads(line)["runs"] == 5
    assert "2 seeds" in runner.invoke(app, ["power", "--intervals", "--trials", "5"]).stdout


def test_where_every_seed_learned_nothing_the_truth_is_chance() -> None:
    """All seeds then have the same chance on each example, so the interval is that of the examples."""
    nothing = Setting("accuracy", 3, 300, 0.01, collapse=1.0)
    assert measure(nothing, 60).alone >= 0.9
    simulated = coverage.cell(Setting("accuracy", 3, 20_000, 0.01, collapse=1.0), np.random.default_rng(0))
    assert simulated.mean == pytest.approx(0.5, abs=0.01)


RIGHT = float(norm.cdf(0.9 / math.hypot(1, 1.4)))
"""The share of right answers of a steady strategy: 70%."""


def test_the_mean_scores_of_the_simulated_cells() -> None:
    """By the sums that F1 is made of: found entities, and four invented ones for ten that were missed."""
    assert pytest.approx(0.70, abs=0.005) == RIGHT
    assert coverage._moments("accuracy", 0.0) == pytest.approx((RIGHT, 0.0), abs=1e-9)
    f1 = 2 * RIGHT / (RIGHT + 0.4 * (1 - RIGHT) + 1)
    assert coverage._moments("entity F1", 0.0) == pytest.approx((f1, 0.0), abs=1e-9)
    for score, mean in (("accuracy", RIGHT), ("entity F1", f1)):
        found = coverage.cell(Setting(score, 2, 40_000, 0.001), np.random.default_rng(0))
        assert found.mean == pytest.approx(mean, abs=0.01)


@pytest.mark.parametrize(("chance", "right", "units"), [(1.0, 3.0, 3.0), (0.0, 0.0, 1.5 + 0.6)])
def test_a_sentence_has_one_and_a_half_entities(chance: float, right: float, units: float) -> None:
    (found,) = coverage._entities(np.full((40_000, 1), chance), np.random.default_rng(0))
    assert found.numerators.mean() == pytest.approx(right, abs=0.05)
    assert found.denominators.mean() == pytest.approx(units, abs=0.05)
