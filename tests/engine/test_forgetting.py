"""How far an encoder moved: by an independent formula, exactly 1 where nothing learnt, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.analysis.groups import gather
from bench.analysis.regression.matching import differences
from bench.analysis.tables.build import TableOptions, build
from bench.contracts import Cell, set_values
from bench.engine.cell import run_cell, train
from bench.engine.forgetting import Sample, encoded, forgetting, linear_cka, mask_of, outputs, with_table
from bench.engine.group import prepare_group
from bench.engine.machine import Device
from bench.engine.neutral import SENTENCES
from bench.engine.prediction import predict
from bench.models.loading import load
from bench.runs.record import Record


def by_kernels(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. (2019), equations 2 to 4: HSIC of the Gram matrices, with a centring matrix."""
    count = len(x)
    centring = np.eye(count) - np.ones((count, count)) / count
    k, m = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ centring @ b @ centring)) / (count - 1) ** 2

    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def test_it_is_the_alignment_of_centred_kernels() -> None:
    rng = np.random.default_rng(0)
    for shape, other in (((40, 5), (40, 9)), ((12, 30), (12, 30)), ((50, 3), (50, 3))):
        x = rng.normal(size=shape) + 3
        y = rng.normal(size=other) + 0.5 * x[:, :1]
        assert linear_cka(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(by_kernels(x, y))


def test_a_rotation_a_scale_and_a_shift_are_no_change_and_a_constant_has_nothing_in_common() -> None:
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(60, 8)))
    rotation = torch.from_numpy(np.linalg.qr(rng.normal(size=(8, 8)))[0])
    assert linear_cka(x, 3 * x @ rotation + 7) == pytest.approx(1.0)
    assert linear_cka(x, x.clone()) == 1.0
    assert linear_cka(x, torch.ones(60, 8).double()) == 0.0


@pytest.mark.parametrize("size", [1e-4, 1e4])
def test_features_of_any_size_are_compared(size: float) -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 6))
    y[:, :5] += x
    found = linear_cka(torch.from_numpy(size * x), torch.from_numpy(size * y))
    assert found == pytest.approx(by_kernels(x, y))
    assert 0.1 < found < 0.9


def measured(cell: Cell, context: Any) -> tuple[Record, dict[str, Any]]:
    cell = replace(cell, recipe=replace(cell.recipe, forgetting=True, rate_scale=3))
    return run_cell(cell, prepare_group(cell, context), context, lambda _: None)


def test_what_no_training_touches_is_exactly_as_it_was(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    frozen, _ = measured(toy_cell("frozen"), toy_context)
    full, _ = measured(toy_cell("full"), toy_context)
    top, _ = measured(toy_cell("top-layers"), toy_context)
    depth = len(frozen.forgetting) - 1
    assert depth >= 2
    assert frozen.forgetting == (1.0,) * (depth + 1)
    assert all(value < 1.0 for value in full.forgetting)
    assert top.forgetting[0] == 1.0
    assert top.forgetting[-1] < 1.0


def test_an_encoder_with_other_weights_is_further_from_the_given_one(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    scratch, _ = measured(toy_cell("scratch"), toy_context)
    full, _ = measured(toy_cell("full"), toy_context)
    assert max(scratch.forgetting) < min(full.forgetting)


@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_it_changes_no_score_no_prediction_and_no_seconds_field(
    strategy: str, toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    cell = replace(toy_cell(strategy), recipe=replace(toy_cell(strategy).recipe, rate_scale=3))
    plain, tests = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda _: None)
    record, others = measured(cell, toy_context)
    assert plain.forgetting == ()
    assert record.scores == plain.scores
    assert others["test"]["prediction"] == tests["test"]["prediction"]
    seconds = record.seconds
    parts = (seconds.prepare, seconds.prefix, seconds.compile, seconds.train, seconds.evaluate)
    assert seconds.cold == pytest.approx(sum(parts))
    assert "forgetting" not in set_values(cell.recipe)
    sides = [next(iter(gather([side]).values())) for side in (plain, record)]
    assert differences(*sides) == []


def test_the_model_stays_as_it_is_and_tokens_of_the_task_have_their_trained_embeddings(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    """The sample has tokens that the task lacks; those of the task alone differ from the given ones."""
    cell = toy_cell("full")
    group = prepare_group(cell, toy_context)
    found = train(cell, 1.0, group, toy_context, lambda _: None)
    split, phase = group.splits["test"], replace(found.plan.phases[-1], frozen=0)
    model = replace(found.model, prefix=None)
    before, _ = predict(model, "test", split, phase)
    assert len(forgetting(model, cell, group, toy_context).similarity) == group.given.depth + 1
    after, _ = predict(model, "test", split, phase)
    assert np.array_equal(before, after)
    given = load(cell.backbone, toy_context.registry.sources).backbone
    small = given.copy().trim(group.setup.tokens)
    ids = np.arange(given.rows)
    twin = with_table(model.backbone, given, small, ids)
    same = (twin.table.weight == given.table.weight).all(1).numpy()
    assert same[small < 0].all()
    trained = model.backbone.table.weight.detach()
    assert torch.equal(twin.table.weight[small >= 0], trained[small[small >= 0].astype(np.int64)])


def test_the_sample_is_read_to_a_length_and_has_a_mask(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    group = prepare_group(toy_cell(), toy_context)
    sample = encoded(group.loaded.tokenizer, SENTENCES[:4], 6)
    assert sample.tokens.shape == sample.mask.shape == (4, 6)
    assert set(np.unique(sample.mask)) <= {0, 1}
    assert len(set(SENTENCES)) == len(SENTENCES)


def test_an_encoder_of_one_layer_has_two_blocks_and_word_vectors_have_none(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    cell = toy_cell("frozen", recipe=replace(toy_cell().recipe, layers=1))
    assert measured(cell, toy_context)[0].forgetting == (1.0, 1.0)
    pytest.importorskip("gensim")
    record, _ = measured(toy_cell("frozen", backbone="word2vec:task"), toy_context)
    assert record.forgetting == ()
    assert record.language_loss is not None
    assert record.language_loss.reason == "no LM head: word vectors have no layers"


def test_in_bf16_a_frozen_encoder_is_exactly_the_given_one(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    """Both compute in the precision of training."""
    low = replace(toy_context, device=Device(torch.device("cpu"), torch.bfloat16))
    record, _ = measured(toy_cell("frozen"), low)
    assert set(record.forgetting) == {1.0}


def test_blocks_are_read_without_dropout(toy_cell: Callable[..., Cell], toy_context: Any) -> None:
    group = prepare_group(toy_cell(), toy_context)
    backbone = group.given.copy()
    sample = Sample(np.array([[2, 3, 4], [4, 3, 0]]), np.array([[1, 1, 1], [1, 1, 0]]))
    expected = outputs(backbone, sample, torch.device("cpu"))
    assert [tuple(block.shape) for block in expected] == [(5, group.given.width)] * (group.given.depth + 1)
    for block in range(group.given.depth + 1):
        for module in backbone.modules_of(block):
            module.train()
    again = outputs(backbone, sample, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(again, expected, strict=True))


def test_the_first_row_of_a_table_is_a_trained_one_too(
    toy_cell: Callable[..., Cell], toy_context: Any
) -> None:
    group = prepare_group(toy_cell(), toy_context)
    given = load(toy_cell().backbone, toy_context.registry.sources).backbone
    small = given.copy().trim(group.setup.tokens)
    trained = group.given.copy()
    with torch.no_grad():
        trained.table.weight.add_(1.0)
    twin = with_table(trained, given, small, np.arange(given.rows))
    assert 0 in small
    rows = torch.from_numpy(small >= 0)
    assert torch.equal(twin.table.weight[rows], given.table.weight[rows] + 1)
    assert torch.equal(twin.table.weight[~rows], given.table.weight[~rows])


@pytest.mark.parametrize(("token", "found"), [(None, None), (0, 0), (4, 4), (5, None)])
def test_a_mask_that_the_table_lacks_masks_nothing(token: int | None, found: int | None) -> None:
    assert mask_of(SimpleNamespace(mask_token_id=token), 5) == found


def test_the_columns_and_the_figure_show_means_over_seeds(
    toy_cell: Callable[..., Cell], toy_context: Any, tmp_path: Path
) -> None:
    from bench.analysis.loading import Run
    from bench.report import figures
    from bench.report.reading import read

    first, _ = measured(toy_cell("full"), toy_context)
    seeds = [
        first.model_copy(update={"cell": replace(first.cell, seed=seed), "forgetting": values})
        for seed, values in enumerate([(1.0, 0.8, 0.6), (1.0, 0.6, 0.2)])
    ]
    table = build(seeds, options=TableOptions(columns=("forgetting",)))
    assert [column.name for column in table.columns] == ["cka", "cka-last", "lm-loss", "lm-rise"]
    entries = table.blocks[0].rows[0].entries
    assert [entry.value for entry in entries[:2]] == pytest.approx([2.1 / 3, 0.4])
    assert [(entry.value, entry.note) for entry in entries[2:]] == [(None, "no LM head")] * 2

    def none(_: str) -> Any:
        raise KeyError

    figures.save(read(Run("toy", seeds, none)), "forgetting", tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    assert "CKA with the given encoder" in text
