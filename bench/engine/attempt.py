"""Runs a cell and returns a record whatever happens; the record says what was changed on the way."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from bench.contracts import BenchError, Cell
from bench.engine.cell import CellWatch, Tests, run_cells
from bench.engine.counts import CountsGroup, run_counts
from bench.engine.divergence import Diverged
from bench.engine.group import CellGroup, RunContext
from bench.engine.machine import describe
from bench.engine.memory import Memory, is_out_of_memory
from bench.engine.turns import ANYTHING
from bench.runs.record import Record, Status


@dataclass(frozen=True)
class Attempt:
    """How cells are tried.

    group: makes what the cells of a group share, in a given context. watch: hears the learning curves. log: keeps a
    cell's traceback and says where. adaptations: what was changed before this attempt."""

    group: Callable[[Cell, RunContext], CellGroup | CountsGroup]
    watch: CellWatch
    log: Callable[[Cell, BaseException], str]
    retry_fp32: bool = False
    adaptations: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Failure:
    status: Status
    reason: str


Found = tuple[Record, Tests] | _Failure


@dataclass(frozen=True)
class _Rung:
    """The context in which a cell is tried, and what was changed to get there."""

    context: RunContext
    memory: Memory
    changes: tuple[str, ...]

    @property
    def adaptations(self) -> tuple[str, ...]:
        """All changes, for the record."""
        return (*self.changes, *self.memory.adaptations)

    def below(self, failure: _Failure, retry_fp32: bool) -> _Rung | None:
        """What to try after this failure: less memory, or fp32 where that was asked for; None: nothing is left."""
        tighter, device = self.memory.tighter(), self.context.device
        if failure.status == "oom" and tighter:
            return replace(self, memory=tighter, context=replace(self.context, memory=tighter))
        if failure.status == "diverged" and retry_fp32 and device.dtype != torch.float32:
            note = f"float32, after it diverged in {str(device.dtype).removeprefix('torch.')}"
            exact = replace(self.context, device=replace(device, dtype=torch.float32))
            return replace(self, changes=(*self.changes, note), context=exact)
        return None


FAULTS = ("parameter-without-rate", "no-extra")
"""Codes of what is wrong whatever encoder a strategy meets: with the strategy, or with the installation."""


def attempt(cells: Sequence[Cell], context: RunContext, terms: Attempt) -> Iterator[tuple[Record, Tests]]:
    """Run one cell, or several seeds of one whose heads train together; a record of each, in order.

    On lack of memory a cell runs again with less, by itself; on divergence in bf16 again in fp32 where that was
    asked for. A cell that cannot be run gives a record with a status and a reason. A BenchError while it runs says
    that it does not apply: `skipped`, which is no failure of the run, unless its code is one of FAULTS. A
    BenchError while its rows and backbone are prepared is `failed`."""
    left = list(cells)
    while left:
        tries = _try(tuple(left), context, terms)
        for found in tries:
            cell = left.pop(0)
            rung = _Rung(
                context, Memory.whole(cell.recipe.batch_size, context.device.torch), terms.adaptations
            )
            if isinstance(found, _Failure) and rung.below(found, terms.retry_fp32):
                tries.close()  # frees the failed model; the other seeds start anew
                yield _descend(cell, found, rung, terms)
                break
            yield _finished(cell, found, rung)


def _descend(cell: Cell, found: Found, rung: _Rung, terms: Attempt) -> tuple[Record, Tests]:
    """Try the cell by itself on ever lower rungs while it fails for a reason that they may mend."""
    while isinstance(found, _Failure) and (lower := rung.below(found, terms.retry_fp32)):
        rung = lower
        make_room()
        (found,) = _try((cell,), rung.context, terms)
    return _finished(cell, found, rung)


def _finished(cell: Cell, found: Found, rung: _Rung) -> tuple[Record, Tests]:
    if isinstance(found, _Failure):
        make_room()
        return _failed(cell, rung.context, found, rung.adaptations), {}
    record, tests = found
    return record.model_copy(update={"adaptations": (*rung.adaptations, *record.adaptations)}), tests


def make_room() -> None:
    """Free what a failed model has left."""
    gc.collect()
    with suppress(RuntimeError):  # of a device that a failed kernel has left unusable
        torch.cuda.empty_cache()


def _try(cells: Sequence[Cell], context: RunContext, terms: Attempt) -> Generator[Found, None, None]:
    """What comes of each cell in this context. What goes wrong for all of them is the failure of each."""
    left = list(cells)
    try:
        group = terms.group(cells[0], context)
    except ANYTHING as error:
        yield from [_failure(cell, error, terms) for cell in left]
        return
    try:
        if isinstance(group, CountsGroup):
            outcomes = run_counts(cells, group, context)
        else:
            outcomes = run_cells(cells, group, context, terms.watch)
        for found in outcomes:
            cell = left.pop(0)
            yield _judged(cell, found, context, terms) if isinstance(found, BaseException) else found
    except (Exception, SystemExit) as error:
        failures = [_judged(cell, error, context, terms) for cell in left]
    else:
        failures = []
    yield from failures


def _judged(cell: Cell, error: BaseException, context: RunContext, terms: Attempt) -> _Failure:
    """What it means that a cell raised this while it ran."""
    if isinstance(error, BenchError) and error.code not in FAULTS:
        return _Failure("skipped", str(error))
    if isinstance(error, Diverged):
        dtype = context.device.dtype
        low = dtype != torch.float32 and not terms.retry_fp32
        hint = f", in {str(dtype).removeprefix('torch.')}: --retry-fp32 tries float32" if low else ""
        return _Failure("diverged", f"{error}{hint}")
    return _failure(cell, error, terms)


def _failure(cell: Cell, error: BaseException, terms: Attempt) -> _Failure:
    """What an exception means, in one line. Keeps no reference to it, because its frames hold the model."""
    first = next(iter(str(error).splitlines()), "")
    if is_out_of_memory(error):
        return _Failure("oom", f"out of memory: {first[:300]}")
    if isinstance(error, BenchError):
        return _Failure("failed", str(error))
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rsplit('/', 1)[-1]}:{place.lineno}"
    log = terms.log(cell, error)
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
