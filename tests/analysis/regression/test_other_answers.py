"""Wrong answers that became other wrong answers score the same, and are not the same predictions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from bench.analysis.groups import Key
from bench.analysis.loading import Run
from bench.analysis.regression import baseline
from bench.analysis.regression.compare import CompareOptions, RunComparison, compare
from bench.analysis.regression.quality import UNSEEN, Change, mean_change
from bench.analysis.statistics.noise import Noise
from bench.contracts import BenchError, QuestionExample, Task, WordsExample
from bench.registry import discover
from tests.analysis.conftest import make_record

SEEDS = 3
CHANGED = CompareOptions(fail_on=("quality", "missing", "changed"))


@cache
def task_of(name: str) -> Task:
    return discover().task(name)


def columns_of(
    task: Task, examples: Sequence[Any], answers: Sequence[Any], test: str = "test"
) -> dict[str, np.ndarray]:
    found = {"split": [test] * len(examples), "id": [example.id for example in examples]}
    found |= task.columns(examples, answers)
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else float)
        for name, values in found.items()
    }


def run_of(name: str, examples: Sequence[Any], answers: Sequence[Any], shifted: Sequence[Any] = ()) -> Run:
    """One cell of a real task with three seeds, which answer alike. shifted: answers on a second test set."""
    task = task_of(name)
    rows = columns_of(task, examples, answers)
    scores = {"test": task.score(examples, answers)}
    if shifted:
        scores["other"] = task.score(examples, shifted)
        more = columns_of(task, examples, shifted, "other")
        rows = {name: np.concatenate([values, more[name]]) for name, values in rows.items()}
    records = [
        make_record(
            name, seed=seed, adapter=task.adapter, headline=task.headline, metrics=task.metrics, scores=scores
        )
        for seed in range(SEEDS)
    ]
    return Run("a run", records, lambda _: rows)


QUESTIONS = [QuestionExample(str(n), "who", "Ada met Bob and Cy", (("Ada", 0),)) for n in range(40)]
SENTENCES = [WordsExample(str(n), ("Ada", "came", "here"), ("B-PER", "O", "O")) for n in range(40)]
RIGHT, OTHER = ["B-PER", "O", "O"], ["O", "O", "O"]


def questions(*last: str) -> Run:
    return run_of("squad", QUESTIONS, [*["Ada"] * (40 - len(last)), *last])


def entities(*last: list[str]) -> Run:
    return run_of("financial-ner", SENTENCES, [*[RIGHT] * (40 - len(last)), *last])


CASES = [
    pytest.param(questions("Bob", "Cy"), questions("Cy", "Cy"), id="questions"),
    pytest.param(
        entities(["O", "B-PER", "O"], OTHER), entities(["O", "B-LOC", "O"], OTHER), id="entities"
    ),  # of as many entities, none of which is right, and as many right words
    pytest.param(entities(["O", "B-PER", "O"]), entities(["O", "O", "B-PER"]), id="places"),
]
"""A run, and another whose wrong answers are others."""


def kept(run: Run) -> Run:
    return baseline.load(baseline.dump(run), "here")


def earlier(run: Run) -> Run:
    """As an earlier version kept it: without digests of what it left out."""
    lines = [json.loads(line) for line in baseline.dump(run).splitlines()]
    for line in lines:
        for content in line["examples"].values():
            del content["left_out"]
    return baseline.load("\n".join(map(json.dumps, lines)), "earlier")


def verdict(found: RunComparison) -> tuple[str, str, int, int]:
    (cell,) = found.cells
    return cell.status, cell.reason, found.changed, found.exit_code


@pytest.mark.parametrize(("then", "now"), CASES)
def test_other_wrong_answers_are_no_identical_predictions(then: Run, now: Run) -> None:
    assert [record.scores for record in then.records] == [record.scores for record in now.records]
    for before in (then, kept(then)):
        for after in (now, kept(now)):
            found = compare(before, after, CHANGED)
            assert (found.cells[0].status, found.changed, found.exit_code) == ("unchanged", 1, 1)
            assert "Predictions differ in 1 of 1 cell" in " ".join(found.notes)
            assert compare(before, after).exit_code == 0  # no score fell


@pytest.mark.parametrize(("then", "now"), CASES)
def test_the_same_answers_are_identical_to_those_of_a_baseline(then: Run, now: Run) -> None:
    for run in (then, now):
        for before in (run, kept(run), kept(kept(run))):
            assert verdict(compare(before, run, CHANGED)) == ("identical", "", 0, 0)


@pytest.mark.parametrize(("then", "now"), CASES)
def test_an_earlier_baseline_knows_that_scores_are_the_same_and_not_the_answers(then: Run, now: Run) -> None:
    for before, after in ((earlier(then), now), (earlier(then), then), (then, earlier(now))):
        found = compare(before, after, CHANGED)
        assert verdict(found) == ("unchanged", UNSEEN, 0, 2)
        assert "Gate 'changed' could not be asked of 1 of 1 cells" in found.notes[0]
        assert "a baseline of an earlier version" in found.notes[0]
        assert (found.cells[0].p, found.cells[0].detectable) == (1.0, 0.0)
        assert compare(before, after).exit_code == 0
    assert earlier(then).left_out is not None
    assert baseline.dump(earlier(then)) == baseline.dump(kept(earlier(then)))  # what is not known stays so
    assert verdict(compare(kept(earlier(then)), then, CHANGED))[1] == UNSEEN


def test_another_score_is_a_change_whatever_the_baseline_holds() -> None:
    found = compare(earlier(questions("Bob")), questions("Bob", "Cy"), CHANGED)
    assert (found.changed, found.unasked, found.exit_code) == (1, 0, 1)


def test_other_answers_on_a_shifted_test_set_are_other_predictions() -> None:
    def shifted(*last: str) -> Run:
        return run_of("squad", QUESTIONS, ["Ada"] * 40, [*["Ada"] * (40 - len(last)), *last])

    then = shifted("Bob", "Cy")
    for now in (shifted("Cy", "Cy"), shifted("Ada", "Ada")):
        for before in (then, kept(then)):
            found = compare(before, now, CHANGED)
            assert (found.cells[0].status, found.changed) == ("unchanged", 1)
    for before in (then, kept(then)):
        assert verdict(compare(before, shifted("Bob", "Cy"), CHANGED)) == ("identical", "", 0, 0)


def test_a_baseline_keeps_a_short_digest_of_each_column_that_it_leaves_out() -> None:
    line = json.loads(baseline.dump(questions("Bob")).splitlines()[0])
    content = line["examples"]["test"]
    assert content["columns"].keys() == {"exact", "overlap"}
    assert content["left_out"].keys() == {"reference", "prediction"}
    assert {len(value) for value in content["left_out"].values()} == {32}
    assert "Bob" not in json.dumps(content)


def edited(edit: Callable[[Any], object]) -> Run:
    lines = [json.loads(line) for line in baseline.dump(questions("Bob")).splitlines()]
    for line in lines:
        line["examples"]["test"]["left_out"] = edit(line["examples"]["test"]["left_out"])
    return baseline.load("\n".join(map(json.dumps, lines)), "old.jsonl")


@pytest.mark.parametrize(
    "edit",
    [
        lambda digests: {**digests, "prediction": "zz"},
        lambda digests: {**digests, "prediction": "00"},
        lambda digests: {**digests, "prediction": 7},
        lambda digests: list(digests),
        lambda digests: None,
    ],
    ids=["no-hex", "short", "number", "list", "null"],
)
def test_digests_that_are_none_are_refused_by_cell(edit: Callable[[Mapping[str, str]], object]) -> None:
    with pytest.raises(BenchError, match=r"old\.jsonl, cell squad/full/minilm/seed0") as error:
        compare(edited(edit), questions("Bob"))
    assert error.value.code == "damaged-baseline"


def test_a_strategy_with_a_cell_whose_answers_are_not_known_is_not_identical() -> None:
    first = Change(Key("a", "full", "minilm"), 0.8, 0.8, Noise.known(0.01), identical=True)
    second = replace(first, key=Key("b", "full", "minilm"), identical=False, unseen=True)
    both = mean_change(Key("all tasks", "full", "minilm"), [first, second])
    assert (both.identical, both.unseen, both.p(-1)) == (False, True, 1.0)
    same = mean_change(both.key, [first, first])
    assert (same.identical, same.unseen) == (True, False)
    third = replace(first, identical=False)
    assert not mean_change(both.key, [second, third]).same_scores
