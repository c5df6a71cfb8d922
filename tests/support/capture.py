"""A stand-in for the capture of a CUDA graph on a machine without a GPU.

Tensors lie on torch's `meta` device: they have shapes and types but no values, so that whatever asks for a value
fails. `Capture` also refuses what a GPU can only do by waiting for it, and what takes values from the CPU."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.engine import replay, workspace

ATEN = torch.ops.aten
WAITING = {
    ATEN._local_scalar_dense.default,
    ATEN.is_nonzero.default,
    ATEN.equal.default,
    ATEN.nonzero.default,
    ATEN.masked_select.default,
    ATEN.bincount.default,
    ATEN._unique2.default,
    ATEN.unique_consecutive.default,
    ATEN.repeat_interleave.Tensor,
}
"""Operations whose result, or its shape, the CPU has to read."""

INDEXING = {
    ATEN.index.Tensor,
    ATEN.index_put.default,
    ATEN.index_put_.default,
    ATEN._unsafe_index_put.default,
    ATEN._index_put_impl_.default,
}
COPIES = {ATEN._to_copy.default, ATEN.copy_.default, ATEN.cat.default, ATEN.stack.default}
"""Operations to which a number on the CPU is a copy from there, and no argument of a kernel."""

WITHOUT_META = {ATEN._fused_adamw_.tensor_lr}
"""Operations in place that torch has for a GPU and not for `meta`."""


LOOKS = 3
"""How often the clock is read for a captured step: by the workspace before it, and where it begins and ends."""


def count_captures(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The steps that workspaces capture from now on. The clock is read LOOKS times for each. How many there are
    depends on the number of steps; on a CPU there are none."""
    found: list[object] = []
    real = workspace.Captured

    def counted(action: Any, *arguments: Any) -> replay.Captured:
        found.append(action)
        return real(action, *arguments)

    monkeypatch.setattr(workspace, "Captured", counted)
    return found


def _is_mask(index: Any) -> bool:
    return isinstance(index, Tensor) and index.dtype == torch.bool


class Broken(AssertionError):
    """The capture of the action would fail on a GPU."""


class _NoNumbers(TorchFunctionMode):
    """Refuses `torch.tensor(values, device=...)`, which copies the values. `tensor[mask] = number` fills, as on a
    GPU, where torch keeps the number on the CPU; without a device to look at it would index."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.tensor, torch.as_tensor):
            device = (kwargs or {}).get("device")
            if device is not None and torch.device(device).type == "meta":
                raise Broken(f"torch.{func.__name__} takes values from the CPU")
        if func is Tensor.__setitem__ and isinstance(args[2], (int, float)) and _is_mask(args[1]):
            return args[0].masked_fill_(args[1], args[2])
        return func(*args, **(kwargs or {}))


class Capture(TorchDispatchMode):
    """Fails with Broken at the first operation that cannot be captured."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, StorageWeakRef] = {}
        self._given: set[int] = set()
        self.operations = 0
        self._functions = _NoNumbers()

    def __enter__(self) -> Capture:
        self._functions.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._functions.__exit__(*raised)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.operations += 1
        given = list(_tensors((args, kwargs)))
        if func in WAITING and any(tensor.device.type == "meta" for tensor in given):
            raise Broken(f"{func} waits for the device")
        if func in INDEXING and any(i.dtype in (torch.bool, torch.uint8) for i in _tensors(args[1])):
            raise Broken(f"{func} with a mask waits for the device")
        if func in WITHOUT_META:
            _check_devices(func, given)
            return None
        found = func(*args, **kwargs)
        made = list(_tensors(found))
        _check_devices(func, [*given, *made])
        self._note(given, made)
        return found

    def _note(self, given: list[Tensor], made: list[Tensor]) -> None:
        """Remember what the action makes, and what was there before it."""
        for tensor in given:
            if (key := tensor.untyped_storage()._cdata) not in self._made:
                self._given.add(key)
        for tensor in made:
            key = tensor.untyped_storage()._cdata
            if tensor.is_meta and key not in self._given:
                self._made[key] = StorageWeakRef(tensor.untyped_storage())

    def left(self) -> int:
        """How many tensors that the action made are still held. The next graph of the pool overwrites them."""
        if any(not ref.expired() for ref in self._made.values()):
            gc.collect()
        return sum(not ref.expired() for ref in self._made.values())


def _check_devices(func: Any, tensors: list[Tensor]) -> None:
    if not any(tensor.is_meta for tensor in tensors):
        return
    for tensor in tensors:
        if not tensor.is_meta and (tensor.dim() > 0 or func in COPIES):
            raise Broken(f"{func} takes values from the CPU: {tuple(tensor.shape)}")


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
