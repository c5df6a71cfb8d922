"""Phases that do not train for the task, against plain loops over the library's own model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.contracts import FROZEN, BenchError, Cell, Phase, Recipe, Strategy
from bench.data.batches import shuffled
from bench.engine import pretraining
from bench.engine.cell import build, pretrained, run_cell
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.pretraining import Words, pretrain
from bench.engine.schedule import rate_factor
from bench.engine.training import derived_seed
from tests.support.optimizers import noted

MakeCell = Callable[..., Cell]


@pytest.fixture
def still(toy_recipe: Recipe) -> Recipe:
    """Without dropout, so that two loops draw the same numbers."""
    return replace(toy_recipe, encoder_dropout=0.0, dropout=0.0, epochs=1)


def embeddings(model: Any, split: Any, index: np.ndarray) -> torch.Tensor:
    """Mean-pooled vectors by the library's own forward pass, each text by itself and unpadded."""
    vectors = []
    for row in index:
        batch = split.batch(np.array([row]))
        hidden = model(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state
        vectors.append(hidden[0].mean(0))
    return torch.stack(vectors)


def test_pairs_are_fitted_as_by_a_plain_loop(
    toy_cell: MakeCell, still: Recipe, toy_context: RunContext
) -> None:
    """With so much decay that it shows within an epoch."""
    cell = toy_cell("setfit", recipe=replace(still, weight_decay=5.0))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    plain = model.backbone.copy().model  # pyright: ignore[reportAttributeAccessIssue]
    found = pretrained(model, plan, cell, group)

    split, labels = group.splits["train"], group.splits["train"].targets.numpy()
    rng = np.random.default_rng(derived_seed(0, "contrastive batches"))
    matrices = [p for n, p in plain.named_parameters() if p.dim() > 1 and not n.startswith("embeddings.")]
    others = [p for n, p in plain.named_parameters() if p.dim() == 1 or n.startswith("embeddings.")]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 5.0}, {"params": others, "weight_decay": 0.0}], lr=0.0
    )
    order = shuffled(split.lengths, 8, derived_seed(0, "order"))
    (phase,) = plan.pretraining
    for step in range(phase.steps):
        index = next(order)
        partners = []
        for place, row in enumerate(index):
            own = np.flatnonzero(labels == labels[row])
            if place % 2 == 0:
                partners.append(int(rng.choice(own[own != row])))
                continue
            while labels[partner := int(rng.integers(len(labels)))] == labels[row]:
                pass
            partners.append(partner)
        similarity = F.cosine_similarity(
            embeddings(plain, split, index), embeddings(plain, split, np.array(partners))
        )
        target = torch.tensor([1.0 - place % 2 for place in range(len(index))])
        ((similarity - target) ** 2).mean().backward()
        torch.nn.utils.clip_grad_norm_([*matrices, *others], 1.0)
        for entry in optimizer.param_groups:
            entry["lr"] = 1e-4 * rate_factor(step, phase.steps, still)
        optimizer.step()
        optimizer.zero_grad()
    given = group.given.named_parameters()
    for (name, parameter), expected in zip(
        found.backbone.named_parameters().items(), plain.parameters(), strict=True
    ):
        if name.endswith("key.bias"):  # its gradient is zero but for rounding: it moves every score alike
            continue
        assert torch.allclose(parameter, expected, atol=2e-6), name
        assert not torch.allclose(parameter, given[name], atol=2e-5), name


def test_pairs_bring_texts_of_one_label_together(
    toy_cell: MakeCell, still: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell("setfit", recipe=replace(still, epochs=4), options=(("rate", 1e-3), ("passes", 3.0)))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    split = group.splits["train"]
    labels = split.targets

    def gap(backbone: Any) -> float:
        with torch.no_grad():
            vectors = F.normalize(embeddings(backbone.model, split, np.arange(len(split))), dim=-1)
        alike = labels[:, None] == labels[None]
        similarity = vectors @ vectors.T
        return float(similarity[alike].mean() - similarity[~alike].mean())

    assert gap(pretrained(model, plan, cell, group).backbone) > gap(group.given) + 0.2


class Upper(Strategy):
    """Masked words are learnt by the upper layers; then nothing but a head learns."""

    name = "upper"
    summary = "masked words by the upper layers, then a head"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        upper = (("layers.2.*", 1e-4), ("layers.3.*", 3e-4), ("*", FROZEN))
        return (Phase(1.0, upper, objective="masked-lm"), Phase(1.0))


@pytest.fixture
def upper(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> tuple[Cell, CellGroup]:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "upper", Upper)
    cell = toy_cell("upper")
    return cell, prepare_group(cell, toy_context)


def test_blocks_that_do_not_learn_run_without_dropout_and_stay_as_they_are(
    upper: tuple[Cell, CellGroup], toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, group = upper
    model, plan = build(cell, group, toy_context)
    modes: set[tuple[bool, ...]] = set()
    real = pretraining._MaskedWords.loss

    def noted(objective: pretraining._MaskedWords, index: np.ndarray) -> torch.Tensor:
        blocks = [model.backbone.modules_of(block) for block in range(group.given.depth + 1)]
        modes.add(tuple(any(part.training for part in block) for block in blocks))
        return real(objective, index)

    monkeypatch.setattr(pretraining._MaskedWords, "loss", noted)
    found = pretrained(model, plan, cell, group)
    assert modes == {(False, False, False, True, True)}
    given = group.given.named_parameters()
    for name, parameter in found.backbone.named_parameters().items():
        assert torch.equal(parameter, given[name]) is not name.startswith(("layers.2.", "layers.3.")), name
    assert not any(part.training for part in model.encoder_modules())


def test_the_layers_before_the_output_learn_at_the_largest_rate_and_do_not_decay(
    upper: tuple[Cell, CellGroup], toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A linear map with its bias, a norm with its bias, and the bias of the words."""
    made = noted(monkeypatch, "AdamW")
    cell, group = upper
    model, plan = build(cell, group, toy_context)
    words = len(group.splits["train"].vocabulary())
    assert words < model.backbone.rows
    pretrained(model, plan, cell, group)
    *encoder, extra = made[0].param_groups
    assert {(entry["rate"], entry["weight_decay"]) for entry in encoder} == {
        (rate, decay) for rate in (1e-4, 3e-4) for decay in (0.0, cell.recipe.weight_decay)
    }
    assert (extra["rate"], extra["weight_decay"]) == (3e-4, 0.0)
    assert [tuple(p.shape) for p in extra["params"]] == [(32, 32), (32,), (32,), (32,), (words,)]
    assert all(p.detach().std() > 0 for p in extra["params"])  # none is as it began but the first


@pytest.mark.parametrize("rows", [1, 8])
def test_where_chance_masks_no_word_one_is_masked(
    rows: int, upper: tuple[Cell, CellGroup], toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, group = upper
    model, _ = build(cell, group, toy_context)
    monkeypatch.setattr(pretraining, "MASKED", 0.0)
    asked: list[torch.Tensor] = []
    real = F.cross_entropy
    monkeypatch.setattr(F, "cross_entropy", lambda logits, words: asked.append(words) or real(logits, words))
    objective = pretraining._MaskedWords(model, group.splits["train"], group.words, np.random.default_rng(0))
    with objective:
        losses = [float(objective.loss(np.arange(rows)).detach()) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert [len(words) for words in asked] == [1] * 20
    occurring = group.splits["train"].vocabulary()
    found = {int(occurring[int(word)]) for word in asked}
    assert not found & set(group.words.special)
    assert len(found) > 1


def test_random_embeddings_are_as_widely_spread_as_the_table() -> None:
    table = torch.randn(50, 32, generator=torch.Generator().manual_seed(0)) * 0.02
    words = Words(torch.ones(32), (0,), torch.ones(40, 32))
    first, again, other = (words.redrawn(table, seed) for seed in (3, 3, 4))
    assert first.mask is not None
    assert first.rows is not None
    assert other.rows is not None
    assert (first.mask.shape, first.rows.shape) == ((32,), (40, 32))
    assert float(first.rows.std()) == pytest.approx(0.02, rel=0.1)
    assert float(first.mask.std()) == pytest.approx(0.02, rel=0.4)
    assert again.rows is not None
    assert torch.equal(first.rows, again.rows)
    assert not torch.equal(first.rows, other.rows)
    none = Words(None, (0,)).redrawn(table, 3)
    assert (none.mask, none.rows, none.special) == (None, None, (0,))


class Shown:
    """Keeps what an encoder was given and the logits' targets that follow from it."""

    def __init__(self, backbone: Any) -> None:
        self.inputs: list[torch.Tensor] = []
        self._run = backbone.run

    def __call__(self, inputs: torch.Tensor, *rest: Any) -> torch.Tensor:
        self.inputs.append(inputs.clone())
        return self._run(inputs, *rest)


def test_a_seventh_of_the_words_is_masked_and_special_ones_never(
    toy_cell: MakeCell, still: Recipe, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = toy_cell("tapt", recipe=still, options=(("passes", 20.0),))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    shown = Shown(model.backbone)
    monkeypatch.setattr(model.backbone, "run", shown)
    rows = model.backbone.rows
    pretrained(model, plan, cell, group)

    split, (phase,) = group.splits["train"], plan.pretraining
    order = shuffled(split.lengths, 8, derived_seed(0, "order"))
    masked = words = 0
    for inputs in shown.inputs:
        batch = split.batch(next(order))
        special = torch.isin(batch.tokens, torch.tensor(group.words.special)) | ~batch.mask.bool()
        assert torch.equal(inputs[special], batch.tokens[special])
        masked += int((inputs == rows).sum())  # the mask token's row comes after all others
        words += int((~special).sum())
    assert len(shown.inputs) == phase.steps
    # 0.15 of the words, of which 0.8 become the mask token
    assert masked / words == pytest.approx(0.12, abs=3 * (0.12 * 0.88 / words) ** 0.5)


def test_masked_words_are_learnt_and_the_table_keeps_its_rows(
    toy_cell: MakeCell, still: Recipe, toy_context: RunContext
) -> None:
    cell = toy_cell("tapt", recipe=still, options=(("passes", 40.0), ("pretraining_rate", 1e-3)))
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    rows, losses = model.backbone.rows, []
    real = F.cross_entropy

    def noted(*arguments: Any, **options: Any) -> torch.Tensor:
        losses.append(real(*arguments, **options))
        return losses[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "cross_entropy", noted)
        found = pretrained(model, plan, cell, group)
    assert found.backbone.rows == rows == found.backbone.table.weight.shape[0]
    values = [loss.item() for loss in losses]
    assert np.mean(values[-10:]) < np.mean(values[:10]) - 0.3


def test_its_seconds_and_operations_are_counted(
    toy_cell: MakeCell, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    longer, _ = run_cell(
        long := toy_cell("tapt", options=(("passes", 6.0),)),
        prepare_group(long, toy_context),
        toy_context,
        lambda point: None,
    )
    full, _ = run_cell(toy_cell("full"), prepare_group(long, toy_context), toy_context, lambda point: None)
    assert longer.flops == pytest.approx(7 * full.flops)
    assert longer.seconds.train > 2 * full.seconds.train
    assert longer.trainable == full.trainable


@pytest.mark.parametrize("strategy", ["setfit", "tapt"])
def test_weights_in_bf16_are_trained_in_fp32(
    strategy: str, toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted(monkeypatch, "AdamW")
    cell = toy_cell(strategy)
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    model.backbone.cast(torch.bfloat16)
    found = pretrained(model, plan, cell, group)
    assert {p.dtype for entry in made[0].param_groups for p in entry["params"]} == {torch.float32}
    assert {p.dtype for p in found.backbone.named_parameters().values()} == {torch.float32}


class Twice(Upper):
    name = "twice"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        words, head = super().phases(depth)
        return (words, words, head)


def test_a_second_phase_of_an_objective_draws_anew(
    toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(toy_context.registry.plugins.strategies, "twice", Twice)
    cell = toy_cell("twice")
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    shown = Shown(model.backbone)
    monkeypatch.setattr(model.backbone, "run", shown)
    pretrained(model, plan, cell, group)
    half = plan.pretraining[0].steps
    assert len(shown.inputs) == 2 * half
    pairs = zip(shown.inputs[:half], shown.inputs[half:], strict=True)
    assert not any(torch.equal(first, second) for first, second in pairs)


@pytest.mark.parametrize(
    ("strategy", "task", "code"),
    [("setfit", "toy-ner", "needs-labels"), ("setfit", "toy-qa", "needs-labels")],
)
def test_an_objective_that_does_not_fit_says_so(
    strategy: str, task: str, code: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell(strategy, task)
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    with pytest.raises(BenchError) as error:
        pretrained(model, plan, cell, group)
    assert error.value.code == code
    assert toy_context.registry.incompatible(cell)


def test_a_tokenizer_without_a_mask_token_is_refused(toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("tapt")
    group: CellGroup = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    with pytest.raises(BenchError) as error:
        pretrain(model, plan.pretraining[0], group.splits["train"], cell.recipe, 0, Words(None, ()))
    assert error.value.code == "no-mask-token"


@pytest.mark.parametrize(("strategy", "drawn"), [("setfit", "pairs"), ("tapt", "masked words")])
def test_where_steps_are_captured_the_record_says_that_these_are_not(
    strategy: str, drawn: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    capturing = replace(toy_context, device=replace(toy_context.device, few_shapes=True))
    reason = f"pretraining steps launched one by one: their {drawn} are drawn on the CPU"
    for context, said in ((capturing, True), (toy_context, False)):
        cell = toy_cell(strategy)
        record, _ = run_cell(cell, prepare_group(cell, context), context, lambda _: None)
        assert (reason in record.adaptations) == said
