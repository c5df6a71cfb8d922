"""What a plug-in may set in torch for the whole process: noted before the first cell, undone before each.

Else its cell, and every one after it, would train otherwise than its record says. Not undone is what torch cannot
tell, such as kernels that were replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.backends import cuda, cudnn


def _attribute(name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(cudnn, name), lambda value: setattr(cudnn, name, value)


_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    *map(_attribute, ("enabled", "benchmark", "deterministic", "allow_tf32")),
    (cuda.flash_sdp_enabled, cuda.enable_flash_sdp),
    (cuda.mem_efficient_sdp_enabled, cuda.enable_mem_efficient_sdp),
    (cuda.math_sdp_enabled, cuda.enable_math_sdp),
    (cuda.cudnn_sdp_enabled, cuda.enable_cudnn_sdp),
)
"""How each is read and set. One that has not changed is not set: that alone may change which kernels run."""

Settings = tuple[Any, ...]


def noted() -> Settings:
    """The settings as they are now."""
    return tuple(_value(read) for read, _ in _SETTINGS)


def restore(settings: Settings) -> None:
    """Set what has changed since it was noted; types, device and gradients are the defaults in any case."""
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    for (read, write), value in zip(_SETTINGS, settings, strict=True):
        if value is not None and _value(read) != value:
            write(value)


def _value(read: Callable[[], Any]) -> Any:
    """Of a setting; None where torch refuses to say: of TF32, once it was set by its newer names too
    (`fp32_precision`), as transformers does. Setting it makes both agree."""
    try:
        return read()
    except RuntimeError:
        return None
