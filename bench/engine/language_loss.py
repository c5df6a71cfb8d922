"""What a checkpoint's own language-modelling head makes of an encoder: its loss on neutral text.

A head keeps its given weights, so the loss rises where the encoder has moved away from what the head reads. A
masked head predicts every token of a word once: one in seven is masked at a time, about the share that it was
trained with (Devlin et al. 2019, arXiv 1810.04805). A causal head predicts each token from those before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.models.backbone import Backbone
from bench.models.language_heads import LanguageHead

EVERY = 7
"""One token in so many is masked at a time."""
AT_ONCE = 64
"""Tokens whose logits are held at once: a vocabulary may have 256,000 entries."""


@dataclass(frozen=True)
class Reading:
    """Neutral text as a head reads it. inputs, mask: what the encoder is given, [sentences, longest]. places: where
    the head reads the encoder's output, and targets: the token ids [n] that it is to predict there."""

    inputs: np.ndarray
    mask: np.ndarray
    places: np.ndarray
    targets: np.ndarray


def masked(tokens: np.ndarray, words: np.ndarray, mask: np.ndarray, mask_token: int) -> Iterator[Reading]:
    """EVERY readings that mask each token once. words: which tokens [sentences, longest] are of words."""
    numbers = np.cumsum(words).reshape(words.shape) - 1
    for start in range(EVERY):
        places = words & (numbers % EVERY == start)
        if places.any():
            yield Reading(np.where(places, mask_token, tokens), mask, places, tokens[places])


def causal(tokens: np.ndarray, words: np.ndarray, mask: np.ndarray) -> Reading:
    """The reading in which the output at a token predicts the one after it."""
    places = np.zeros_like(words)
    places[:, :-1] = words[:, 1:] & mask[:, :-1].astype(bool)
    following = np.roll(tokens, -1, 1)
    return Reading(tokens, mask, places, following[places])


def loss(
    head: LanguageHead, backbone: Backbone, readings: list[Reading], rows: np.ndarray, device: torch.device
) -> float:
    """Mean cross-entropy in nats over all tokens of words. rows: of each token id in the backbone's table."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for reading in readings:
            hidden = _outputs(backbone, reading, rows, device)
            targets = torch.from_numpy(reading.targets.astype(np.int64))
            for part, words in zip(hidden.split(AT_ONCE), targets.split(AT_ONCE), strict=True):
                total += F.cross_entropy(head.logits(part).double(), words, reduction="sum").item()
            count += len(targets)
    return total / max(count, 1)


def _outputs(backbone: Backbone, reading: Reading, rows: np.ndarray, device: torch.device) -> Tensor:
    """What the encoder makes of the tokens that the head reads: fp32 [n, width] on the CPU."""
    inputs = torch.from_numpy(rows[reading.inputs].astype(np.int64)).to(device)
    hidden = backbone.run(inputs, torch.from_numpy(reading.mask).to(device), None)
    return hidden[torch.from_numpy(reading.places).to(device)].float().cpu()
