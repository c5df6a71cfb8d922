"""Runs cells one after another in this process: every executor ends here. Imports torch."""

from __future__ import annotations

import gc
import importlib
import os
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from bench.contracts import BenchError, Cell
from bench.engine.attempt import Attempt, attempt
from bench.engine.compiling import missing_compiler
from bench.engine.counts import CountsGroup, prepare_counts
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.kept_rows import KeptRows
from bench.engine.machine import choose_device
from bench.engine.speeds import Speeds
from bench.engine.warm_up import WarmUp
from bench.executors import torch_settings
from bench.executors.contract import Work
from bench.executors.groups import Key
from bench.models.catalog import kind_of
from bench.registry import Registry
from bench.runs import load
from bench.runs.listeners import Listener
from bench.runs.record import Load, Record


class Series:
    """Cells in a row; neighbours of one group share rows, weights and prefix."""

    def __init__(self, work: Work, registry: Registry, device: str) -> None:
        if work.options.deterministic:
            from bench.engine.determinism import make_deterministic

            make_deterministic()
        for name in work.imports:
            importlib.import_module(name)
        self._work = work
        chosen = choose_device(device, work.options.threads)
        if work.options.compiled and (reason := missing_compiler(chosen.torch)):
            raise BenchError(f"--compile: {reason}", code="no-compiler")
        seeds: dict[str, list[int]] = {}
        # of the whole suite, in a shard too: rounding depends on how many heads train at once
        for name in work.grid or work.fingerprints:
            cell, _, seed = name.rpartition("/seed")
            seeds.setdefault(cell, []).append(int(seed))
        options = work.options
        self._context = RunContext(
            registry,
            chosen,
            activations=options.activations,
            seeds=seeds,
            compiled=options.compiled,
            per_device=options.per_device,
        )
        self._settings = torch_settings.noted()
        self._warm_up = WarmUp()
        self._refusal = ""  # of the store of activations, once it was noted
        self._key: Key | None = None
        self._group: CellGroup | CountsGroup | None = None

    def run(
        self, cells: Sequence[Cell], listener: Listener, adaptations: tuple[str, ...] = ()
    ) -> Iterator[Record]:
        """Run one cell, or several seeds of one that train together, and save each; one that cannot be run gives a
        record that says why. BenchError where the run folder cannot be written."""
        torch_settings.restore(self._settings)
        if self._work.options.deterministic:
            adaptations = (*adaptations, "deterministic kernels")
        if self._work.options.compiled:
            adaptations = (*adaptations, "compiled layers")
        terms = Attempt(
            group=partial(self._group_of, listener=listener),
            watch=listener.point,
            log=self._log,
            retry_fp32=self._work.options.retry_fp32,
            adaptations=adaptations,
        )
        before, found = load.now(), None
        for record, tests in attempt(cells, self._context, terms):
            if record.status == "oom":
                self._forget()
            self._note_refusal(listener)
            after = load.now()
            measured = load.between(before, after)
            if found is None or measured.others is not None:
                found = measured  # else its heads were trained with those of a cell before it, and so was the load
            record = self._with_conditions(record, found)
            before = after
            self._work.store.save(record, tests)
            yield record

    def _group_of(self, cell: Cell, context: RunContext, listener: Listener) -> CellGroup | CountsGroup:
        """What the cell's group shares; kept for the next cell where the context is the usual one."""
        if context is not self._context:
            self._forget()
            return self._prepare(cell, context)
        if self._group is None or self._key != cell.group_key:
            earlier = self._rows_before(cell)
            self._forget()
            listener.say(f"{cell.task}: reading rows, loading {cell.backbone}, encoding, warming up ...")
            self._group = self._prepare(cell, context, earlier)
            self._key = cell.group_key
        return self._group

    def _rows_before(self, cell: Cell) -> KeptRows | None:
        """What the last group's encoder gave, where this cell's group differs in its rows alone. Word vectors may
        have been trained on the rows."""
        last, options = self._group, self._work.options
        if (
            not isinstance(last, CellGroup)
            or self._key is None
            or not options.growing
            or options.deterministic
        ):
            return None
        alike = last.given.depth and _but_rows(self._key) == _but_rows(cell.group_key)
        return last.prefix.rows(last.setup.attention) if alike else None

    def _prepare(
        self, cell: Cell, context: RunContext, earlier: KeptRows | None = None
    ) -> CellGroup | CountsGroup:
        """What the cell's group shares, and everything used once, so that no cell is charged for a first use.
        BenchError where the cell is not the one that the run began with any more."""
        registry, planned = context.registry, self._work.fingerprints.get(cell.id)
        if planned not in (None, registry.fingerprint(cell)) or registry.has_changed(cell.backbone):
            raise BenchError(
                f"files of {cell.backbone}, {cell.strategy} or {cell.task} have changed since this run began: "
                "start it again",
                code="changed-files",
            )
        if kind_of(cell.backbone) == "counts":
            return prepare_counts(cell, context)
        self._warm_up.machine(cell, context)
        group = prepare_group(cell, context, earlier)
        self._warm_up.group(cell, group, context)
        return group

    def _with_conditions(self, record: Record, found: Load) -> Record:
        """The record with what else the machine did, and with a warm-up that has not been reported yet."""
        if record.machine is None:
            return record
        device, cache = self._context.device, self._context.registry.sources.cache
        rate = 0.0 if kind_of(record.cell.backbone) == "counts" else Speeds(device, cache).gemm()
        update = {"rate": rate, "warm_up": self._warm_up.take(), "load": found}
        machine = record.machine.model_copy(update=update)
        return record.model_copy(update={"machine": machine})

    def _note_refusal(self, listener: Listener) -> None:
        """Say once that activations are no longer kept for other runs."""
        store = self._context.activations
        if store and store.refusal != self._refusal:
            self._refusal = store.refusal
            listener.note(store.refusal)

    def _forget(self) -> None:
        self._group, self._key = None, None
        gc.collect()

    def _log(self, cell: Cell, error: BaseException) -> str:
        """Write the traceback to the cell's log; returns where it is, for the record's reason."""
        path = self._work.store.log_path(cell.id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write("".join(traceback.format_exception(error)))
        except OSError:
            return ""  # a full disk: the record itself will say so
        return os.fspath(path.relative_to(self._work.store.path))


def _but_rows(key: Key) -> Key:
    """What a group shares besides the rows that it trains on."""
    _, backbone, recipe, draw = key
    return backbone, replace(recipe, train=None), draw
