"""The prefix cache: activations of frozen leading blocks, computed once and shared.

Frozen blocks run in evaluation mode without gradients, cache or no cache, so a cached and an uncached run are
the same run. The cache holds a backbone's given weights only and belongs to a group of cells (same task,
backbone and recipe): strategies, seeds and phases share it.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import weakref
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from bench.contracts import digest
from bench.data.batches import Batch, Split, scatter
from bench.engine.activation_store import ActivationStore
from bench.engine.compiling import compile_seconds
from bench.engine.determinism import is_deterministic
from bench.engine.kept_rows import KeptRows, Reused
from bench.engine.laps import Laps
from bench.engine.machine import Device
from bench.engine.memory import Budget, Share, Tier, is_out_of_memory
from bench.models.backbone import Backbone
from bench.models.heads import Head

TRIALS = 4  # batches on which reading from a file is timed


@dataclass(frozen=True)
class Storage:
    """Where activations are kept.

    budget: bytes by tier. folder: of memory-mapped files, which are deleted with the cache. activations: what other
    runs left, or None. content: what determines activations besides split, boundary and pooling. earlier: what a
    group of the same encoder and recipe left of fewer rows, or None."""

    budget: Budget
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    activations: ActivationStore | None = None
    content: str = ""
    earlier: KeptRows | None = None

    def turn(self, split: str) -> AbstractContextManager[None]:
        """Processes that share the store fill a split one at a time, and the next finds what the last one left."""
        if self.activations is None:
            return nullcontext()
        return self.activations.turn(digest([self.content, split]))


class Prefix:
    """Activations of `backbone` on `splits` at block boundaries, one packed tensor [T, width] for each.

    Boundary b holds what enters block b; at the end of the backbone a head that pools gets [N, width].
    What exceeds the budget is not kept, and `gather` gives None for it.
    """

    def __init__(
        self, backbone: Backbone, splits: dict[str, Split], head: Head, device: Device, storage: Storage
    ) -> None:
        self._backbone = backbone
        self._splits = splits
        self._head = head
        self._device = device
        self._storage = storage
        self._files: Path | None = None
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._mapped: dict[tuple[str, int], Path] = {}
        self._refused: set[tuple[str, int]] = set()
        self._share = Share(storage.budget)
        self._made = 0  # files so far: a name is never used twice
        self._spent: dict[str, dict[int, float]] = {name: {0: 0.0} for name in splits}

    def of(self, backbone: Backbone) -> Prefix:
        """An empty cache of the same splits for another backbone, in memory alone."""
        storage = replace(self._storage, activations=None, earlier=None)
        return Prefix(backbone, self._splits, self._head, self._device, storage)

    def fill(self, split: str, boundaries: tuple[int, ...]) -> None:
        """One pass over a split that keeps the activations at every boundary not kept yet."""
        wanted = [b for b in boundaries if (split, b) not in self._kept and (split, b) not in self._refused]
        if not wanted:
            return
        try:
            with self._storage.turn(self._splits[split].digest):
                missing = [b for b in wanted if not self._fetch(split, b) and self._make_room(split, b)]
                if missing:
                    self._compute(split, missing)
        except BaseException:
            for boundary in wanted:  # tensors that were not filled would pass for activations
                self.drop(split, boundary)
            raise

    def _compute(self, split: str, missing: list[int]) -> None:
        """One pass that keeps the activations at boundaries that have room; without the rows that are known."""
        source = max((b for name, b in self._kept if name == split and b < missing[0]), default=0)
        part, known = self._splits[split], Reused()
        if self._storage.earlier:
            empty = {boundary: self._kept[split, boundary] for boundary in missing}
            known = self._storage.earlier.reuse(split, part, source, empty)
        laps = Laps(self._device)
        with torch.no_grad():
            for batch in part.in_order(of=known.rest):
                hidden = self._read(split, source, batch) if source else batch.tokens
                start = source
                laps.begin()
                for boundary in missing:
                    hidden = self._backbone.encode(hidden, batch.mask, batch.segments, start, boundary)
                    self._keep(split, boundary, hidden, batch)
                    laps.end(boundary)
                    start = boundary
        seconds, spent = laps.seconds(), self._spent[split]
        for boundary in missing:
            spent[boundary] = spent[source] + seconds.get(boundary, 0.0) + known.seconds.get(boundary, 0.0)
            source = boundary
        for boundary in missing:
            if self._storage.activations:
                self._storage.activations.save(
                    self._key(split, boundary), self._kept[split, boundary], spent[boundary]
                )
            self._drop_if_slow(split, boundary)

    def gather(self, split: str, boundary: int, batch: Batch) -> Tensor | None:
        """Activations of a batch, [B, S, width] (or pooled, [B, width]); None where none are kept."""
        return self._read(split, boundary, batch) if (split, boundary) in self._kept else None

    def features(self, split: str, boundary: int) -> Tensor | None:
        """Packed activations [T, width] (or pooled, [N, width]) at a boundary, or None where none are kept."""
        return self._kept.get((split, boundary))

    def highest(self, split: str, boundary: int) -> int:
        """The highest boundary, up to this one, at which activations are kept; 0 where none are."""
        return max((b for name, b in self._kept if name == split and b <= boundary), default=0)

    def borrow(self, other: Prefix, split: str, boundary: int) -> None:
        """Keep what another cache keeps at a boundary, up to which both have the same weights."""
        kept = other.features(split, boundary)
        if kept is not None:
            self._kept[split, boundary] = kept
            self._spent[split][boundary] = 0.0

    def drop(self, split: str, boundary: int) -> None:
        """Forget the activations at a boundary, and make room for others."""
        place = (split, boundary)
        self._kept.pop(place, None)
        if place in self._mapped:
            self._mapped.pop(place).unlink(missing_ok=True)
        self._share.release(place)

    def rows(self, attention: str = "") -> KeptRows:
        """What it holds, for the cache of a group of more rows."""
        pooled = frozenset(boundary for _, boundary in self._kept if self.pools(boundary))
        return KeptRows(self._splits, dict(self._kept), self._spent, pooled, attention)

    def seconds(self, split: str, boundaries: tuple[int, ...]) -> float:
        """Seconds of filling these boundaries alone, from token ids: one pass up to the deepest."""
        spent = self._spent[split]
        return spent[max((b for b in boundaries if b in spent), default=0)]

    def pools(self, boundary: int) -> bool:
        """Whether a boundary holds pooled vectors: everything is frozen and the head pools."""
        return boundary > self._backbone.depth and self._head.kind == "pooled"

    def _width(self, boundary: int) -> int:
        end = boundary > self._backbone.depth
        return self._backbone.output_width if end else self._backbone.width

    def _read(self, split: str, boundary: int, batch: Batch) -> Tensor:
        kept = self._kept[split, boundary]
        where = batch.index if self.pools(boundary) else batch.positions
        return kept[where.to(kept.device)].to(self._device.torch, non_blocking=True)

    def _shape(self, split: str, boundary: int) -> tuple[int, int]:
        part = self._splits[split]
        return (len(part) if self.pools(boundary) else part.tokens), self._width(boundary)

    def _dtype(self, boundary: int) -> torch.dtype:
        computed = self._backbone.dtype
        return torch.float32 if self.pools(boundary) else computed

    def _make_room(self, split: str, boundary: int) -> bool:
        """An empty tensor for a boundary, in the first tier that has room; False where there is none. A tier that
        cannot give what its budget promised, as where another process has taken it since, is passed over: smaller
        batches would not help."""
        shape, dtype = self._shape(split, boundary), self._dtype(boundary)
        size = shape[0] * shape[1] * dtype.itemsize
        full: set[Tier] = set()
        while tier := self._share.place((split, boundary), size, full):
            if tier == "file":
                return self._map_file(split, boundary, size)
            where = self._device.torch if tier == "device" else torch.device("cpu")
            try:
                self._kept[split, boundary] = torch.empty(shape, dtype=dtype, device=where)
                return True
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self._share.release((split, boundary))
                full.add(tier)
        self._refused.add((split, boundary))
        return False

    def _map_file(self, split: str, boundary: int, size: int) -> bool:
        """A tensor in a memory-mapped file, whose blocks are reserved: a full disk would kill the process."""
        shape, dtype = self._shape(split, boundary), self._dtype(boundary)
        try:
            if self._files is None:
                self._storage.folder.mkdir(parents=True, exist_ok=True)
                self._files = Path(tempfile.mkdtemp(dir=self._storage.folder, prefix="prefix-"))
                weakref.finalize(self, shutil.rmtree, self._files, ignore_errors=True)
            path = self._files / f"{self._made}"
            self._made += 1
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
        except (OSError, AttributeError):
            self._refused.add((split, boundary))
            self.drop(split, boundary)
            return False
        mapped = torch.from_file(str(path), shared=True, size=shape[0] * shape[1], dtype=dtype)
        self._kept[split, boundary] = mapped.view(shape)
        self._mapped[split, boundary] = path
        return True

    def _drop_if_slow(self, split: str, boundary: int) -> None:
        """Give up a file where reading it takes longer than running the blocks again."""
        if (split, boundary) not in self._mapped or is_deterministic():
            return
        part = self._splits[split]
        batches = list(itertools.islice(part.in_order(), TRIALS))
        began = self._device.clock()
        for batch in batches:
            self._read(split, boundary, batch)
        read = (self._device.clock() - began) / sum(len(batch.index) for batch in batches) * len(part)
        if read > self._spent[split][boundary]:
            self.drop(split, boundary)
            self._refused.add((split, boundary))

    def _fetch(self, split: str, boundary: int) -> bool:
        """Take a boundary from the store, if it is there and fits."""
        activations = self._storage.activations
        found = activations.load(self._key(split, boundary)) if activations else None
        if found is None or found[0].shape != self._shape(split, boundary):
            return False
        if not self._make_room(split, boundary):
            return False
        self._kept[split, boundary].copy_(found[0])
        self._spent[split][boundary] = found[1]
        return True

    def _key(self, split: str, boundary: int) -> str:
        pooling = self._head.pooling if self.pools(boundary) else ""
        return digest([self._storage.content, self._splits[split].digest, boundary, pooling])

    def _keep(self, split: str, boundary: int, hidden: Tensor, batch: Batch) -> None:
        kept = self._kept[split, boundary]
        if self.pools(boundary):
            kept[batch.index.to(kept.device)] = self._head.pool(hidden, batch.mask).to(kept.device)
        elif kept.device == hidden.device:
            scatter(kept, hidden, batch)
        else:
            real = batch.mask.bool()
            kept[batch.positions[real].to(kept.device)] = hidden[real].to(kept.device)


class Stopwatch:
    """Seconds spent in the `with` block, summed over blocks, on the device's clock; compiling is counted apart."""

    def __init__(self, device: Device) -> None:
        self.seconds = 0.0
        self.compiling = 0.0
        self._device = device
        self._began = 0.0
        self._compiled = 0.0

    def __enter__(self) -> Stopwatch:
        self._compiled = compile_seconds()
        self._began = self._device.clock()
        return self

    def __exit__(self, *_: object) -> None:
        compiling = compile_seconds() - self._compiled
        self.seconds += self._device.clock() - self._began - compiling
        self.compiling += compiling
