"""Training the encoder on an objective that is not the task's, before its phases: masked words, or pairs of texts.

The loop is a plain one: AdamW in fp32 with the recipe's clipping, warm-up, decay and batch size; batches in the
order of the seed. On a GPU, too, its steps are launched one by one. The task's loop then starts from the weights
that it leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.contracts import BenchError, Recipe
from bench.data.batches import Split, shuffled
from bench.engine.divergence import check_finite
from bench.engine.machine import Device
from bench.engine.model import Model, set_modes
from bench.engine.optimizer import decays
from bench.engine.plan import Pretraining
from bench.engine.schedule import rate_factor
from bench.engine.training import derived_seed
from bench.models.moments import without_bias_correction

MASKED = 0.15
KEPT, RANDOM = 0.1, 0.1
"""Of the words that are to be predicted: those that stay as they are, and those that become random words
(Devlin et al. 2019, arXiv 1810.04805, section 3.1)."""


DRAWN = {"masked-lm": "masked words", "contrastive": "pairs"}
"""What the steps of an objective draw on the CPU."""


def not_captured(phases: Sequence[Pretraining], device: Device) -> tuple[str, ...]:
    """Why the steps of these phases are launched one by one on a device where other steps are captured."""
    drawn = dict.fromkeys(DRAWN[phase.objective] for phase in phases) if device.pads else {}
    return tuple(
        f"pretraining steps launched one by one: their {what} are drawn on the CPU" for what in drawn
    )


@dataclass(frozen=True)
class Words:
    """What the masked-word objective has to know of a tokenizer, in the ids of the trimmed table.

    mask: the embedding [width] of the token that stands for a masked word; None: the tokenizer has none.
    special: ids that are never masked. rows: embeddings [n, width] of further words, whose ids follow those of the
    table; None: no text has any."""

    mask: Tensor | None
    special: tuple[int, ...]
    rows: Tensor | None = None

    def redrawn(self, table: Tensor, seed: int) -> Words:
        """The same with random embeddings, as widely spread as `table`: for an encoder with random weights."""
        generator = torch.Generator().manual_seed(seed)
        spread = float(table.detach().std())

        def drawn(given: Tensor | None) -> Tensor | None:
            return None if given is None else torch.randn(given.shape, generator=generator) * spread

        return replace(self, mask=drawn(self.mask), rows=drawn(self.rows))


def pretrain(model: Model, phase: Pretraining, split: Split, recipe: Recipe, seed: int, words: Words) -> None:
    """Take the steps of a phase on the training split; the model's encoder is changed in place.

    Raises BenchError where the objective does not fit the model or the task, and Diverged."""
    model.backbone.cast(torch.float32)  # a decoder may come in bf16, in which small steps are lost
    parameters = model.parameters()
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in phase.rates and not name.startswith("head."))
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, rate in phase.rates.items():
        if not name.startswith("head."):
            groups.setdefault((rate, decays(name, parameters[name])), []).append(parameters[name])
    torch.manual_seed(derived_seed(seed, phase.objective))
    rng = np.random.default_rng(derived_seed(seed, f"{phase.objective} batches"))
    objective = (
        _MaskedWords(model, split, words, rng)
        if phase.objective == "masked-lm"
        else _Pairs(model, split, recipe, rng)
    )
    with objective:
        entries = [
            {"params": members, "rate": rate, "weight_decay": recipe.weight_decay if decayed else 0.0}
            for (rate, decayed), members in groups.items()
        ]
        extra = list(objective.parameters)
        if extra:
            fastest = max(entry["rate"] for entry in entries)
            entries.append({"params": extra, "rate": fastest, "weight_decay": 0.0})
        optimizer = torch.optim.AdamW(entries, fused=True)
        if not recipe.bias_correction:
            without_bias_correction(optimizer)
        model.renew_masks()
        set_modes(model, parameters)
        order = shuffled(split.lengths, recipe.batch_size, derived_seed(seed, "order"))
        learning = [parameter for entry in entries for parameter in entry["params"]]
        for step in range(phase.steps):
            loss = objective.loss(next(order))
            loss.backward()
            norm = nn.utils.clip_grad_norm_(learning, recipe.clip)
            check_finite(torch.stack([loss.detach(), norm])[None], step + 1)
            factor = rate_factor(step, phase.steps, recipe)
            for entry in optimizer.param_groups:
                entry["lr"] = entry["rate"] * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    set_modes(model, {})  # what stays frozen later runs without dropout


class _Pairs:
    """Cosine similarity of pooled vectors, fitted to 1 for two texts of one label and to 0 for two of different
    ones: the first stage of SetFit (Tunstall et al. 2022, arXiv 2209.11055, section 3.1). Half of the pairs of
    a batch are of each kind."""

    parameters: tuple[nn.Parameter, ...] = ()

    def __init__(self, model: Model, split: Split, recipe: Recipe, rng: np.random.Generator) -> None:
        targets = split.targets.cpu().numpy()
        if recipe.class_weights == "balanced":  # the weight of each row's class, at its place
            targets = targets.argmax(1)
        if model.head.kind != "pooled" or targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer):
            raise BenchError("the contrastive objective needs one label for each text", code="needs-labels")
        self._model, self._split, self._rng, self._labels = model, split, rng, targets
        self._rows = {label: np.flatnonzero(targets == label) for label in np.unique(targets)}
        if len(self._rows) < 2:
            raise BenchError(
                "the contrastive objective needs texts of at least two labels", code="needs-labels"
            )

    def __enter__(self) -> None:
        """Nothing: the model stays as it is."""

    def __exit__(self, *_: object) -> None:
        """Nothing."""

    def loss(self, index: np.ndarray) -> Tensor:
        """The mean squared error of the similarities of pairs whose first texts are `index`."""
        alike = np.arange(len(index)) % 2 == 0
        partners = np.array([self._partner(row, same) for row, same in zip(index, alike, strict=True)])
        similarity = F.cosine_similarity(self._vectors(index), self._vectors(partners))
        return F.mse_loss(similarity, torch.from_numpy(alike).float().to(similarity.device))

    def _partner(self, row: int, same: bool) -> int:
        own = self._rows[self._labels[row]]
        if same:
            others = own[own != row]
            return int(self._rng.choice(others)) if len(others) else row
        while True:  # at least two labels occur
            found = int(self._rng.integers(len(self._labels)))
            if self._labels[found] != self._labels[row]:
                return found

    def _vectors(self, index: np.ndarray) -> Tensor:
        batch = self._split.batch(index)
        with _precision(self._model):
            hidden = self._model.backbone.encode(batch.tokens, batch.mask, batch.segments)
        return self._model.head.pool(hidden.float(), batch.mask)


class _MaskedWords:
    """The cross-entropy of words that were masked, over the words that occur in what is read: those of held-out
    texts play no part. Their table is also the output layer (Devlin et al. 2019, arXiv 1810.04805). The layers
    before it start from random weights, because checkpoints of sentence encoders have none."""

    def __init__(self, model: Model, split: Split, words: Words, rng: np.random.Generator) -> None:
        if words.mask is None:
            raise BenchError(
                "the masked-lm objective needs a tokenizer with a mask token; this backbone's has none",
                code="no-mask-token",
            )
        self._model, self._split, self._rng = model, split, rng
        self._special = np.array(words.special, np.int64)
        self._occurring = split.vocabulary()
        self._words = torch.from_numpy(self._occurring).to(model.backbone.table.weight.device)
        further = words.mask[None] if words.rows is None else torch.cat([words.rows, words.mask[None]])
        table = model.backbone.table
        device, width = table.weight.device, table.embedding_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(int(rng.integers(2**31)), "masked-lm head"))
            dense = nn.Linear(model.backbone.width, width)
        self._transform = nn.Sequential(dense, nn.GELU(), nn.LayerNorm(width)).to(device)
        self._further = further.to(table.weight)
        self._kept = table.num_embeddings
        self._mask_id = self._kept + len(further) - 1
        self._class_of = torch.full((self._mask_id,), -1, device=device)
        self._class_of[self._words] = torch.arange(len(self._words), device=device)
        self._bias = nn.Parameter(torch.zeros(len(self._words), device=device))
        self.parameters = (*self._transform.parameters(), self._bias)

    def __enter__(self) -> None:
        """Give the trimmed table the rows that it lacks: words of unlabelled text and, last, the mask token."""
        table = self._model.backbone.table
        table.weight.data = torch.cat([table.weight.data, self._further])
        table.num_embeddings = self._mask_id + 1

    def __exit__(self, *_: object) -> None:
        """Take those rows away again."""
        table = self._model.backbone.table
        table.weight.data = table.weight.data[: self._kept].clone()
        table.weight.grad = None
        table.num_embeddings = self._kept

    def loss(self, index: np.ndarray) -> Tensor:
        """The mean over masked words."""
        batch = self._split.batch(index)
        tokens = batch.tokens.cpu().numpy()
        ordinary = batch.mask.bool().cpu().numpy() & ~np.isin(tokens, self._special)
        masked = ordinary & (self._rng.random(tokens.shape) < MASKED)
        if not masked.any():  # at least one, so that there is a loss
            rows, places = np.nonzero(ordinary if ordinary.any() else batch.mask.bool().cpu().numpy())
            pick = self._rng.integers(len(rows))
            masked[rows[pick], places[pick]] = True
        draw = self._rng.random(tokens.shape)
        shown = np.where(masked & (draw >= KEPT + RANDOM), self._mask_id, tokens)
        replaced = masked & (draw < RANDOM)
        shown[replaced] = self._rng.choice(self._occurring, size=int(replaced.sum()))
        backbone, where = self._model.backbone, torch.from_numpy(masked).to(batch.tokens.device)
        inputs = torch.from_numpy(shown).to(batch.tokens.device)
        with _precision(self._model):
            hidden = backbone.run(inputs, batch.mask, batch.segments)[where]
            words = backbone.table.weight[self._words]
            logits = F.linear(self._transform(hidden.to(self._bias.dtype)), words, self._bias)
        return F.cross_entropy(logits.float(), self._class_of[batch.tokens[where]])


def _precision(model: Model) -> torch.autocast:
    """Matrix products in the device's precision; the weights stay fp32."""
    dtype = model.device.dtype
    return torch.autocast(model.device.torch.type, dtype, enabled=dtype != torch.float32)
