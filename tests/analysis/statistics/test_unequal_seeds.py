"""With unequal seeds, neither what cannot be tested nor what shared seeds show as better is called behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.groups import Key, gather
from bench.analysis.loading import Predictions, Run
from bench.analysis.statistics.mcnemar import exact_tests
from bench.analysis.statistics.metrics import ratios
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source
from bench.analysis.statistics.resampling_all import resample_all
from bench.analysis.statistics.uncertainty import Shown, from_predictions
from bench.analysis.statistics.unequal import notes, untested
from bench.analysis.tables.build import TableOptions, build
from bench.analysis.tables.model import Table
from bench.report import html, page
from bench.report.answer import answers
from bench.report.overall import overall
from bench.report.reading import read
from tests.analysis.conftest import METRICS, make_predictions, make_record

EXAMPLES = 400


def run_of(accuracies: Mapping[str, Mapping[int, float]]) -> Run:
    """Strategies whose seeds are right on so large a share of the same examples."""
    difficulty, records, files = np.random.default_rng(0).random(EXAMPLES), [], {}
    for number, (strategy, by_seed) in enumerate(accuracies.items()):
        for seed, accuracy in by_seed.items():
            rng = np.random.default_rng((number, seed))
            ease = 0.9 * difficulty + 0.1 * rng.random(EXAMPLES)
            rows = make_predictions((ease < np.quantile(ease, accuracy)).astype(float))
            record = make_record("t", strategy, seed)
            scores = {item.name: ratios(item, rows).score() for item in METRICS}
            records.append(record.model_copy(update={"scores": {"test": scores}}))
            files[record.cell.id] = rows
    return Run("made", records, files.__getitem__)


ONE_OF_THREE = {"full": {0: 0.6, 1: 0.97, 2: 0.97}, "frozen": {0: 0.8}}
LUCKY = {
    "full": {seed: (0.78 if seed < 10 else 0.92) for seed in range(20)},
    "frozen": dict.fromkeys(range(10), 0.845),
}
"""The best by the mean over 20 seeds is 6 points worse on the 10 seeds that both have."""


def scores_of(run: Run) -> dict[tuple[Key, str], Resampled]:
    groups = gather(run.records)
    return resample_all(groups, dict.fromkeys(groups, ("accuracy", "f1")), Source(run.predictions))


def table_of(run: Run) -> Table:
    return build(run.records, run.predictions, TableOptions(columns=("accuracy", "f1")))


def test_one_seed_of_several_is_not_tested() -> None:
    """McNemar's test would call `frozen` 20 points better with p < 0.001, whatever the seeds of `full` scatter."""
    run = run_of(ONE_OF_THREE)
    scores, groups = scores_of(run), gather(run.records)
    assert exact_tests(scores, groups, Source(run.predictions)) == {}
    assert compare_pairs(scores, with_best(scores)) == []
    (why,) = {
        untested(scores[first, metric], scores[second, metric]) for first, second, metric in with_best(scores)
    }
    assert why == "one seed in common, of several"


def test_the_table_says_that_it_was_not_tested() -> None:
    made = table_of(run_of(ONE_OF_THREE))
    assert (
        "Not tested against the best of their task: frozen with minilm on t (one seed in common, of several). "
        "Without a mark they are not known to be behind." in made.notes
    )


def test_the_page_does_not_call_the_best_clear() -> None:
    (answer,) = answers(read(run_of(ONE_OF_THREE)))
    assert answer.best is not None
    assert answer.best.label == "full"
    assert (answer.certainty, answer.behind, [item.label for item in answer.untested]) == (
        "untested",
        (),
        ["frozen"],
    )


def test_the_page_names_those_that_were_not_tested_beside_those_behind() -> None:
    (answer,) = answers(read(run_of({**ONE_OF_THREE, "scratch": dict.fromkeys(range(3), 0.2)})))
    assert answer.certainty == "partly"
    assert [item.label for item in answer.behind] == ["scratch"]
    assert "On 1 of 1 task some strategies could not be tested against the best." in overall([answer])


def test_others_that_could_not_be_tested_are_not_said_to_be_missing() -> None:
    text = overall(answers(read(run_of(ONE_OF_THREE))))
    assert "On 1 of 1 task some strategies could not be tested against the best." in text
    assert "nothing to compare with" not in text
    alone = overall(answers(read(run_of({"full": {0: 0.6, 1: 0.97}}))))
    assert "On 1 of 1 task there is nothing to compare with." in alone
    assert "could not be tested" not in alone


def test_one_seed_each_is_tested_as_before() -> None:
    run = run_of({"full": {0: 0.9}, "frozen": {0: 0.6}})
    scores, groups = scores_of(run), gather(run.records)
    exact = exact_tests(scores, groups, Source(run.predictions))
    found = compare_pairs(scores, with_best(scores), exact)
    assert [item.metric for item in found] == ["accuracy", "f1"]
    assert found[0].mcnemar is not None


def test_a_strategy_that_is_better_on_the_shared_seeds_is_not_behind() -> None:
    run = run_of(LUCKY)
    groups = gather(run.records)
    known = from_predictions(groups, dict.fromkeys(groups, ("accuracy", "f1")), run.predictions)
    for item in known.comparisons:
        assert (item.first.strategy, item.second.strategy) == ("full", "frozen")
        assert not item.tied  # else this run says nothing
        assert not item.first_leads
        assert not item.behind
    frozen = Key("t", "frozen", "minilm")
    assert {Shown(frozen, "accuracy"), Shown(frozen, "f1")} <= known.tied
    assert any(note.startswith("Not called behind: frozen with minilm on t.") for note in known.notes)


def test_cohens_h_is_of_the_seeds_that_both_have() -> None:
    """78% and 84.5% are right on them."""
    scores = scores_of(run_of(LUCKY))
    (found,) = (item for item in compare_pairs(scores, with_best(scores)) if item.metric == "accuracy")
    assert found.difference.mean == pytest.approx(-0.065)
    assert found.effect == pytest.approx(2 * (math.asin(0.78**0.5) - math.asin(0.845**0.5)))


def test_the_page_shows_it_beside_the_best_and_says_why() -> None:
    (answer,) = answers(read(run_of(LUCKY)))
    assert answer.certainty == "tied"
    assert [(item.label, item.ahead) for item in answer.tied] == [("frozen", True)]
    assert answer.behind == ()


THREE = {name: dict.fromkeys(range(3), level) for name, level in (("a", 0.92), ("b", 0.9), ("c", 0.895))}
LOST = "not all seeds have predictions on the same examples"


def without(run: Run, *cells: str) -> Run:
    """The run whose prediction files of these cells are gone; a part of an id stands for all that have it."""

    def predictions(cell: str) -> Predictions:
        if any(f"/{part}/" in f"{cell}/" for part in cells):
            raise KeyError(cell)
        return run.predictions(cell)

    return replace(run, predictions=predictions)


def unmarked(run: Run) -> tuple[dict[str, str], list[str]]:
    """The marks of accuracy, and the notes on what could not be tested."""
    made = table_of(run)
    marks = {row.labels[0]: row.entries[0].mark for row in made.blocks[0].rows}
    return marks, [note for note in made.notes if "not known to be behind" in note]


def test_the_best_without_predictions_is_named_and_what_underlined_is_relative_to() -> None:
    """Its file is gone: `b` has no mark, though it is the best of those that were tested."""
    assert unmarked(without(run_of(THREE), "a")) == (
        {"a": "best", "b": "", "c": "tied"},
        [
            f"Bold but not tested: a with minilm on t ({LOST}). Underlined is there relative to the best of those "
            "with predictions: b with minilm on t. Without a mark these are not known to be behind."
        ],
    )


def test_another_without_predictions_is_named() -> None:
    assert unmarked(without(run_of(THREE), "c")) == (
        {"a": "best", "b": "", "c": ""},
        [
            f"Not tested against the best of their task: c with minilm on t ({LOST}). Without a mark they are not "
            "known to be behind."
        ],
    )


def test_of_two_the_one_without_predictions_is_named() -> None:
    marks, (note,) = unmarked(without(run_of({name: THREE[name] for name in ("a", "b")}), "b"))
    assert marks == {"a": "best", "b": ""}
    assert note.startswith(f"Not tested against the best of their task: b with minilm on t ({LOST}).")


def test_a_task_without_any_predictions_is_named_once() -> None:
    (note,) = unmarked(without(run_of(THREE), "a", "b", "c"))[1]
    assert note.startswith(f"Not tested against the best of their task: all on t ({LOST}).")


def test_one_strategy_needs_no_test() -> None:
    assert unmarked(without(run_of({"a": THREE["a"]}), "a"))[1] == []


def test_a_metric_that_one_group_cannot_have_over_resamples_is_enough() -> None:
    """One seed of `c` lacks F1."""
    run = run_of(THREE)
    records = [
        record.model_copy(update={"metrics": [m for m in record.metrics if m.name != "f1"]})
        if record.cell.strategy == "c" and record.cell.seed == 1
        else record
        for record in run.records
    ]
    (note,) = unmarked(replace(run, records=records))[1]
    assert f"c with minilm on t ({LOST})" in note


def test_the_page_does_not_say_that_it_cannot_be_told_apart(tmp_path: Path) -> None:
    run = run_of(LUCKY)
    found = answers(read(run))
    assert overall(found).startswith("full scored best; frozen scores higher on the seeds that both have.")
    text = html.report(page.build(run, tmp_path))
    assert "Open: 1 other scores higher on the seeds that both have." in text
    assert "<dt>Higher on shared seeds</dt><dd><bdi>frozen</bdi>" in text
    assert "<dt>Not told apart</dt>" not in text
    assert "cannot be told apart from it" not in text
    assert "(not told apart from the best)" not in text


def test_the_page_counts_those_ahead_apart_from_those_alike(tmp_path: Path) -> None:
    run = run_of({**LUCKY, "probe": {seed: LUCKY["full"][seed] for seed in range(20)}})
    (answer,) = answers(read(run))
    assert [item.label for item in answer.ahead] == ["frozen"]
    (alike,) = answer.alike
    assert overall([answer]).startswith(
        f"{answer.best and answer.best.label} scored best; these could not be told apart from it: {alike.label}; "
        "frozen scores higher on the seeds that both have."
    )
    text = html.report(page.build(run, tmp_path))
    assert (
        "Open: 1 other cannot be told apart from it; 1 other scores higher on the seeds that both have."
        in text
    )
    assert f"<dt>Not told apart</dt><dd><bdi>{alike.label}</bdi>" in text


def test_the_answer_over_tasks_says_how_such_a_strategy_leads() -> None:
    (answer,) = answers(read(run_of(LUCKY)))
    text = overall([answer, answer])
    assert text.startswith(
        "On 2 of 2 tasks frozen and full each scored best, could not be told apart from the best, or scored higher "
        "on the seeds that both have."
    )


def test_equal_seeds_need_no_note() -> None:
    run = run_of({"full": dict.fromkeys(range(3), 0.9), "frozen": dict.fromkeys(range(3), 0.6)})
    scores = scores_of(run)
    pairs = with_best(scores)
    compared = compare_pairs(scores, pairs)
    assert all(item.behind for item in compared)
    assert notes(scores, pairs, compared) == []


@pytest.mark.parametrize(
    ("seeds", "others", "why"),
    [
        ((0, 1), (0, 1), ""),
        ((0,), (0,), ""),
        ((0, 1, 2), (1, 2), ""),
        ((0, 1), (1,), "one seed in common, of several"),
        ((0, 1), (1, 2), "one seed in common, of several"),
        ((0,), (1,), "no seed in common"),
    ],
)
def test_why_two_groups_cannot_be_tested(seeds: tuple[int, ...], others: tuple[int, ...], why: str) -> None:
    def made(own: tuple[int, ...]) -> Resampled:
        return Resampled(own, np.full(len(own), 0.5), np.ones((3, len(own))), np.arange(4))

    assert untested(made(seeds), made(others)) == why
    assert untested(made(seeds), replace(made(others), ids=np.arange(1, 5))) == "other test examples"
