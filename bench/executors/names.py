"""The executors by name: the one list, which the command line reads without importing what runs cells."""

from __future__ import annotations

from typing import Literal

ExecutorName = Literal["process", "inline", "ray"]

MOST_THREADS = 4096
"""Of the CPU, for a cell."""
