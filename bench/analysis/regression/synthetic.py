"""A suite with known truth, to check intervals and the regression gate without a recorded run."""

from __future__ import annotations

import numpy as np

from bench.analysis.loading import Columns, Run
from bench.contracts import Cell, Metric, Recipe
from bench.runs.record import Data, Record

TASKS = ("one", "two", "three", "four")
STRATEGIES = ("frozen", "bitfit", "lora", "top-layers", "gradual", "lp-ft", "full")
ACCURACY = Metric("accuracy", "mean", ("correct",))


def outcomes(examples: int, seeds: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Right or wrong, float [examples, seeds]: a logistic model with normal abilities and difficulties.

    Examples differ in difficulty (standard deviation 2.5 logits about a mean of 1.5, a score near 0.7), seeds
    in ability (standard deviation `noise` logits)."""
    difficulty = rng.normal(1.5, 2.5, (examples, 1))
    ability = rng.normal(0, noise, (1, seeds)) if noise else np.zeros((1, seeds))
    return (rng.random((examples, seeds)) < 1 / (1 + np.exp(-difficulty - ability))).astype(float)


def synthetic_run(seeds: int = 3, examples: int = 1000, noise: float = 0.05, random: int = 0) -> Run:
    """Four tasks by seven strategies; with the defaults the standard deviation over seeds is 1.1 points."""
    rng = np.random.default_rng(random)
    records, files = [], {}
    ids = np.arange(examples).astype(str).astype(object)
    for task in TASKS:
        for strategy in STRATEGIES:
            right = outcomes(examples, seeds, noise, rng)
            for seed in range(seeds):
                cell = Cell("synthetic", task, strategy, "none", seed, Recipe())
                score = float(right[:, seed].mean())
                records.append(_record(cell, score, examples))
                files[cell.id] = _file(ids, right[:, seed])
    return Run(f"synthetic, noise {noise:g}", records, files.__getitem__)


def _record(cell: Cell, score: float, examples: int) -> Record:
    return Record(
        cell=cell,
        fingerprint=cell.id,
        status="done",
        headline="accuracy",
        metrics=(ACCURACY,),
        scores={"test": {"accuracy": score}},
        data=Data(fingerprint="synthetic", task_version=1, sizes={"test": examples}),
    )


def _file(ids: np.ndarray, right: np.ndarray) -> Columns:
    return {"id": ids, "correct": right}
