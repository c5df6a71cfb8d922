"""What takes an encoder's memory is tried with ever less of it, as cells of a run are (`bench.engine.attempt`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from bench.contracts import BenchError, Cell
from bench.engine.attempt import make_room
from bench.engine.divergence import Diverged
from bench.engine.group import RunContext
from bench.engine.memory import Memory, is_out_of_memory

Made = TypeVar("Made")


def with_less_memory(cell: Cell, context: RunContext, make: Callable[[RunContext], Made]) -> Made:
    """What `make` gives in this context, or in the first one with less memory in which it does not run out of it.
    BenchError where training diverges, and where no memory is left to give up."""
    memory = Memory.whole(cell.recipe.batch_size, context.device.torch)
    while True:
        try:
            return make(context)
        except Diverged as error:
            raise BenchError(f"cannot export {cell.strategy}: {error}", "export-diverged") from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = next(iter(str(error).splitlines()), type(error).__name__)[:300]
        make_room()  # the exception is gone by now, and with it the frames that hold the model
        lower = memory.tighter()
        if lower is None:
            raise BenchError(
                f"cannot export {cell.strategy}: out of memory, one text at a time, too ({reason}); a smaller "
                "recipe.max_length or encoder takes less",
                "export-memory",
            )
        memory, context = lower, replace(context, memory=lower)
