"""What a suite chose before is known to `verify`, where a cell has it."""

from __future__ import annotations

import pytest

from bench.analysis.claims.declared import Tried
from bench.cli import claims
from bench.contracts import Cell, Recipe
from bench.planning.grids import Grid
from bench.planning.rates import Development, Rates
from bench.suite import Suite

SUITE = Suite(
    name="made",
    recipe={"rate_scale": 3.0},
    development=Development(scales=(0.5, 1.0, 2.0)),
    rates=Rates(
        of="", scales={"reviews": {"minilm": {"lora": 2.0}}, "reviews@800": {"minilm": {"lora": 1.0}}}
    ),
    grid=(Grid(strategies=("lora", "full"), backbones=("minilm",)),),
)


def cell(strategy: str, rate_scale: float, task: str = "reviews") -> Cell:
    return Cell("made", task, strategy, "minilm", 0, Recipe(rate_scale=rate_scale))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (cell("lora", 6.0), Tried(2.0, (0.5, 1.0, 2.0))),
        (cell("lora", 3.0, "reviews@800"), Tried(1.0, (0.5, 1.0, 2.0))),
        (cell("lora", 6.0, "reviews@800"), Tried()),
        (cell("lora", 6.0, "reviews@50"), Tried()),
        (cell("lora", 6.1), Tried()),
        (cell("full", 3.0), Tried()),
    ],
)
def test_a_cell_has_the_rate_that_its_suite_chose(
    given: Cell, found: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_built_in", {"made": SUITE}.get)
    assert claims.chosen(given) == found


def test_a_suite_of_ones_own_or_without_chosen_rates_says_nothing() -> None:
    for suite in ("my-own", "quick"):
        assert claims.chosen(Cell(suite, "squad", "full", "minilm", 0, Recipe())) == Tried()
