"""Which round follows: as much as the time allows, and never a comparison of one strategy with nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.recommend.evidence import Standing
from bench.recommend.successive_halving import Round, following

ALL = ("frozen", "lp-ft", "full")
SIZES = (100, 200, 400)


class Even(Standing):
    """A cell takes a second on the rows of this round, and twice as long on twice the rows."""

    def expected(self, name: str, growth: float) -> float:
        return growth


def stood(*names: str) -> Standing:
    """A round in which later names score higher."""
    means = {name: place / 10 for place, name in enumerate(names)}
    return Even("accuracy", names[-1], means, {}, {}, {}, False, ())


@pytest.mark.parametrize(
    ("seeds", "seconds", "expected"),
    [
        (1, 42, Round(100, 3, ALL)),  # the other seeds (6 s), and then the last round (36 s)
        (1, 41, Round(400, 3, ALL)),  # at once
        (1, 35, Round(400, 2, ALL)),
        (1, 23, Round(400, 1, ALL)),  # and 8 s for another seed of the best two
        (1, 19, Round(200, 3, ALL)),
        (1, 5, Round(100, 2, ALL)),
        (1, 2, Round(100, 2, ("lp-ft", "full"))),
        (1, 1, "the time did not allow a round of 100 rows"),
        (3, 54, Round(200, 3, ALL)),
        (3, 53, Round(400, 3, ALL)),
        (3, 11, Round(200, 1, ALL)),
        (3, 9, Round(200, 2, ("lp-ft", "full"))),
        (3, 7, "the time did not allow a round of 200 rows"),
    ],
)
def test_after_the_first_rows(seeds: int, seconds: float, expected: Round | str) -> None:
    assert following(Round(100, seeds, ALL), stood(*ALL), SIZES, seconds) == expected


def test_the_last_round_ends_it() -> None:
    last = Round(400, 2, ALL)
    assert following(last, stood(*ALL), SIZES, 3) == Round(400, 3, ALL)
    assert following(last, stood(*ALL), SIZES, 2) == "the time did not allow 3 seeds of all"
    assert following(replace(last, seeds=3), stood(*ALL), SIZES, 1e9) == ""


def test_after_one_seed_on_all_rows_the_best_get_another() -> None:
    last = Round(400, 1, ALL)
    assert following(last, stood(*ALL), SIZES, 6) == Round(400, 3, ALL)
    assert following(last, stood(*ALL), SIZES, 2) == Round(400, 2, ("lp-ft", "full"))


def test_what_is_far_away_is_not_reached_for() -> None:
    assert following(Round(100, 1, ALL), stood(*ALL), (100, 200, 404, 800), 1e9) == Round(100, 3, ALL)
    assert following(Round(100, 3, ALL), stood(*ALL), (100, 404, 800), 40) == Round(404, 3, ALL)


def test_one_that_is_left_goes_on_alone() -> None:
    assert following(Round(100, 3, ("full",)), stood("full"), SIZES, 4) == Round(200, 2, ("full",))
