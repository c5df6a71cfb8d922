"""Every published claim of the project can be confirmed and contradicted: the records decide, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from bench.analysis.claims.published import Claim, CostClaim, DifferenceClaim, GrowthClaim, ScoreClaim, read
from bench.analysis.claims.verify import verify
from bench.analysis.loading import Predictions, Run
from bench.runs.record import Record, Seconds
from tests.analysis.conftest import make_predictions, make_record

EXAMPLES = 800
LEARNING, ALL = 10, 1000  # parameters of the first strategy, and of the second
CLAIMS = pytest.mark.parametrize("claim", read(), ids=lambda claim: claim.name)


@CLAIMS
def test_a_run_inside_the_bounds_confirms_it(claim: Claim) -> None:
    (finding,) = verify([claim], run_with(claim, inside(claim)))
    assert finding.verdict == "confirmed"


@CLAIMS
def test_a_run_outside_the_bounds_contradicts_it(claim: Claim) -> None:
    (finding,) = verify([claim], run_with(claim, outside(claim)))
    assert finding.verdict == "contradicted"


def inside(claim: Claim) -> float:
    if claim.above is not None and claim.below is not None:
        return (claim.above + claim.below) / 2
    if isinstance(claim, CostClaim):
        return 2 * LEARNING / ALL
    return claim.above + 0.1 if claim.above is not None else (claim.below or 0.0) - 0.1


def outside(claim: Claim) -> float:
    if isinstance(claim, CostClaim):
        return (claim.above or LEARNING / ALL) / 2
    return claim.above - 0.1 if claim.above is not None else (claim.below or 0.0) + 0.1


@dataclass
class Made:
    """A run in the making; records of the same test set find the same examples difficult."""

    records: list[Record] = field(default_factory=list)
    files: dict[str, Predictions] = field(default_factory=dict)

    def add(self, strategy: str, backbone: str, task: str, accuracy: float, seconds: float = 1.0) -> None:
        """Three seeds of this accuracy on the test set and on another domain."""
        difficulty = np.arange(EXAMPLES) / EXAMPLES
        size = int(task.partition("@")[2] or 500)
        for seed in range(3):
            rng = np.random.default_rng(seed)
            ease = difficulty + 0.01 * rng.normal(size=EXAMPLES)
            rows = make_predictions((ease < np.quantile(ease, accuracy)).astype(float))
            other = {**rows, "split": np.full(EXAMPLES, "tweets", dtype=object)}
            scores = {"accuracy": accuracy, "f1": accuracy}
            record = make_record(
                task,
                strategy,
                seed,
                backbone=backbone,
                scores={"test": scores, "tweets": scores},
                seconds=Seconds(train=seconds * (1 + seed / 100)),
                trainable=ALL if strategy == "full" else LEARNING,
            )
            assert record.data is not None
            data = record.data.model_copy(update={"sizes": {"train": size, "test": EXAMPLES}})
            self.records.append(record.model_copy(update={"data": data}))
            self.files[record.cell.id] = {name: np.concatenate([rows[name], other[name]]) for name in rows}

    def run(self) -> Run:
        return Run("made", self.records, self.files.__getitem__)


def run_with(claim: Claim, value: float) -> Run:
    """A run in which what the claim is about has this value."""
    made = Made()
    task, backbone = (
        (*names, default)[0] for names, default in ((claim.tasks, "reviews"), (claim.backbones, "minilm"))
    )
    if isinstance(claim, ScoreClaim):
        made.add(claim.strategy, backbone, task, value)
    if isinstance(claim, DifferenceClaim):
        made.add(claim.first, claim.first_backbone or backbone, task, value + claim.share * 0.6)
        made.add(claim.second, claim.second_backbone or backbone, task, 0.6)
    if isinstance(claim, GrowthClaim):
        for size, gain in ((100, 0.0), (800, value)):
            made.add(claim.first, backbone, f"{task}@{size}", 0.6 + gain)
            made.add(claim.second, backbone, f"{task}@{size}", 0.6)
    if isinstance(claim, CostClaim):
        made.add(claim.first, backbone, task, 0.6, value)
        made.add(claim.second, backbone, task, 0.6, 1.0)
    return made.run()
