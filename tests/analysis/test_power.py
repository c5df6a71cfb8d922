"""The simulation behind the stated power is itself sound."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.loading import Run
from bench.analysis.power import Simulator, main, measure, pools, spoiled
from bench.analysis.synthetic import synthetic_run
from bench.contracts import BenchError, Metric


def test_simulated_seeds_vary_as_much_as_recorded_ones():
    recorded = synthetic_run(seeds=5, examples=500)
    found, share = pools(recorded)
    simulator = Simulator(found, np.random.default_rng(0), share)
    run = simulator.run(simulator.examples(), 12, {})

    def variance(source: Run, seeds: int) -> float:
        scores = [source.predictions(r.cell.id)["correct"].mean() for r in source.records]
        return float(np.var(np.reshape(scores, (-1, seeds)), axis=1, ddof=1).mean())

    assert variance(run, 12) == pytest.approx(variance(recorded, 5), rel=0.35)


@pytest.mark.parametrize("kind", ["mean", "macro_f1"])
def test_a_drop_of_the_wanted_size_is_injected(kind):
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, 20_000)]
    rows = {"id": np.arange(20_000), "correct": np.ones(20_000), "reference": labels, "prediction": labels}
    worse = spoiled(rows, Metric("score", kind, ("correct",)), 0.1, rng)
    wrong = worse["prediction"] != labels if kind == "macro_f1" else worse["correct"] == 0
    assert wrong.mean() == pytest.approx(0.1, abs=0.01)


def test_large_drops_are_always_found_and_alarms_are_rare():
    rates = measure(synthetic_run(seeds=8, examples=600), 5, 3, strategy_drop=0.2, cell_drop=0.3)
    assert (rates.strategy_found, rates.cell_found) == (5, 5)
    assert rates.false_alarms <= 1


def test_a_run_with_one_seed_cannot_be_resampled():
    with pytest.raises(BenchError, match="two finished seeds"):
        pools(synthetic_run(seeds=1))


def test_the_command_reports_a_missing_run_in_one_line(capsys, tmp_path):
    assert main([str(tmp_path / "none.jsonl")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
