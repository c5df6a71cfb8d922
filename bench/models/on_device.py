"""What transformers decides by looking at values on the device, decided without looking.

Looking at a value waits for the device, once a batch or more, and cannot be part of a captured graph. While a graph
is captured, transformers itself does not ask whether a mask is full; here it never asks on a GPU, so that the same
kernels run before a capture, in it, and in a prediction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from transformers import AttentionMaskInterface, masking_utils, modeling_attn_mask_utils

from bench.models import attention, relative_positions

ASK = "is_tracing"
"""What the library calls to learn whether it may look at values."""


def look_at_nothing() -> None:
    """From now on, for all models of this process. Call it when one moves to a GPU."""
    relative_positions.make_on_device()
    AttentionMaskInterface.register("eager", attention.added_mask)
    for module in _modules():
        setattr(module, ASK, _always)


@contextmanager
def looking() -> Iterator[None]:
    """Let transformers look at masks in the block, as it does by itself: another program's training."""
    before = [(module, getattr(module, ASK)) for module in _modules()]
    for module, _ in before:
        setattr(module, ASK, _OWN[module])
    try:
        yield
    finally:
        for module, ask in before:
            setattr(module, ASK, ask)


def _modules() -> list[ModuleType]:
    return [module for module in (masking_utils, modeling_attn_mask_utils) if hasattr(module, ASK)]


def _always(*_: object) -> bool:
    return True


_OWN = {module: getattr(module, ASK) for module in _modules()}
