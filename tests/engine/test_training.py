"""The training loop: its schedule, clipping, early stopping, seeds, batches, and prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.contracts import Cell, Recipe
from bench.data.batches import Batch, epoch_steps, shuffled
from bench.engine import training
from bench.engine.cell import build
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.optimizer import FlatAdamW, decays
from bench.engine.training import Fit, Model, derived_seed, fit, predict
from bench.runs.record import Point

MakeCell = Callable[..., Cell]


@pytest.fixture(scope="module")
def group(toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell(), toy_context)


@pytest.fixture
def steps() -> Iterator[list[dict[str, Any]]]:
    """What the optimizer had at each step: by group the rate, decay and parameters; and the norm of the gradient
    that it steps with."""
    seen: list[dict[str, Any]] = []

    def note(optimizer: Any, *_: Any) -> None:
        groups = [
            (float(group["lr"]), group["weight_decay"], group["params"]) for group in optimizer.param_groups
        ]
        gradients = [p.grad.norm() for _, _, params in groups for p in params if p.grad is not None]
        seen.append({"groups": groups, "norm": float(torch.stack(gradients).norm() / optimizer.grad_scale)})

    handle = register_optimizer_step_pre_hook(note)
    yield seen
    handle.remove()


def train(
    cell: Cell, group: CellGroup, context: RunContext, watch: Callable[[Point], None] = lambda point: None
) -> tuple[Model, Fit]:
    model, plan = build(cell, group, context)
    return model, fit(model, plan, group.splits, cell.recipe, cell.seed, lambda logits: 0.0, watch)


def test_rates_warm_up_and_fall_to_zero_in_a_straight_line(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    steps: list[dict[str, Any]],
) -> None:
    recipe = replace(toy_recipe, epochs=8 / 5, warmup=0.25)
    train(toy_cell("frozen", recipe=recipe, options=(("head_rate", 1.0),)), group, toy_context)
    expected = [1 / 3, 2 / 3, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    assert [step["groups"][0][0] for step in steps] == pytest.approx(expected)


def test_every_phase_has_a_schedule_of_its_own(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    steps: list[dict[str, Any]],
) -> None:
    recipe = replace(toy_recipe, epochs=8 / 5, warmup=0.0)
    options = (("probe_rate", 8.0), ("rate", 4e-4))
    train(toy_cell("lp-ft", recipe=recipe, options=options), group, toy_context)
    rates = [max(rate for rate, _, _ in step["groups"]) for step in steps]
    assert rates == pytest.approx([8, 6, 4, 2, 4e-4, 3e-4, 2e-4, 1e-4])


def test_the_gradient_is_clipped_as_a_whole(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    steps: list[dict[str, Any]],
) -> None:
    train(toy_cell(recipe=replace(toy_recipe, clip=1e-3)), group, toy_context)
    assert [step["norm"] for step in steps] == pytest.approx([1e-3] * len(steps), rel=1e-2)


def test_matrices_of_layers_and_head_decay_and_nothing_else_does(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    cell = toy_cell(recipe=replace(toy_recipe, weight_decay=0.25))
    model, plan = build(replace(cell, strategy="full"), group, toy_context)
    shapes = {name: parameter.dim() for name, parameter in model.parameters().items()}
    optimizer = FlatAdamW(model.parameters(), plan, cell.recipe, torch.float32)
    decays = {name: group.decay for group in optimizer.groups for name in group.names}
    for name, dimensions in shapes.items():
        matrix = dimensions == 2 and not name.startswith("embeddings.")
        assert decays[name] == (0.25 if matrix else 0.0), name


@pytest.mark.parametrize(
    ("name", "shape", "decayed"),
    [
        ("layers.0.attention.self.query.ia3_l.default", (32, 1), False),
        ("layers.0.output.dense.ia3_l.default", (1, 64), False),
        ("layers.1.rel_attn.r_w_bias", (4, 8), False),
        ("layers.1.rel_attn.seg_embed", (2, 4, 8), False),
        ("layers.0.attention.self.query.lora_A.default.weight", (1, 32), True),
        ("head.map.1.weight", (1, 32), True),
    ],
)
def test_two_dimensions_make_no_weight_of_a_scale_or_a_bias(
    name: str, shape: tuple[int, ...], decayed: bool
) -> None:
    assert decays(name, torch.empty(shape)) == decayed


def script(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Let the validation loss be this, evaluation by evaluation."""
    left = iter(losses)
    logits = np.arange(24, dtype=np.float32).reshape(12, 2)
    monkeypatch.setattr(training, "predict", lambda *_: (logits, next(left)))


@pytest.mark.parametrize("strategy", ["full", "lp-ft"])
def test_the_last_state_is_validated_wherever_it_falls(
    strategy: str, toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    """Eight steps, of five an epoch."""
    _, result = train(toy_cell(strategy, recipe=replace(toy_recipe, epochs=8 / 5)), group, toy_context)
    assert [point.step for point in result.curve] == [5, 8]


def test_patience_is_counted_in_the_last_phase_alone(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(monkeypatch, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    recipe = replace(toy_recipe, epochs=10, patience=2)
    _, result = train(toy_cell("lp-ft", recipe=recipe), group, toy_context)
    assert [point.phase for point in result.curve] == [1, 1, 1, 1, 1, 2, 2]


def test_a_better_loss_restarts_the_patience(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(monkeypatch, [3, 4, 2, 3, 3, 9])
    recipe = replace(toy_recipe, epochs=6, patience=2)
    _, result = train(toy_cell(recipe=recipe), group, toy_context)
    assert [point.loss for point in result.curve] == [3, 4, 2, 3, 3]


def test_an_equal_loss_is_not_better_and_the_first_of_equals_is_kept(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(monkeypatch, [2, 2, 2, 2])
    states: list[torch.Tensor] = []
    cell = toy_cell("full", recipe=replace(toy_recipe, epochs=4, patience=2))
    model, plan = build(cell, group, toy_context)
    weight = model.parameters()["head.map.1.weight"]

    def note(_: Point) -> None:
        states.append(weight.detach().clone())

    result = fit(model, plan, group.splits, cell.recipe, 0, lambda logits: 0.0, note)
    assert len(result.curve) == 3
    assert torch.equal(weight, states[0])
    assert not torch.equal(weight, states[1])


def test_a_model_that_says_the_same_of_every_text_has_collapsed(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "predict", lambda *_: (np.ones((12, 2)), 0.5))
    with pytest.raises(Diverged, match="after step 5 all 12 outputs are the same"):
        train(toy_cell("full"), group, toy_context)


@pytest.mark.parametrize(("strategy", "best"), [("full", 1), ("lp-ft", 0), ("lp-ft", 3), ("gradual", 2)])
def test_the_best_validation_state_is_restored(
    strategy: str,
    best: int,
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script(monkeypatch, [0.5 if number == best else 1.0 for number in range(4)])
    states: list[dict[str, torch.Tensor]] = []
    cell = toy_cell(strategy, recipe=replace(toy_recipe, epochs=4, patience=9))
    model, plan = build(replace(cell, strategy=strategy), group, toy_context)

    def note(point: Point) -> None:
        states.append({n: p.detach().clone() for n, p in model.parameters().items()})

    fit(model, plan, group.splits, cell.recipe, 0, lambda logits: 0.0, note)
    assert all(torch.equal(p, states[best][n]) for n, p in model.parameters().items())
    assert not all(torch.equal(p, states[best - 1][n]) for n, p in model.parameters().items())


def order(
    cell: Cell, group: CellGroup, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> list[list[int]]:
    """The training batches of a cell, as indices."""
    seen: list[list[int]] = []
    split = group.splits["train"]
    real = type(split).gather

    def noted(rows: torch.Tensor, length: int) -> Batch:
        seen.append(rows.tolist())
        return real(split, rows, length)

    with monkeypatch.context() as patch:
        patch.setattr(split, "gather", noted)
        train(cell, group, context)
    return seen


def test_the_order_depends_on_the_seed_alone(
    toy_cell: MakeCell,
    group: CellGroup,
    toy_context: RunContext,
    toy_recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = order(toy_cell("full"), group, toy_context, monkeypatch)
    assert len(first) == 10
    for name in ("gradual", "frozen", "scratch"):
        assert order(toy_cell(name), group, toy_context, monkeypatch) == first
    no_dropout = toy_cell("full", recipe=replace(toy_recipe, dropout=0.0))
    assert order(no_dropout, group, toy_context, monkeypatch) == first
    assert order(toy_cell("full", seed=1), group, toy_context, monkeypatch) != first


def test_the_heads_first_weights_depend_on_the_seed_alone(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext
) -> None:
    def head(name: str, seed: int) -> torch.Tensor:
        model, _ = build(toy_cell(name, seed=seed), group, toy_context)
        return model.parameters()["head.map.1.weight"]

    torch.manual_seed(123)
    first = head("full", 0)
    assert all(torch.equal(head(name, 0), first) for name in ("full", "frozen", "scratch"))
    assert not torch.equal(head("full", 1), first)


def test_every_purpose_has_a_seed_of_its_own() -> None:
    seeds = {
        derived_seed(seed, name) for seed in range(50) for name in ("head", "encoder", "order", "dropout")
    }
    assert len(seeds) == 200


def test_a_derived_seed_is_the_beginning_of_a_hash() -> None:
    """Another seed would give another run under the same name."""
    assert derived_seed(3, "order") == int(hashlib.sha256(b"3:order").hexdigest()[:8], 16)


@pytest.mark.parametrize(("sequences", "batch_size"), [(1, 4), (7, 4), (8, 4), (700, 4)])
def test_every_sequence_occurs_once_an_epoch(sequences: int, batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 50, sequences)
    batches = shuffled(lengths, batch_size, seed=0)
    epochs = [[next(batches) for _ in range(epoch_steps(sequences, batch_size))] for _ in range(2)]
    for epoch in epochs:
        assert sorted(np.concatenate(epoch)) == list(range(sequences))
        assert max(map(len, epoch)) <= batch_size
    if sequences > batch_size:
        assert [b.tolist() for b in epochs[0]] != [b.tolist() for b in epochs[1]]


def test_batches_hold_sequences_of_like_length_in_a_random_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 640)
    batches = shuffled(lengths, 10, seed=0)
    found = [lengths[next(batches)] for _ in range(64)]
    padded = sum(len(batch) * batch.max() for batch in found)
    assert padded < 1.2 * lengths.sum() < 640 * 500
    longest = [int(batch.max()) for batch in found]
    assert longest != sorted(longest)
    assert longest[:16] != sorted(longest[:16])


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("strategy", ["full", "top-layers"])
def test_predictions_in_buckets_are_predictions_one_by_one(
    task: str, strategy: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    cell = toy_cell(strategy, task)
    group = prepare_group(cell, toy_context)
    model, plan = build(replace(cell, strategy=strategy), group, toy_context)
    split, phase = group.splits["test"], plan.phases[-1]
    assert len(set(split.lengths.tolist())) > 1
    packed, loss = predict(model, "test", split, phase)
    alone = []
    with torch.no_grad():
        for number in range(len(split)):
            batch = split.batch(np.array([number]))
            assert batch.mask.all()
            alone.append(model.logits("test", batch, phase)[0].reshape(-1, packed.shape[-1]).numpy())
    assert np.allclose(packed, np.concatenate(alone), atol=1e-5)
    assert np.isfinite(loss)


def test_a_phase_with_patience_ends_when_the_validation_loss_stands_still(
    toy_cell: MakeCell, group: CellGroup, toy_context: RunContext, toy_recipe: Recipe
) -> None:
    recipe = replace(toy_recipe, epochs=8, evaluations=5, patience=100)
    options = (("patience", 1), ("head_rate", 1e-12), ("rate", 1e-12))  # nothing gets better
    cell = toy_cell("gradual", recipe=recipe, options=options)
    model, plan = build(cell, group, toy_context)
    result = fit(model, plan, group.splits, recipe, 0, lambda logits: 0.0, lambda point: None)
    assert all(
        taken < phase.steps for taken, phase in zip(result.phase_steps[:-1], plan.phases, strict=False)
    )
    assert result.phase_steps[-1] == plan.phases[-1].steps
    assert result.curve[-1].step == result.steps


@pytest.mark.parametrize(
    ("steps", "taken", "every"), [(10, 0, 5), (10, 3, 4), (3, 2, 5), (1, 0, 1), (7, 14, 7)]
)
def test_a_phase_pauses_where_validation_is_due_and_at_its_end(steps: int, taken: int, every: int) -> None:
    due = [step for step in range(1, steps + 1) if (taken + step) % every == 0 or step == steps]
    assert training._stops(steps, taken, every) == due
