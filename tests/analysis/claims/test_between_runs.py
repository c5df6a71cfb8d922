"""Claims between runs: which groups are compared, and what is measured of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.claims.between_runs import differing, measure_between
from bench.analysis.claims.evidence import Evidence, NotTestable
from bench.analysis.claims.part import Part
from bench.analysis.claims.published import Claim, CorrectionClaim, GrowthClaim, Needs, SpreadClaim
from bench.analysis.groups import Group, Key
from bench.analysis.loading import Run
from bench.contracts import Recipe
from bench.runs.record import Record
from tests.analysis.claims.made import Made
from tests.analysis.conftest import make_record

GROWTH = GrowthClaim(
    name="g", source="", says="", kind="growth", by="epochs", first="reinit", second="full", below=0.0
)
SPREAD = SpreadClaim(
    name="s", source="", says="", kind="spread", strategy="full", long=20.0, short=3.0, warmup=0.1, below=1.0
)
CORRECTION = CorrectionClaim(name="c", source="", says="", kind="bias-correction", strategy="full", above=1.0)


def grown(epochs: float, accuracies: dict[str, float]) -> Run:
    made = Made(Needs(), recipe=Recipe(epochs=epochs))
    for strategy, accuracy in accuracies.items():
        made.add(strategy, "minilm", "reviews", accuracy)
    return made.run(f"{epochs:g}")


def parts(claim: Claim, runs: Sequence[Run]) -> list[Part]:
    assert isinstance(claim, GrowthClaim | SpreadClaim | CorrectionClaim)
    return measure_between(claim, [Evidence.of(run) for run in runs])


RUNS = [
    grown(epochs, {"reinit": first, "full": second})
    for epochs, first, second in ((3.0, 0.5, 0.4), (6.0, 0.55, 0.55), (20.0, 0.7, 0.8))
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_growth_is_that_of_both_strategies_from_the_shortest_to_the_longest_training(
    order: tuple[int, ...],
) -> None:
    """The first gains 20 points, the second 40."""
    (part,) = parts(GROWTH, [RUNS[place] for place in order])
    assert part.name == "reviews minilm from 3 to 20 epochs"
    assert part.effect is not None
    assert part.effect.value == pytest.approx(0.2 - 0.4, abs=0.01)
    groups = (part.sides.first, part.sides.second, *part.sides.earlier)
    assert [(group.key.strategy, group.done[0].cell.recipe.epochs) for group in groups] == [
        ("reinit", 20.0),
        ("full", 20.0),
        ("reinit", 3.0),
        ("full", 3.0),
    ]


def test_runs_of_one_length_show_no_growth() -> None:
    for runs in (RUNS[:1], [RUNS[0], replace(RUNS[0], name="again")]):
        with pytest.raises(NotTestable, match="different numbers of epochs"):
            parts(GROWTH, runs)


def test_a_strategy_that_did_not_finish_the_longer_training_shows_no_growth() -> None:
    lost = [
        record.model_copy(update={"status": "failed", "scores": {}})
        if record.cell.strategy == "full"
        else record
        for record in RUNS[2].records
    ]
    (part,) = parts(GROWTH, [RUNS[0], RUNS[1], replace(RUNS[2], records=lost)])
    assert part.name == "reviews minilm from 3 to 6 epochs"


# --------------------------------------------------------------------------------------------------
# Spreads over seeds


def scored(scores: Sequence[float], recipe: Recipe, options: tuple[tuple[str, object], ...] = ()) -> Run:
    """A run of one strategy whose seeds have these scores, and an F1 that is none of them."""
    records: list[Record] = []
    for seed, score in enumerate(scores):
        record = make_record("reviews", "full", seed, accuracy=score, recipe=recipe)
        record = record.model_copy(update={"scores": {"test": {"accuracy": score, "f1": score**2}}})
        records.append(record.model_copy(update={"cell": replace(record.cell, options=options)}))
    return Run("made", records, {}.__getitem__)


SHORT, LONG = Recipe(epochs=3.0), Recipe(epochs=20.0)


def test_a_ratio_of_spreads_is_that_of_the_longer_training_to_the_shorter() -> None:
    runs = [scored((0.6, 0.8), SHORT), scored((0.7, 0.75, 0.8), LONG)]
    (part,) = parts(SPREAD, runs)
    assert (part.name, part.reason) == ("reviews minilm", "")
    assert part.effect is not None
    assert part.effect.value == pytest.approx(math.log(0.05 / (0.1 * 2**0.5)))
    (part,) = parts(SPREAD.model_copy(update={"metric": "f1"}), runs)
    assert part.effect is not None
    short, long = (np.std(squares, ddof=1) for squares in ([0.36, 0.64], [0.49, 0.5625, 0.64]))
    assert part.effect.value == pytest.approx(math.log(long / short))


@pytest.mark.parametrize(
    ("short", "long", "reason"),
    [
        ((0.6,), (0.7, 0.8), "one seed has no spread"),
        ((0.6, 0.7), (0.8,), "one seed has no spread"),
        ((0.6, 0.6), (0.7, 0.8), "all seeds have the same score"),
        ((0.6, 0.7), (0.7, 0.7), "all seeds have the same score"),
    ],
)
def test_a_spread_needs_two_seeds_that_differ(
    short: tuple[float, ...], long: tuple[float, ...], reason: str
) -> None:
    (part,) = parts(SPREAD, [scored(short, SHORT), scored(long, LONG)])
    assert (part.effect, part.reason) == (None, reason)


@pytest.mark.parametrize(
    ("short", "long", "found"),
    [
        (Recipe(epochs=3.0), Recipe(epochs=20.0), True),
        (Recipe(epochs=3.5), Recipe(epochs=20.0), False),
        (Recipe(epochs=3.0), Recipe(epochs=19.5), False),
        (Recipe(epochs=3.0), Recipe(epochs=20.0, warmup=0.05), False),
        (Recipe(epochs=1.0), Recipe(epochs=30.0, warmup=0.2), True),
    ],
)
def test_what_is_short_and_what_is_long_training(short: Recipe, long: Recipe, found: bool) -> None:
    runs = [scored((0.6, 0.8), short), scored((0.7, 0.75), long)]
    if found:
        assert len(parts(SPREAD, runs)) == 1
    else:
        with pytest.raises(NotTestable, match="at most 3 epochs beside one with at least 20"):
            parts(SPREAD, runs)


def test_strategies_with_other_options_are_not_the_same() -> None:
    runs = [
        scored((0.6, 0.8), Recipe(), (("layers", 2),)),
        scored((0.7, 0.75), Recipe(bias_correction=False), (("layers", 3),)),
    ]
    (part,) = parts(CORRECTION, runs)
    assert (part.effect, part.reason) == (None, "the runs also differ in the strategy's options")
    both = scored((0.7, 0.75), Recipe(bias_correction=False, batch_size=64), (("layers", 3),))
    (part,) = parts(CORRECTION, [runs[0], both])
    assert part.reason == "the runs also differ in batch_size, the strategy's options"


def test_runs_on_other_rows_are_not_the_same() -> None:
    long = scored((0.7, 0.75, 0.8), LONG)
    data = long.records[0].data
    assert data is not None
    other = data.model_copy(update={"fingerprint": "rows of today"})
    moved = replace(long, records=[record.model_copy(update={"data": other}) for record in long.records])
    (part,) = parts(SPREAD, [scored((0.6, 0.8), SHORT), moved])
    assert part.effect is None
    assert part.reason == "the runs also differ in other data (the fingerprint of the rows differs)"


def test_the_order_of_options_does_not_matter() -> None:
    first, second = (
        Group(Key("reviews", "full", "minilm"), tuple(scored((0.6,), Recipe(), options).records))
        for options in ((("a", 1), ("b", 2)), (("b", 2), ("a", 1)))
    )
    assert differing(first, second, set()) == ""


def test_each_seeds_own_rate_disqualifies_bias_correction_alone() -> None:
    tuned = [replace(SHORT, tune=(0.3,)), replace(LONG, tune=(0.3,))]
    (part,) = parts(SPREAD, [scored((0.6, 0.8), tuned[0]), scored((0.7, 0.75), tuned[1])])
    assert part.reason == ""
