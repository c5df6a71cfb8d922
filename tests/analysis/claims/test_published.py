"""Every published claim of the project can be confirmed, contradicted and left untested: the records decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.claims.findings import ClaimFinding
from bench.analysis.claims.published import Claim, read
from bench.analysis.claims.verify import verify_runs
from bench.analysis.loading import Run
from bench.runs.record import Record
from tests.analysis.claims.made import DECLARED, Change, inside, outside, runs_with

READ = read()
TESTABLE = [claim for claim in READ if not claim.needs.lacks]
CLAIMS = pytest.mark.parametrize("claim", TESTABLE, ids=lambda claim: claim.name)


@CLAIMS
def test_a_run_inside_the_bounds_confirms_it(claim: Claim) -> None:
    assert finding(claim, runs_with(claim, inside(claim))).verdict == "confirmed"


@CLAIMS
def test_a_run_outside_the_bounds_contradicts_it(claim: Claim) -> None:
    assert finding(claim, runs_with(claim, outside(claim))).verdict == "contradicted"


def finding(claim: Claim, runs: list[Run]) -> ClaimFinding:
    (found,) = verify_runs([claim], runs, DECLARED)
    return found


@pytest.mark.parametrize(
    "claim", [claim for claim in READ if claim.needs.lacks], ids=lambda claim: claim.name
)
def test_a_claim_that_no_run_here_can_test_says_so(claim: Claim) -> None:
    found = finding(claim, runs_with(claim, inside(claim)))
    assert (found.verdict, found.reason) == ("not testable", claim.needs.lacks)


def fewer_rows(record: Record) -> Record:
    assert record.data is not None
    return with_sizes(record, train=record.data.sizes["train"] // 100)


def more_rows(record: Record) -> Record:
    assert record.data is not None
    return with_sizes(record, train=100_000 + record.data.sizes["train"])


def with_sizes(record: Record, **sizes: int) -> Record:
    assert record.data is not None
    return record.model_copy(
        update={"data": record.data.model_copy(update={"sizes": {**record.data.sizes, **sizes}})}
    )


def fewer_steps(record: Record) -> Record:
    points = tuple(replace(point, step=place + 19) for place, point in enumerate(record.curve))
    return record.model_copy(update={"curve": points})


def still_falling(record: Record) -> Record:
    points = tuple(replace(point, loss=1.0 - 0.1 * place) for place, point in enumerate(record.curve))
    return record.model_copy(update={"curve": points})


def not_tuned(record: Record) -> Record:
    return record.model_copy(update={"trials": ()})


def no_shift(record: Record) -> Record:
    tests = {"test": record.scores["test"]} | {
        f"other {name}": s for name, s in record.scores.items() if name != "test"
    }
    return record.model_copy(update={"scores": tests})


def more_layers(record: Record) -> Record:
    options = (("layers", 3),) if record.cell.strategy == "top-layers" else ()
    return record.model_copy(update={"cell": replace(record.cell, options=options)})


def fewer_passes(record: Record) -> Record:
    options = (("passes", 0.1),) if record.cell.strategy == "tapt" else ()
    return record.model_copy(update={"cell": replace(record.cell, options=options)})


def other_texts(record: Record) -> Record:
    """Masked words of a file where the claim is about the task's texts, and the other way round."""
    recipe = record.cell.recipe
    recipe = replace(recipe, unlabelled="" if recipe.unlabelled else "domain.txt")
    return record.model_copy(update={"cell": replace(record.cell, recipe=recipe)})


MISSES: dict[str, tuple[Change, str]] = {
    "train": (fewer_rows, "training examples, the claim needs"),
    "most_train": (more_rows, "training examples, the claim is about at most 10,000"),
    "steps": (fewer_steps, "21 steps, the claim needs"),
    "rates": (not_tuned, "tried 0 learning rates on validation data, the claim needs"),
    "converged": (still_falling, "had not converged in"),
    "layers": (more_layers, "3 of 6 layers learn, the claim is about at most 25%"),
    "rows": (lambda record: with_sizes(record, test=64), "64 test examples, the score was published on"),
    "unlabelled": (other_texts, "recipe.unlabelled names"),
    "masked": (fewer_passes, "on masked words, the claim needs"),
    "domains": (no_shift, "no scores on hellaswag, arc_challenge, winogrande"),
}
MISSED = [
    (claim, need)
    for claim in TESTABLE
    for need in claim.needs.model_dump(exclude_defaults=True)
    if need in MISSES and not (need == "train" and claim.kind == "growth")
]


@pytest.mark.parametrize(("claim", "need"), MISSED, ids=lambda item: getattr(item, "name", item))
def test_a_run_that_misses_a_condition_cannot_test_it(claim: Claim, need: str) -> None:
    change, reason = MISSES[need]
    found = finding(claim, runs_with(claim, inside(claim), change))
    assert (found.verdict, found.estimate) == ("not testable", None)
    assert found.tasks
    assert {task.verdict for task in found.tasks} == {"not testable"}
    assert all(reason in task.reason for task in found.tasks)


WITHOUT_TEST = ("seeds", "growth", "drop", "lacks")
"""Needs that tests/analysis/claims/test_conditions.py and this file miss in other ways."""


def test_every_condition_of_a_claim_is_missed_by_some_run() -> None:
    needs = {need for claim in READ for need in claim.needs.model_dump(exclude_defaults=True)}
    assert needs <= {*MISSES, *WITHOUT_TEST}


@pytest.mark.parametrize("claim", READ, ids=lambda claim: claim.name)
def test_a_run_without_its_strategies_cannot_test_it(claim: Claim) -> None:
    (found,) = verify_runs([claim], [Run("empty", [], {}.__getitem__)], DECLARED)
    assert (found.verdict, found.tasks) == ("not testable", ())
    assert found.reason


def test_a_bound_is_never_the_published_value_of_a_time() -> None:
    """60% faster is a ratio of 1/1.6, and 25% faster one of 1/1.25: both lie well inside their bounds."""
    claims = {claim.name: claim for claim in READ}
    for name, ratio in (("adapters-up-to-60-percent-faster", 1 / 1.6), ("lora-a-quarter-faster", 1 / 1.25)):
        claim = claims[name]
        assert claim.above is not None
        assert claim.below is not None
        assert claim.above < 0.9 * ratio
        assert ratio < 0.9 * claim.below
