"""Published claims: what a run says of them follows from its records and the claims alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.claims.findings import as_dict, report, table
from bench.analysis.claims.published import (
    PATH,
    CostClaim,
    ForgettingClaim,
    GrowthClaim,
    Needs,
    Published,
    ScoreClaim,
    read,
)
from bench.analysis.claims.verify import verify
from bench.analysis.loading import Run
from bench.analysis.tables.formats import render
from bench.contracts import BenchError, Recipe
from bench.registry import discover
from bench.runs.record import LanguageLoss, Record, Seconds
from tests.analysis.claims.made import runs_with
from tests.analysis.claims.measured import BETTER, over, run_of


def verdict(claim: Published, run: Run) -> str:
    """The verdict of the run's one task."""
    (finding,) = verify([claim], run)
    (task,) = finding.tasks
    return task.verdict


def test_a_claim_inside_its_bounds_is_confirmed_and_outside_contradicted():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    assert verdict(BETTER, run) == "confirmed"
    assert verdict(BETTER.model_copy(update={"first": "frozen", "second": "full"}), run) == "contradicted"


def test_an_interval_that_holds_the_bound_decides_nothing():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.80})
    (finding,) = verify([BETTER], run)
    (task,) = finding.tasks
    assert (task.verdict, finding.verdict) == ("undecided", "undecided")
    assert task.estimate is not None
    assert "too few seeds or examples" in task.reason


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"max_length": 64}, "different recipes (max_length)"),
        ({"weights": "0b"}, "different weights of the encoder"),
    ],
    ids=["recipe", "weights"],
)
def test_cells_of_a_run_folder_that_ran_on_other_terms_test_nothing(keys, reason):
    """As where a changed request went on in it: the table says that they are not comparable."""

    def changed(record: Record) -> Record:
        recipe = {name: value for name, value in keys.items() if name != "weights"}
        weights = keys.get("weights", "0a") if record.cell.strategy == "frozen" else "0a"
        record = record.model_copy(update={"weights": weights})
        if record.cell.strategy != "frozen" or not recipe:
            return record
        cell = replace(record.cell, recipe=replace(record.cell.recipe, **recipe))
        return record.model_copy(update={"cell": cell})

    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    (finding,) = verify([BETTER], replace(run, records=[changed(record) for record in run.records]))
    (task,) = finding.tasks
    assert (task.verdict, finding.verdict) == ("not testable", "not testable")
    assert reason in task.reason


def test_equal_within_a_margin_is_a_claim_too():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.80})
    assert verdict(BETTER.model_copy(update={"above": -0.05, "below": 0.05}), run) == "confirmed"


def test_a_share_of_the_quality_is_a_claim_too():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.76})
    worse = BETTER.model_copy(update={"first": "frozen", "second": "full"})
    assert verdict(worse, run) == "contradicted"
    assert verdict(worse.model_copy(update={"share": 0.9}), run) == "confirmed"


def test_of_several_sizes_the_largest_counts():
    run = run_of(
        {("a@100", "full"): 0.6, ("a@100", "frozen"): 0.7, ("a@800", "full"): 0.9, ("a@800", "frozen"): 0.75}
    )
    (finding,) = verify([BETTER], run)
    assert [task.name for task in finding.tasks] == ["a@800 minilm"]


def test_growth_is_from_the_smallest_to_the_largest_size():
    run = run_of(
        {("a@100", "full"): 0.6, ("a@100", "frozen"): 0.7, ("a@800", "full"): 0.9, ("a@800", "frozen"): 0.75}
    )
    claim = GrowthClaim(name="g", source="", says="", kind="growth", first="full", second="frozen", above=0.0)
    assert verdict(claim, run) == "confirmed"
    (finding,) = verify([claim], run)
    assert finding.estimate.value == pytest.approx(0.25, abs=0.04)
    assert finding.tasks[0].name == "a minilm from 100 to 800 examples"
    assert verdict(claim.model_copy(update={"above": None, "below": 0.0}), run) == "contradicted"


def test_a_score_is_compared_with_the_published_band():
    run = run_of({("reviews", "full"): 0.80})
    claim = ScoreClaim(name="s", source="", says="", kind="score", strategy="full", above=0.7, below=0.9)
    assert verdict(claim, run) == "confirmed"
    assert "reviews minilm: confirmed: 79" in report(verify([claim], run))
    assert verdict(claim.model_copy(update={"above": 0.95, "below": 1.0}), run) == "contradicted"


def test_a_score_on_the_published_examples_varies_over_seeds_alone():
    run = run_of({("reviews", "full"): 0.80})
    claim = ScoreClaim(name="s", source="", says="", kind="score", strategy="full", above=0.7, below=0.9)
    (others,) = verify([claim], run)
    claim = claim.model_copy(update={"needs": Needs(rows=1000)})
    (whole,) = verify([claim], run)
    sampled = [r.model_copy(update={"cell": replace(r.cell, recipe=Recipe(test=1000))}) for r in run.records]
    (part,) = verify([claim], Run("a sample", sampled, run.predictions))
    assert whole.estimate.value == part.estimate.value
    assert whole.estimate.high - whole.estimate.low < 0.7 * (part.estimate.high - part.estimate.low)
    assert others.estimate == part.estimate


def test_one_seed_decides_nothing():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    one = [record for record in run.records if record.cell.seed == 0]
    (finding,) = verify([BETTER], Run("one seed", one, run.predictions))
    (task,) = finding.tasks
    assert (task.verdict, finding.verdict) == ("not testable", "not testable")
    assert "1 seed, the claim needs 2" in task.reason


@pytest.mark.parametrize(("seconds", "expected"), [(8.0, "confirmed"), (0.05, "contradicted")])
def test_time_is_set_against_the_parameters_that_learn(seconds: float, expected: str):
    full = run_of({("reviews", "full"): 0.8})
    frozen = run_of({("reviews", "frozen"): 0.8})
    timed = [
        record.model_copy(update={"seconds": Seconds(train=spent * (1 + record.cell.seed / 100))})
        for run, spent in ((full, 10.0), (frozen, seconds))
        for record in run.records
    ]
    claim = CostClaim(
        name="c", source="", says="", kind="cost", first="frozen", second="full", above_parameters=True
    )
    run = Run("timed", timed, full.predictions)
    assert verdict(claim, run) == expected
    (finding,) = verify([claim], run)
    assert (finding.above, finding.tasks[0].above) == pytest.approx((0.01, 0.01))


def test_the_bound_over_tasks_is_that_of_the_tasks_that_count():
    """A task with one seed tests nothing, and its share of parameters has no part in the bound."""
    run = run_of({(task, who): 0.8 for task in ("reviews", "news") for who in ("full", "frozen")})
    records = [
        record.model_copy(update={"seconds": Seconds(train=10.0 * (1 + record.cell.seed / 100))})
        for record in run.records
    ]
    kept = [
        record.model_copy(update={"trainable": 1}) if record.cell.strategy == "frozen" else record
        for record in records
        if record.cell.task == "news" and record.cell.seed == 0
    ]
    records = [record for record in records if record.cell.task == "reviews"] + kept
    claim = CostClaim(
        name="c", source="", says="", kind="cost", first="frozen", second="full", above_parameters=True
    )
    (finding,) = verify([claim], Run("timed", records, run.predictions))
    assert {task.task: task.verdict for task in finding.tasks} == {
        "reviews": "confirmed",
        "news": "not testable",
    }
    assert finding.above == pytest.approx(0.01)


def test_seeds_that_only_one_side_has_do_not_count():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    lacking = {"full": 2, "frozen": 0}
    records = [record for record in run.records if record.cell.seed != lacking[record.cell.strategy]]
    claim = BETTER.model_copy(update={"needs": BETTER.needs.model_copy(update={"seeds": 2})})
    (finding,) = verify([claim], Run("two apart", records, run.predictions))
    (task,) = finding.tasks
    assert {len([r for r in records if r.cell.strategy == who]) for who in lacking} == {2}
    assert task.reason.startswith("1 seed, the claim needs 2")


def test_forgetting_is_a_ratio_of_perplexities_where_both_have_a_head():
    claim = ForgettingClaim(
        name="c",
        source="",
        says="",
        kind="forgetting",
        first="lora",
        second="full",
        below=1.0,
        tasks=("reviews",),
    )
    (run,) = runs_with(claim, 0.8)
    (finding,) = verify([claim], run)
    assert (finding.verdict, finding.estimate.value) == ("confirmed", pytest.approx(0.8))
    none = LanguageLoss(reason="no LM head: the checkpoint has none")
    for loss, reason in ((None, "not measured: run with recipe.forgetting = true"), (none, none.reason)):
        records = [record.model_copy(update={"language_loss": loss}) for record in run.records]
        (finding,) = verify([claim], Run("unmeasured", records, run.predictions))
        assert (finding.verdict, finding.tasks[0].reason) == ("not testable", reason)


def test_another_domain_is_another_test_set():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    (finding,) = verify([BETTER.model_copy(update={"on": "elsewhere"})], run)
    assert (finding.verdict, finding.estimate) == ("not testable", None)
    assert finding.reason == "no task of this run has test sets of other domains"


def test_what_a_run_lacks_is_named():
    run = run_of({("reviews", "full"): 0.85})
    (finding,) = verify([BETTER], run)
    assert finding.reason == "no finished run of frozen on the same task and encoder"
    (finding,) = verify([BETTER.model_copy(update={"tasks": ("news",)})], run)
    assert finding.reason == "no finished run of full and frozen on news"


def test_the_report_has_each_task_then_all_then_the_count():
    text = report(verify([BETTER], over({"a": 0.1, "b": 0.12, "c": 0.08, "d": 0.1})))
    lines = text.splitlines()
    assert lines[2] == "  a run"
    assert lines[3].startswith("    a minilm: confirmed: +")
    assert lines[7].startswith("    over tasks: confirmed: +")
    assert "1 claim: 1 confirmed, 0 contradicted, 0 tasks disagree, 0 undecided, 0 not testable." in text


def test_a_finding_is_json_with_its_tasks_and_conditions():
    claim = BETTER.model_copy(update={"needs": Needs(train=2000)})
    (finding,) = verify([claim], over({"a": 0.1}))
    found = json.loads(json.dumps(as_dict(finding)))
    assert (found["verdict"], found["estimate"], found["needs"]) == ("not testable", None, {"train": 2000})
    (task,) = found["tasks"]
    assert (task["verdict"], task["reason"]) == (
        "not testable",
        "500 training examples, the claim needs 2,000",
    )
    assert task["estimate"]["value"] == pytest.approx(0.1, abs=0.02)


def test_the_table_has_a_block_for_each_claim_with_tasks_and_names_the_others():
    absent = BETTER.model_copy(update={"name": "absent", "says": "LoRA is better", "first": "lora"})
    claim = BETTER.model_copy(update={"says": "Full is better"})
    found = table(verify([claim, absent], over({"a": 0.1, "b": 0.12})))
    (block,) = found.blocks
    assert block.title == "Full is better (a paper)"
    assert [row.labels for row in block.rows] == [
        ("a minilm",),
        ("b minilm",),
        ("over tasks",),
    ]
    verdict, value, interval, claimed, why = (entry.value for entry in block.rows[0].entries)
    assert (verdict, claimed, why) == ("confirmed", "above +0.0", "–")
    assert str(value).startswith("+")
    assert " to " in str(interval)
    assert found.notes[-1] == (
        "Not testable here: LoRA is better (a paper; no finished run of lora on the same task and encoder)."
    )


def test_rows_of_several_runs_name_theirs():
    found = table(
        [*verify([BETTER], over({"a": 0.1})), *verify([BETTER], replace(over({"a": 0.1}), name="b"))]
    )
    assert found.headings == ("run", "task")
    assert [row.labels[0] for row in found.blocks[0].rows] == ["a run", "a run", "b", "b"]


@pytest.mark.parametrize("format", ["md", "latex", "csv", "html", "json"])
def test_the_table_has_every_format(format: str):
    text = render(table(verify([BETTER], over({"a": 0.1, "b": 0.12}))), format)
    assert "over tasks" in text
    assert "a paper" in text


def test_the_claims_of_the_project_name_their_source():
    claims = read()
    assert len(claims) > 15
    assert all(claim.source and claim.says for claim in claims)


def test_the_tasks_that_a_claim_names_have_the_rows_that_it_needs():
    """Else no run could ever test it; a claim that waits for something says so."""
    tasks = discover().tasks
    for claim in read():
        for name in claim.tasks if not claim.needs.lacks else ():
            train, _, test = (
                int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", tasks[name].sizes)
            )
            assert claim.needs.train <= train, claim.name
            assert claim.needs.rows in (0, test), claim.name


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('kind = "score"', 'kind = "scores"'), "invalid-claim"),
        (("above = 0.875\nbelow = 0.895\n", ""), "invalid-claim"),
        (("below = 0.895", "below = 0.875"), "invalid-claim"),
        (("above = 0.55", "above = -0.6"), "invalid-claim"),
        (("above = 0.55", "above = 0.0"), "invalid-claim"),
        (("train = 78_000", "rows_of_training = 78_000"), "invalid-claim"),
        (('name = "bert-base-sst2"', 'name = "bert-base-squad"'), "duplicate-claim"),
        (('metric = "f1"', 'metrics = "f1"'), "invalid-claim"),
        (("[[claim]]", "[[claim"), "cannot-read"),
    ],
)
def test_a_wrong_claim_is_named(change: tuple[str, str], code: str, tmp_path: Path):
    path = tmp_path / "claims.toml"
    path.write_text(PATH.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    with pytest.raises(BenchError) as error:
        read(path)
    assert error.value.code == code
