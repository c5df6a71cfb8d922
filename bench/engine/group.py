"""What the cells of a group share on a device: rows, encoded splits and weights of a task, backbone and recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from bench.contracts import Cell, Recipe, Splits, Task, digest
from bench.data.batches import Split
from bench.data.class_weights import balanced
from bench.data.encoding import Encoded
from bench.data.ladder import EXACT, Ladder
from bench.data.splits import content, prepare, rows_digest, split_sizes
from bench.engine.activation_store import ActivationStore
from bench.engine.kept_rows import KeptRows
from bench.engine.machine import Device
from bench.engine.memory import WHOLE, Memory, cache_budget
from bench.engine.prefix import Prefix, Stopwatch, Storage
from bench.engine.pretraining import Words
from bench.engine.speeds import Speeds
from bench.engine.unlabelled import Unlabelled
from bench.engine.workspaces import Workspaces
from bench.models.backbone import Backbone
from bench.models.catalog import check_positions, positions
from bench.models.heads import Head
from bench.models.loading import Loaded, load
from bench.models.trained_vectors import Texts
from bench.registry import Registry
from bench.runs.provenance import processor
from bench.runs.record import Data

JOINED = {"last": 1, "last-4": 4, "mix": 10**6}
"""How many of the last blocks' outputs the head reads; the embeddings are the first block."""


@dataclass(frozen=True)
class RunContext:
    """What every cell needs: the registry, the device and how much memory to use.

    activations: what earlier runs left. seeds: the seeds of the run, by cell id without the seed. compiled: compile
    the layers that learn. per_device: seeds of a cell that train on the device at once."""

    registry: Registry
    device: Device
    memory: Memory = WHOLE
    activations: ActivationStore | None = None
    seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)
    compiled: bool = False
    per_device: int = 1

    def seeds_of(self, cell: Cell) -> list[int]:
        """The seeds with which the run has this cell on the same rows, its own included, ascending."""
        if cell.draw is not None:
            return [cell.seed]
        return sorted({cell.seed, *self.seeds.get(cell.id.rpartition("/")[0], ())})


@dataclass(frozen=True)
class EncoderSetup:
    """How the backbones of a group are set up, with given or with random weights.

    tokens: the ids of the vocabulary that occur. attention: the implementation that is asked for; an encoder may
    run another one. layers: how many are kept; None: all. joined: how many of the last blocks' outputs the head
    reads. both_ways: a decoder attends to later tokens, too. pairs: one vector stands for two texts."""

    tokens: np.ndarray
    attention: str
    dropout: float | None
    layers: int | None
    joined: int
    device: torch.device
    both_ways: bool = False
    pairs: bool = False

    def apply(self, backbone: Backbone) -> np.ndarray:
        """Set up a backbone in place; returns the new id of each vocabulary entry."""
        if self.layers is not None:
            backbone.keep_layers(self.layers)
        backbone.join(self.joined)
        if self.pairs:
            backbone.read_pairs()
        if self.dropout is not None:
            backbone.set_dropout(self.dropout)
        backbone.use_attention(self.attention)
        if self.both_ways:
            backbone.attend_both_ways()
        token_ids = backbone.trim(self.tokens)
        backbone.to(self.device)
        return token_ids


@dataclass(frozen=True)
class CellGroup:
    """What the cells of one task, backbone and recipe share: rows, encoded splits, given weights, prefix.

    given: the backbone as set up, in fp32; never trained. frozen: the same in the device's precision; never trained
    either. words: what masking words takes. seconds: what preparing all this took. unlabelled: the text that masked
    words are predicted in, where it is not the task's. table_norm: of the given word embeddings before trimming (0:
    word vectors). workspaces: what one seed of a strategy leaves for the next."""

    task: Task
    rows: Splits
    labels: tuple[str, ...]
    encoded: dict[str, Encoded]
    splits: dict[str, Split]
    loaded: Loaded
    setup: EncoderSetup
    given: Backbone
    frozen: Backbone
    prefix: Prefix
    data: Data
    words: Words
    seconds: float
    unlabelled: Unlabelled | None = None
    table_norm: float = 0.0
    workspaces: Workspaces = field(default_factory=Workspaces)

    def read_by(self, objective: str) -> Split:
        """The texts that a phase with this objective learns from."""
        if objective == "masked-lm" and self.unlabelled:
            return self.unlabelled.text.split
        return self.splits["train"]


def prepare_group(cell: Cell, context: RunContext, earlier: KeptRows | None = None) -> CellGroup:
    """Rows, encoded splits and the backbone of a cell, checked. Raises BenchError. earlier: what a group of the
    same encoder and recipe left of fewer rows."""
    watch = Stopwatch(context.device)
    with watch:
        task, recipe = context.registry.task(cell.task), cell.recipe
        rows = prepare(task, context.registry.sources, recipe, cell.draw)
        others = [rows.validation, *rows.scored().values()]
        texts = Texts([content(row) for row in rows.train], [content(row) for part in others for row in part])
        loaded = load(cell.backbone, context.registry.sources, texts)
        labels = task.labels(rows.train)
        tokenizer = loaded.text_tokenizer if task.head == "pooled" else loaded.tokenizer
        named = {"train": rows.train, "validation": rows.validation, **rows.scored()}
        encoded = {name: task.encode(examples, tokenizer, labels, recipe) for name, examples in named.items()}
        if recipe.class_weights == "balanced":
            encoded = balanced(encoded, len(labels), task.name)
        longest = max(int(part.lengths.max(initial=0)) for part in encoded.values())
        check_positions(cell.backbone, longest, context.registry.sources)
        loaded.backbone.check_length(longest)
        pad = loaded.tokenizer.pad_token_id or 0
        tokens = np.unique(np.concatenate([[pad], *(part.tokens for part in encoded.values())]))
        ladder = Ladder.up_to(longest) if context.device.pads else EXACT
        mean = encoded["train"].lengths.mean()
        speeds = Speeds(context.device, context.registry.sources.cache)
        fastest = speeds.attention(mean)
        joined = JOINED[recipe.features]
        pairs = task.head == "pooled" and bool(encoded["train"].segments.any())
        setup = EncoderSetup(
            tokens,
            fastest,
            recipe.encoder_dropout,
            recipe.layers,
            joined,
            context.device.torch,
            recipe.attention == "bidirectional",
            pairs,
        )
        given = loaded.backbone
        table_norm = float(torch.linalg.vector_norm(given.table.weight.detach())) if given.depth else 0.0
        whole = given.table.weight.detach() if recipe.unlabelled else None
        masked = loaded.tokenizer.mask_token_id
        known = masked is not None and masked < given.rows
        mask = given.table.weight[masked].detach().clone() if known else None
        token_ids = setup.apply(given)
        unlabelled = None
        if whole is not None:
            most = positions(cell.backbone, context.registry.sources) or recipe.max_length
            short = replace(recipe, max_length=min(recipe.max_length, most), stride=0)
            ids = token_ids, given.rows, int(token_ids[pad])
            unlabelled = Unlabelled(short, rows, tokenizer, whole, *ids, context.device)
        special = token_ids[[token for token in loaded.tokenizer.all_special_ids if token < len(token_ids)]]
        splits = {
            name: Split(part, token_ids, int(token_ids[pad]), context.device.torch, ladder)
            for name, part in encoded.items()
        }
    head = head_of(task, given, labels, recipe)
    parts = len(splits) * (given.depth + 2)
    budget = cache_budget(context.memory, context.device, parts, context.registry.sources.cache)
    machine = (processor(), torch.get_num_threads(), torch.__version__, setup.attention)
    unusual = [*([recipe.attention] if setup.both_ways else []), *context.device.model]
    frozen = given.copy().cast(context.device.dtype)
    weights = (
        digest([frozen.content(), str(frozen.dtype), recipe.features, *map(str, machine), *unusual])
        if context.activations
        else ""
    )
    earlier = earlier if earlier and earlier.attention == setup.attention else None
    storage = Storage(budget, context.registry.sources.cache / "work", context.activations, weights, earlier)
    return CellGroup(
        task=task,
        rows=rows,
        labels=labels,
        encoded=encoded,
        splits=splits,
        loaded=loaded,
        setup=setup,
        given=given,
        frozen=frozen,
        prefix=Prefix(frozen, splits, head, context.device, storage),
        data=data_of(task, rows, labels, encoded["train"].truncated / max(len(encoded["train"]), 1)),
        words=Words(mask, tuple(int(token) for token in special if token >= 0)),
        seconds=watch.seconds + loaded.spared,
        unlabelled=unlabelled,
        table_norm=table_norm,
    )


def head_of(task: Task, backbone: Backbone, labels: tuple[str, ...], recipe: Recipe) -> Head:
    """A new head that reads what leaves the backbone."""
    return Head(task.head, backbone.output_width, len(labels) or 2, recipe, backbone.joined)


def data_of(task: Task, rows: Splits, labels: tuple[str, ...], truncated: float = 0.0) -> Data:
    """What a record says of its rows. truncated: the share of training sequences that were cut."""
    return Data(
        fingerprint=rows_digest(rows),
        task_version=task.version,
        sizes=split_sizes(rows),
        labels=labels,
        truncated=truncated,
        majority=task.score(rows.test, task.trivial(rows.train, rows.test)),
    )
