"""Garbage collection, paused where it costs time or comes at the wrong moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def seldom() -> None:
    """Look for garbage seldom from now on: for a command that reads thousands of records, none of which is garbage,
    so that looking for it takes a third of the time."""
    gc.set_threshold(100_000, 50, 50)


@contextmanager
def paused() -> Iterator[None]:
    """Collect nothing in the block; afterwards as before."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
