"""A backbone: an encoder as a row of blocks, so that it can be cut into a frozen prefix and a trained suffix.

Block 0 is the embeddings, block i + 1 is layer i. Every parameter is named `embeddings.*` or `layers.<i>.*`.
"""

from __future__ import annotations

import copy
import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError, block_of
from bench.models.dropout import Masks


class Backbone(ABC):
    """An encoder of `depth` layers and `width` values a token."""

    depth: int
    width: int
    masks: Masks  # of the dropout layers
    runs: int = 1  # of every layer, in a row: more where layers share their weights
    joined: int = 1  # number of final blocks whose outputs are returned side by side
    compiled: bool = False  # whether `compile` was called

    @property
    def output_width(self) -> int:
        """Values a token of the backbone's output."""
        return self.width * self.joined

    def join(self, count: int) -> None:
        """Return the outputs of the last `count` blocks side by side, or of all blocks if there are fewer."""
        self.joined = min(count, self.depth + 1)

    def encode(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        """`run`, but at the end of the backbone the joined outputs, the last one last: [B, S, output_width].
        What is joined must not lie below `start`."""
        first = self.depth + 2 - self.joined
        if self.joined == 1 or start > self.depth or stop not in (None, self.depth + 1):
            return self.run(inputs, mask, segments, start, stop)
        assert start < first, (start, first)
        outputs = [self.run(inputs, mask, segments, start, first)]
        for block in range(first, self.depth + 1):
            outputs.append(self.run(outputs[-1], mask, segments, block, block + 1))
        return torch.cat(outputs, -1)

    def read_pairs(self) -> None:  # noqa: B027  (empty on purpose: most backbones have nothing to do)
        """Expect two texts in every sequence, told apart by `segments`. An encoder reads both at once, as it is."""

    def check_length(self, length: int) -> None:  # noqa: B027  (empty on purpose: of listed ones it is known)
        """BenchError where a text of `length` tokens is too long."""

    @abstractmethod
    def named_parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by their canonical name, embeddings first."""

    @abstractmethod
    def modules_of(self, block: int) -> list[nn.Module]:
        """The modules of a block, to set them to training or evaluation mode."""

    @abstractmethod
    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        """Blocks [start, stop), by default all: token ids [B, S] (start 0) or the activations [B, S, width] that
        enter block `start` -> activations [B, S, width] that enter block `stop`, or leave the last one.
        mask: [B, S], 1 on real tokens; segments: [B, S] token types, or None."""

    @abstractmethod
    def trim(self, tokens: np.ndarray) -> np.ndarray:
        """Keep only the embedding rows of these token ids. Returns int32 [vocabulary], the new id of each old
        one (-1 where the row is gone). Exact: a row that never occurs gets no gradient, and embeddings are
        not decayed."""

    @abstractmethod
    def set_dropout(self, rate: float) -> None:
        """Drop this share of hidden values and of attention weights in blocks that learn."""

    @abstractmethod
    def use_attention(self, name: str) -> None:
        """Compute attention with this implementation (`plain`, `sdpa`) where the architecture has the choice."""

    @property
    @abstractmethod
    def attention(self) -> str:
        """The implementation that computes attention: `plain`, `sdpa` or the library's `eager`; '' without any."""

    def attend_both_ways(self) -> None:  # noqa: B027  (empty on purpose: most attend so already)
        """Let every token see all others, also those after it: a decoder becomes an encoder. Nothing to do where it
        is one already."""

    @abstractmethod
    def compile(self, shapes: int = 0) -> None:
        """Compile the layers with torch.compile, once for each of so many shapes of a batch; 0: once for any batch
        and length. Copies share what is compiled."""

    @abstractmethod
    def keep_layers(self, count: int) -> None:
        """Keep the first `count` layers: a head reads what leaves the last of them. BenchError where there are
        fewer."""

    @abstractmethod
    def to(self, device: torch.device) -> Backbone:
        """Move to a device, in place."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of its activations."""
        return next(iter(self.named_parameters().values())).dtype

    def content(self) -> str:
        """A digest of all parameters."""
        found = hashlib.sha256()
        for name, parameter in self.named_parameters().items():
            found.update(
                name.encode() + parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            )
        return found.hexdigest()

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Compute in this precision: parameters of another type become copies of it."""
        for parameter in self.named_parameters().values():
            if parameter.dtype != dtype:
                parameter.data = parameter.data.to(dtype)
        return self

    @property
    @abstractmethod
    def table(self) -> nn.Embedding:
        """The word-embedding table."""

    @property
    def rows(self) -> int:
        """Rows of the word-embedding table."""
        return self.table.num_embeddings

    @abstractmethod
    def insert_lora(self, rank: int, alpha: int) -> None:
        """Give every linear map of every layer a low-rank update, named `layers.<i>.*.lora_A.*` and `.lora_B.*`."""

    @abstractmethod
    def insert_adapters(self, width: int) -> None:
        """Put a bottleneck adapter after both sublayers of every layer, named `layers.<i>.*.adapter.*`."""

    def quantise(self) -> None:
        """Hold the weights of every linear map of every layer in four bits. BenchError where that is impossible."""
        raise BenchError(
            "this backbone has no layers whose weights could be held in four bits", code="no-layers"
        )

    @abstractmethod
    def insert_peft(self, method: str, targets: str, settings: Mapping[str, Any]) -> None:
        """Insert what a configuration of the PEFT library describes, named `layers.<i>.*.<the method's
        prefix>*`."""

    @abstractmethod
    def reinitialise(self, count: int) -> None:
        """Give the last `count` layers new random weights, drawn as the architecture's authors drew them."""

    @abstractmethod
    def merge(self) -> None:
        """Fold what was inserted into the weights: the same function with the shape that it had before. BenchError
        where it cannot be: adapters, and some methods of the PEFT library."""

    def blocks_of(self, names: Iterable[str]) -> set[int]:
        """The blocks that hold the named parameters."""
        return {block_of(name) for name in names}

    def copy(self) -> Backbone:
        """A copy whose training does not touch this one."""
        return copy.deepcopy(self)


def values(parameter: Tensor) -> int:
    """How many values a parameter stands for: of one that is packed into four bits, those that were packed."""
    packed = getattr(parameter, "quant_state", None)
    return parameter.numel() if packed is None else math.prod(packed.shape)


def trimmed(table: Any, keep: np.ndarray) -> tuple[nn.Embedding, np.ndarray]:
    """An embedding table of the rows `keep`, and int32 [rows]: the new id of each old one, -1 where it is gone."""
    rows = torch.from_numpy(keep.astype(np.int64)).to(table.weight.device)
    smaller = copy.copy(table)  # of its class: some scale what they look up
    smaller.__dict__["_parameters"] = {"weight": nn.Parameter(table.weight.detach()[rows].clone())}
    smaller.num_embeddings = len(keep)
    ids = np.full(table.num_embeddings, -1, np.int32)
    ids[keep] = np.arange(len(keep), dtype=np.int32)
    return smaller, ids
