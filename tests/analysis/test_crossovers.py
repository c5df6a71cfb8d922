"""Who is ahead by a table's verdicts, and at which sizes two lines can be compared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from bench.analysis.crossovers import Crossover, Verdicts
from bench.analysis.groups import Group, Key
from bench.analysis.loading import Predictions, Run
from bench.analysis.statistics.intervals import Interval
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.paired import Comparison
from tests.analysis.test_curves import FROZEN, FULL, SIZES, TRUTH, crossed, run_of

ONE, OTHER = (Group(Key("t@100", name, "m"), ()) for name in ("one", "other"))


@pytest.mark.parametrize(
    ("mean", "adjusted", "ahead"),
    [
        (0.1, 0.01, "one"),
        (-0.1, 0.01, "other"),
        (0.1, 0.05, ""),
        (-0.1, 0.05, ""),
    ],
)
def test_who_is_ahead_is_told_in_either_order(mean: float, adjusted: float, ahead: str) -> None:
    difference = Interval(mean, 0.02, Noise.known(1e-4), 3)
    found = Comparison(ONE.key, OTHER.key, "accuracy", difference, 0.01, adjusted, 0.03, None)
    table = Verdicts({}, {(ONE.key, OTHER.key): found})
    turned = Verdicts({}, {(OTHER.key, ONE.key): replace(found, first=OTHER.key, second=ONE.key)})
    assert (table.is_ahead(ONE, OTHER), table.is_ahead(OTHER, ONE)) == (ahead == "one", ahead == "other")
    assert (turned.is_ahead(OTHER, ONE), turned.is_ahead(ONE, OTHER)) == (ahead == "one", ahead == "other")


def test_nobody_is_ahead_where_nothing_was_tested() -> None:
    assert not Verdicts({}, {}).is_ahead(ONE, OTHER)


def part_of(lacking: Collection[str], lost: Collection[str]) -> list[Crossover]:
    """The crossovers of a run that lacks groups, or the predictions of some, by `strategy@size`."""
    run = run_of(TRUTH)

    def group(cell: str) -> str:
        task, strategy, *_ = cell.split("/")
        return f"{strategy}@{task.partition('@')[2]}"

    def predictions(cell: str) -> Predictions:
        if group(cell) in lost:
            raise KeyError(cell)
        return run.predictions(cell)

    records = [record for record in run.records if group(record.cell.id) not in lacking]
    return crossed(Run("part", records, predictions))


@pytest.mark.parametrize(
    ("lacking", "lost", "sizes"),
    [
        ((), (), SIZES),
        (("frozen@200",), ("full@400",), (100, 800)),
        (("full@200",), ("frozen@400",), (100, 800)),
        (("frozen@200", "full@100"), ("frozen@400",), ()),
        ((), ("full@100", "full@200", "full@400", "full@800"), ()),
    ],
)
def test_lines_are_compared_at_the_sizes_at_which_both_have_scores(
    lacking: tuple[str, ...], lost: tuple[str, ...], sizes: tuple[int, ...]
) -> None:
    """At two of them at least."""
    found = part_of(lacking, lost)
    assert [(item.first, item.second, item.sizes) for item in found] == [(FROZEN, FULL, sizes)] * bool(sizes)


def test_a_crossing_between_the_sizes_that_are_left() -> None:
    (found,) = part_of(("frozen@200",), ("full@400",))
    assert (found.behind, found.ahead) == ((100,), (800,))
    assert 100 < found.low < found.size < found.high < 800
