"""What is measured, and the file that it is kept in."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bench.contracts import BenchError, Cell, Recipe, digest
from bench.runs import atomic_files
from bench.runs.record import Frozen, Machine

Side = Literal["engine", "trainer", "trainer-tuned", "scikit-learn", "sentence-transformers", "setfit"]

SIDES: dict[Side, str] = {
    "engine": "this engine",
    "trainer": "Trainer, defaults",
    "trainer-tuned": "Trainer, tuned",
    "scikit-learn": "encoder + LogisticRegression",
    "sentence-transformers": "sentence-transformers + LogisticRegression",
    "setfit": "setfit",
}
"""Every side, as a table calls it."""

CLASSIFIERS: tuple[Side, ...] = ("scikit-learn", "sentence-transformers")
"""Sides that fit another estimator on frozen, pooled features; only `frozen` is compared with them."""

COMPARED: dict[Side, str] = {**dict.fromkeys(CLASSIFIERS, "frozen"), "setfit": "setfit"}
"""The one strategy that a side is compared with; sides that are not here are compared with every strategy."""

REFUSED = 3
"""The exit code of a measuring process whose side cannot run the cell; the last line on stderr says why."""


class Clock(Frozen):
    """Seconds of a measurement; bench/peers/__init__.py says what each part covers."""

    prepare: float
    train: float
    evaluate: float

    @property
    def learn(self) -> float:
        return self.prepare + self.train

    @property
    def whole(self) -> float:
        return self.learn + self.evaluate


class Limit(Frozen):
    """What training one cell takes at least (`bench.peers.limit`). flops: of its matrix products. moved: bytes of
    its optimizer. rate, bandwidth: operations and bytes a second, measured in the same process."""

    flops: Annotated[float, Field(ge=0)]
    moved: Annotated[float, Field(ge=0)]
    rate: Annotated[float, Field(gt=0)]
    bandwidth: Annotated[float, Field(gt=0)]

    @property
    def products(self) -> float:
        """Seconds of the products alone."""
        return self.flops / self.rate

    @property
    def seconds(self) -> float:
        return self.products + self.moved / self.bandwidth


class SideOutcome(Frozen):
    """What a side gives back: its clock, and the headline metric on the test set (None for a suite of cells).
    limit: of a cell of this engine; None in files of earlier versions."""

    clock: Clock
    score: float | None = None
    limit: Limit | None = None


class MeasurementJob(Frozen):
    """One measurement to take: a cell, or (this engine alone) a suite of cells in one process.

    device: `cpu`, `cuda` or `cuda:1`; `auto` for this engine to choose."""

    side: Side
    cells: tuple[Cell, ...]
    device: str = "auto"
    dtype: str = "float32"  # what the machine computes in: bfloat16 where that is real
    threads: int | None = None
    local: Path | None = None
    plugin_files: tuple[Path, ...] = ()

    @property
    def title(self) -> str:
        name = self.cells[0].id if len(self.cells) == 1 else f"suite of {len(self.cells)} cells"
        return f"{name}, {SIDES[self.side]}"


class Measurement(Frozen):
    """A job that was run. key: what identifies the job and the machine, software and commit that it ran with."""

    key: str
    side: Side
    task: str
    strategy: str  # of the one cell; empty for a suite
    backbone: str
    seed: int
    cells: tuple[str, ...]
    outcome: SideOutcome | None = None
    reason: str = ""  # why there is no outcome

    @property
    def strategies(self) -> tuple[str, ...]:
        """Of each cell, in one order."""
        return tuple(sorted(cell.split("/")[1] for cell in self.cells))

    @property
    def kinds(self) -> set[str]:
        """The ids of the cells without their seeds."""
        return {cell.rpartition("/")[0] for cell in self.cells}


class PeerResults(Frozen):
    """A file of measurements taken on one machine. terms: what the measured cells rest on, a digest by cell id
    without the seed."""

    machine: Machine
    recipes: dict[str, Recipe]  # by task
    measurements: tuple[Measurement, ...] = ()
    terms: dict[str, str] = Field(default_factory=dict)

    def outcome_of(self, key: str) -> SideOutcome | None:
        return next((m.outcome for m in self.measurements if m.key == key), None)

    def without_changed(self, terms: dict[str, str]) -> PeerResults:
        """Without measurements of cells whose terms are others now."""
        changed = {kind for kind, found in terms.items() if self.terms.get(kind) != found}
        kept = tuple(m for m in self.measurements if changed.isdisjoint(m.kinds))
        return self.model_copy(update={"measurements": kept, "terms": {**self.terms, **terms}})

    def with_measurement(self, measurement: Measurement) -> PeerResults:
        kept = tuple(m for m in self.measurements if m.key != measurement.key)
        return self.model_copy(update={"measurements": (*kept, measurement)})


def job_key(job: MeasurementJob, machine: Machine, versions: dict[str, str]) -> str:
    """Equal for jobs whose measurements may stand for one another. versions: of the peers' own libraries."""
    return digest(
        [job.side, [dataclasses.asdict(cell) for cell in job.cells], machine.model_dump(), versions]
    )


def read(path: Path) -> PeerResults:
    """The measurements in a file. Raises BenchError where there are none or the file is damaged."""
    try:
        return PeerResults.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BenchError(
            f"{path}: nothing was measured yet; run `python -m bench peers`", code="nothing-measured"
        ) from error
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(
            f"{path} holds no measurements of peers ({reason}): move it away, or choose --out",
            code="no-measurements",
        ) from error


def save(results: PeerResults, path: Path) -> None:
    atomic_files.write(path, (results.model_dump_json(indent=1) + "\n").encode())
