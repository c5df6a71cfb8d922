"""Work that pauses where other work may take a turn: a generator that returns its result.

Alone it is finished without a pause. Several of them on one device take turns (bench.engine.seeds_at_once)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

Turns = Generator[None, None, T]
"""Pauses at every `yield`; returns its result."""

ANYTHING = (Exception, SystemExit, GeneratorExit)
"""What a plug-in may raise; a cell whose plug-in calls `sys.exit` has failed."""


def finish(turns: Turns[T]) -> T:
    """Do the work to its end."""
    while True:
        try:
            next(turns)
        except StopIteration as done:
            return done.value


def unpaused(work: Callable[[], T]) -> Turns[T]:
    """Work without a pause."""
    return work()
    yield
