"""Speed and equality from hand-made measurements."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from bench.peers import table
from bench.peers.comparing import MARGIN, SideComparison, compare, equality, pooled
from bench.peers.measurement import Clock, Limit, Measurement, PeerResults, Side, SideOutcome
from bench.runs.record import Machine
from tests.analysis.conftest import make_record


def measured(
    side: Side, seed: int, seconds: float, score: float = 0.8, strategy: str = "full"
) -> Measurement:
    """A measurement whose evaluation takes one second."""
    clock = Clock(prepare=0.25 * seconds, train=0.75 * seconds, evaluate=1.0)
    return Measurement(
        key=f"{side}{strategy}{seed}",
        side=side,
        task="t",
        strategy=strategy,
        backbone="b",
        seed=seed,
        cells=(f"t/{strategy}/b/seed{seed}",),
        outcome=SideOutcome(clock=clock, score=score),
    )


def by_side(measurements: list[Measurement], strategy: str = "full") -> dict[str, SideComparison]:
    return {c.side: c for c in compare(measurements) if c.case.strategy == strategy}


def test_speed_is_the_ratio_of_medians_with_the_range_of_the_repeats() -> None:
    own = [measured("engine", seed, seconds) for seed, seconds in enumerate((9.0, 10.0, 20.0))]
    peer = [measured("trainer", seed, seconds) for seed, seconds in enumerate((36.0, 50.0, 60.0))]
    learn = by_side(own + peer)["trainer"].learn
    assert learn is not None
    assert (learn.seconds, learn.ratio, learn.lowest, learn.highest) == (50.0, 5.0, 3.0, 5.0)


def test_the_clock_without_evaluation_leaves_it_out() -> None:
    own = by_side([measured("engine", 0, 10.0)])["engine"]
    assert own.learn is not None
    assert own.whole is not None
    assert (own.learn.seconds, own.whole.seconds) == (10.0, 11.0)


def test_this_engine_comes_first_and_is_once_itself() -> None:
    found = compare([measured("trainer", 0, 30.0), measured("engine", 0, 10.0)])
    assert [c.side for c in found] == ["engine", "trainer"]
    assert found[0].learn is not None
    assert found[0].learn.ratio == 1


def test_a_side_that_failed_says_why() -> None:
    failed = measured("trainer", 0, 1.0).model_copy(update={"outcome": None, "reason": "failed: no memory"})
    found = by_side([measured("engine", 0, 10.0), failed])["trainer"]
    assert (found.learn, found.reason) == (None, "failed: no memory")


def test_a_suite_stands_against_the_sum_of_the_peers_cells_at_their_medians() -> None:
    cells = tuple(f"t/{strategy}/b/seed{seed}" for strategy in ("full", "frozen") for seed in range(3))
    suite = measured("engine", 0, 9.0, strategy="").model_copy(update={"cells": cells})
    peers = [measured("trainer", seed, 19.0) for seed in range(2)]
    peers += [measured("trainer", seed, 4.0, strategy="frozen") for seed in range(2)]
    whole = by_side([suite, *peers], strategy="")["trainer"].whole
    assert whole is not None
    assert whole.seconds == 3 * 20 + 3 * 5
    assert whole.ratio == 75 / 10


def test_suites_of_other_strategies_are_rows_of_their_own() -> None:
    small, large = (
        tuple(f"t/{strategy}/b/seed{seed}" for strategy in names for seed in range(3))
        for names in (("full", "frozen"), ("full", "frozen", "lora"))
    )
    measurements = [
        measured("engine", 0, 9.0, strategy="").model_copy(update={"cells": small}),
        measured("engine", 3, 29.0, strategy="").model_copy(update={"cells": large}),
        *(measured("trainer", 0, 19.0, strategy=name) for name in ("full", "frozen", "lora")),
    ]
    found = [c for c in compare(measurements) if not c.case.strategy and c.side == "trainer"]
    assert [(c.whole.seconds, c.whole.ratio) for c in found if c.whole] == [(6 * 20, 12.0), (9 * 20, 6.0)]


def test_a_side_without_all_strategies_has_no_suite() -> None:
    cells = tuple(f"t/{strategy}/b/seed{seed}" for strategy in ("full", "frozen") for seed in range(3))
    suite = measured("engine", 0, 9.0, strategy="").model_copy(update={"cells": cells})
    assert list(by_side([suite, measured("trainer", 0, 19.0)], strategy="")) == ["engine"]


def test_equality_is_two_one_sided_t_tests() -> None:
    differences = [0.002, -0.003, 0.004, 0.001, -0.004]
    found = equality(differences)
    low = stats.ttest_1samp(differences, -MARGIN, alternative="greater").pvalue
    high = stats.ttest_1samp(differences, MARGIN, alternative="less").pvalue
    assert found.p == pytest.approx(max(low, high))
    assert found.half == pytest.approx(
        stats.t.ppf(0.975, 4) * stats.tstd(differences) / math.sqrt(len(differences))
    )
    assert found.equivalent


def test_scores_that_differ_by_the_margin_are_not_equivalent() -> None:
    assert not equality([MARGIN + 0.001, MARGIN - 0.001, MARGIN]).equivalent


def test_one_pair_proves_nothing() -> None:
    found = equality([0.0])
    assert (found.p, found.half, found.equivalent) == (None, None, False)


@pytest.mark.parametrize(
    "differences", [(0.005, 0.005), (0.0, 0.0, 0.0), (0.05, 0.05), (0.1 + 0.2 - 0.3, 0.0)]
)
def test_pairs_that_differ_alike_prove_nothing(differences: tuple[float, ...]) -> None:
    """Two seeds may differ by exactly as much by chance; rounding is no spread either."""
    found = equality(differences)
    assert (found.pairs, found.p, found.half, found.equivalent) == (len(differences), None, None, False)


def test_the_table_says_that_pairs_without_spread_are_not_tested() -> None:
    taken = [measured("engine", seed, 1.0, 0.8) for seed in (0, 1)]
    taken += [measured("trainer", seed, 1.0, 0.795) for seed in (0, 1)]
    results = PeerResults(machine=make_record().machine, recipes={}, measurements=tuple(taken))
    (note,) = (note for note in table.build(results).notes if note.startswith("Quality"))
    assert note.endswith(
        "t, Trainer, defaults: not shown to be equivalent (+0.5 points with each of 2 seeds: no spread to test by)."
    )


def test_strategies_of_a_seed_are_no_independent_pairs() -> None:
    """Four strategies that share what a seed does to them tell no more than one of them."""
    names = ("full", "frozen", "lora", "gradual")
    shift = {0: 0.012, 1: -0.012, 2: 0.006}
    own = [measured("engine", seed, 1.0, 0.8, name) for seed in shift for name in names]
    peer = [measured("trainer", seed, 1.0, 0.8 - shift[seed], name) for seed in shift for name in names]
    unpaired = measured("trainer", 7, 1.0, 0.1)
    found = pooled([*own, *peer, unpaired], "trainer")["t"]
    assert found.pairs == 3
    assert found.p == pytest.approx(equality(list(shift.values())).p)
    assert not found.equivalent
    assert equality(
        [value for value in shift.values() for _ in names]
    ).equivalent  # what pairs of both would say


@pytest.mark.parametrize(("repeats", "said"), [(1, "3.0 (measured once)"), (2, "3.0 (3.0 to 3.0)")])
def test_a_ratio_that_was_measured_once_has_no_range(repeats: int, said: str) -> None:
    taken = [measured("engine", seed, 10.0) for seed in range(repeats)]
    taken += [measured("trainer", seed, 30.0) for seed in range(repeats)]
    results = PeerResults(machine=make_record().machine, recipes={}, measurements=tuple(taken))
    own, peer = table.build(results).blocks[0].rows
    place = [column.name for column in table.COLUMNS].index("learn_ratio")
    assert (own.entries[place].value, peer.entries[place].value) == ("1", said)


def test_a_row_says_what_share_of_its_limit_it_reaches() -> None:
    """Products of 2 s at the measured rate and bytes of 1 s at the measured bandwidth, of 10 s and of 30 s."""
    limit = Limit(flops=2e11, moved=4e10, rate=1e11, bandwidth=4e10)
    own = measured("engine", 0, 10.0)
    own = own.model_copy(update={"outcome": SideOutcome(clock=_clock(own), score=0.8, limit=limit)})
    found = by_side([own, measured("trainer", 0, 30.0)])
    assert (found["engine"].limit, found["engine"].reached) == (3.0, pytest.approx(0.3))
    assert found["trainer"].reached == pytest.approx(0.1)


def test_a_file_without_rates_has_no_columns_of_limits() -> None:
    machine = Machine(device="cpu", dtype="float32", threads=1, processor="abacus", system="Linux")
    plain = measured("engine", 0, 10.0)
    limit = Limit(flops=2e11, moved=4e10, rate=1e11, bandwidth=4e10)
    rated = plain.model_copy(update={"outcome": SideOutcome(clock=_clock(plain), score=0.8, limit=limit)})
    for measurement, shown in ((plain, False), (rated, True)):
        found = table.build(PeerResults(machine=machine, recipes={}, measurements=(measurement,)))
        assert (table.LIMIT_RULE in found.notes) is shown
        assert ("reached" in [column.name for column in found.columns]) is shown
        [block] = found.blocks
        assert all(len(row.entries) == len(found.columns) for row in block.rows)


def _clock(measurement: Measurement) -> Clock:
    assert measurement.outcome is not None
    return measurement.outcome.clock


@pytest.mark.parametrize(("apart", "said"), [(0.0, "equivalent ("), (0.05, "not shown to be equivalent (")])
def test_the_table_says_whether_setfit_ends_with_the_same_scores(apart: float, said: str) -> None:
    """Both sides train the same estimator; those that fit a classifier on features do not."""
    noise = (0.001, -0.001, 0.002, -0.002)
    taken = [measured("engine", seed, 1.0, 0.8 + apart, strategy="setfit") for seed in range(4)]
    taken += [measured("setfit", seed, 1.0, 0.8 + noise[seed], strategy="setfit") for seed in range(4)]
    taken += [measured("scikit-learn", seed, 1.0, 0.8, strategy="frozen") for seed in range(4)]
    results = PeerResults(machine=make_record().machine, recipes={}, measurements=tuple(taken))
    (note,) = (note for note in table.build(results).notes if note.startswith("Quality"))
    assert f"t, setfit: {said}" in note
    assert "LogisticRegression" not in note
