"""One cell, whatever happens: a record in every case, and what was changed on the way is in it."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from bench.contracts import BenchError, Cell
from bench.engine.cell import Tests, run_cell
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext
from bench.engine.machine import describe
from bench.engine.memory import Memory, is_out_of_memory
from bench.engine.training import Watch
from bench.runs.record import Record, Status


@dataclass(frozen=True)
class Attempt:
    """How a cell is tried.

    ground: what the cell's group shares, made under the given terms. watch: hears the learning curve.
    log: keeps a traceback and gives the place to look. adaptations: what was changed before this attempt."""

    group: Callable[[Cell, RunContext], CellGroup]
    watch: Watch
    log: Callable[[BaseException], str]
    retry_fp32: bool = False
    adaptations: tuple[str, ...] = ()


ANYTHING = (Exception, SystemExit, GeneratorExit)
"""What a plug-in may raise; a cell whose plug-in calls `sys.exit` has failed."""


@dataclass(frozen=True)
class _Failure:
    status: Status
    reason: str


def attempt(cell: Cell, context: RunContext, terms: Attempt) -> tuple[Record, Tests]:
    """Run the cell; on lack of memory again under tighter terms, and on divergence in bf16 again in fp32 where
    that was asked for. A cell that cannot be run gives a record with a status and a reason.

    A BenchError while the cell runs says that it does not apply: `skipped`, which is no failure of the run. One
    while its rows and backbone are made is `failed`."""
    adaptations = terms.adaptations
    memory = Memory.whole(cell.recipe.batch_size, context.device.torch)
    while True:
        outcome = _try(cell, context, terms)
        if isinstance(outcome, tuple):
            record, tests = outcome
            return record.model_copy(update={"adaptations": (*adaptations, *memory.adaptations)}), tests
        gc.collect()  # the failed model is gone before the next one is built
        with suppress(RuntimeError):  # of a device that a failed kernel has left unusable
            torch.cuda.empty_cache()
        tighter = memory.tighter()
        if outcome.status == "oom" and tighter:
            memory = tighter
            context = replace(context, memory=memory)
        elif outcome.status == "diverged" and terms.retry_fp32 and context.device.dtype != torch.float32:
            dtype = str(context.device.dtype).removeprefix("torch.")
            adaptations = (*adaptations, f"float32, after it diverged in {dtype}")
            context = replace(context, device=replace(context.device, dtype=torch.float32))
        else:
            break
    return _failed(cell, context, outcome, (*adaptations, *memory.adaptations)), {}


def _try(cell: Cell, context: RunContext, terms: Attempt) -> tuple[Record, Tests] | _Failure:
    try:
        group = terms.group(cell, context)
    except ANYTHING as error:
        return _failure(error, terms)
    try:
        return run_cell(cell, group, context, terms.watch)
    except BenchError as error:
        return _Failure("skipped", str(error))
    except Diverged as error:
        dtype = context.device.dtype
        low = dtype != torch.float32 and not terms.retry_fp32
        hint = f", in {str(dtype).removeprefix('torch.')}: --retry-fp32 tries float32" if low else ""
        return _Failure("diverged", f"{error}{hint}")
    except ANYTHING as error:
        return _failure(error, terms)


def _failure(error: BaseException, terms: Attempt) -> _Failure:
    """What an exception means, in one line. Keeps no reference to it: its frames hold the model."""
    first = next(iter(str(error).splitlines()), "")
    if is_out_of_memory(error):
        return _Failure("oom", f"out of memory: {first[:300]}")
    if isinstance(error, BenchError):
        return _Failure("failed", str(error))
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
    log = terms.log(error)
    look = f"; traceback in {log}" if log else ""
    return _Failure("failed", f"{type(error).__name__}: {first[:300]} ({where}{look})")


def _failed(cell: Cell, context: RunContext, failure: _Failure, adaptations: tuple[str, ...]) -> Record:
    return Record(
        cell=cell,
        fingerprint=context.registry.fingerprint(cell),
        machine=describe(context.device),
        status=failure.status,
        reason=failure.reason.encode(errors="replace").decode(),
        adaptations=adaptations,
    )
