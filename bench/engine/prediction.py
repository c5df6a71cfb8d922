"""Prediction with a model on a split."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from bench.data.batches import Batch, Split, scatter
from bench.engine.compiling import uncompiled
from bench.engine.model import Model
from bench.engine.plan import PlannedPhase
from bench.models.heads import HeadKind, loss_terms


def predict(model: Model, name: str, split: Split, phase: PlannedPhase) -> tuple[np.ndarray, float]:
    """(logits packed as the split is, float32; mean loss), in evaluation mode, in batches of at most
    `model.micro_batch` sequences. Waits for the device once, at the end."""
    for module in (*model.encoder_modules(), model.head):
        module.eval()
    kind = model.head.kind
    packed: Tensor | None = None
    losses, counts = [], []
    # batches of a prediction have as many rows as fit: on a ladder each would be a new shape to compile
    with torch.inference_mode(), uncompiled() if split.ladder.fixed else nullcontext():
        for batch in split.in_order(model.micro_batch):
            logits = model.logits(name, batch, phase)
            loss, count = loss_terms(kind, logits, batch.targets)
            losses.append(loss)
            counts.append(count)
            if packed is None:
                rows = len(split) if kind == "pooled" else split.tokens
                packed = torch.empty((rows, logits.shape[-1]), device=logits.device)
            _pack(kind, packed, logits, batch)
        assert packed is not None
        found = packed.cpu().numpy()
        total = 0.0
        for loss in torch.stack(losses).tolist():  # plainly: `sum` rounds otherwise from Python 3.12 on
            total += loss
        terms = torch.stack(counts).sum().item()
    return found, total / max(terms, 1.0)


def _pack(kind: HeadKind, packed: Tensor, logits: Tensor, batch: Batch) -> None:
    """Put the logits of a batch where they belong in those of its split."""
    if kind == "pooled":
        packed[batch.index] = logits
    else:
        scatter(packed, logits, batch)
