"""How far training moved an encoder from the given one: the similarity of what both make of the same neutral text.

Linear centred kernel alignment (CKA; Kornblith et al. 2019, ICML) of every block's output over the tokens of a
fixed sample: 1 where one is a rotation and a scaling of the other, near 0 where they have nothing in common. Where
the checkpoint has a language-modelling head, its loss on the same sample says whether the change did harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import Cell
from bench.engine.group import CellGroup, RunContext
from bench.engine.language_loss import Reading, causal, loss, masked
from bench.engine.model import Model
from bench.engine.neutral import SENTENCES
from bench.models.backbone import Backbone
from bench.models.language_heads import LanguageHead, language_head
from bench.models.loading import load
from bench.runs.record import LanguageLoss

LONGEST = 64
"""Tokens of a sentence that are read, at most."""


@dataclass(frozen=True)
class Sample:
    """Token ids and mask of the neutral sentences: [sentences, longest], 1 on real tokens."""

    tokens: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Moved:
    """How far an encoder moved. similarity: the CKA of each block's output with the given one, the embeddings'
    first; () where the backbone has no layers. language: the loss of the checkpoint's own head, or why there is
    none."""

    similarity: tuple[float, ...]
    language: LanguageLoss


def forgetting(model: Model, cell: Cell, group: CellGroup, context: RunContext) -> Moved:
    """How far the trained encoder moved from the given one. The model stays as it is.

    Both have their whole vocabulary for it: a token that the task never showed keeps its given embedding."""
    if group.given.depth == 0:
        return Moved((), LanguageLoss(reason="no LM head: word vectors have no layers"))
    given, tokenizer = load(cell.backbone, context.registry.sources).backbone, group.loaded.tokenizer
    depth, device = given.depth, context.device.torch
    small = given.copy().trim(group.setup.tokens)
    sample = encoded(tokenizer, SENTENCES, min(LONGEST, cell.recipe.max_length))
    mask = mask_of(tokenizer, given.rows)
    tokens = np.unique([*group.setup.tokens, *sample.tokens.ravel(), *([] if mask is None else [mask])])
    ids = replace(group.setup, tokens=tokens).apply(given)
    trained = with_table(model.backbone, given, small, ids)
    given.cast(trained.dtype)
    placed = replace(sample, tokens=ids[sample.tokens])
    sides = [outputs(backbone, placed, device) for backbone in (given, trained)]
    similarity = tuple(linear_cka(x, y) for x, y in zip(*sides, strict=True))
    head = head_for(cell, depth, group, context)
    if isinstance(head, str):
        return Moved(similarity, LanguageLoss(reason=head))
    readings = _readings(head, sample, tokenizer.all_special_ids, mask)
    if not readings:
        return Moved(similarity, LanguageLoss(reason="no LM head: its tokenizer has no mask"))
    before, after = (loss(head, backbone, readings, ids, device) for backbone in (given, trained))
    if not np.isfinite(before + after):
        return Moved(similarity, LanguageLoss(reason="not finite: the loss of the LM head"))
    return Moved(similarity, LanguageLoss(kind=head.kind, before=before, after=after))


def head_for(cell: Cell, depth: int, group: CellGroup, context: RunContext) -> LanguageHead | str:
    """The checkpoint's own head, where the cell's encoder gives it what it was trained to read; else why not.
    depth: layers of the whole encoder."""
    if group.given.depth < depth:
        return "layers cut: the LM head reads the last one"
    if group.setup.both_ways:
        return "reads both ways: the encoder is shown the words that its LM head predicts"
    return language_head(cell.backbone, context.registry.sources)


def mask_of(tokenizer: Any, rows: int) -> int | None:
    """The token that stands for a masked word; None where the tokenizer or the table of `rows` rows has none."""
    found = tokenizer.mask_token_id
    return found if found is not None and found < rows else None


def _readings(head: LanguageHead, sample: Sample, special: Sequence[int], mask: int | None) -> list[Reading]:
    """The sample as the head reads it; [] where nothing can be masked."""
    words = sample.mask.astype(bool) & ~np.isin(sample.tokens, special)
    if head.kind == "causal":
        return [causal(sample.tokens, words, sample.mask)]
    return [] if mask is None else list(masked(sample.tokens, words, sample.mask, mask))


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
