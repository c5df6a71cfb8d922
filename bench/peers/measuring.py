"""Takes the measurements: which, in which order, each in a process of its own, saved one by one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from bench.contracts import BenchError, Cell, digest
from bench.extras import missing
from bench.models.catalog import kind_of
from bench.peers.measurement import (
    COMPARED,
    REFUSED,
    SIDES,
    Measurement,
    MeasurementJob,
    PeerResults,
    Side,
    SideOutcome,
    job_key,
    read,
    save,
)
from bench.planning.rows_read import RowsRead
from bench.registry import Registry
from bench.runs import processes
from bench.runs.record import Machine
from bench.text import counted

SUITE_SEEDS = 3
"""Seeds of the suite whose wall-clock is compared with the sum of a peer's cells."""


def jobs(cells: Sequence[Cell], sides: Collection[Side], template: MeasurementJob) -> list[MeasurementJob]:
    """A round for each seed: the sides of a cell follow one another, in reversed order in every other round, and
    the suites of this engine come last."""
    found: list[MeasurementJob] = []
    for seed in sorted({cell.seed for cell in cells}):
        for cell in (cell for cell in cells if cell.seed == seed):
            order: list[Side] = [side for side in SIDES if side in sides and applies(side, cell)]
            found += [_job(template, side, (cell,)) for side in (order if seed % 2 == 0 else order[::-1])]
        if "engine" in sides:
            found += [_job(template, "engine", suite) for suite in suites(cells, seed)]
    return found


def check(cells: Sequence[Cell], wanted: Collection[Side]) -> None:
    """BenchError where peers cannot run what is asked for."""
    for cell in cells:
        if kind_of(cell.backbone) != "encoder":
            what = "word vectors" if kind_of(cell.backbone) == "vectors" else "counts of words"
            raise BenchError(
                f"backbone '{cell.backbone}': peers are compared on encoders, not on {what}",
                code="peers-without-vectors",
            )
        if cell.recipe.tune:
            raise BenchError(
                "recipe.tune is set: peers are compared at one learning rate", code="peers-recipe"
            )
        if not cell.recipe.bias_correction:
            raise BenchError(
                "recipe.bias_correction is false: peers' AdamW corrects its moments", code="peers-recipe"
            )
        if cell.recipe.layers is not None or cell.recipe.features != "last":
            raise BenchError(
                "recipe.layers and recipe.features: peers read only the encoder's last layer",
                code="peers-recipe",
            )
    if {"trainer", "trainer-tuned"} & set(wanted) and find_spec("accelerate") is None:
        raise missing("peer Trainer", "peers", ModuleNotFoundError("No module named 'accelerate'"))


def suites(cells: Sequence[Cell], repeat: int) -> Iterator[tuple[Cell, ...]]:
    """For each task and backbone with several strategies: all of them with SUITE_SEEDS seeds. Each repeat has seeds
    of its own, the first one those that are compared cell by cell."""
    ordered = sorted(cells, key=lambda cell: (cell.task, cell.backbone))
    for _, group in groupby(ordered, key=lambda cell: (cell.task, cell.backbone)):
        strategies = {cell.strategy: cell for cell in group}
        if len(strategies) > 1:
            seeds = range(repeat * SUITE_SEEDS, (repeat + 1) * SUITE_SEEDS)
            yield tuple(replace(cell, seed=seed) for cell in strategies.values() for seed in seeds)


def applies(side: Side, cell: Cell) -> bool:
    """Whether a side is compared with the cell's strategy; the side itself says whether it fits the task."""
    return COMPARED.get(side, cell.strategy) == cell.strategy


def measure(
    todo: Sequence[MeasurementJob], results: PeerResults, path: Path, say: Callable[[str], None]
) -> PeerResults:
    """Run the jobs that `results` has no outcome of, and save after each."""
    for number, job in enumerate(todo, 1):
        key = job_key(job, results.machine, peer_versions(job.side))
        if results.outcome_of(key):
            continue
        say(f"{number}/{len(todo)} {job.title} ...")
        outcome, reason = run(job)
        shown = f"{outcome.clock.learn:.1f} s + {outcome.clock.evaluate:.1f} s" if outcome else reason
        say(f"{number}/{len(todo)} {job.title}: {shown}")
        results = results.with_measurement(_measurement(job, key, outcome, reason))
        save(results, path)
    return results


def run(job: MeasurementJob) -> tuple[SideOutcome | None, str]:
    """The outcome of a job in a new process, or None and why."""
    with tempfile.TemporaryDirectory(prefix="transferbench-peers-") as folder:
        given, found = Path(folder, "job.json"), Path(folder, "outcome.json")
        given.write_text(job.model_dump_json(), encoding="utf-8")
        command = processes.command("bench.peers.worker", str(given), str(found))
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(job), check=False)
        if done.returncode == 0:
            return SideOutcome.model_validate_json(found.read_text(encoding="utf-8")), ""
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return None, last if done.returncode == REFUSED else f"failed: {last}"


def peer_versions(side: Side) -> dict[str, str]:
    """Versions of the libraries that only peers use, as far as they are installed. That of setfit counts for its
    side alone, so that other measurements stay valid."""
    found = {}
    for name in ("accelerate", "sentence-transformers", *(("setfit",) if side == "setfit" else ())):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def begin(
    path: Path, machine: Machine, cells: Sequence[Cell], terms: dict[str, str], say: Callable[[str], None]
) -> PeerResults:
    """The measurements of the file, to be continued; none where machine, software, commit or recipe differ, and
    none of cells whose terms do. terms: as `terms_of` gives them."""
    recipes = {cell.task: cell.recipe for cell in cells}
    empty = PeerResults(machine=machine, recipes=recipes, terms=terms)
    if not path.exists():
        return empty
    found = read(path)
    if found.machine != machine or any(found.recipes.get(task, r) != r for task, r in recipes.items()):
        say(f"{path} was measured on another machine, commit or recipe: measuring anew")
        return empty
    kept = found.without_changed(terms)
    if lost := len(found.measurements) - len(kept.measurements):
        say(
            f"{path}: {counted(lost, 'measurement')} of strategies, rows or weights that have changed since: "
            "measuring anew"
        )
    return kept.model_copy(update={"recipes": found.recipes | recipes})


def terms_of(cells: Sequence[Cell], registry: Registry, rows: RowsRead) -> dict[str, str]:
    """A digest of what cells declare, their weights and their rows, by cell id without the seed."""
    found: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: cell.seed):
        task, _, recipe, draw = cell.group_key
        used = rows.used[task, recipe, draw]
        kind = cell.id.rpartition("/")[0]
        found.setdefault(kind, digest([registry.fingerprint(cell), used.digest, dict(used.sizes)]))
    return found


def _job(template: MeasurementJob, side: Side, cells: tuple[Cell, ...]) -> MeasurementJob:
    return template.model_copy(update={"side": side, "cells": cells})


def _environment(job: MeasurementJob) -> dict[str, str]:
    """Only one GPU is visible, of those that this process sees: Trainer would spread over all of them."""
    environment = processes.environment()
    kind, _, number = job.device.partition(":")
    if kind == "cpu":
        return environment
    place, seen = int(number or 0), environment.get("CUDA_VISIBLE_DEVICES")
    visible = [str(place)] if seen is None else seen.split(",")[place : place + 1]
    return environment | {"CUDA_VISIBLE_DEVICES": ",".join(visible)}


def _measurement(job: MeasurementJob, key: str, outcome: SideOutcome | None, reason: str) -> Measurement:
    first = job.cells[0]
    return Measurement(
        key=key,
        side=job.side,
        task=first.task,
        strategy=first.strategy if len(job.cells) == 1 else "",
        backbone=first.backbone,
        seed=first.seed,
        cells=tuple(cell.id for cell in job.cells),
        outcome=outcome,
        reason=reason,
    )
