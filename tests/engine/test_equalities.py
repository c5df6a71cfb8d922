"""Every optimisation against the plain path, on the CPU and, with `pytest --device cuda -m gpu`, on a GPU.

In fp32 without TF32 and without dropout, so that two paths differ in nothing but the order of sums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.contracts import Cell, Recipe
from bench.data.batches import shuffled
from bench.data.sources import Sources
from bench.engine.attempt import Attempt, attempt
from bench.engine.cell import build, headline, run_cells, train
from bench.engine.compiling import missing_compiler
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.memory import Budget, tiers
from bench.engine.prefix import Prefix, Storage
from bench.engine.training import Fit, derived_seed, fit
from bench.engine.tuning import Trained
from bench.engine.workspaces import Workspaces
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.peers.model import EncoderWithHead
from bench.peers.schedule import Thaw, optimizer_and_schedule
from bench.registry import Registry, discover
from tests.support import made_up

pytestmark = pytest.mark.gpu

EXACT = 1e-4  # of a loss, in fp32: sums in another order
LOW = 5e-2  # of a loss after training, bf16 against fp32
MakeCell = Callable[..., Cell]


@pytest.fixture(scope="module", autouse=True)
def no_tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture(scope="module")
def size(device: Device) -> tuple[str, int]:
    """The encoder's shape, and training rows: tiny on a CPU, as large as MiniLM on a GPU."""
    return ("tiny", 48) if device.torch.type == "cpu" else ("minilm-size", 256)


@pytest.fixture(scope="module")
def encoder(size: tuple[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up.save_encoder(tmp_path_factory.mktemp("encoders") / size[0], made_up.SHAPES[size[0]])


@pytest.fixture(scope="module")
def cell(size: tuple[str, int], encoder: Path) -> MakeCell:
    """`cell(strategy, **options)` on the made-up encoder and rows."""
    recipe = Recipe(
        train=size[1],
        validation=size[1] // 4,
        test=size[1] // 4,
        epochs=2,
        batch_size=16,
        dropout=0.0,
        encoder_dropout=0.0,
    )
    return lambda strategy, **options: Cell(
        "made-up", "made-up-short", strategy, str(encoder), 0, recipe, tuple(options.items())
    )


@pytest.fixture(scope="module")
def context(device: Device, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    plugins = discover([Path(made_up.__file__)])
    sources = Sources(cache=tmp_path_factory.mktemp("cache"))
    return RunContext(Registry(plugins, sources), replace(device, dtype=torch.float32))


@pytest.fixture(scope="module")
def group(cell: MakeCell, context: RunContext) -> CellGroup:
    return prepare_group(cell("full"), context)


def run(cell: Cell, group: CellGroup, context: RunContext) -> Trained:
    return train(cell, 1.0, group, context, lambda _: None)


def losses(fitted: Fit) -> list[float]:
    return [point.loss for point in fitted.curve]


def with_cache(group: CellGroup, context: RunContext, size: float) -> CellGroup:
    """The group with an empty cache of at most so many bytes."""
    storage = Storage(Budget({tiers(context.device.torch)[0]: size}))
    prefix = Prefix(group.frozen, group.splits, group.prefix._head, context.device, storage)
    return replace(group, prefix=prefix)


def test_the_trimmed_table_gives_what_the_whole_one_gives(encoder: Path, group: CellGroup) -> None:
    from transformers import AutoModel

    model = AutoModel.from_pretrained(encoder, dtype=torch.float32)
    whole = HuggingFaceEncoder(model.eval(), "whole")
    part = whole.copy()
    tokens = torch.from_numpy(group.encoded["validation"].tokens[:64]).long()[None]
    ids = torch.from_numpy(part.trim(torch.unique(tokens).numpy())).long()
    where = group.prefix._device.torch
    whole.to(where)
    part.to(where)
    assert part.rows < whole.rows
    mask = torch.ones_like(tokens).to(where)
    with torch.no_grad():
        expected = whole.run(tokens.to(where), mask, None)
        found = part.run(ids[tokens].to(where), mask, None)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_cached_prefixes_equal_recomputed_ones(cell: MakeCell, group: CellGroup, context: RunContext) -> None:
    one = cell("gradual", stages=3)
    kept = run(one, group, context)
    assert kept.plan.boundaries
    again = run(one, with_cache(group, context, 0), context)
    assert losses(kept.fitted) == pytest.approx(losses(again.fitted), abs=EXACT)


@pytest.mark.parametrize("strategy", ["full", "top-layers", "gradual"])
def test_seeds_at_once_equal_each_seed_alone(
    strategy: str, cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    """With dropout: every seed draws its own masks, in graphs that run at the same time on a GPU."""
    one = cell(strategy)
    epochs = 8 if strategy == "gradual" else 2  # every phase has enough steps to be captured on a GPU
    recipe = replace(one.recipe, epochs=epochs, dropout=0.1, encoder_dropout=0.1)
    cells = [replace(one, seed=seed, recipe=recipe) for seed in range(4)]
    group = prepare_group(cells[0], context)
    together = run_cells(cells, group, replace(context, per_device=3), lambda *_: None)
    for number, (each, found) in enumerate(zip(cells, together, strict=True)):
        assert not isinstance(found, BaseException)
        record, _ = found
        alone = run(each, replace(group, workspaces=Workspaces()), context)
        assert [p.loss for p in record.curve] == pytest.approx(losses(alone.fitted), abs=EXACT)
        assert not any("one by one" in said for said in record.adaptations)
        assert record.machine
        assert record.machine.seeds_at_once == (3 if number else 1)


def test_a_tiny_cache_keeps_nothing_and_changes_nothing(
    cell: MakeCell, group: CellGroup, context: RunContext
) -> None:
    one = cell("top-layers", layers=1)
    tiny = with_cache(group, context, 1024)
    ran, whole = run(one, tiny, context), run(one, group, context)
    batch = group.splits["train"].batch(np.zeros(1, np.int64))
    for boundary in ran.plan.boundaries:
        assert tiny.prefix.gather("train", boundary, batch) is None
        assert group.prefix.gather("train", boundary, batch) is not None
    assert losses(ran.fitted) == pytest.approx(losses(whole.fitted), abs=EXACT)


def test_micro_batches_equal_the_batch(cell: MakeCell, group: CellGroup, context: RunContext) -> None:
    found = []
    for size in (0, 4):
        model, plan = build(cell("full"), group, context)
        model = replace(model, micro_batch=size)
        recipe = cell("full").recipe
        fitted = fit(model, plan, group.splits, recipe, 0, partial(headline, group, recipe), lambda _: None)
        found.append(losses(fitted))
    assert found[0] == pytest.approx(found[1], abs=EXACT)


def test_what_is_frozen_keeps_its_bits(cell: MakeCell, group: CellGroup, context: RunContext) -> None:
    given = {name: p.detach().clone() for name, p in group.given.named_parameters().items()}
    trained = run(cell("top-layers", layers=1), group, context)
    after = trained.model.parameters()
    frozen = [name for name in given if name not in trained.plan.learning]
    assert frozen
    assert all(torch.equal(given[name], after[name]) for name in frozen)


def test_training_in_bf16_ends_where_fp32_ends(cell: MakeCell, group: CellGroup, context: RunContext) -> None:
    low = replace(context, device=replace(context.device, dtype=torch.bfloat16))
    one = cell("full")
    found = losses(run(one, prepare_group(one, low), low).fitted)
    assert found == pytest.approx(losses(run(one, group, context).fitted), abs=LOW)


def test_the_engine_equals_a_plain_loop(
    cell: MakeCell, group: CellGroup, context: RunContext, encoder: Path
) -> None:
    """The whole table, padded batches, torch's AdamW and schedule; compared by how a weight has moved."""
    one = cell("full")
    ours = run(one, group, context)
    best = ours.fitted.curve[-1].loss == ours.fitted.loss
    assert best, "an earlier state was restored: choose a recipe that still learns at its end"
    name = f"layers.{group.given.depth - 1}.output.dense.weight"
    given = group.given.named_parameters()[name].detach()
    moved = ours.model.parameters()[name].detach() - given
    theirs = plain_loop(one, group, context, encoder)[name].detach() - given
    assert float(moved.abs().max()) > 0
    assert float((moved - theirs).abs().max() / moved.abs().max()) < 2e-2


def plain_loop(cell: Cell, group: CellGroup, context: RunContext, encoder: Path) -> dict[str, nn.Parameter]:
    """Train as one writes it without this engine; the parameters by the names that plans use."""
    from transformers import AutoModel

    model, plan = build(cell, group, context)
    names = list(group.given.named_parameters())
    bare: Any = AutoModel.from_pretrained(encoder, dtype=torch.float32, add_pooling_layer=False)
    for module in bare.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    peer = EncoderWithHead(bare, "pooled", len(group.labels), cell.recipe)
    linear: Any = model.head.map[-1]
    peer.classifier.load_state_dict(linear.state_dict())
    peer.to(context.device.torch)
    parameters = dict(zip(names, bare.parameters(), strict=True))
    parameters |= {
        f"head.{name}": p
        for name, p in zip(("map.1.weight", "map.1.bias"), peer.classifier.parameters(), strict=True)
    }
    assert parameters.keys() == model.parameters().keys()
    optimizer, schedule = optimizer_and_schedule(plan, parameters, cell.recipe)
    thaw = Thaw(plan, parameters)
    rows = group.encoded["train"]
    batches = shuffled(rows.lengths, cell.recipe.batch_size, derived_seed(cell.seed, "order"))
    peer.train()
    for step in range(plan.steps):
        thaw.on_step_begin(None, SimpleNamespace(global_step=step), None)
        batch = {name: part.to(context.device.torch) for name, part in padded(rows, next(batches)).items()}
        peer(**batch)["loss"].backward()
        nn.utils.clip_grad_norm_(peer.parameters(), cell.recipe.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return parameters


def padded(rows: Any, index: np.ndarray) -> dict[str, Tensor]:
    """A batch padded to its longest row."""
    ids = [torch.from_numpy(rows.tokens[rows.offsets[i] : rows.offsets[i + 1]]).long() for i in index]
    tokens = nn.utils.rnn.pad_sequence(ids, batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return {"input_ids": tokens, "attention_mask": mask, "labels": torch.from_numpy(rows.targets[index])}


def test_on_lack_of_memory_a_cell_finishes_in_smaller_parts(cell: MakeCell, context: RunContext) -> None:
    """With three quarters of the memory that the cell takes when it has all."""
    where = context.device.torch
    if where.type != "cuda":
        pytest.skip("limits the memory of a GPU")
    one = replace(cell("full"), recipe=replace(cell("full").recipe, batch_size=128))
    terms = Attempt(prepare_group, lambda *_: None, lambda *_: "")
    torch.cuda.empty_cache()
    base = torch.cuda.memory_allocated(where)
    ((whole, _),) = attempt([one], context, terms)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(where).total_memory
    number = torch.cuda.current_device()  # here torch wants a number
    torch.cuda.set_per_process_memory_fraction((base + 0.75 * (whole.peak_memory - base)) / total, number)
    try:
        ((tight, _),) = attempt([one], context, terms)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, number)
    assert tight.status == "done", tight.reason
    assert any("micro-batch" in change for change in tight.adaptations)


@pytest.mark.filterwarnings("ignore")  # of the compiler itself: without TF32 it warns that TF32 is off
def test_compiled_layers_equal_uncompiled_ones(cell: MakeCell, group: CellGroup, context: RunContext) -> None:
    if context.device.torch.type != "cuda":
        pytest.skip("on a CPU compiling takes most of a minute: tests/engine/test_compiling.py")
    if reason := missing_compiler(context.device.torch):
        pytest.skip(reason)
    plain = run(cell("full"), group, context)
    compiled = run(cell("full"), group, replace(context, compiled=True))
    assert compiled.fitted.compile_seconds > plain.fitted.compile_seconds
    assert losses(compiled.fitted) == pytest.approx(losses(plain.fitted), abs=EXACT)
