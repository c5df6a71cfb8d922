"""Record: one executed cell, as it is stored. Its JSON form is versioned; old versions are migrated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.contracts import BenchError, Cell, Metric
from bench.runs.curve import Point

SCHEMA_VERSION = 2
"""Raised when a field is added, removed or renamed; MIGRATIONS says how an older record becomes a newer one."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda value: value,  # fields that were added since have defaults
}
"""From the version that is the key to the next."""

Status = Literal["done", "failed", "oom", "diverged", "timeout", "killed", "skipped"]


class Frozen(BaseModel):
    """A value read from a file: unknown keys are errors, fields cannot be assigned."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Seconds(Frozen):
    """Wall-clock seconds on `perf_counter`, with a device sync at the edges only.

    prepare: read rows from the local cache, tokenise, load the encoder (downloads are not counted).
    prefix: run frozen blocks once over every split. compile: graphs or kernels. train: the steps.
    evaluate: validation passes and the test sets. cold: the sum: this cell alone, from cold, whatever
    was in fact shared with other cells. tune: training and validation of the learning-rate scales that were
    tried and not kept; not in cold.
    """

    prepare: float = 0.0
    prefix: float = 0.0
    compile: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0
    cold: float = 0.0
    tune: float = 0.0


class Trial(Frozen):
    """A learning-rate scale that was tried: its lowest validation loss (None: it diverged), and whether it is the
    one that the record is about."""

    scale: float
    loss: float | None
    kept: bool


class Machine(Frozen):
    """Where a cell ran."""

    device: str  # "cpu" or the GPU's name
    dtype: str
    threads: int
    processor: str
    system: str
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str = ""
    dirty: bool = False


class Data(Frozen):
    """What a cell was trained and scored on."""

    fingerprint: str  # of all rows used, in order
    task_version: int
    sizes: dict[str, int] = Field(default_factory=dict)  # examples a split
    labels: tuple[str, ...] = ()
    truncated: float = 0.0  # share of training sequences cut at max_length
    padding: float = 0.0  # share of the tokens of training batches that are padding
    majority: dict[str, float] = Field(default_factory=dict)  # score of always saying the commonest label


class Record(Frozen):
    """One executed cell. `scores` is by test set, then by metric, each in [0, 1]."""

    schema_version: int = SCHEMA_VERSION
    cell: Cell
    fingerprint: str
    status: Status
    reason: str = ""
    adapter: str = ""
    headline: str = ""
    metrics: tuple[Metric, ...] = ()
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    curve: tuple[Point, ...] = ()
    trials: tuple[Trial, ...] = ()  # of recipe.tune
    seconds: Seconds = Seconds()
    peak_memory: int = 0  # bytes: of the device on a GPU, resident memory of the process on a CPU
    trainable: int = 0  # parameters that learn in any phase, the head included
    parameters: int = 0
    attention: str = ""  # its implementation
    flops: float = 0.0  # floating-point operations of matrix products, by formula
    utilisation: float = 0.0  # flops a second over the machine's measured matrix-product rate
    adaptations: tuple[str, ...] = ()  # what was changed on the way: "micro-batch 16", "float32"
    data: Data | None = None
    machine: Machine | None = None
    started: str = ""  # ISO 8601, UTC

    def to_json(self) -> str:
        return self.model_dump_json(indent=1)


def read_record(text: str, where: str) -> Record:
    """The record in `text`; BenchError naming `where` if it is damaged or from a newer version."""
    try:
        value: dict[str, Any] = json.loads(text)
        version = int(value["schema_version"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(
            f"{where} is not a record (damaged file?): delete it and run the suite again"
        ) from error
    if version > SCHEMA_VERSION:
        raise BenchError(f"{where} has schema {version}; this version reads up to {SCHEMA_VERSION}: upgrade")
    for older in range(version, SCHEMA_VERSION):
        if older not in MIGRATIONS:
            raise BenchError(
                f"{where} has schema {version}, which this version cannot read: run the suite again"
            )
        value = {**MIGRATIONS[older](value), "schema_version": older + 1}
    try:
        return Record.model_validate(value)
    except (ValidationError, BenchError) as error:
        detail = str(error).splitlines()[0]
        raise BenchError(
            f"{where} is not a valid record ({detail}): delete it and run the suite again"
        ) from error
