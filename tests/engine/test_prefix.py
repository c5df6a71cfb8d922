"""The prefix cache: what it holds, within which budget, and what a cell is charged for it."""

from __future__ import annotations

import gc
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.contracts import Cell
from bench.engine.activation_store import ActivationStore
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.memory import Budget, Tier
from bench.engine.prefix import TRIALS, Prefix, Storage
from bench.models.heads import Head

MakeCell = Callable[..., Cell]
DEPTH = 4


@dataclass(frozen=True)
class Counting(Device):
    """A device whose clock is the number of layers that have run: a second a layer and batch."""

    layers_run: list[int] = field(default_factory=lambda: [0], hash=False)

    def clock(self) -> float:
        return float(self.layers_run[0])


@pytest.fixture(params=["toy-sentiment", "toy-ner", "toy-qa"])
def group(request: pytest.FixtureRequest, toy_cell: MakeCell, toy_context: RunContext) -> CellGroup:
    return prepare_group(toy_cell("full", request.param), toy_context)


@pytest.fixture
def device(group: CellGroup) -> Counting:
    device = Counting(torch.device("cpu"), torch.float32)

    def count(*_: Any) -> None:
        device.layers_run[0] += 1

    for block in range(1, DEPTH + 1):
        for module in group.given.modules_of(block):
            module.register_forward_hook(count)
    return device


def head_of(group: CellGroup, toy_cell: MakeCell) -> Head:
    return Head(group.task.head, group.given.width, len(group.labels) or 2, toy_cell().recipe)


def prefix_of(group: CellGroup, device: Device, toy_cell: MakeCell, left: float = 1e9) -> Prefix:
    storage = Storage(Budget({"memory": left}))
    return Prefix(group.given, group.splits, head_of(group, toy_cell), device, storage)


def batches(group: CellGroup) -> int:
    return len(list(group.splits["train"].in_order_of_length()))


def test_one_pass_fills_several_boundaries(group: CellGroup, device: Counting, toy_cell: MakeCell) -> None:
    prefix = prefix_of(group, device, toy_cell)
    prefix.fill("train", (2, 4, DEPTH + 1))
    assert device.layers_run[0] == DEPTH * batches(group)
    batch = group.splits["train"].batch(np.arange(4))
    assert all(prefix.gather("train", boundary, batch) is not None for boundary in (2, 4, DEPTH + 1))
    assert prefix.gather("train", 3, batch) is None
    assert prefix.gather("test", 2, batch) is None


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("other")])
def test_a_tier_without_the_memory_that_it_promised_is_passed_over(
    error: RuntimeError,
    group: CellGroup,
    device: Counting,
    toy_cell: MakeCell,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where another process has taken the GPU's memory since it was asked. Nothing has to run in smaller batches
    for it."""
    budget, allocate = Budget({"device": 1e9, "memory": 1e9}), torch.empty
    failures = [error]

    def empty(*shape: Any, **kind: Any) -> torch.Tensor:
        if failures:
            raise failures.pop()
        return allocate(*shape, **kind)

    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), device, Storage(budget))
    monkeypatch.setattr(torch, "empty", empty)
    if not isinstance(error, torch.OutOfMemoryError):
        with pytest.raises(RuntimeError, match="other"):
            prefix.fill("train", (2,))
        return
    prefix.fill("train", (2,))
    plain = prefix_of(group, device, toy_cell)
    plain.fill("train", (2,))
    kept, expected = prefix.features("train", 2), plain.features("train", 2)
    assert kept is not None
    assert expected is not None
    assert torch.equal(kept, expected)
    assert budget.place(int(1e9)) == "device"  # it was given back
    assert budget.place(int(1e9)) is None  # the part is in main memory


@pytest.mark.parametrize("tier", ["memory", "file"])
def test_a_pass_that_fails_leaves_nothing_that_passes_for_activations(
    tier: Tier,
    group: CellGroup,
    device: Counting,
    toy_cell: MakeCell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next cell that needs them fills the cache anew."""
    monkeypatch.setattr("bench.data.batches.CPU_TOKENS", 100)
    passes = itertools.count(1)

    def fail(*_: Any) -> None:
        if next(passes) == 2:
            raise RuntimeError("the second batch")

    budget = Budget({tier: 1e9})
    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), device, Storage(budget, tmp_path))
    (layer,) = group.given.modules_of(2)
    hook = layer.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="the second batch"):
        prefix.fill("train", (2, 3))
    hook.remove()
    assert prefix.features("train", 2) is prefix.features("train", 3) is None
    assert list(tmp_path.rglob("prefix-*/*")) == []
    assert budget.place(int(1e9)) == tier  # all of it was given back
    budget.release(tier, int(1e9))
    prefix.fill("train", (2, 3))
    plain = prefix_of(group, device, toy_cell)
    plain.fill("train", (2, 3))
    for boundary in (2, 3):
        kept, expected = (one.features("train", boundary) for one in (prefix, plain))
        assert kept is not None
        assert expected is not None
        assert torch.equal(kept, expected)


def test_what_is_kept_is_not_computed_again(group: CellGroup, device: Counting, toy_cell: MakeCell) -> None:
    prefix = prefix_of(group, device, toy_cell)
    prefix.fill("train", (3,))
    prefix.fill("train", (3,))
    assert device.layers_run[0] == 2 * batches(group)
    prefix.fill("train", (3, 5))
    assert device.layers_run[0] == 4 * batches(group)


@pytest.mark.parametrize("order", [[(2, 4, 5)], [(2,), (4,), (5,)], [(5,), (4,), (2,)], [(4,), (2, 5)]])
def test_the_charge_does_not_depend_on_what_was_filled_before(
    order: list[tuple[int, ...]], group: CellGroup, device: Counting, toy_cell: MakeCell
) -> None:
    prefix = prefix_of(group, device, toy_cell)
    for boundaries in order:
        prefix.fill("train", boundaries)
    for boundary in (2, 4, 5):
        assert prefix.seconds("train", (boundary,)) == (boundary - 1) * batches(group)
    assert prefix.seconds("train", (2, 5)) == DEPTH * batches(group)
    assert prefix.seconds("train", ()) == 0
    assert prefix.seconds("validation", (2, 5)) == 0


@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner"])
def test_in_bf16_pooled_vectors_are_kept_in_float32(
    task: str, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    """A head's arithmetic is float32, and a mean over tokens that is rounded to bf16 would differ from it."""
    low = Device(torch.device("cpu"), torch.bfloat16)
    group = prepare_group(toy_cell("full", task), replace(toy_context, device=low))
    prefix, split = group.prefix, group.splits["train"]
    prefix.fill("train", (3, DEPTH + 1))
    inner, end = prefix.features("train", 3), prefix.features("train", DEPTH + 1)
    assert inner is not None
    assert end is not None
    assert (inner.shape, inner.dtype) == ((split.tokens, group.given.width), torch.bfloat16)
    if task == "toy-sentiment":
        assert (end.shape, end.dtype) == ((len(split), group.given.width), torch.float32)
        assert not torch.equal(end, end.bfloat16().float())
    else:
        assert (end.shape, end.dtype) == ((split.tokens, group.given.width), torch.bfloat16)


@pytest.mark.parametrize("order", [[(2, 3, 5)], [(5,), (3,), (2,)]])
def test_what_is_kept_is_what_the_blocks_give(
    order: list[tuple[int, ...]], group: CellGroup, device: Counting, toy_cell: MakeCell
) -> None:
    prefix = prefix_of(group, device, toy_cell)
    for boundaries in order:
        prefix.fill("train", boundaries)
    split = group.splits["train"]
    batch = split.batch(np.arange(4))
    real = batch.mask.bool()
    for boundary in (2, 3, 5):
        kept = prefix.gather("train", boundary, batch)
        assert kept is not None
        with torch.no_grad():
            plain = group.given.run(batch.tokens, batch.mask, batch.segments, 0, boundary)
        if prefix.pools(boundary):
            pooled = head_of(group, toy_cell).pool(plain, batch.mask)
            assert torch.allclose(kept, pooled, atol=1e-5)
        else:
            assert torch.allclose(kept[real], plain[real], atol=1e-5)


def test_pooled_vectors_are_kept_where_all_is_frozen_and_the_head_pools(
    group: CellGroup, device: Counting, toy_cell: MakeCell
) -> None:
    prefix = prefix_of(group, device, toy_cell)
    prefix.fill("train", (DEPTH, DEPTH + 1))
    batch = group.splits["train"].batch(np.arange(4))
    below, last = (prefix.gather("train", boundary, batch) for boundary in (DEPTH, DEPTH + 1))
    assert below is not None
    assert last is not None
    assert below.shape[:-1] == batch.tokens.shape
    assert last.shape[:-1] == ((4,) if group.task.head == "pooled" else batch.tokens.shape)


def test_what_exceeds_the_budget_is_not_kept(group: CellGroup, device: Counting, toy_cell: MakeCell) -> None:
    size = group.splits["train"].tokens * group.given.width * 4
    prefix = prefix_of(group, device, toy_cell, left=1.5 * size)
    prefix.fill("train", (2, 3))
    batch = group.splits["train"].batch(np.arange(4))
    assert prefix.gather("train", 2, batch) is not None
    assert prefix.gather("train", 3, batch) is None
    assert device.layers_run[0] == batches(group)


def test_without_any_budget_the_results_are_the_same(toy_cell: MakeCell, toy_context: RunContext) -> None:
    from bench.engine.cell import run_cell

    cell = toy_cell("gradual")
    group = prepare_group(cell, toy_context)
    poor = replace(group, prefix=prefix_of(group, toy_context.device, toy_cell, left=0))
    first, tests = run_cell(cell, group, toy_context, lambda point: None)
    second, again = run_cell(cell, poor, toy_context, lambda point: None)
    assert tests == again
    assert [p.loss for p in first.curve] == pytest.approx([p.loss for p in second.curve], abs=1e-5)
    assert second.seconds.prefix == 0 < first.seconds.prefix


def stored(
    group: CellGroup, toy_cell: MakeCell, device: Device, storage: Storage, *boundaries: int
) -> dict[int, torch.Tensor]:
    """What a cache of this storage gives for a batch, by boundary."""
    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), device, storage)
    prefix.fill("train", boundaries)
    batch = group.splits["train"].batch(np.arange(4))
    found = {boundary: prefix.gather("train", boundary, batch) for boundary in boundaries}
    return {boundary: kept for boundary, kept in found.items() if kept is not None}


def test_a_mapped_file_holds_the_same_bits_as_memory_and_goes_with_the_cache(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path
) -> None:
    memory = stored(group, toy_cell, device, Storage(Budget({"memory": 1e9})), 2, DEPTH + 1)
    prefix = Prefix(
        group.given,
        group.splits,
        head_of(group, toy_cell),
        device,
        Storage(Budget({"memory": 0, "file": 1e9}), tmp_path),
    )
    prefix.fill("train", (2, DEPTH + 1))
    batch = group.splits["train"].batch(np.arange(4))
    assert len(list(tmp_path.rglob("prefix-*/*"))) == 2
    for boundary, kept in memory.items():
        mapped = prefix.gather("train", boundary, batch)
        assert mapped is not None
        assert torch.equal(mapped, kept)
    del prefix
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_made(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path
) -> None:
    folder = tmp_path / "cache" / "work"
    assert 2 in stored(group, toy_cell, device, Storage(Budget({"file": 1e9}), folder), 2)
    assert folder.is_dir()


def test_a_full_disk_keeps_nothing_and_takes_nothing(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks are reserved: writing beyond them would end the process."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    size = group.splits["train"].tokens * group.given.width * 4
    budget = Budget({"file": size})
    prefix = Prefix(
        group.given, group.splits, head_of(group, toy_cell), device, Storage(budget, tmp_path / "work")
    )
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        prefix.fill("train", (2,))
    assert prefix.features("train", 2) is None
    assert device.layers_run[0] == 0
    prefix.fill("train", (2,))
    assert prefix.features("train", 2) is None  # it was refused once
    assert budget.place(size) == "file"


@dataclass(frozen=True)
class Slow(Device):
    """A device on which running a block takes no time, and a look at the clock a second."""

    looks: list[int] = field(default_factory=lambda: [0], hash=False)

    def clock(self) -> float:
        self.looks[0] += 1
        return float(self.looks[0])


def on_slow_files(
    group: CellGroup, toy_cell: MakeCell, folder: Path, spent: float, tier: Tier = "file"
) -> Prefix:
    """Filled at boundary 2, as if the blocks before it had taken `spent` seconds."""
    slow = Slow(torch.device("cpu"), torch.float32)
    storage = Storage(Budget({tier: 1e9}), folder)
    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), slow, storage)
    prefix._spent["train"] = {0: spent}
    prefix.fill("train", (2,))
    return prefix


def test_a_file_that_reads_slower_than_the_blocks_run_is_given_up(
    group: CellGroup, toy_cell: MakeCell, tmp_path: Path
) -> None:
    prefix = on_slow_files(group, toy_cell, tmp_path, -1e6)
    assert prefix.gather("train", 2, group.splits["train"].batch(np.arange(2))) is None
    assert list(tmp_path.rglob("prefix-*/*")) == []
    prefix.fill("train", (2,))
    assert prefix.features("train", 2) is None
    assert prefix._made == 1  # it is not tried again


def test_what_is_in_memory_is_kept_however_long_reading_it_takes(
    group: CellGroup, toy_cell: MakeCell, tmp_path: Path
) -> None:
    prefix = on_slow_files(group, toy_cell, tmp_path, -1e6, tier="memory")
    assert prefix.features("train", 2) is not None


def test_a_deterministic_run_keeps_a_file_however_long_reading_it_takes(
    group: CellGroup, toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.engine.prefix.is_deterministic", lambda: True)
    assert on_slow_files(group, toy_cell, tmp_path, -1e6).features("train", 2) is not None


@pytest.mark.parametrize(("times", "kept"), [(1.01, True), (0.99, False)])
def test_the_time_to_read_a_file_is_taken_from_its_first_batches(
    times: float, kept: bool, group: CellGroup, toy_cell: MakeCell, tmp_path: Path
) -> None:
    """They take a second; the whole split takes as much for each of its rows."""
    part = group.splits["train"]
    prefix = on_slow_files(group, toy_cell, tmp_path, 1e6)
    rows = sum(len(batch.index) for batch in itertools.islice(part.in_order(), TRIALS))
    prefix._spent["train"][2] = times * len(part) / rows
    prefix._drop_if_slow("train", 2)
    assert (prefix.gather("train", 2, part.batch(np.arange(2))) is not None) == kept


def test_another_run_finds_what_this_one_computed_and_is_charged_for_it(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path
) -> None:
    def storage(content: str) -> Storage:
        return Storage(Budget({"memory": 1e9}), activations=ActivationStore(tmp_path, 10**9), content=content)

    first = stored(group, toy_cell, device, storage("a"), 2, DEPTH + 1)
    ran = device.layers_run[0]
    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), device, storage("a"))
    prefix.fill("train", (2, DEPTH + 1))
    assert device.layers_run[0] == ran
    assert prefix.seconds("train", (DEPTH + 1,)) == DEPTH * batches(group)
    batch = group.splits["train"].batch(np.arange(4))
    for boundary, kept in first.items():
        found = prefix.gather("train", boundary, batch)
        assert found is not None
        assert torch.equal(found, kept)
    stored(group, toy_cell, device, storage("other weights"), 2)
    assert device.layers_run[0] > ran


def test_a_folder_that_cannot_be_locked_changes_nothing_that_is_computed(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("")
    store = ActivationStore(tmp_path / "kept", 10**9)
    storage = Storage(Budget({"memory": 1e9}), activations=store, content="weights")
    found = stored(group, toy_cell, device, storage, 2, DEPTH + 1)
    expected = stored(group, toy_cell, device, Storage(Budget({"memory": 1e9})), 2, DEPTH + 1)
    assert found.keys() == expected.keys() == {2, DEPTH + 1}
    assert all(torch.equal(kept, expected[boundary]) for boundary, kept in found.items())
    assert store.refusal == (
        f"--cache-dir {tmp_path / 'kept'} cannot be written (Not a directory): nothing more is kept there"
    )


def test_where_the_disk_of_the_folder_is_full_every_boundary_is_there_and_charged(
    group: CellGroup, device: Counting, toy_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[int] = []

    def full(descriptor: int) -> None:
        writes.append(descriptor)
        raise OSError(28, "No space left on device")

    store = ActivationStore(tmp_path, 10**9)
    storage = Storage(Budget({"memory": 1e9}), activations=store, content="weights")
    prefix = Prefix(group.given, group.splits, head_of(group, toy_cell), device, storage)
    monkeypatch.setattr(os, "fsync", full)
    prefix.fill("train", (2, DEPTH + 1))
    assert prefix.features("train", 2) is not None
    assert prefix.features("train", DEPTH + 1) is not None
    assert prefix.seconds("train", (2, DEPTH + 1)) == DEPTH * batches(group)
    assert len(writes) == 1  # what would fail again is not tried again
    assert "(No space left on device)" in store.refusal
    assert list(tmp_path.glob("*.safetensors")) == []


def test_pooled_vectors_are_kept_by_how_they_were_pooled(
    toy_cell: MakeCell, toy_context: RunContext, tmp_path: Path
) -> None:
    """What enters a block is the same for every way to pool."""
    group = prepare_group(toy_cell(), toy_context)
    device = Counting(torch.device("cpu"), torch.float32)
    kept = Storage(Budget({"memory": 1e9}), activations=ActivationStore(tmp_path, 10**9), content="weights")
    found = {}
    for pooling in ("mean", "cls"):
        head = Head("pooled", group.given.width, 2, replace(toy_cell().recipe, pooling=pooling))
        prefix = Prefix(group.given, group.splits, head, device, kept)
        prefix.fill("train", (2, DEPTH + 1))
        found[pooling] = prefix.features("train", DEPTH + 1)
    assert not torch.equal(found["mean"], found["cls"])
    assert len(list(tmp_path.glob("*.safetensors"))) == 3
