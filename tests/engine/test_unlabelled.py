"""Masked words of unlabelled text instead of the task's: what is read, what it leaves and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from bench.contracts import Cell, Phase, Recipe, Strategy
from bench.engine.cell import build, pretrained, run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.pretraining import Words, pretrain
from bench.registry import Plugins, Registry

MakeCell = Callable[..., Cell]
LINES = [f"emma saw a very dull room in cairo {number}" for number in range(12)]
"""Words that the toy task lacks are among them."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "domain.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.fixture
def cell(toy_cell: MakeCell, toy_recipe: Recipe, corpus: Path) -> Cell:
    recipe = replace(toy_recipe, unlabelled=str(corpus), encoder_dropout=0.0, dropout=0.0)
    return toy_cell("tapt", recipe=recipe)


@pytest.fixture
def group(cell: Cell, toy_context: RunContext) -> CellGroup:
    return prepare_group(cell, toy_context)


def test_its_tokens_are_those_of_the_passages(cell: Cell, group: CellGroup, tiny_encoder: Path) -> None:
    """Ids lead to the same embeddings as in the encoder's own table."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    own = AutoModel.from_pretrained(tiny_encoder).get_input_embeddings().weight
    split = group.read_by("masked-lm")
    assert group.unlabelled is not None
    table = torch.cat([group.given.table.weight, group.unlabelled.text.rows])
    assert len(group.unlabelled.text.rows) > 0
    for number, line in enumerate(LINES):
        tokens = split.batch(torch.tensor([number]).numpy()).tokens[0]
        expected = own[torch.tensor(tokenizer(line)["input_ids"])]
        assert torch.equal(table[tokens], expected)
    assert group.read_by("contrastive") is group.read_by("task") is group.splits["train"]


def test_long_passages_are_read_to_their_end(cell: Cell, toy_context: RunContext, corpus: Path) -> None:
    corpus.write_text("emma saw a room " * 20, encoding="utf-8")
    split = prepare_group(cell, toy_context).read_by("masked-lm")
    assert sum(split.lengths) == 80 + 2 * len(split)
    assert max(split.lengths) == cell.recipe.max_length


@pytest.mark.parametrize("few_shapes", [False, True])
def test_it_is_padded_as_the_task_is(few_shapes: bool, cell: Cell, toy_context: RunContext) -> None:
    device = replace(toy_context.device, few_shapes=few_shapes)
    group = prepare_group(cell, replace(toy_context, device=device))
    assert group.read_by("masked-lm").ladder.fixed is group.splits["train"].ladder.fixed is few_shapes


def test_the_task_is_read_from_a_table_as_before(
    cell: Cell, group: CellGroup, toy_context: RunContext
) -> None:
    model, plan = build(cell, group, toy_context)
    rows = model.backbone.rows
    found = pretrained(model, plan, cell, group)
    assert found.backbone.rows == rows == len(found.backbone.table.weight)
    plain = replace(cell, recipe=replace(cell.recipe, unlabelled=""))
    without = prepare_group(plain, toy_context)
    assert without.given.rows == rows
    other = pretrained(*build(plain, without, toy_context), plain, without)
    name = "layers.0.output.dense.weight"
    moved = [item.backbone.named_parameters()[name] for item in (found, other)]
    assert not torch.equal(*moved)


def test_it_equals_training_on_the_same_texts_as_rows_of_the_task(
    cell: Cell, toy_context: RunContext, corpus: Path
) -> None:
    """With the task's own training texts in the file, in their order, it is task-adaptive."""
    plain = replace(cell, recipe=replace(cell.recipe, unlabelled=""))
    own = prepare_group(plain, toy_context)
    corpus.write_text("\n".join(row.text for row in own.rows.train), encoding="utf-8")
    expected = pretrained(*build(plain, own, toy_context), plain, own)
    group = prepare_group(cell, toy_context)
    found = pretrained(*build(cell, group, toy_context), cell, group)
    for name, parameter in found.backbone.named_parameters().items():
        assert torch.equal(parameter, expected.backbone.named_parameters()[name]), name


def test_seconds_and_operations_are_those_of_what_is_read(
    cell: Cell, group: CellGroup, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    record, _ = run_cell(cell, group, toy_context, lambda point: None)
    again, _ = run_cell(replace(cell, seed=1), group, toy_context, lambda point: None)
    full, _ = run_cell(replace(cell, strategy="full"), group, toy_context, lambda point: None)
    assert group.unlabelled is not None
    reading = group.unlabelled.seconds
    assert reading > 0
    for found in (record, again):  # a second cell is charged for it, too
        assert found.seconds.prepare > group.seconds + reading
    own = prepare_group(replace(cell, recipe=toy_recipe), toy_context)
    assert own.unlabelled is None
    shorter = prepare_group(cell, toy_context)
    ignored, _ = run_cell(replace(cell, strategy="full"), shorter, toy_context, lambda point: None)
    assert shorter.unlabelled is not None
    assert shorter.unlabelled.seconds == 0  # what does not read it does not prepare it
    assert record.flops != pytest.approx(2 * full.flops, rel=1e-3)
    assert ignored.flops == full.flops


def test_a_fingerprint_follows_the_text_and_not_its_place(
    cell: Cell, toy_context: RunContext, corpus: Path, tmp_path: Path
) -> None:
    registry = Registry(toy_context.registry.plugins, toy_context.registry.sources)
    plain = replace(cell, recipe=replace(cell.recipe, unlabelled=""))
    first = registry.fingerprint(cell)
    assert first != registry.fingerprint(plain)
    copy = tmp_path / "elsewhere.txt"
    copy.write_bytes(corpus.read_bytes())
    assert registry.fingerprint(replace(cell, recipe=replace(cell.recipe, unlabelled=str(copy)))) == first
    corpus.write_text("other text")
    assert registry.fingerprint(cell) != first
    for strategy in ("full", "frozen", "setfit"):  # these do not read it
        one, other = (replace(item, strategy=strategy) for item in (cell, plain))
        assert registry.fingerprint(one) == registry.fingerprint(other)


@dataclass(frozen=True)
class FromNothing(Strategy):
    """Masked words from random weights (arXiv 2209.14389)."""

    name = "from-nothing"
    summary = "masked words, then everything, from random weights"
    pretrained: ClassVar[bool] = False

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", 1e-4),), objective="masked-lm"), Phase(1.0, (("*", 1e-4),)))


def test_an_encoder_with_random_weights_gets_no_given_embedding(
    cell: Cell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = toy_context.registry.plugins
    with_one = Plugins({**plugins.strategies, "from-nothing": FromNothing}, plugins.tasks)
    context = replace(toy_context, registry=Registry(with_one, toy_context.registry.sources))
    cell = replace(cell, strategy="from-nothing")
    group = prepare_group(cell, context)
    seen: list[Words] = []

    def noted(*given: Any) -> None:
        seen.append(given[-1])
        pretrain(*given)

    monkeypatch.setattr("bench.engine.cell.pretrain", noted)
    pretrained(*build(cell, group, context), cell, group)
    assert group.unlabelled is not None
    assert group.words.mask is not None
    (words,) = seen
    assert words.mask is not None
    assert words.rows is not None
    assert words.rows.shape == group.unlabelled.text.rows.shape
    assert not torch.isin(words.rows, group.unlabelled.text.rows).any()
    assert not torch.isin(words.mask, group.words.mask).any()
