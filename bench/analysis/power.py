"""How often the regression gate finds a known drop, and how often it finds one that is not there.

    python -m bench.analysis.power RUN [--trials 200] [--seeds 3]

New runs of the same code are simulated from recorded predictions. A simulated seed draws weights over the
recorded seeds (Dirichlet) and takes each example's outcome from one of them, so seeds differ as a whole and
example by example; how much as a whole follows the moderated dispersion of the cell, since three recorded
seeds say little about it. Resampling n recorded seeds understates their variance by (n - 1) / n; test sets are
made smaller by the factor that restores it, so the rates are those of the recorded test sets. A drop is
injected by spoiling the outcomes of random examples, independently by seed. Without RUN, a synthetic suite of
known noise with thirty recorded seeds is used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.analysis.compare import ALL_TASKS, CompareOptions, Comparison, compare
from bench.analysis.groups import Key, gather
from bench.analysis.loading import Columns, Run
from bench.analysis.quality import sample
from bench.analysis.resampling import Source, definition
from bench.analysis.synthetic import synthetic_run
from bench.analysis.variance import fit_prior
from bench.contracts import BenchError, Metric
from bench.record import Record


@dataclass(frozen=True)
class Pool:
    """The recorded outcomes of one cell: a record to copy, the columns of each recorded seed, and the share of
    the recorded seeds' own variance that simulated seeds keep, in [0, WHOLE]."""

    record: Record
    metric: Metric
    seeds: tuple[Columns, ...]
    whole: float


WHOLE = 0.6  # at 1 simulated seeds would be copies of the recorded ones


@dataclass(frozen=True)
class Rates:
    """Of `trials` comparisons: how many raised a false alarm, and how many found the injected drop."""

    trials: int
    seeds: int
    cells: int
    false_alarms: int
    strategy_drop: float
    strategy_found: int
    cell_drop: float
    cell_found: int

    def __str__(self) -> str:
        return (
            f"{self.cells} cells, {self.seeds} seeds a run, {self.trials} comparisons of each kind\n"
            f"false alarms (any regression, nothing changed): {self.false_alarms}\n"
            f"{100 * self.strategy_drop:g} points off one strategy on all tasks: found {self.strategy_found}\n"
            f"{100 * self.cell_drop:g} points off one cell: found {self.cell_found}"
        )


def pools(run: Run) -> tuple[dict[Key, Pool], float]:
    """The finished cells with at least two seeds, by key, and the share of the test examples at which
    simulated scores vary as much as recorded ones. BenchError where there is no such cell."""
    source = Source(run.predictions)
    samples = {
        key: (group, found.parts)
        for key, group in gather(run.records).items()
        if len(group.done) > 1 and (found := sample(group, source)) is not None
    }
    if not samples:
        raise BenchError(f"{run.name} has no cell with two finished seeds: power cannot be measured")
    prior = fit_prior([parts for _, parts in samples.values()])
    found, wanted, reached = {}, [], []
    for key, (group, parts) in samples.items():
        goal = prior.seed_variance(parts)[0] / parts.interaction if parts.interaction > 0 else 1.0
        excess = parts.dispersion - 1 if parts.interaction > 0 else 0.0
        whole = min((goal - 1) / excess, WHOLE) if excess > 0 else 0.0
        metric = definition(group.done[0], group.headline)
        rows = [source.columns(record) for record in group.done]
        if metric is not None:
            found[key] = Pool(group.done[0], metric, tuple(row for row in rows if row), whole)
        wanted.append(goal)
        reached.append((1 + whole * excess) * (parts.seeds - 1) / parts.seeds)
    return found, min(1.0, sum(reached) / sum(wanted))


@dataclass(frozen=True)
class Simulator:
    """Makes runs of the recorded code with other seeds."""

    pools: Mapping[Key, Pool]
    rng: np.random.Generator
    share: float

    def examples(self) -> dict[str, np.ndarray]:
        """By task, which test examples a comparison uses."""
        chosen = {}
        for key, pool in self.pools.items():
            size = len(pool.seeds[0]["id"])
            if key.task not in chosen:
                count = max(2, round(self.share * size))
                chosen[key.task] = np.sort(self.rng.choice(size, count, replace=False))
        return chosen

    def run(self, examples: Mapping[str, np.ndarray], seeds: int, drops: Mapping[Key, float]) -> Run:
        """A run with `seeds` new seeds; `drops` by cell, in units of its headline score."""
        records, files = [], {}
        for key, pool in self.pools.items():
            for seed in range(seeds):
                cell = pool.record.cell.__class__(
                    pool.record.cell.suite, *key, seed, pool.record.cell.recipe, pool.record.cell.options
                )
                rows = self._seed(pool, examples[key.task])
                if key in drops:
                    score = pool.record.scores["test"][pool.metric.name]
                    rows = spoiled(rows, pool.metric, min(1.0, drops[key] / max(score, 1e-9)), self.rng)
                records.append(pool.record.model_copy(update={"cell": cell}))
                files[cell.id] = rows
        return Run("simulated", records, files.__getitem__)

    def _seed(self, pool: Pool, examples: np.ndarray) -> dict[str, np.ndarray]:
        count = len(pool.seeds)
        concentration = (1 / pool.whole - 1) / count if pool.whole > 0.001 else 1000.0
        weights = self.rng.dirichlet(np.full(count, concentration))
        origin = self.rng.choice(count, len(examples), p=weights)
        names = pool.seeds[0].keys()
        return {name: _picked([rows[name] for rows in pool.seeds], origin, examples) for name in names}


def _picked(columns: Sequence[np.ndarray], origin: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """For each of `examples`, its value in the column that `origin` names."""
    values = columns[0][examples].copy()
    for place in range(1, len(columns)):
        taken = origin == place
        values[taken] = columns[place][examples[taken]]
    return values


def spoiled(rows: Columns, metric: Metric, share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The rows with this share of the examples made wrong, for the metric given."""
    rows = dict(rows)
    chosen = rng.random(len(rows["id"])) < share
    if metric.kind in ("macro_f1", "class_f1"):
        labels = np.unique(rows["reference"].astype(str)).astype(object)
        wrong = labels[rng.integers(0, len(labels), len(chosen))]
        clash = wrong == rows["reference"]
        wrong[clash] = np.roll(labels, 1)[np.searchsorted(labels.astype(str), wrong[clash].astype(str))]
        rows["prediction"] = np.where(chosen, wrong, rows["prediction"])
    else:
        rows[metric.columns[0]] = np.where(chosen, 0.0, rows[metric.columns[0]])
    return rows


def measure(run: Run, trials: int, seeds: int, strategy_drop: float = 0.03, cell_drop: float = 0.06) -> Rates:
    """The rates over `trials` simulated comparisons of each kind, from a fixed random seed."""
    found, share = pools(run)
    rng = np.random.default_rng(0)
    simulator = Simulator(found, rng, share)
    broad = _strategies(found)
    counts = [0, 0, 0]
    for _ in range(trials):
        strategy = broad[rng.integers(len(broad))]
        cell = list(found)[rng.integers(len(found))]
        on_all = {key: strategy_drop for key in found if key._replace(task=ALL_TASKS) == strategy}
        for kind, drops in enumerate(({}, on_all, {cell: cell_drop})):
            examples = simulator.examples()
            baseline = simulator.run(examples, seeds, {})
            outcome = compare(baseline, simulator.run(examples, seeds, drops), CompareOptions())
            counts[kind] += named(outcome, drops) if drops else outcome.exit_code == 1
    return Rates(trials, seeds, len(found), counts[0], strategy_drop, counts[1], cell_drop, counts[2])


def _strategies(keys: Mapping[Key, Pool]) -> list[Key]:
    """The strategies, over all tasks, that have the most tasks."""
    tasks: dict[Key, int] = {}
    for key in keys:
        whole = key._replace(task=ALL_TASKS)
        tasks[whole] = tasks.get(whole, 0) + 1
    return [key for key, count in tasks.items() if count == max(tasks.values())]


def named(outcome: Comparison, drops: Mapping[Key, float]) -> bool:
    """Whether a regressed finding is one of the dropped cells, or their strategy over all tasks."""
    guilty = {*drops, *(key._replace(task=ALL_TASKS) for key in drops)}
    return any(
        item.status == "regressed" and item.key in guilty for item in (*outcome.strategies, *outcome.cells)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: prints the rates; 2 where the run cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bench.analysis.power", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "run", nargs="?", type=Path, help="a run folder or a baseline file (default: synthetic)"
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--noise", type=float, default=0.05, help="of synthetic seeds, in logits (default 0.05)"
    )
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        rates = measure(_opened(chosen.run, chosen.noise), chosen.trials, chosen.seeds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(rates), indent=1) if chosen.json else rates)
    return 0


def _opened(path: Path | None, noise: float) -> Run:
    if path is None:
        return synthetic_run(seeds=30, noise=noise)
    if path.suffix == ".jsonl":
        from bench.analysis.baseline import read

        return read(path)
    from bench.store import open_run

    store = open_run(path)
    return Run(str(path), store.records(), store.predictions)


if __name__ == "__main__":
    sys.exit(main())
