"""Claims on bias correction and on text of the domain: each verdict from made records, and each reason for none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.analysis.claims.findings import ClaimFinding
from bench.analysis.claims.published import Claim, read
from bench.analysis.claims.verify import verify_runs
from bench.analysis.loading import Run
from bench.runs.record import Record
from tests.analysis.claims.made import DECLARED, runs_with

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in read()}
CORRECTION = CLAIMS["no-bias-correction-widens-the-spread"]
LONGER = CLAIMS["long-training-narrows-the-spread"]
LESS = CLAIMS["reinit-helps-less-with-longer-training"]
DAPT = CLAIMS["dapt-above-full"]
TAPT = CLAIMS["tapt-above-full"]


def finding(claim: Claim, runs: list[Run]) -> ClaimFinding:
    (found,) = verify_runs([claim], runs, DECLARED)
    return found


def with_recipe(run: Run, **changes: object) -> Run:
    def changed(record: Record) -> Record:
        recipe = replace(record.cell.recipe, **changes)  # pyright: ignore[reportArgumentType]
        return record.model_copy(update={"cell": replace(record.cell, recipe=recipe)})

    return replace(run, records=[changed(record) for record in run.records])


def reasons(found: ClaimFinding) -> set[str]:
    assert found.verdict == "not testable"
    return {task.reason for task in found.tasks}


# -- Bias correction -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(4.0, "confirmed"), (0.25, "contradicted"), (1.0, "undecided")]
)
def test_the_spread_without_bias_correction_is_compared_with_that_with_it(ratio: float, verdict: str) -> None:
    found = finding(CORRECTION, runs_with(CORRECTION, ratio))
    assert found.verdict == verdict
    assert found.estimate is not None
    assert found.estimate.value == pytest.approx(ratio, rel=0.05)


def test_the_order_of_the_runs_does_not_matter() -> None:
    runs = runs_with(CORRECTION, 4.0)
    found, turned = finding(CORRECTION, runs).estimate, finding(CORRECTION, runs[::-1]).estimate
    assert found is not None
    assert turned is not None
    assert turned.value == pytest.approx(found.value)


def test_two_runs_with_bias_correction_cannot_test_it() -> None:
    with_it, _ = runs_with(CORRECTION, 4.0)
    for runs in ([with_it], [with_it, replace(with_it, name="again")]):
        found = finding(CORRECTION, runs)
        assert (found.verdict, found.tasks) == ("not testable", ())
        assert "no run of full with recipe.bias_correction = false beside one with it" in found.reason


def test_another_encoder_cannot_test_it() -> None:
    """The papers saw base encoders stable."""
    runs = runs_with(CORRECTION.model_copy(update={"backbones": ()}), 4.0)
    assert finding(CORRECTION, runs).reason.endswith("albert-large-v2, albert/albert-large-v2")


def test_runs_that_differ_in_something_else_cannot_test_it() -> None:
    with_it, without = runs_with(CORRECTION, 4.0)
    other = with_recipe(without, epochs=5.0, batch_size=64)
    assert reasons(finding(CORRECTION, [with_it, other])) == {"the runs also differ in epochs, batch_size"}
    measured = with_recipe(without, serving=True, forgetting=True)
    assert finding(CORRECTION, [with_it, measured]).verdict == "confirmed"


@pytest.mark.parametrize(("change", "what"), [("weights", "weights of the encoder"), ("dtype", "precision")])
def test_runs_on_other_weights_or_in_another_precision_cannot_test_it(change: str, what: str) -> None:
    def changed(record: Record, value: str) -> Record:
        if change == "weights":
            return record.model_copy(update={"weights": value})
        assert record.machine is not None
        return record.model_copy(update={"machine": record.machine.model_copy(update={"dtype": value})})

    pair = [
        replace(run, records=[changed(record, value) for record in run.records])
        for run, value in zip(runs_with(CORRECTION, 4.0), ("bfloat16", "float32"), strict=True)
    ]
    assert reasons(finding(CORRECTION, pair)) == {f"the runs also differ in {what}"}


def test_of_several_runs_those_that_differ_in_nothing_else_are_compared() -> None:
    with_it, without = runs_with(CORRECTION, 4.0)
    other = replace(with_recipe(with_it, epochs=1.0), name="one epoch")
    assert finding(CORRECTION, [other, with_it, without]).verdict == "confirmed"


def test_rates_that_seeds_chose_cannot_test_it() -> None:
    """A rate that is chosen on validation data avoids the collapses that the claim is about."""
    runs = [with_recipe(run, tune=(0.3, 1.0)) for run in runs_with(CORRECTION, 4.0)]
    assert reasons(finding(CORRECTION, runs)) == {
        "each seed chose its learning rate, the claim is about a fixed one"
    }


@pytest.mark.parametrize(
    ("needs", "reason"),
    [({"seeds": 11}, "10 seeds, the claim needs 11"), ({"most_train": 499}, "is about at most 499")],
)
def test_it_has_the_conditions_of_every_claim(needs: dict[str, int], reason: str) -> None:
    claim = CORRECTION.model_copy(update={"needs": CORRECTION.needs.model_copy(update=needs)})
    assert all(reason in found for found in reasons(finding(claim, runs_with(CORRECTION, 4.0))))


# -- Other claims between runs -------------------------------------------------------------------------------------


def test_longer_training_may_change_its_length_alone() -> None:
    short, long = runs_with(LONGER, 0.2)
    length = with_recipe(long, warmup=0.2, evaluations=4, patience=9)
    assert finding(LONGER, [short, length]).verdict == "confirmed"
    rows = with_recipe(long, train=5_000)
    assert reasons(finding(LONGER, [short, rows])) == {"the runs also differ in train"}


def test_growth_between_runs_is_that_of_one_recipe() -> None:
    short, long = runs_with(LESS, -0.2)
    assert finding(LESS, [short, long]).verdict == "confirmed"
    other = with_recipe(long, schedule="constant")
    assert reasons(finding(LESS, [short, other])) == {"the runs also differ in schedule"}


def of_strategy(run: Run, strategy: str) -> Run:
    return replace(run, records=[record for record in run.records if record.cell.strategy == strategy])


def with_recipe_of(run: Run, strategy: str, **changes: object) -> Run:
    """The run, in which one strategy alone has another recipe."""
    changed = with_recipe(run, **changes).records
    pairs = zip(run.records, changed, strict=True)
    return replace(run, records=[new if new.cell.strategy == strategy else old for old, new in pairs])


@pytest.mark.parametrize("strategy", ["reinit", "full"])
def test_growth_of_either_strategy_is_that_of_one_recipe(strategy: str) -> None:
    short, long = runs_with(LESS, -0.2)
    other = with_recipe_of(long, strategy, batch_size=256, train=5_000)
    assert reasons(finding(LESS, [short, other])) == {
        "the runs also differ in train, batch_size; reinit and full differ in train, batch_size at 20 epochs"
    }
    slow = with_recipe_of(long, strategy, rate_scale=0.01)
    assert reasons(finding(LESS, [short, slow])) == {"the runs also differ in rate_scale"}


def test_growth_compares_strategies_under_one_recipe() -> None:
    """Short and long runs of each agree, the strategies do not."""
    runs = [with_recipe_of(run, "full", batch_size=256) for run in runs_with(LESS, -0.2)]
    assert reasons(finding(LESS, runs)) == {
        "reinit and full differ in batch_size at 3 epochs; reinit and full differ in batch_size at 20 epochs"
    }


def test_growth_grants_each_strategy_the_rate_that_was_chosen_for_it() -> None:
    runs = [with_recipe_of(run, "reinit", rate_scale=0.3) for run in runs_with(LESS, -0.2)]
    assert finding(LESS, runs).verdict == "confirmed"


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("other", [{"batch_size": 256}, {"rate_scale": 0.01}])
def test_growth_leaves_out_a_further_run_of_the_same_length(place: int, other: dict[str, object]) -> None:
    """Its scores would turn the verdict round."""
    short, long = runs_with(LESS, -0.2)
    poor = runs_with(LESS, -0.5)[1].predictions
    further = of_strategy(with_recipe(long, **other), "full")
    further = replace(
        further, name="further", predictions=lambda cell: poor(cell.replace("/full/", "/reinit/"))
    )
    runs = [short, long]
    runs.insert(place, further)
    found, expected = finding(LESS, runs), finding(LESS, [short, long])
    assert found.verdict == "confirmed"
    assert found.estimate == expected.estimate


# -- Text of the domain --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.05, "confirmed"), (-0.05, "contradicted"), (0.0, "undecided")]
)
@pytest.mark.parametrize("claim", [DAPT, TAPT], ids=lambda claim: claim.name)
def test_the_gain_of_masked_words_is_judged(claim: Claim, gain: float, verdict: str) -> None:
    assert finding(claim, runs_with(claim, gain)).verdict == verdict


def test_the_task_s_own_texts_say_nothing_of_the_domain() -> None:
    """One strategy is both, by the recipe."""
    of_task, of_domain = runs_with(TAPT, 0.05), runs_with(DAPT, 0.05)
    assert finding(TAPT, of_domain).verdict == finding(DAPT, of_task).verdict == "not testable"
    assert all("no text of the domain" in reason for reason in reasons(finding(DAPT, of_task)))
    assert reasons(finding(TAPT, of_domain)) == {
        "recipe.unlabelled names a file, the claim is about the task's own texts"
    }


def test_too_few_steps_on_masked_words_cannot_test_it() -> None:
    """As many as on the task, which is the strategy's default."""
    (run,) = runs_with(DAPT, 0.05)
    records = [record.model_copy(update={"cell": replace(record.cell, options=())}) for record in run.records]
    found = reasons(finding(DAPT, [replace(run, records=records)]))
    assert found == {
        "48 steps on masked words, the claim needs 12,500"
    }  # 500 rows in batches of 32, 3 epochs


def test_steps_that_nothing_declares_are_not_known() -> None:
    (found,) = verify_runs([DAPT], runs_with(DAPT, 0.05))
    assert reasons(found) == {"the steps of tapt on masked words are not known"}
