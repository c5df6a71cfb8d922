"""The page shows how often tables call a strategy behind that is not, as it was measured."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.statistics import calibration
from bench.analysis.statistics.calibration import Design
from bench.analysis.statistics.paired import Scored, Trio
from bench.analysis.statistics.resampling import Resampled
from bench.analysis.statistics.uncertainty_notes import ONE_SEED_TESTS
from tests.docs.pages import ROOT
from tests.support.false_differences import KINDS, ONE_MODEL, Line, as_json, markdown, measure, read

MEASURED = ROOT / "results" / "statistics" / "false-differences.jsonl"


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return read(MEASURED.read_text(encoding="utf-8"))


def test_every_kind_of_table_was_measured(lines: list[Line]) -> None:
    assert [line.design for line in lines] == list(KINDS.values())
    assert all(line.tables >= 1000 for line in lines)
    assert "".join(map(as_json, lines)) == MEASURED.read_text(encoding="utf-8")


def test_the_page_shows_what_was_measured(lines: list[Line]) -> None:
    assert markdown(lines) in (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_a_false_difference_is_as_rare_as_promised(lines: list[Line]) -> None:
    """In one table of twenty at most, within two standard errors, unless single models differ."""
    for line in lines:
        if line.design not in ONE_MODEL:
            assert line.wrong <= 0.05 + 2 * (0.05 * 0.95 / line.tables) ** 0.5, line.design
        assert line.error == pytest.approx((line.wrong * (1 - line.wrong) / line.tables) ** 0.5)


def test_two_documents_decide_nothing_by_chance() -> None:
    """With the variance over documents taken for known, three of ten of these tables have a false difference."""
    number = next(number for number, design in KINDS.items() if design.documents == 2)
    line = measure(number, 150, 1)
    assert line.wrong <= 0.05 + 2 * (0.05 * 0.95 / 150) ** 0.5


def test_the_better_strategy_is_ahead_by_four_tenths_of_a_logit(monkeypatch: pytest.MonkeyPatch) -> None:
    designs: list[Design] = []
    plain = calibration.drawn

    def noted(design: Design, rng: np.random.Generator) -> tuple[dict[Scored, Resampled], dict[Trio, float]]:
        designs.append(design)
        return plain(design, rng)

    monkeypatch.setattr(calibration, "drawn", noted)
    measure(0, 2, 2)
    assert designs == [Design(2)] * 2 + [Design(2, advantage=0.4)] * 2


@pytest.mark.parametrize(("p", "least", "most"), [(0.001, 0.6, 1.0), (1.0, 0.0, 0.0)])
def test_what_is_found_on_one_seed_is_decided_by_mcnemars_test(
    p: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The better of two strategies has the higher score in nine tables of ten."""
    monkeypatch.setattr(calibration, "p_value", lambda *_: p)
    assert least <= measure(16, 1, 20).found <= most


def test_the_note_on_one_seed_says_what_was_measured(lines: list[Line]) -> None:
    shares = [round(100 * line.wrong) for line in lines if line.design in ONE_MODEL]
    assert f"{min(shares)} to {max(shares)}% of simulated tables of two to four equal" in ONE_SEED_TESTS
