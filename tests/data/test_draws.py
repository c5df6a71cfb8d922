"""Training rows drawn anew for each seed: the same for all strategies of a seed, other ones for other seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError, Cell, Recipe, Splits, TextExample, set_values
from bench.data.draws import shuffled
from bench.data.sources import Sources
from bench.data.splits import prepare, training_subset
from bench.engine.cell import run_cells, train_heads
from bench.engine.group import RunContext, prepare_group
from bench.registry import Plugins, Registry
from bench.runs.record import Record
from tests.data.test_splits import Made, texts

DRAWN = Recipe(train=40, resample="train")


def prepared(recipe: Recipe, draw: int | None) -> Splits:
    task = Made()
    task.rows = Splits(texts(200, "a"), texts(30, "b"), texts(30, "c"))  # type: ignore[misc]
    return prepare(task, Sources(Path("unused")), recipe, draw)


def test_seeds_draw_other_training_rows_and_share_the_rest() -> None:
    one, other = prepared(DRAWN, 0), prepared(DRAWN, 1)
    ids = [{row.id for row in found.train} for found in (one, other)]
    assert [len(found) for found in ids] == [40, 40]
    assert len(ids[0] & ids[1]) < 20
    assert (one.validation, one.test) == (other.validation, other.test)
    assert prepared(DRAWN, 1).train == other.train


def test_draws_cover_all_rows_alike() -> None:
    rows = [TextExample(f"{n}", f"{n}", "x") for n in range(20)]
    taken = [0] * 20
    for draw in range(400):
        for row in training_subset(rows, 5, draw):
            taken[int(row.id)] += 1
    assert sum(taken) == 2000
    assert 65 < min(taken) <= max(taken) < 135  # 100 each, four standard deviations


def test_every_label_is_in_every_draw() -> None:
    rows = [*texts(200, labels=1), TextExample("rare", "rare text", "rare")]
    assert all("rare" in {row.label for row in training_subset(rows, 5, draw)} for draw in range(20))


def test_fixed_rows_are_the_ones_they_always_were() -> None:
    assert [row.id for row in shuffled(texts(200), None)][:4] == ["181", "109", "17", "132"]
    assert [row.id for row in training_subset(texts(200), 4)] == ["181", "132", "171", "78"]


@pytest.mark.parametrize("train", [None, 101])
def test_a_draw_of_most_rows_is_refused(train: int | None) -> None:
    with pytest.raises(BenchError) as error:
        prepared(replace(DRAWN, train=train), 0)
    assert error.value.code == "too-few-rows-to-resample"
    assert "(100)" in str(error.value)


def test_drawn_rows_change_the_fingerprint_and_fixed_ones_do_not(
    toy_cell: Callable[..., Cell], plugins: Plugins
) -> None:
    registry, cell = Registry(plugins), toy_cell("full")
    drawn = replace(cell, recipe=replace(cell.recipe, resample="train"))
    assert registry.fingerprint(drawn) != registry.fingerprint(cell)
    assert "resample" not in set_values(cell.recipe)


def test_cells_share_a_group_only_within_a_draw(toy_cell: Callable[..., Cell]) -> None:
    fixed = [toy_cell("full", seed=seed) for seed in (0, 1)]
    assert len({cell.group_key for cell in fixed}) == 1
    drawn = [replace(cell, recipe=replace(cell.recipe, resample="train")) for cell in fixed]
    assert len({cell.group_key for cell in drawn}) == 2
    assert replace(drawn[0], strategy="frozen").group_key == drawn[0].group_key


def test_a_cell_with_rows_of_its_own_trains_on_them_alone(
    toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    """Heads of several seeds train together on one set of rows, so not where each seed has its own."""
    cell = toy_cell("frozen")
    cell = replace(cell, recipe=replace(cell.recipe, train=16, resample="train"))
    context = replace(toy_context, seeds={cell.id.rpartition("/")[0]: (0, 1)})
    found: list[Record] = []
    for seed in (0, 1):
        own = replace(cell, seed=seed)
        group = prepare_group(own, context)
        heads = train_heads(own, group, context)
        assert heads is not None
        with pytest.raises(KeyError):
            heads.trained(1 - seed, 1.0, lambda _: None)
        (result,) = run_cells([own], group, context, lambda *_: None)
        assert not isinstance(result, BaseException)
        found.append(result[0])
    assert all(record.data and record.data.sizes["train"] == 16 for record in found)
    assert len({record.data.fingerprint for record in found if record.data}) == 2
