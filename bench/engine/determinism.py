"""Makes results bitwise equal on one machine, whatever ran before.

Every cell draws from its own generators, seeded by its seed and a purpose. Two sources of difference remain:
the choice of kernels, and whether activations come from the cache. Both are fixed here.
"""

from __future__ import annotations

import os

import torch

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def make_deterministic() -> None:
    """Use only kernels that give the same bits each time; an operation without one raises RuntimeError.

    Call it before the first use of CUDA, because cuBLAS reads its workspace setting once."""
    os.environ.setdefault(CUBLAS, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def is_deterministic() -> bool:
    return torch.are_deterministic_algorithms_enabled()
