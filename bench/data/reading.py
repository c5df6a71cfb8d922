"""What a task's code may raise while its rows are read, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.contracts import BenchError


@contextmanager
def reading_rows(task: str) -> Iterator[None]:
    """Turn whatever a plug-in raises in the `with` block into a BenchError that names the task."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # a plug-in may raise anything
        raise BenchError(
            f"task '{task}': its rows cannot be read: {type(error).__name__}: {error} (--debug shows where)",
            code="cannot-read-rows",
        ) from error
