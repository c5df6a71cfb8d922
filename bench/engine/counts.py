"""Cells without an encoder: a linear model on TF-IDF, with the splits, metrics, records and prediction files of all
other cells. It is fitted on the CPU, whatever the device. The recipe's budget, lengths and learning rates play no
part."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import torch

from bench.contracts import Cell, Recipe, Splits, Task, TextExample
from bench.data.encoding import label_index
from bench.data.splits import identity, prepare
from bench.engine.cell import ANYTHING, Tests
from bench.engine.group import RunContext, data_of
from bench.engine.kept_logits import asked_for
from bench.engine.machine import Device, describe
from bench.engine.prefix import Stopwatch
from bench.models.counts import Decoding, Linear, fit
from bench.runs.record import Data, Record, Seconds


@dataclass(frozen=True)
class CountsGroup:
    """What cells without an encoder share: rows. seconds: what reading them took."""

    task: Task
    rows: Splits
    labels: tuple[str, ...]
    data: Data
    device: Device
    seconds: float


def prepare_counts(cell: Cell, context: RunContext) -> CountsGroup:
    """The rows of a cell. Raises BenchError."""
    _warm_up()
    device = replace(context.device, torch=torch.device("cpu"))
    watch = Stopwatch(device)
    with watch:
        task, recipe = context.registry.task(cell.task), cell.recipe
        rows = prepare(task, context.registry.sources, recipe, cell.draw)
        labels = task.labels(rows.train)
    return CountsGroup(task, rows, labels, data_of(task, rows, labels), device, watch.seconds)


def run_counts(
    cells: Sequence[Cell], group: CountsGroup, context: RunContext
) -> Iterator[tuple[Record, Tests] | BaseException]:
    """Fit and score the cells; an exception is yielded in its cell's place."""
    for cell in cells:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        group.device.reset_peak_memory()
        try:
            record, tests = _run(cell, group, context)
            found = record.model_copy(update={"started": started}), tests
        except ANYTHING as error:
            found = error
        yield found


def _run(cell: Cell, group: CountsGroup, context: RunContext) -> tuple[Record, Tests]:
    rows, recipe = group.rows, cell.recipe
    fitting, evaluating = Stopwatch(group.device), Stopwatch(group.device)
    decoding = Decoding(group.task, rows, group.labels, recipe)

    def score(model: Linear) -> float:
        with evaluating:
            return decoding.score(model)

    with fitting:
        model = fit(rows.train, group.labels, recipe, score)
    validating = evaluating.seconds  # within the fitting
    with evaluating:
        logits = model.logits(rows.validation)
        decoding = decoding.chosen_on(logits)
        task = decoding.task
        kept = asked_for(recipe, group.labels, lambda: (logits, _classes(group)))
    scores: dict[str, dict[str, float]] = {}
    tests: Tests = {}
    for name, examples in rows.scored().items():
        with evaluating:
            logits = model.logits(examples)
            predictions = decoding.predictions(logits, examples)
            scores[name] = task.score(examples, predictions)
        columns = {**task.columns(examples, predictions), **kept.columns(logits)}
        tests[name] = {**identity(examples), **columns}
    parts = {
        "prepare": group.seconds,
        "train": fitting.seconds - validating,
        "evaluate": evaluating.seconds,
    }
    record = Record(
        cell=cell,
        fingerprint=context.registry.fingerprint(cell),
        status="done",
        adapter=task.adapter,
        headline=task.headline,
        scorer=task.scorer,
        metrics=task.metrics,
        scores=scores,
        seconds=Seconds(**parts, cold=math.fsum(parts.values())),
        peak_memory=group.device.peak_memory(),
        trainable=model.parameters,
        parameters=model.parameters,
        weights=context.registry.weights(cell.backbone),
        data=group.data,
        machine=describe(group.device),
        chosen={"inverse_penalty": model.inverse_penalty, **task.chosen, **kept.chosen},
    )
    return record, tests


def _classes(group: CountsGroup) -> np.ndarray:
    """The place of the label of each validation row [N]."""
    rows = group.rows.validation
    return label_index((row.id for row in rows), (row.label for row in rows), group.labels)


@functools.cache
def _warm_up() -> None:
    """First uses of the library, which no cell is charged for."""
    rows = [TextExample(str(number), f"some words {number} more", str(number % 2)) for number in range(8)]
    fit(rows, ("0", "1"), Recipe(), lambda model: float(model.logits(rows).mean()))
