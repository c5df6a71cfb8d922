"""Rates are chosen on rows apart from the test set, fixed in the suite's file, and guarded there."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from bench import suite as suites
from bench.contracts import BenchError, Cell, Recipe, Splits, TextExample
from bench.planning.grids import Filters
from bench.planning.rates import suite_digest
from bench.protocol import choice, draw
from bench.registry import Plugins, Registry, discover
from bench.runs.drawn import drawn
from bench.runs.record import Record, Trial
from tests.protocol.suites import SUITE, fixed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ranked.toml"
    path.write_text(SUITE)
    return path


def rows(name: str, count: int) -> list[TextExample]:
    return [
        TextExample(f"{name}{i}", f"{name} text {i}", str(i % 3), f"{name}-{i // 2}") for i in range(count)
    ]


def tried(task: str, losses: dict[float, float | None], seed: int = 0, strategy: str = "full") -> Record:
    cell = Cell("ranked-development", drawn(task), strategy, "minilm", seed, Recipe())
    trials = tuple(Trial(scale=scale, loss=loss, kept=False) for scale, loss in losses.items())
    return Record(cell=cell, fingerprint="f", status="done", trials=trials)


# --------------------------------------------------------------------------------------------------
# The development draw


@pytest.mark.parametrize("validation", [10, 50])
def test_the_development_draw_has_no_test_row(validation: int) -> None:
    splits = Splits(rows("train", 100), rows("validation", 20), rows("test", 40))
    drawn = draw.without_test(splits, validation)
    test = {row.text for row in splits.test}
    assert not test & {row.text for part in (drawn.train, drawn.validation, drawn.test) for row in part}
    assert len(drawn.validation) >= validation
    assert not {row.group for row in drawn.train} & {row.group for row in drawn.validation}
    assert {row.text for row in drawn.test} == {row.text for row in drawn.validation}


@pytest.mark.parametrize("validation", [10, 50])
def test_rows_that_official_splits_share_with_the_test_set_are_left_out(validation: int) -> None:
    train, held_out, test = rows("train", 100), rows("validation", 20), rows("test", 40)
    splits = Splits(
        [*train, replace(test[0], id="t"), replace(held_out[0], id="v")],
        [*held_out, replace(test[1], id="w")],
        test,
    )
    drawn = draw.without_test(splits, validation)
    found = [row.text for part in (drawn.train, drawn.validation) for row in part]
    assert len(found) == len(set(found)) == 120
    assert not {test[0].text, test[1].text} & set(found)


def test_enough_validation_rows_are_left_as_they_are() -> None:
    splits = Splits(rows("train", 100), rows("validation", 20), rows("test", 40))
    drawn = draw.without_test(splits, 20)
    assert (list(drawn.train), list(drawn.validation)) == (splits.train, splits.validation)


def test_every_strategy_tries_the_same_scales_on_the_same_rows(path: Path) -> None:
    suite = suites.load(str(path))
    plugins = discover(draw.draws(suite))
    trying = draw.development_suite(suite)
    cells = draw.with_rates(suites.cells(trying, plugins), plugins)
    assert {cell.task for cell in cells} == {"movie-sentiment.development", "reuters-r8.development"}
    assert {cell.strategy for cell in cells} == {"full"}, "L-BFGS has no rate to choose"
    assert {(cell.recipe.tune, cell.recipe.validation, cell.seed) for cell in cells} == {
        ((0.5, 1.0, 2.0), 300, 0)
    }
    assert {cell.task: cell.recipe.train for cell in cells} == {
        "movie-sentiment.development": 100,
        "reuters-r8.development": 50,
    }
    assert {cell.suite for cell in cells} == {"ranked-development"}


def test_a_request_for_a_task_draws_that_task(path: Path) -> None:
    suite = suites.load(str(path))
    plugins = discover(draw.draws(suite, ["newsgroups"]))
    cells = suites.cells(
        draw.development_suite(suite), plugins, draw.development_filters(Filters(tasks=("newsgroups",)))
    )
    assert {cell.task for cell in cells} == {"newsgroups.development"}


def test_a_draw_has_a_fingerprint_of_its_own(path: Path) -> None:
    suite = suites.load(str(path))
    registry = Registry(discover(draw.draws(suite)))
    whole, drawn = (
        registry.fingerprint(Cell("s", task, "full", "minilm", 0, Recipe()))
        for task in ("reuters-r8", "reuters-r8.development")
    )
    assert whole != drawn


def test_a_suite_without_the_section_says_so() -> None:
    with pytest.raises(BenchError) as raised:
        draw.development(suites.load("quick"))
    assert raised.value.code == "no-development"


# --------------------------------------------------------------------------------------------------
# The choice


def test_the_lowest_mean_validation_loss_decides() -> None:
    records = [
        tried("reuters-r8", {0.5: 0.9, 1.0: 0.5, 2.0: 0.4}, seed=0),
        tried("reuters-r8", {0.5: 0.9, 1.0: 0.5, 2.0: 0.8}, seed=1),
    ]
    (found,) = choice.choose(records)
    assert (found.place, found.scale, found.at_edge) == (("reuters-r8", "minilm", "full"), 1.0, False)


@pytest.mark.parametrize(("best", "edge"), [(0.5, True), (1.0, False), (2.0, True)])
def test_the_smallest_and_the_largest_scale_are_the_edges_of_the_grid(best: float, edge: bool) -> None:
    (found,) = choice.choose([tried("reuters-r8", {scale: abs(scale - best) for scale in (1.0, 0.5, 2.0)})])
    assert (found.scale, found.at_edge) == (best, edge)


def test_a_scale_that_diverged_in_a_seed_is_out() -> None:
    records = [
        tried("reuters-r8", {0.5: 0.9, 2.0: 0.1}, seed=0),
        tried("reuters-r8", {0.5: 0.9, 2.0: None}, seed=1),
    ]
    (found,) = choice.choose(records)
    assert (found.scale, found.at_edge) == (0.5, True)


def test_nothing_is_chosen_where_every_scale_diverged() -> None:
    with pytest.raises(BenchError) as raised:
        choice.choose([tried("reuters-r8", {0.5: None, 1.0: None})])
    assert raised.value.code == "no-sound-rate"


def test_chosen_rates_are_those_of_the_cells(path: Path, plugins: Plugins) -> None:
    fixed(path, 2.0)
    cells = suites.cells(suites.load(str(path)), plugins)
    scales = {(cell.task, cell.strategy): cell.recipe.rate_scale for cell in cells}
    assert scales == {
        ("movie-sentiment", "full"): 2.0,
        ("movie-sentiment", "probe"): 1.0,
        ("reuters-r8", "full"): 1.0,
        ("reuters-r8", "probe"): 1.0,
    }
    assert {cell.seed for cell in cells} == {0, 1}, "the grid's own number of seeds"


def test_cells_at_different_rates_share_rows_and_weights(path: Path, plugins: Plugins) -> None:
    fixed(path, 2.0)
    cells = suites.cells(suites.load(str(path)), plugins, Filters(tasks=("movie-sentiment",)))
    assert len({cell.recipe for cell in cells}) == 2
    assert len({cell.group_key for cell in cells}) == 1


def test_writing_again_keeps_the_rest_of_the_file(path: Path) -> None:
    fixed(path, 2.0)
    once = path.read_text()
    fixed(path, 2.0)
    assert path.read_text() == once
    assert once.startswith(SUITE.rstrip("\n"))
    assert tomllib.loads(once)["rates"]["of"] == suite_digest(tomllib.loads(SUITE))


def test_a_rate_that_is_fixed_changes_only_on_request(path: Path) -> None:
    fixed(path, 2.0)
    with pytest.raises(BenchError) as raised:
        fixed(path, 0.5)
    assert raised.value.code == "rates-are-fixed"
    fixed(path, 0.5, again=True)
    rates = suites.load(str(path)).rates
    assert rates is not None
    assert rates.scale("movie-sentiment", "minilm", "full") == 0.5


def test_a_suite_that_was_changed_after_the_choice_is_refused(path: Path) -> None:
    fixed(path, 2.0)
    path.write_text(path.read_text().replace("train = 2000", "train = 1500"))
    with pytest.raises(BenchError) as raised:
        suites.load(str(path))
    assert raised.value.code == "changed-after-rates"


@pytest.mark.parametrize("section", ["scales = [1.0]", "scales = [1.0, 2.0]\nvalidation = 299"])
def test_a_choice_needs_scales_and_rows(section: str, tmp_path: Path) -> None:
    path = tmp_path / "few.toml"
    path.write_text(SUITE.replace("scales = [0.5, 1.0, 2.0]\ntrain = 100", section))
    with pytest.raises(BenchError) as raised:
        suites.load(str(path))
    assert raised.value.code == "wrong-value"


# --------------------------------------------------------------------------------------------------
# The built-in suites


RANKING = ("reference", "ladder", "few-shot")
PUBLISHED = ("paper", "full-data")
"""Suites whose rates are a published grid, out of which validation rows choose."""


@pytest.mark.parametrize("name", suites.names())
def test_no_suite_has_a_rate_that_was_chosen_by_hand(name: str) -> None:
    suite = suites.load(name)
    recipes = [suite.recipe, *suite.tasks.values()]
    assert not [keys for keys in recipes if "rate_scale" in keys]
    rates = {key for options in suite.strategies.values() for key in options if "rate" in key}
    assert not rates or (name in PUBLISHED and len(suite.recipe["tune"]) >= 3)


@pytest.mark.parametrize("name", RANKING)
def test_a_suite_that_ranks_chooses_rates_on_enough_rows(name: str, plugins: Plugins) -> None:
    suite = suites.load(name)
    for cell in suites.cells(suite, plugins):
        if suite.development is None:
            assert len(cell.recipe.tune) >= 3
            assert (cell.recipe.validation or 10**6) >= 300
    assert suite.development is None or len(suite.development.scales) >= 3
