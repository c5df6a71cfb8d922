"""The simulation behind the stated power is itself sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Run
from bench.analysis.regression.compare import ALL_TASKS, RunComparison, compare
from bench.analysis.regression.power import Drops, measure, named
from bench.analysis.regression.quality import sample
from bench.analysis.regression.simulation import Simulator, pools, shifted
from bench.analysis.regression.synthetic import TASKS, synthetic_run
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.resampling import Source
from bench.contracts import BenchError, Metric


def simulator(recorded: Run, seeds: int = 3, examples: int = 0) -> Simulator:
    return Simulator(pools(recorded), seeds, examples, np.random.default_rng(0))


def deviation(run: Run) -> float:
    """Over seeds, pooled over cells."""
    source = Source(run.predictions)
    found = [sample(group, source) for group in gather(run.records).values()]
    return float(np.sqrt(np.mean([item.parts.seed for item in found if item])))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_simulated_seeds_vary_as_much_as_recorded_ones(noise):
    recorded = synthetic_run(seeds=5, examples=500, noise=noise)
    run, _ = simulator(recorded, seeds=12).pair({})
    assert deviation(run) == pytest.approx(deviation(recorded), rel=0.25)


def test_more_examples_leave_less_noise():
    recorded = synthetic_run(seeds=20, examples=300, noise=0.0)
    few, many = (simulator(recorded, 6, size).pair({})[0] for size in (0, 3000))
    assert deviation(many) < 0.7 * deviation(few)


@pytest.mark.parametrize("kind", ["mean", "macro_f1", "f1", "ratio"])
@pytest.mark.parametrize("by", [-0.1, 0.05])
def test_scores_are_shifted_by_what_is_wanted(kind, by):
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"], dtype=object)
    reference = labels[rng.integers(0, 3, 20_000)]
    rows = {
        "id": np.arange(20_000),
        "reference": reference,
        "prediction": np.where(rng.random(20_000) < 0.8, reference, "a").astype(object),
        "correct": (rng.random(20_000) < 0.8).astype(float),
        "found": np.ones(20_000),
        "gold": np.ones(20_000),
    }
    columns = {
        "mean": ("correct",),
        "macro_f1": (),
        "f1": ("correct", "found", "gold"),
        "ratio": ("correct", "gold"),
    }
    metric = Metric("score", kind, columns[kind])
    before = ratios(metric, rows).score()
    after = ratios(metric, shifted(rows, metric, by, rng.random(20_000))).score()
    assert after - before == pytest.approx(by, abs=0.015)


def test_large_drops_are_always_found_and_alarms_are_rare():
    rates = measure("synthetic", simulator(synthetic_run(seeds=8, examples=600)), 3, Drops(0.2, 0.3))
    assert (rates.strategy_found, rates.cell_found) == (3, 3)
    assert rates.false_alarms <= 1


def test_a_broad_drop_is_on_one_strategy_on_all_of_its_tasks(monkeypatch):
    taken = []
    pair = Simulator.pair
    monkeypatch.setattr(Simulator, "pair", lambda self, drops: taken.append(drops) or pair(self, drops))
    measure("synthetic", simulator(synthetic_run(seeds=2, examples=40)), 2, Drops(0.2, 0.3))
    none, broad, cell = taken[:3]
    assert none == {}
    assert len({key.strategy for key in broad}) == 1
    assert {key.task for key in broad} == set(TASKS)
    assert set(broad.values()) == {0.2}
    assert list(cell.values()) == [0.3]


@pytest.mark.parametrize(("asked", "simulated"), [(1, 2), (3, 2), (60, 48)])
def test_the_examples_of_five_recorded_seeds_are_fewer_by_a_fifth_and_two_at_least(asked, simulated):
    run, _ = simulator(synthetic_run(seeds=5, examples=100), 2, asked).pair({})
    assert {len(run.predictions(record.cell.id)["id"]) for record in run.records} == {simulated}


def test_a_drop_is_named_where_its_cell_or_its_strategy_regressed_and_nowhere_else():
    """A false alarm elsewhere does not count as finding it, nor does its own cell without an alarm."""
    run = synthetic_run(seeds=2, examples=200)
    plain = compare(run, run)
    key = plain.cells[0].key
    whole = key._replace(task=ALL_TASKS)

    def alarmed(guilty: Key) -> RunComparison:
        cells, strategies = (
            tuple(replace(item, status="regressed") if item.key == guilty else item for item in findings)
            for findings in (plain.cells, plain.strategies)
        )
        return replace(plain, cells=cells, strategies=strategies)

    other = next(item.key for item in plain.cells if item.key.strategy != key.strategy)
    assert not named(plain, {key: 0.1})
    assert not named(alarmed(other), {key: 0.1})
    assert not named(alarmed(other._replace(task=ALL_TASKS)), {key: 0.1})
    assert named(alarmed(key), {key: 0.1})
    assert named(alarmed(whole), {key: 0.1})


def test_a_run_with_one_seed_cannot_be_resampled():
    with pytest.raises(BenchError) as error:
        pools(synthetic_run(seeds=1))
    assert error.value.code == "too-few-seeds"
