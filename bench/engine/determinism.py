"""Bitwise equal results on one machine, whatever ran before.

Every cell draws from generators of its own, seeded by its seed and a purpose. What remains is the choice of
kernels, and whether activations come from the cache: both are fixed here.
"""

from __future__ import annotations

import os

import torch

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


def make_deterministic() -> None:
    """Only kernels that give the same bits each time; an operation that has none raises RuntimeError.

    Call it before the first use of CUDA: cuBLAS reads its workspace setting once."""
    os.environ.setdefault(CUBLAS, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def is_deterministic() -> bool:
    return torch.are_deterministic_algorithms_enabled()
