"""Dropout whose masks are cheap on a CPU.

torch draws every mask there with one thread: a sixth of a fine-tuning step. Here masks are slices, at random
offsets, of a pool that is drawn once and renewed regularly. Each mask has the marginal distribution of torch's
dropout (Srivastava et al. 2014); masks taken from one pool may overlap. Elsewhere torch's own kernel is as cheap.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

USES = 1024  # masks taken from a pool before it is drawn anew
SPREAD = 4  # a pool is at least so many times larger than the mask


class Masks:
    """Dropout masks, shared by the layers of a model."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        """generator: of the CPU; None: torch's default one."""
        self._generator = generator
        self._pools: dict[tuple[float, torch.dtype], Tensor] = {}
        self._left = 0

    def renew(self) -> None:
        """Forget the pools, so that the next masks depend on the generator's state alone."""
        self._pools = {}
        self._left = USES

    def draw(self, like: Tensor, rate: float) -> Tensor:
        """A mask of `like`'s shape and type: 0 with probability `rate`, else 1 / (1 - rate)."""
        if not self._left:
            self.renew()
        self._left -= 1
        size = like.numel()
        pool = self._pools.get((rate, like.dtype))
        if pool is None or len(pool) < SPREAD * size:
            pool = self._pool(SPREAD * max(size, 1 << 16), rate).to(like.dtype)
            self._pools[rate, like.dtype] = pool
        offset = int(torch.randint(len(pool) - size + 1, (), generator=self._generator))
        return pool[offset : offset + size].view(like.shape)

    def _pool(self, size: int, rate: float) -> Tensor:
        """numpy's bytes are drawn many times faster than torch's Bernoulli numbers."""
        seed = int(torch.randint(2**62, (), generator=self._generator))
        words = np.random.Generator(np.random.SFC64(seed)).integers(2**32, size=size, dtype=np.uint32)
        kept = torch.from_numpy(words >= round(rate * 2**32))
        return kept.float().div_(1 - rate)


class Dropout(nn.Dropout):
    """torch's dropout, with pooled masks on a CPU where layers are not compiled."""

    def __init__(self, p: float, masks: Masks) -> None:
        super().__init__(p)
        self.masks = masks

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        if input.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(input, self.p)
        return input * self.masks.draw(input, self.p)


def use_pooled_masks(model: nn.Module) -> Masks:
    """Replace the dropout modules of a model; the masks that they share."""
    masks = Masks()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p, masks).train(child.training))
    return masks
