"""What the command line has to know of executors without importing what runs cells."""

from __future__ import annotations

from typing import Literal

ExecutorName = Literal["process", "inline", "ray"]

MOST_PER_DEVICE = 16
"""Seeds at once on a device. Of made-up models on a GPU, eight were hardly faster than four."""

MOST_THREADS = 4096
"""Of the CPU, for a cell."""
