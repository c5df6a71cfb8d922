"""Equalities that must hold on any device: every optimisation against the plain path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bench.engine.machine import Device
from bench.engine.memory import Memory, is_out_of_memory
from bench.gpu.material import Material, small
from bench.gpu.running import Bed, Peer, Ran, run_engine, run_loop
from bench.models.backbones import HuggingFaceEncoder
from strategies.full import Full
from strategies.gradual import Gradual
from strategies.top_layers import TopLayers

EXACT = 1e-4  # of a loss, in fp32: sums in another order
LOW = 5e-2  # of a loss after training, bf16 against fp32


@dataclass(frozen=True)
class Check:
    """passed: None where the check does not apply, and `detail` says why."""

    name: str
    passed: bool | None
    detail: str


def run_all(material: Material, device: Device, cache: Path) -> list[Check]:
    """Every check, on a few rows; one that raises has failed, and the rest goes on."""
    checks: list[Callable[[Material, Device, Path], Check]] = [
        trimmed,
        cached,
        plain_loop,
        micro_batches,
        frozen_bits,
        tiny_budget,
        low_precision,
        out_of_memory,
        compiled_layers,
    ]
    found = []
    for check in checks:
        try:
            found.append(check(small(material), device, cache))
        except Exception as error:  # a kernel that is missing must not hide the other checks
            found.append(Check(check.__name__, False, f"{type(error).__name__}: {str(error)[:300]}"))
    return found


def trimmed(material: Material, device: Device, cache: Path) -> Check:
    """The trimmed embedding table gives what the whole one gives."""
    whole = HuggingFaceEncoder(material.encoder(), material.name)
    part = whole.copy()
    tokens = torch.from_numpy(material.encoded("validation").tokens[:64]).long()[None]
    ids = torch.from_numpy(part.trim(torch.unique(tokens).numpy())).long()
    whole.to(device.torch)
    part.to(device.torch)
    mask = torch.ones_like(tokens).to(device.torch)
    with torch.no_grad():
        left = whole.run(tokens.to(device.torch), mask, None)
        right = part.run(ids[tokens].to(device.torch), mask, None)
    return _near("trimmed table equals whole table", float((left - right).abs().max()), 1e-6)


def cached(material: Material, device: Device, cache: Path) -> Check:
    """Gradual unfreezing with its prefixes cached and recomputed."""
    with _exact(material, device, cache) as bed:
        kept = run_engine(bed, Gradual(stages=3))
        again = run_engine(bed.with_cache(0), Gradual(stages=3))
    return _losses("cached equals uncached", kept, again)


def plain_loop(material: Material, device: Device, cache: Path) -> Check:
    """Whatever the engine does for speed against a plain PyTorch loop with the whole table and torch's AdamW."""
    with _exact(material, device, cache) as bed:
        ours = run_engine(bed, Full())
        peer = Peer.make(material, bed, Full())
        run_loop(peer, bed.device)
        name = f"layers.{material.layers - 1}.output.dense.weight"
        after = ours.model.parameters()[name].detach()
        gap = (after - peer.parameters[name].detach()).abs().max()
        moved = (after - bed.given.named_parameters()[name].detach()).abs().max()
    best = ours.losses[-1] == min(ours.losses)  # else an earlier state was restored
    if not best:
        return Check("engine equals a plain loop", None, "the last state is not the best one: not comparable")
    return _near("engine equals a plain loop (of the weights' change)", float(gap / moved), 2e-2)


def micro_batches(material: Material, device: Device, cache: Path) -> Check:
    """A batch in parts is the batch."""
    with _exact(material, device, cache) as bed:
        return _losses(
            "micro-batches equal the batch", run_engine(bed, Full()), run_engine(bed, Full(), 0, 8)
        )


def frozen_bits(material: Material, device: Device, cache: Path) -> Check:
    """What is frozen keeps its bits (in fp32: in bf16 the model computes in a copy)."""
    with _exact(material, device, cache) as bed:
        ran = run_engine(bed, TopLayers(layers=1))
        given, after = bed.given.named_parameters(), ran.model.parameters()
        wrong = [
            name
            for name in given
            if name not in ran.plan.learning and not torch.equal(given[name], after[name])
        ]
    return Check("frozen weights are bit-identical", not wrong, ", ".join(wrong[:3]) or "all of them")


def tiny_budget(material: Material, device: Device, cache: Path) -> Check:
    """A cache of a kilobyte keeps nothing, and the run is the same."""
    with _exact(material, device, cache) as bed:
        small_cache = bed.with_cache(1024)
        ran = run_engine(small_cache, TopLayers(layers=1))
        batch = bed.splits["train"].batch(np.zeros(1, np.int64))
        kept = [b for b in ran.plan.boundaries if small_cache.prefix.gather("train", b, batch) is not None]
        whole = run_engine(bed, TopLayers(layers=1))
    if kept:
        return Check("a tiny cache budget is kept", False, f"boundaries {kept} were kept")
    return _losses("a tiny cache budget is kept", ran, whole)


def low_precision(material: Material, device: Device, cache: Path) -> Check:
    """Training in bf16 ends where fp32 ends."""
    name = "bf16 ends where fp32 ends"
    if device.dtype == torch.float32:
        return Check(name, None, "this device computes in fp32")
    recipe = replace(material.recipe, dropout=0.0, encoder_dropout=0.0)
    low = run_engine(Bed.make(material, recipe, device, cache), Full())
    with _exact(material, device, cache) as bed:
        return _losses(name, low, run_engine(bed, Full()), LOW)


def out_of_memory(material: Material, device: Device, cache: Path) -> Check:
    """With three quarters of the memory that a run takes, smaller parts of the batch finish it."""
    name = "lack of memory halves the micro-batch"
    if device.torch.type != "cuda":
        return Check(name, None, "needs CUDA")
    bed = Bed.make(material, material.recipe, device, cache)
    torch.cuda.empty_cache()
    base = torch.cuda.memory_allocated()
    peak = run_engine(bed, Full()).peak
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device.torch).total_memory
    torch.cuda.set_per_process_memory_fraction((base + 0.75 * (peak - base)) / total)
    memory: Memory | None = Memory.whole(material.recipe.batch_size, device.torch)
    try:
        while memory:
            try:
                run_engine(bed, Full(), 0, memory.micro_batch)
                break
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            torch.cuda.empty_cache()
            memory = memory.tighter()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    if memory is None:
        return Check(name, False, "no part of a batch was small enough")
    return Check(name, True, f"finished with parts of {memory.micro_batch} of {memory.batch}")


def compiled_layers(material: Material, device: Device, cache: Path) -> Check:
    """Compiled layers against the same ones uncompiled."""
    name = "compiled layers equal uncompiled ones"
    if device.torch.type != "cuda":
        return Check(name, None, "on a CPU compiling takes most of a minute: make test-extras")
    with _exact(material, device, cache) as bed:
        return _losses(name, run_engine(bed, Full()), run_engine(bed, Full(), compiled=True))


@contextmanager
def _exact(material: Material, device: Device, cache: Path) -> Iterator[Bed]:
    """fp32 without TF32 and without dropout: nothing but the order of sums differs between two paths."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    recipe = replace(material.recipe, dropout=0.0, encoder_dropout=0.0)
    try:
        yield Bed.make(material, recipe, replace(device, dtype=torch.float32), cache)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _losses(name: str, left: Ran, right: Ran, tolerance: float = EXACT) -> Check:
    return _near(name, max(abs(a - b) for a, b in zip(left.losses, right.losses, strict=True)), tolerance)


def _near(name: str, difference: float, tolerance: float) -> Check:
    return Check(name, difference <= tolerance, f"difference {difference:.2g}, tolerance {tolerance:.2g}")
