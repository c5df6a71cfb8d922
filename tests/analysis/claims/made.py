"""Runs that are made for a claim: they meet its conditions, and what it is about has a given value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.analysis.claims.between_runs import is_between
from bench.analysis.claims.conditions import budget
from bench.analysis.claims.declared import Declared
from bench.analysis.claims.published import (
    BestClaim,
    Claim,
    CorrectionClaim,
    CostClaim,
    DifferenceClaim,
    ForgettingClaim,
    GrowthClaim,
    Needs,
    RateClaim,
    ScoreClaim,
    SpreadClaim,
)
from bench.analysis.loading import Predictions, Run
from bench.contracts import Recipe
from bench.registry import Registry, discover
from bench.runs.record import LanguageLoss, Point, Record, Seconds, Trial
from tests.analysis.conftest import make_predictions, make_record

EXAMPLES = 800
LEARNING, ALL = 10, 1000  # parameters of the first strategy, and of the second
TASKS = ("reviews", "news", "films", "stories")
DECLARED = Declared(Registry(discover()))
Change = Callable[[Record], Record]


def unchanged(record: Record) -> Record:
    return record


@dataclass
class Made:
    """A run in the making; records of the same test set find the same examples difficult. change: what each record
    becomes at last. recipe: of all its cells."""

    needs: Needs
    change: Change = unchanged
    recipe: Recipe = field(default_factory=Recipe)
    records: list[Record] = field(default_factory=list)
    files: dict[str, Predictions] = field(default_factory=dict)

    def add(
        self,
        strategy: str,
        backbone: str,
        task: str,
        accuracy: float,
        seconds: float = 1.0,
        scale: float = 1.0,
        spread: float = 0.0,
    ) -> None:
        """The seeds that the claim needs, with this accuracy on other domains and twice the needed drop on top on
        the test set. spread: the deviation of their recorded scores. scale: of the best rate."""
        examples = min(self.needs.rows or EXAMPLES, 20_000)
        rng = np.random.default_rng(len(self.records))
        noise = rng.permutation(np.linspace(-1.5, 1.5, self.needs.seeds))
        for seed in range(self.needs.seeds):
            tests = {"test": accuracy + 2 * self.needs.drop}
            tests |= dict.fromkeys(self.needs.domains or ("tweets",), accuracy)
            parts = [_predictions(test, share, examples, seed) for test, share in tests.items()]
            record = self.record(strategy, backbone, task, seed)
            scores = {
                test: dict.fromkeys(("accuracy", "f1"), share + spread * noise[seed])
                for test, share in tests.items()
            }
            record = record.model_copy(
                update={
                    "scores": scores,
                    "seconds": Seconds(train=seconds * (1 + seed / 100)),
                    "trials": _trials(scale, max(self.needs.rates, 3)),
                }
            )
            record = self.change(record)
            self.records.append(record)
            self.files[record.cell.id] = {
                name: np.concatenate([part[name] for part in parts]) for name in parts[0]
            }

    def forget(self, ratio: float) -> None:
        """Let the records that were added last have this perplexity, over one that depends on the seed."""
        for place in range(len(self.records) - self.needs.seeds, len(self.records)):
            after = 3.0 + self.records[place].cell.seed / 10 + math.log(ratio)
            loss = LanguageLoss(kind="masked", before=2.0, after=after)
            self.records[place] = self.records[place].model_copy(update={"language_loss": loss})

    def record(self, strategy: str, backbone: str, task: str, seed: int) -> Record:
        """A record that meets the conditions which do not depend on scores."""
        needs = self.needs
        size = int(task.partition("@")[2] or max(needs.train, min(500, needs.most_train or 500)))
        last = max(needs.steps, 100)
        curve = tuple(
            Point(
                step=round(last * share),
                epoch=share,
                seconds=1,
                phase=1,
                train_loss=loss,
                loss=loss,
                score=0.5,
            )
            for share, loss in ((0.3, 1.0), (0.6, 0.4), (1.0, 0.5))
        )
        record = make_record(
            task,
            strategy,
            seed,
            backbone=backbone,
            curve=curve,
            recipe=self.recipe,
            trainable=ALL if strategy == "full" else LEARNING,
        )
        assert record.data is not None
        data = record.data.model_copy(update={"sizes": {"train": size, "test": needs.rows or EXAMPLES}})
        options = (("layers", 1),) if strategy == "top-layers" else ()
        if strategy == "tapt" and needs.masked:
            options = (("passes", math.ceil(needs.masked / budget(record))),)
            if needs.unlabelled == "domain":
                cell = replace(record.cell, recipe=replace(self.recipe, unlabelled="domain.txt"))
                record = record.model_copy(update={"cell": cell})
        return record.model_copy(update={"data": data, "cell": replace(record.cell, options=options)})

    def run(self, name: str = "made") -> Run:
        return Run(name, self.records, self.files.__getitem__)


def _predictions(test: str, accuracy: float, examples: int, seed: int) -> dict[str, np.ndarray]:
    difficulty = np.arange(examples) / examples
    ease = difficulty + 0.01 * np.random.default_rng(seed).normal(size=examples)
    rows = make_predictions((ease < np.quantile(ease, accuracy)).astype(float))
    return {**rows, "split": np.full(examples, test, dtype=object)}


def _trials(scale: float, count: int) -> tuple[Trial, ...]:
    """Scales by factors of two, the best of which is not at an end."""
    scales = [scale * 2.0 ** (place - 1) for place in range(count)]
    return tuple(Trial(scale=item, loss=abs(item - scale), kept=item == scale) for item in scales)


def runs_with(
    claim: Claim, value: float, change: Change = unchanged, tasks: Sequence[str] = TASKS
) -> list[Run]:
    """Runs in which what the claim is about has this value, on the claim's tasks or on these."""
    made = Made(claim.needs, change)
    backbone = (*claim.backbones, "minilm")[0]
    if is_between(claim):
        return _of_recipes(claim, value, change, tasks)
    for task in claim.tasks or tasks:
        _add(made, claim, value, task, backbone)
    return [made.run()]


def _add(made: Made, claim: Claim, value: float, task: str, backbone: str) -> None:
    if isinstance(claim, ScoreClaim):
        made.add(claim.strategy, backbone, task, value)
    if isinstance(claim, BestClaim):
        made.add(claim.strategy, backbone, task, 0.6, spread=value)
    if isinstance(claim, DifferenceClaim):
        made.add(claim.first, claim.first_backbone or backbone, task, value + claim.share * 0.6)
        made.add(claim.second, claim.second_backbone or backbone, task, 0.6)
    if isinstance(claim, GrowthClaim):
        most = max(claim.needs.train, 800)
        for size, gain in ((int(most / max(claim.needs.growth, 2)), 0.0), (most, value)):
            made.add(claim.first, backbone, f"{task}@{size}", 0.6 + gain)
            made.add(claim.second, backbone, f"{task}@{size}", 0.6)
    if isinstance(claim, CostClaim):
        made.add(claim.first, backbone, task, 0.6, seconds=value)
        made.add(claim.second, backbone, task, 0.6)
    if isinstance(claim, ForgettingClaim):
        for strategy, ratio in ((claim.first, value), (claim.second, 1.0)):
            made.add(strategy, backbone, task, 0.6)
            made.forget(ratio)
    if isinstance(claim, RateClaim):  # lora declares five times the rate of full
        made.add(claim.first, backbone, task, 0.6, scale=value / 5)
        made.add(claim.second, backbone, task, 0.6)


def _of_recipes(claim: Claim, value: float, change: Change, tasks: Sequence[str]) -> list[Run]:
    """Two runs: the second has longer training, or no bias correction."""
    runs = []
    other = Recipe(bias_correction=False) if isinstance(claim, CorrectionClaim) else Recipe(epochs=20.0)
    for name, recipe in (("short", Recipe()), ("long", other)):
        made, backbone = Made(claim.needs, change, recipe), (*claim.backbones, "minilm")[0]
        for task in tasks:
            if isinstance(claim, SpreadClaim | CorrectionClaim):
                spread = 0.02 * (value if name == "long" else 1)
                made.add(claim.strategy, backbone, task, 0.6, spread=spread)
            elif isinstance(claim, GrowthClaim):
                made.add(claim.first, backbone, task, 0.6 + (value if name == "long" else 0.0))
                made.add(claim.second, backbone, task, 0.6)
        if isinstance(claim, CorrectionClaim):
            made.records = [record.model_copy(update={"trials": ()}) for record in made.records]
        runs.append(made.run(name))
    return runs


def inside(claim: Claim) -> float:
    """A value that confirms the claim."""
    if isinstance(claim, BestClaim):
        return 0.1
    if isinstance(claim, RateClaim):
        return 10.0
    if isinstance(claim, SpreadClaim):
        return 0.2
    if isinstance(claim, CorrectionClaim):
        return 5.0
    if claim.above is not None and claim.below is not None:
        return (claim.above + claim.below) / 2
    if isinstance(claim, CostClaim):
        return 2 * LEARNING / ALL
    return claim.above + 0.1 if claim.above is not None else (claim.below or 0.0) - 0.1


def outside(claim: Claim) -> float:
    """A value that contradicts it."""
    if isinstance(claim, BestClaim):
        return 0.001
    if isinstance(claim, RateClaim):
        return 1.0
    if isinstance(claim, SpreadClaim):
        return 5.0
    if isinstance(claim, CorrectionClaim):
        return 0.2
    if isinstance(claim, CostClaim):
        return (claim.above or LEARNING / ALL) / 2
    return claim.above - 0.1 if claim.above is not None else (claim.below or 0.0) + 0.1
