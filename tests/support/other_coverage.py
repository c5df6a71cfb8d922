"""How often intervals hold the truth that `coverage` does not simulate: correlations, errors, macro F1, and
examples of a few documents.

    python -m tests.support.other_coverage [cells] > results/statistics/other-coverage.jsonl

Every cell is a new test set with a known truth, read by the program's own functions; seeds differ on examples
alone. With one seed tables show no interval; that of a model's card is over test examples."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from bench.analysis.groups import gather
from bench.analysis.statistics.coverage import HOLDS
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.resampling import Source, resample
from bench.runs.record import Record
from tests.analysis.conftest import make_record
from tests.analysis.numeric import numeric_cell

Cells = list[tuple[Record, dict[str, np.ndarray]]]
SHARED = 0.9  # of the noise of an example that all seeds have


@dataclass(frozen=True)
class Case:
    """make: the cells of so many seeds on a new test set. truth: the score that they would have on endless rows."""

    name: str
    metric: str
    make: Callable[[np.random.Generator, int], Cells]
    truth: float

    def held(self, cells: int, seeds: int) -> float:
        """The share of simulated cells whose interval holds the truth."""
        hits = 0
        for number in range(cells):
            made = self.make(np.random.default_rng((number, seeds)), seeds)
            files = {record.cell.id: rows for record, rows in made}
            (group,) = gather([record for record, _ in made]).values()
            found = resample(group, self.metric, Source(files.__getitem__))
            assert found is not None
            around = intervals({0: found.components()})[0]
            hits += around.low <= self.truth <= around.high
        return hits / cells


def _noise(rng: np.random.Generator, examples: int, seeds: int) -> list[np.ndarray]:
    own = rng.normal(size=examples)
    return [np.sqrt(SHARED) * own + np.sqrt(1 - SHARED) * rng.normal(size=examples) for _ in range(seeds)]


def correlated(metric: str, r: float, examples: int) -> Case:
    """Normal numbers; Spearman's correlation follows from Pearson's."""

    def make(rng: np.random.Generator, seeds: int) -> Cells:
        gold = rng.normal(size=examples)
        said = [r * gold + np.sqrt(1 - r * r) * noise for noise in _noise(rng, examples, seeds)]
        return [numeric_cell("t", "s", seed, gold, values) for seed, values in enumerate(said)]

    truth = r if metric == "pearson" else 6 / np.pi * np.arcsin(r / 2)
    return Case(f"{metric} {r:g}, {examples} examples", metric, make, truth)


def wrong_by(deviation: float, examples: int) -> Case:
    """Numbers that are missed by normal errors."""

    def make(rng: np.random.Generator, seeds: int) -> Cells:
        gold = rng.normal(size=examples)
        said = [gold + deviation * noise for noise in _noise(rng, examples, seeds)]
        return [numeric_cell("t", "s", seed, gold, values) for seed, values in enumerate(said)]

    return Case(f"mae, {examples} examples", "mae", make, deviation * np.sqrt(2 / np.pi))


def labelled(metric: str, shares: list[float], recalls: list[float], examples: int) -> Case:
    """Labels with these shares and recalls; a wrong answer is the next label."""
    p, r = np.array(shares), np.array(recalls)

    def make(rng: np.random.Generator, seeds: int) -> Cells:
        gold, base, cells = rng.choice(len(p), examples, p=p), rng.random(examples), []
        for seed in range(seeds):
            ease = np.where(rng.random(examples) < SHARED, base, rng.random(examples))
            right = ease < r[gold]
            said = np.where(right, gold, (gold + 1) % len(p))
            rows = {
                "split": np.full(examples, "test", dtype=object),
                "id": np.arange(examples),
                "reference": gold.astype(str).astype(object),
                "prediction": said.astype(str).astype(object),
                "correct": right.astype(float),
            }
            cells.append((make_record("t", "s", seed), rows))
        return cells

    f1 = np.mean(2 * p * r / (p + p * r + np.roll(p * (1 - r), 1)))
    truth = float(f1 if metric == "f1" else p @ r)
    listed = " : ".join(f"{100 * share:g}" for share in shares)
    return Case(f"{metric} {100 * truth:.0f}, {examples} examples, labels {listed}", metric, make, truth)


def of_documents(count: int, examples: int) -> Case:
    """Right answers on documents of unequal sizes, some of which are harder than others; all in probits."""
    from scipy.special import ndtr

    ease, apart = 0.8, 0.35

    def make(rng: np.random.Generator, seeds: int) -> Cells:
        document = rng.choice(count, examples, p=rng.dirichlet(np.full(count, 4.0)))
        harder = apart * rng.normal(size=count)
        cells = []
        for seed, noise in enumerate(_noise(rng, examples, seeds)):
            right = noise < ease - harder[document]
            rows = {
                "split": np.full(examples, "test", dtype=object),
                "id": np.arange(examples),
                "group": document.astype(str).astype(object),
                "reference": np.full(examples, "yes", dtype=object),
                "prediction": np.where(right, "yes", "no").astype(object),
                "correct": right.astype(float),
            }
            cells.append((make_record("t", "s", seed), rows))
        return cells

    truth = float(ndtr(ease / np.hypot(1, apart)))
    return Case(
        f"accuracy {100 * truth:.0f}, {examples} examples of {count} documents", "accuracy", make, truth
    )


CASES = (
    correlated("pearson", 0.8, 60),
    correlated("spearman", 0.8, 60),
    correlated("pearson", 0.95, 30),
    correlated("spearman", 0.0, 200),
    wrong_by(0.5, 60),
    labelled("f1", [0.5, 0.3, 0.2], [0.9, 0.85, 0.8], 200),
    labelled("f1", [0.6, 0.37, 0.03], [0.95, 0.9, 0.6], 200),
    labelled("accuracy", [0.5, 0.5], [0.97, 0.97], 60),
    *(of_documents(count, 300) for count in (2, 3, 5, 13, 50)),
)
SEEDS = (1, 3)
CELLS = 400


@dataclass(frozen=True)
class Held:
    """How often the interval of a case held its truth, in so many simulated cells."""

    case: str
    seeds: int
    cells: int
    share: float


def as_json(found: Held) -> str:
    return json.dumps(asdict(found)) + "\n"


def read(text: str) -> list[Held]:
    """What `as_json` wrote."""
    return [Held(**json.loads(line)) for line in text.splitlines()]


def markdown(found: Sequence[Held]) -> str:
    """The table of the documentation."""
    shares: dict[str, list[str]] = {}
    for item in found:
        shown = f"{100 * item.share:.0f}%"
        shares.setdefault(item.case, []).append(shown if item.share >= HOLDS else f"**{shown}**")
    rows = ["| score | 1 seed | 3 seeds |", "|---|---:|---:|"]
    return "\n".join([*rows, *(f"| {case} | {' | '.join(own)} |" for case, own in shares.items())]) + "\n"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CELLS
    for case in CASES:
        for seeds in SEEDS:
            print(as_json(Held(case.name, seeds, count, case.held(count, seeds))), end="", flush=True)
