"""`recommend` compares without the test rows, keeps to its budget, and says what it knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli.recommend import seconds_of
from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.executors.contract import Options
from bench.recommend import page
from bench.recommend.answer import Terms, answer
from bench.recommend.evidence import Growth
from bench.recommend.page import Findings
from bench.recommend.successive_halving import Contest, measured, sizes_for
from bench.recommend.views import Everything, Selection, everything, selection
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from tests.support.toy_tasks import ToySentiment


@pytest.mark.parametrize(
    ("rows", "sizes"), [(525, [131, 262, 525]), (40, [40]), (4_000, [250, 500, 1_000, 2_000, 4_000])]
)
def test_sizes_double_up_to_all_rows(rows: int, sizes: list[int]) -> None:
    assert sizes_for(rows, labels=2) == sizes


def test_a_budget_is_a_time() -> None:
    assert [seconds_of(text) for text in ("90s", "10m", "2h", "1.5m", "30")] == [90, 600, 7200, 90, 1800]
    with pytest.raises(BenchError, match="write it as 90s"):
        seconds_of("soon")


def test_what_is_compared_on_is_neither_trained_nor_tested_on() -> None:
    splits = ToySentiment().splits(Sources())
    view = selection(splits)
    ids = [{row.id for row in rows} for rows in (view.train, view.validation, view.test, splits.test)]
    assert sum(map(len, ids)) == len(set.union(*ids))
    assert ids[0] | ids[2] == {row.id for row in splits.train}


def test_the_model_that_is_handed_over_learns_from_all_but_the_validation_rows() -> None:
    splits = ToySentiment().splits(Sources())
    assert len(everything(splits).train) == len(splits.train) + len(splits.test)
    assert not {row.text for row in everything(splits).train} & {row.text for row in splits.validation}


def found_on(toy_cell: Callable[..., Cell], toy_plugin: Path, folder: Path, budget: float) -> Findings:
    plugins = discover([toy_plugin, Selection("toy-sentiment"), Everything("toy-sentiment", False)])
    cell = toy_cell("full")
    cell = replace(cell, recipe=replace(cell.recipe, pooling="cls", epochs=1))
    options = Options(device="cpu", executor="inline", plugin_files=plugins.given)
    terms = Terms(("frozen", "full"), cell.backbone, "accuracy", budget, "python -m bench recommend")
    return answer(cell, terms, Registry(plugins, Sources(cache=folder)), (folder / "run", options, Silent()))


def test_an_answer_has_a_choice_a_test_score_and_a_page(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    found = found_on(toy_cell, toy_plugin, tmp_path, budget=600)
    assert found.choice in found.round.tied
    assert found.final is not None or found.round.degenerate
    text = "\n".join([page.sentence(found), *page.details(found), page.plot(found), *page.tried(found)])
    assert "Again: python -m bench recommend" in text
    assert found.outcome.stopped == ""


def test_a_budget_that_is_spent_is_said(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    found = found_on(toy_cell, toy_plugin, tmp_path, budget=0.001)
    assert "the time was up" in found.outcome.stopped
    assert found.final is None
    assert found.round.tied == list(found.round.means)
    assert "Not reached in the time: full." in page.tried(found)
    assert found.growth == Growth(None, why_not=found.growth.why_not)


def test_what_an_earlier_request_left_in_the_folder_is_not_evidence(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    found_on(toy_cell, toy_plugin, tmp_path, budget=0.001)
    plugins = discover([toy_plugin, Selection("toy-sentiment")])
    (record,) = Store(tmp_path / "run").records()
    view, size = record.cell.task.split("@")
    cell, recipe = toy_cell("full"), replace(toy_cell("full").recipe, pooling="cls", epochs=1)
    contest = Contest("toy-sentiment", view, ("frozen",), cell.backbone, recipe, 1, tmp_path / "run")
    sources = Sources(cache=tmp_path)
    found = measured(contest, [int(size)], Registry(plugins, sources)).records
    assert [item.cell.id for item in found] == [record.cell.id]
    other = replace(contest, recipe=replace(recipe, epochs=2))
    assert not measured(other, [int(size)], Registry(plugins, sources)).records
