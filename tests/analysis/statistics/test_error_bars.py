"""One rule for what may be shown around a mean."""

from __future__ import annotations

import math

import pytest

from bench.analysis.groups import gather
from bench.analysis.statistics.error_bars import error_bar, of_differences, seeds_apart
from bench.analysis.statistics.intervals import Interval
from bench.analysis.statistics.noise import Noise
from bench.analysis.statistics.scales import CORRELATION, ERROR, SHARE, Scale
from bench.analysis.tables.shown import in_words, shown
from tests.analysis.conftest import make_record

EXACT = (0.912, 1.0)


def interval(mean: float, half: float, seeds: int = 3, bounds: tuple[float, float] | None = None) -> Interval:
    return Interval(mean, half, Noise.known((half / 1.96) ** 2), seeds, bounds)


@pytest.mark.parametrize(
    ("found", "points", "kind", "spread", "words"),
    [
        (interval(0.832, 0.051), (), "symmetric", 0.051, "83.2 ± 5.1 accuracy"),
        (interval(1.0, 0.088, 3, EXACT), (), "exact", 0.088, "100.0 [91.2, 100.0] accuracy"),
        (
            interval(1.0, 0.088, 1, EXACT),
            (),
            "exact",
            0.088,
            "100.0 [91.2, 100.0] accuracy (one seed; the interval is over the choice of rows alone)",
        ),
        (interval(0.7, 0.6), (), "wide", 0.6, "70.0 [10.0, 100.0] accuracy"),
        (
            interval(0.7, 0.2),
            (0.8, 0.79, 0.5),
            "seeds",
            None,
            "70.0 accuracy (by seed: 80.0, 79.0, 50.0; some learned nothing)",
        ),
        (
            interval(1.0, 0.088, 3, EXACT),
            (1.0, 0.5),
            "seeds",
            None,
            "100.0 accuracy (by seed: 100.0, 50.0; some learned nothing)",
        ),
        (
            interval(0.832, 0.051, 1),
            (),
            "single",
            None,
            "83.2 accuracy (one seed; the choice of rows alone moves it by ± 5.1 points)",
        ),
    ],
)
def test_what_may_be_shown(
    found: Interval, points: tuple[float, ...], kind: str, spread: float | None, words: str
) -> None:
    bar = error_bar(found, SHARE, points)
    assert (bar.kind, bar.spread) == (kind, spread)
    assert in_words(found.mean, bar, "accuracy") == words
    entry = shown(found.mean, bar, "tied")
    assert (entry.value, entry.spread, entry.mark) == (found.mean, spread, "tied")
    assert (entry.bounds is not None) == (kind in ("exact", "wide"))
    assert (entry.points, entry.cut) == (points if kind == "seeds" else (), kind == "wide")


def test_what_is_too_wide_depends_on_what_a_score_can_be() -> None:
    assert error_bar(interval(0.2, 0.6), CORRELATION).kind == "symmetric"
    assert error_bar(interval(0.25, 1.25), CORRELATION).bounds == (-1.0, 1.0)
    assert error_bar(interval(9.0, 99.0), ERROR).kind == "symmetric"
    assert error_bar(interval(0.2, 0.9), of_differences(SHARE)).kind == "symmetric"
    assert error_bar(interval(0.25, 1.25), of_differences(SHARE)).bounds == (-1.0, 1.0)
    assert of_differences(ERROR).lowest == -math.inf


def test_errors_have_no_points() -> None:
    found = [error_bar(interval(3.0, 1.0), scale).in_points for scale in (SHARE, CORRELATION, ERROR)]
    assert found == [True, True, False]
    assert not error_bar(interval(3.0, 1.0), of_differences(ERROR)).in_points


@pytest.mark.parametrize(
    ("majority", "source", "tweets", "apart"),
    [
        (0.5, (0.9, 0.88, 0.5), (0.85, 0.84, 0.7), True),
        (0.85, (0.95, 0.96, 0.94), (0.86, 0.89, 0.9), False),
    ],
)
def test_on_every_test_set_seeds_stand_alone_where_some_learned_nothing_on_their_own_domain(
    majority: float, source: tuple[float, ...], tweets: tuple[float, ...], apart: bool
) -> None:
    """Where 70% of tweets have one label, a seed that always says it scores 70% there. Where they are balanced, 86%
    is much, however many texts of the source domain have one label."""
    data = make_record().data
    assert data is not None
    known = {"sizes": {"test": 400, "tweets": 400}, "majority": {"accuracy": majority}}
    records = [
        make_record(
            seed=seed,
            data=data.model_copy(update=known),
            scores={"test": {"accuracy": own}, "tweets": {"accuracy": there}},
        )
        for seed, (own, there) in enumerate(zip(source, tweets, strict=True))
    ]
    (group,) = gather(records).values()
    assert seeds_apart(group, "accuracy") == (source if apart else ())
    assert seeds_apart(group, "accuracy", "tweets") == (tweets if apart else ())


def test_half_of_what_a_single_seed_may_be_is_no_more_than_its_whole_range() -> None:
    for scale, half, shown_ in (
        (SHARE, 0.6, 0.6),
        (SHARE, 1.5, 1.0),
        (CORRELATION, 0.6, 0.6),
        (CORRELATION, 2.5, 2.0),
    ):
        bar = error_bar(interval(0.2, half, 1), scale)
        assert (bar.kind, bar.half, bar.seeds) == ("single", shown_, 1)


def test_an_interval_as_wide_as_the_range_is_shown_as_it_is() -> None:
    assert error_bar(interval(0.5, 0.5)).kind == "symmetric"
    assert error_bar(interval(0.5, 0.5000001)).kind == "wide"


@pytest.mark.parametrize(("scale", "width"), [(SHARE, 1.0), (CORRELATION, 2.0)])
def test_a_difference_may_be_as_large_as_the_range_in_either_direction(scale: Scale, width: float) -> None:
    assert of_differences(scale) == Scale(-width, width, odds=False)
    assert of_differences(of_differences(scale)) == Scale(-2 * width, 2 * width, odds=False)
