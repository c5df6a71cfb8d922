"""How fast cells compute on a machine: assumed before anything has run, then from the measured rate of products."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.runs.record import Machine

NVIDIA = Path("/proc/driver/nvidia/version")
"""Exists where there is a GPU and its driver."""

GPU_RATE = 2e13
"""Operations a second that a cell as a whole is assumed to reach on a GPU."""

REACHED = 0.6
"""The share of a large fp32 matrix product's rate that a cell as a whole reaches on a CPU."""

REACHED_ON_GPU = 0.05
"""The same on a GPU, of the rate in the precision in which cells compute, which a worker measures in its first
seconds."""

PRODUCTS = 1.15
"""Operations of the plan for each one that the matrix products of a cell perform: the plan assumes somewhat long
examples."""

BESIDES_TRAINING = 2.6e11
BESIDES_FROZEN = 6.2e11
"""Operations of the plan a second and thread at which a CPU would run a cell whose matrix products took no time.
Norms, dropout, the optimizer and Python take this long at any rate of products: with fast ones (bf16 with AMX)
cells of suite `quick` reach 0.2 to 0.5 of the rate, with slow ones (fp32) 0.5 to 1.0."""


@dataclass(frozen=True)
class Speed:
    """Operations of the plan a second, of layers that learn, and of frozen layers that run once."""

    training: float
    frozen: float


def reached(machine: Machine) -> Speed:
    """What cells are expected to reach, from the measured rate of products."""
    if machine.device != "cpu":
        return Speed(REACHED_ON_GPU * machine.rate, REACHED_ON_GPU * machine.rate)
    training, frozen = (
        1 / (1 / (PRODUCTS * machine.rate) + 1 / (besides * max(1, machine.threads)))
        for besides in (BESIDES_TRAINING, BESIDES_FROZEN)
    )
    return Speed(training, frozen)


def assumed_rate(device: str = "auto") -> float:
    """Operations per second to assume before anything has run: on a CPU, measured with a matrix product of numpy.

    Where the cores are busy, BLAS threads that spin for each other are tens of times slower than one alone. Threads
    of cells wait passively, so one thread is the least that is assumed."""
    if device != "cpu" and NVIDIA.exists():
        return GPU_RATE
    from threadpoolctl import threadpool_limits

    together = _product_rate()
    with threadpool_limits(1, user_api="blas"):
        return REACHED * max(together, _product_rate())


def _product_rate() -> float:
    """Operations per second of numpy's matrix product, the fastest of several."""
    import numpy as np

    size = 512
    matrix = np.ones((size, size), np.float32)
    seconds = []
    for _ in range(10):
        began = time.perf_counter()
        _ = matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / min(seconds)


def default_threads() -> int:
    """Threads that torch takes on a CPU where a run names none: as many as MKL allows, one a core at most that this
    process may use."""
    every = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else every
    cores = min(psutil.cpu_count(logical=False) or every, allowed)
    for name in ("MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        number = os.environ.get(name, "").partition(",")[0].strip()
        if number.isdecimal() and int(number):
            return min(int(number), cores)
    return cores
