"""A made-up GPU that computes: its tensors hold their values on the CPU and say that they lie on torch's `meta`
device. What mixes them with tensors of the CPU fails, as on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ATEN = torch.ops.aten
CPU, META = torch.device("cpu"), torch.device("meta")
CROSSING = {ATEN._to_copy.default, ATEN.copy_.default}
"""Operations that take a tensor from one device to another."""

INDEXING = {ATEN.index.Tensor, ATEN.index_put.default, ATEN.index_put_.default, ATEN._index_put_impl_.default}
"""Operations that take indices from the CPU, too."""


class Mixed(AssertionError):
    """An operation was given tensors of two devices."""


class Held(Tensor):
    """A tensor on the card. held: its values, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Held:
        found = Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=int(held.storage_offset()),
            dtype=held.dtype,
            device=META,
        )
        found.held = held
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        found: Tensor = Held(self.held.detach().clone())
        if isinstance(self, nn.Parameter):
            found = nn.Parameter(found, self.requires_grad)
        memo[id(self)] = found
        return found

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class Card(TorchDispatchMode):
    """In the block, `meta` is the card."""

    def __enter__(self) -> Card:
        self._data = _Data()
        self._data.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._data.__exit__(*raised)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Data(TorchFunctionMode):
    """Lets `tensor.data = other` change what is held as well, and `tolist` give it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.tolist and isinstance(args[0], Held):
            return args[0].held.tolist()
        found = func(*args, **(kwargs or {}))
        if func == Tensor.data.__set__ and isinstance(args[0], Held):
            args[0].held = args[1].held
        return found


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = list(_tensors((args, kwargs)))
    on_card = any(isinstance(tensor, Held) for tensor in given)
    where = kwargs.get("device")
    if where is not None:
        on_card = torch.device(where) == META
        kwargs = {**kwargs, "device": CPU}
    if func not in CROSSING:
        _check(func, args, given)
    known = {id(tensor.held): tensor for tensor in given if isinstance(tensor, Held)}
    inner_args, inner_kwargs = tree_map(_inner, (args, kwargs))
    found = func(*inner_args, **inner_kwargs)
    if func is ATEN.copy_.default:
        return args[0]

    def outer(value: Any) -> Any:
        if not isinstance(value, Tensor) or isinstance(value, Held) or not on_card:
            return value
        return known[id(value)] if id(value) in known else Held(value)

    return tree_map(outer, found)


def _inner(value: Any) -> Any:
    return value.held if isinstance(value, Held) else value


def _check(func: Any, args: Any, given: list[Tensor]) -> None:
    if not any(isinstance(tensor, Held) for tensor in given):
        return
    allowed = {id(i) for i in _tensors(args[1])} if func in INDEXING else set()
    for tensor in given:
        if not isinstance(tensor, Held) and tensor.dim() > 0 and id(tensor) not in allowed:
            raise Mixed(
                f"{func} is given a tensor of the CPU, {tuple(tensor.shape)}, beside those of the card"
            )


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
