"""Published claims: what a run says of them follows from its records and the claims alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.claims.findings import as_dict, evidence, report, table
from bench.analysis.claims.published import PATH, CostClaim, DifferenceClaim, GrowthClaim, ScoreClaim, read
from bench.analysis.claims.verify import verify
from bench.analysis.loading import Run
from bench.analysis.statistics.metrics import ratios
from bench.contracts import BenchError, Recipe
from bench.runs.record import Seconds
from tests.analysis.conftest import METRICS, make_predictions, make_record

BETTER = DifferenceClaim(
    name="better", source="a paper", says="", kind="difference", first="full", second="frozen", above=0.0
)


def run_of(accuracies: dict[tuple[str, str], float], **changes: object) -> Run:
    """Three seeds of each (task, strategy), whose predictions have about this accuracy."""
    rng = np.random.default_rng(0)
    records, files = [], {}
    difficulty = rng.random(1000)
    for (task, strategy), accuracy in accuracies.items():
        for seed in range(3):
            ease = 0.9 * difficulty + 0.1 * rng.random(1000)
            rows = make_predictions((ease < accuracy * 0.9 + 0.05).astype(float))
            record = make_record(
                task, strategy, seed, trainable=1000 if strategy == "full" else 10, **changes
            )
            _, _, size = task.partition("@")
            data = record.data.model_copy(update={"sizes": {"train": int(size or 500), "test": 1000}})
            scores = {item.name: ratios(item, rows).score() for item in METRICS}
            record = record.model_copy(update={"scores": {"test": scores}, "data": data})
            records.append(record)
            files[record.cell.id] = rows
    return Run("a run", records, files.__getitem__)


def verdict(claim, run: Run) -> str:
    (finding,) = verify([claim], run)
    return finding.verdict


def test_a_claim_inside_its_bounds_is_confirmed_and_outside_contradicted():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    assert verdict(BETTER, run) == "confirmed"
    assert verdict(BETTER.model_copy(update={"first": "frozen", "second": "full"}), run) == "contradicted"


def test_an_interval_that_holds_the_bound_decides_nothing():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.80})
    (finding,) = verify([BETTER], run)
    assert finding.verdict == "not testable here"
    assert finding.estimate is not None
    assert "too few seeds or examples" in finding.reason


def test_equal_within_a_margin_is_a_claim_too():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.80})
    assert verdict(BETTER.model_copy(update={"above": -0.05, "below": 0.05}), run) == "confirmed"


def test_a_share_of_the_quality_is_a_claim_too():
    run = run_of({("reviews", "full"): 0.80, ("reviews", "frozen"): 0.76})
    worse = BETTER.model_copy(update={"first": "frozen", "second": "full"})
    assert verdict(worse, run) == "contradicted"
    assert verdict(worse.model_copy(update={"share": 0.9}), run) == "confirmed"


def test_tasks_count_alike():
    run = run_of({("a", "full"): 0.9, ("a", "frozen"): 0.7, ("b", "full"): 0.6, ("b", "frozen"): 0.7})
    (finding,) = verify([BETTER], run)
    assert finding.estimate.value == pytest.approx(0.05, abs=0.02)
    assert list(finding.estimate.parts) == ["a minilm", "b minilm"]


def test_of_several_sizes_the_largest_counts():
    run = run_of(
        {("a@100", "full"): 0.6, ("a@100", "frozen"): 0.7, ("a@800", "full"): 0.9, ("a@800", "frozen"): 0.75}
    )
    (finding,) = verify([BETTER], run)
    assert list(finding.estimate.parts) == ["a@800 minilm"]


def test_growth_is_from_the_smallest_to_the_largest_size():
    run = run_of(
        {("a@100", "full"): 0.6, ("a@100", "frozen"): 0.7, ("a@800", "full"): 0.9, ("a@800", "frozen"): 0.75}
    )
    claim = GrowthClaim(name="g", source="", says="", kind="growth", first="full", second="frozen", above=0.0)
    (finding,) = verify([claim], run)
    assert finding.verdict == "confirmed"
    assert finding.estimate.value == pytest.approx(0.25, abs=0.04)
    assert verdict(claim.model_copy(update={"above": None, "below": 0.0}), run) == "contradicted"


def test_a_score_is_compared_with_the_published_band():
    run = run_of({("reviews", "full"): 0.80})
    claim = ScoreClaim(name="s", source="", says="", kind="score", strategy="full", above=0.7, below=0.9)
    (finding,) = verify([claim], run)
    assert finding.verdict == "confirmed"
    assert "reviews minilm 79" in evidence(finding)
    assert verdict(claim.model_copy(update={"above": 0.95, "below": 1.0}), run) == "contradicted"


def test_a_score_on_the_published_examples_varies_over_seeds_alone():
    run = run_of({("reviews", "full"): 0.80})
    claim = ScoreClaim(name="s", source="", says="", kind="score", strategy="full", above=0.7, below=0.9)
    (whole,) = verify([claim], run)
    sampled = [r.model_copy(update={"cell": replace(r.cell, recipe=Recipe(test=1000))}) for r in run.records]
    (part,) = verify([claim], Run("a sample", sampled, run.predictions))
    assert whole.estimate.value == part.estimate.value
    assert whole.estimate.high - whole.estimate.low < 0.5 * (part.estimate.high - part.estimate.low)


def test_one_seed_decides_nothing():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    one = [record for record in run.records if record.cell.seed == 0]
    (finding,) = verify([BETTER], Run("one seed", one, run.predictions))
    assert (finding.verdict, finding.reason) == (
        "not testable here",
        "one seed says nothing about other seeds: two are needed",
    )


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
    (finding,) = verify([claim], Run("timed", timed, full.predictions))
    assert finding.verdict == expected
    assert finding.above == pytest.approx(0.01)


def test_another_domain_is_another_test_set():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    (finding,) = verify([BETTER.model_copy(update={"on": "elsewhere"})], run)
    assert (finding.verdict, finding.estimate) == ("not testable here", None)


def test_what_a_run_lacks_is_named():
    run = run_of({("reviews", "full"): 0.85})
    (finding,) = verify([BETTER], run)
    assert finding.reason == "no finished run of frozen on the same task and encoder"
    (finding,) = verify([BETTER.model_copy(update={"tasks": ("news",)})], run)
    assert finding.reason == "no finished run of full and frozen on news"


def test_the_report_has_the_numbers_and_the_count():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    findings = verify([BETTER], run)
    assert "reviews minilm +" in evidence(findings[0])
    text = report(findings)
    assert "a run: confirmed: +" in text
    assert "1 claims, 1 with evidence: 1 confirmed, 0 contradicted by a run" in text
    assert json.loads(json.dumps(as_dict(findings[0])))["verdict"] == "confirmed"


def test_the_table_has_a_row_for_each_claim_with_evidence_and_names_the_others():
    run = run_of({("reviews", "full"): 0.85, ("reviews", "frozen"): 0.75})
    absent = BETTER.model_copy(update={"name": "absent", "says": "LoRA is better", "first": "lora"})
    found = table(verify([BETTER, absent], run))
    (row,) = found.blocks[0].rows
    assert row.labels == (BETTER.says, "a run")
    verdict, _, interval, claimed, by_task, source = (entry.value for entry in row.entries)
    assert (verdict, claimed, source) == ("confirmed", "above +0.0", "a paper")
    assert str(interval).startswith("+")
    assert str(by_task).startswith("reviews minilm +")
    assert found.notes[1] == (
        "Not testable here: LoRA is better (no finished run of lora on the same task and encoder)."
    )


def test_the_claims_of_the_project_name_their_source():
    claims = read()
    assert len(claims) > 15
    assert all(claim.source and claim.says for claim in claims)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (('kind = "score"', 'kind = "scores"'), "invalid-claim"),
        (("above = 0.875\nbelow = 0.895\n", ""), "invalid-claim"),
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
