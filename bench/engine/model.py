"""A model: a backbone with a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.engine.machine import Device
from bench.engine.plan import PlannedPhase
from bench.engine.prefix import Prefix
from bench.models.backbone import Backbone
from bench.models.heads import Head


@dataclass(frozen=True)
class Model:
    """A backbone with a head, and the activations that its frozen prefix can be read from."""

    backbone: Backbone
    head: Head
    device: Device
    prefix: Prefix | None  # None: frozen blocks are run again in every step
    micro_batch: int = 0  # sequences that run forward and backward at once; 0: the whole batch

    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by canonical name."""
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {**self.backbone.named_parameters(), **head}

    def renew_masks(self) -> None:
        """Let dropout depend on the state of torch's generator alone, not on what was drawn before."""
        self.backbone.masks.renew()
        self.head.masks.renew()

    def logits(self, split: str, batch: Batch, phase: PlannedPhase) -> Tensor:
        """Logits of a batch of the named split; the phase's frozen blocks without gradients."""
        start, hidden = 0, batch.tokens
        if phase.frozen:
            start, hidden = phase.frozen, self._frozen(split, batch, phase)
        if hidden.dim() == 3 or start == 0:
            hidden = self.backbone.encode(hidden, batch.mask, batch.segments, start)
        return self.head(hidden, batch.mask)

    def _frozen(self, split: str, batch: Batch, phase: PlannedPhase) -> Tensor:
        """Activations that leave the frozen blocks: [B, S, width], or [B, width] where pooled ones are kept."""
        start, hidden = 0, batch.tokens
        if self.prefix and phase.shared:
            below = self.prefix.highest(split, phase.frozen)
            kept = self.prefix.gather(split, below, batch)
            start, hidden = (0, hidden) if kept is None else (below, kept)
        if start == phase.frozen:
            return hidden
        with torch.no_grad():
            return self.backbone.encode(hidden, batch.mask, batch.segments, start, phase.frozen)

    def encoder_modules(self) -> Iterator[nn.Module]:
        """The modules of all blocks."""
        for block in range(self.backbone.depth + 1):
            yield from self.backbone.modules_of(block)


def set_modes(model: Model, parameters: dict[str, nn.Parameter]) -> None:
    """Blocks and head that learn run with dropout; frozen ones run in evaluation mode."""
    learning = {name for name, parameter in parameters.items() if parameter.requires_grad}
    for block in range(model.backbone.depth + 1):
        prefix = f"layers.{block - 1}." if block else "embeddings."
        for module in model.backbone.modules_of(block):
            module.train(any(name.startswith(prefix) for name in learning))
    model.head.train(any(name.startswith("head.") for name in learning))
