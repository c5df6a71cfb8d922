"""How far training moved an encoder from the given one: the similarity of what both make of the same neutral text.

Linear centred kernel alignment (CKA; Kornblith et al. 2019, ICML) of every block's output over the tokens of a
fixed sample: 1 where one is a rotation and a scaling of the other, near 0 where they have nothing in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import Cell
from bench.engine.group import CellGroup, RunContext
from bench.engine.model import Model
from bench.engine.neutral import SENTENCES
from bench.models.backbone import Backbone
from bench.models.loading import load

LONGEST = 64
"""Tokens of a sentence that are read, at most."""


@dataclass(frozen=True)
class Sample:
    """Token ids and mask of the neutral sentences: [sentences, longest], 1 on real tokens."""

    tokens: np.ndarray
    mask: np.ndarray


def forgetting(model: Model, cell: Cell, group: CellGroup, context: RunContext) -> tuple[float, ...]:
    """The similarity of each block's output in the given and the trained encoder, the embeddings' first; () where
    the backbone has no layers. The model stays as it is.

    Both have their whole vocabulary for it: a token that the task never showed keeps its given embedding."""
    if group.given.depth == 0:
        return ()
    given = load(cell.backbone, context.registry.sources).backbone
    small = given.copy().trim(group.setup.tokens)
    sample = encoded(group.loaded.tokenizer, SENTENCES, min(LONGEST, cell.recipe.max_length))
    tokens = np.union1d(group.setup.tokens, sample.tokens)
    ids = replace(group.setup, tokens=tokens).apply(given)
    trained = with_table(model.backbone, given, small, ids)
    given.cast(trained.dtype)
    placed = replace(sample, tokens=ids[sample.tokens])
    sides = [outputs(backbone, placed, context.device.torch) for backbone in (given, trained)]
    return tuple(linear_cka(x, y) for x, y in zip(*sides, strict=True))


def encoded(tokenizer: Any, sentences: Sequence[str], longest: int) -> Sample:
    """The sentences as a rectangle of token ids."""
    rows = [tokenizer(text, truncation=True, max_length=longest)["input_ids"] for text in sentences]
    shape = len(rows), max(map(len, rows))
    tokens = np.full(shape, tokenizer.pad_token_id or 0, np.int64)
    mask = np.zeros(shape, np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
        mask[place, : len(row)] = 1
    return Sample(tokens, mask)


def with_table(trained: Backbone, given: Backbone, small: np.ndarray, ids: np.ndarray) -> Backbone:
    """A copy of the trained encoder with the vocabulary of `given`: trained rows where it has them. small, ids: the
    row of each token of the whole vocabulary in either table, -1 where it has none."""
    twin = trained.copy()
    kept = np.flatnonzero(small >= 0)
    weight = given.table.weight.detach().to(twin.table.weight.dtype).clone()
    weight[torch.from_numpy(ids[kept].astype(np.int64))] = twin.table.weight.detach()[
        torch.from_numpy(small[kept].astype(np.int64))
    ]
    twin.table.weight = nn.Parameter(weight, requires_grad=False)
    twin.table.num_embeddings = len(weight)
    return twin


def outputs(backbone: Backbone, sample: Sample, device: torch.device) -> list[Tensor]:
    """What each block makes of the real tokens of the sample: float64 [tokens, width] on the CPU, a block."""
    for block in range(backbone.depth + 1):
        for module in backbone.modules_of(block):
            module.eval()
    mask = torch.from_numpy(sample.mask).to(device)
    hidden, found = torch.from_numpy(sample.tokens.astype(np.int64)).to(device), []
    with torch.inference_mode():
        for block in range(backbone.depth + 1):
            hidden = backbone.run(hidden, mask, None, block, block + 1)
            found.append(hidden[mask.bool()].double().cpu())
    return found


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Of two sets of features [n, p] and [n, q] of the same n tokens: ||Yc'Xc||^2 / (||Xc'Xc|| ||Yc'Yc||), where c
    centres the columns. Exactly 1 of equal features; 0 where one set has no variance."""
    if torch.equal(x, y):
        return 1.0
    a, b = x - x.mean(0), y - y.mean(0)
    scale = float(torch.linalg.norm(a.T @ a) * torch.linalg.norm(b.T @ b))
    shared = float(torch.linalg.norm(b.T @ a)) ** 2
    return min(shared / scale, 1.0) if scale > 0 and np.isfinite(shared) else 0.0
