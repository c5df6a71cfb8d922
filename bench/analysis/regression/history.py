"""The trend over runs, one line per completed run, and the steps in it.

A run is added to results/runs/history.jsonl, which stays on this machine. Promoting it to a baseline also adds it
to results/history.jsonl, which is committed. Readers take both.

A trend never mixes recipes, numbers of finished seeds, rows, rules of scoring or weights: it follows the runs with
those of the last one.
Steps are changes in mean found by PELT (Killick, Fearnhead & Eckley 2012, JASA 107), through `ruptures` (Truong,
Oudre & Vayatis 2020, Signal Processing 167). The penalty is 4 s^2 log n, twice that of BIC (Yao 1988), because the
noise from run to run, s, is itself estimated: by the median absolute difference of neighbours, which steps hardly
move.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.analysis.groups import Group, gather, machine_fingerprint
from bench.analysis.regression.looks import looked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError, digest
from bench.runs import plain_files
from bench.runs.record import Count, Duration, Record, Score
from bench.runs.terms import suite_of
from bench.text import counted

VERSION = 3
"""Lines of version 1 have no recipes, those of version 2 do not say on what a cell ran; both are read as they
are."""
NAME = "history.jsonl"
COMMITTED = Path("results") / NAME
BARS = "▁▂▃▄▅▆▇█"
LEAST_NOISE = {"score": 0.002, "seconds": 0.02}  # of a score; of the logarithm of seconds


class Measured(BaseModel):
    """A cell of one run, over its seeds: mean headline score in [0, 1] and median cold seconds. recipe: the digest
    of its recipe and of the strategy's options; '' in lines of version 1. terms: the digest of rows, scoring and
    weights; '' in earlier lines."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    score: Score | None
    seconds: Duration | None
    seeds: Count
    recipe: str = ""
    terms: str = ""


class Line(BaseModel):
    """A completed run. `cells` is by `task/strategy/backbone`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    history_version: int = VERSION
    suite: str
    date: str  # ISO 8601, UTC: when its last cell started
    commit: str = ""
    dirty: bool = False
    machine: str = ""
    cells: dict[str, Measured] = Field(default_factory=dict)

    @field_validator("cells")
    @classmethod
    def _three_parts(cls, cells: dict[str, Measured]) -> dict[str, Measured]:
        odd = next((name for name in cells if name.count("/") < 2), None)
        if odd is not None:
            raise ValueError(f"{odd[:80]!r} is no task/strategy/backbone")
        return cells


def line(records: Sequence[Record]) -> Line:
    """What a run adds to the history. BenchError where nothing finished, or cells are of several suites."""
    groups = gather(records)
    done = [record for group in groups.values() for record in group.done]
    if not done:
        raise BenchError(
            "the run has no finished cell: nothing to add to the history", code="nothing-finished"
        )
    cells = {}
    for key, group in groups.items():
        scores = group.scores(group.headline)
        cells[str(key)] = Measured(
            score=fmean(scores) if scores else None,
            seconds=group.seconds(),
            seeds=len(group.done),
            recipe=recipe_digest(group.records[-1]),
            terms=_terms(group),
        )
    machine = done[0].machine
    return Line(
        suite=suite_of(records, "the run"),
        date=max(record.started for record in done),
        commit=machine.commit if machine else "",
        dirty=machine.dirty if machine else False,
        machine=machine_fingerprint(machine),
        cells=cells,
    )


def recipe_digest(record: Record) -> str:
    """The same for two records that may stand in one trend."""
    return digest([record.cell.recipe, record.cell.options])


def _terms(group: Group) -> str:
    """The digest of what a group learned from and how it was scored, by its first seed: each may draw its rows."""
    record = next(iter(group.done), None)
    if record is None or record.data is None:
        return ""
    rows = [record.data.fingerprint, record.data.task_version]
    return digest([*rows, record.headline, record.scorer, record.weights])


def check(path: Path) -> None:
    """BenchError where anything but a file is in the place of a history: a link may come from a stranger."""
    try:
        plain_files.exists(path.parent, path)
    except plain_files.Irregular as error:
        raise BenchError(
            f"no run can be added to the history {path} ({error.reason}): put a plain file there",
            code="irregular-file",
        ) from error
    except OSError as error:
        raise BenchError(f"{path} cannot be written ({error.strerror})", code="cannot-write") from error


def append(records: Sequence[Record], path: Path) -> None:
    """Add a run to a history where it does not have that run yet. BenchError as `line`, or where the file cannot be
    written."""
    new = line(records).model_dump_json()
    check(path)
    try:
        if path.is_file() and new in path.read_text(encoding="utf-8").splitlines():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with plain_files.opened(path, flags) as descriptor:
            # a bare write may take a part of the line alone
            with os.fdopen(os.dup(descriptor), "ab") as file:
                file.write(f"{new}\n".encode())
            os.fsync(descriptor)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "the file is damaged"
        raise BenchError(f"{path} cannot be written ({reason})", code="cannot-write") from error


def read_both(runs: Path) -> list[Line]:
    """The runs in the history of a folder of runs and in the committed one above it, oldest first, each once.

    BenchError where there is neither, or where one cannot be read."""
    files = [path for path in (runs.parent / NAME, runs / NAME) if path.is_file()]
    if not files:
        raise BenchError(f"{runs / NAME} does not exist: complete a run first", code="no-history")
    lines = {line.model_dump_json(): line for path in files for line in read(path)}
    return sorted(lines.values(), key=lambda line: line.date)


def read(path: Path) -> list[Line]:
    """A history in the order of its file; BenchError names the line that cannot be read."""
    if not path.is_file():
        raise BenchError(f"{path} does not exist: complete a run first", code="no-history")
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(
            f"{path} cannot be read ({error}): restore it from version control", code="cannot-read"
        ) from error
    lines = []
    for number, text in enumerate(texts, 1):
        place = f"{path}, line {number}"
        version = _version(text)
        if version > VERSION:
            raise BenchError(
                f"{place} has version {version:g}; this program reads up to {VERSION}: upgrade it",
                code="newer-history",
            )
        try:
            lines.append(Line.model_validate_json(text))
        except ValidationError as error:
            raise BenchError(
                f"{place} is damaged: delete the line or restore the file", code="damaged-history"
            ) from error
    return lines


def _version(text: str) -> float:
    """The version of a line; 0 where it states none: what else is wrong with it is said by who reads the rest."""
    try:
        return float(json.loads(text)["history_version"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return 0.0


def trend(
    lines: Sequence[Line], suite: str, task: str = "", strategy: str = "", every: Sequence[Line] = ()
) -> Table:
    """The history of a suite, one row per cell: scores of all machines, seconds of the last run's machine, and in
    each row only runs on the terms of the last run that has the cell. every: the whole history, where `lines` are
    a part of it.

    BenchError where nothing matches."""
    of_suite = [item for item in lines if item.suite == suite]
    names = dict.fromkeys(name for item in of_suite for name in item.cells)
    chosen = [name for name in names if _matches(name, task, strategy)]
    if not chosen:
        raise BenchError(_no_match(lines, suite, names), code="no-history")
    columns = (
        Column("runs", "runs", "count"),
        Column("score", "score", "percent"),
        Column("scores", "trend of score", "text"),
        Column("steps", "steps of score", "text"),
        Column("seconds", "seconds", "seconds"),
        Column("times", "trend of seconds", "text"),
        Column("time-steps", "steps of seconds", "text"),
    )
    shown = {name: _on_the_same_terms(name, of_suite) for name in chosen}
    rows = tuple(_row(name, present) for name, present in shown.items())
    others = sum(any(name in item.cells and item not in shown[name] for name in chosen) for item in of_suite)
    scored = looked([name.split("/", 2)[0] for name in chosen], every or lines)
    notes = (
        "Steps are changes in mean found by PELT (Killick et al. 2012), with the commit that begins them.",
        *([scored] if scored else []),
        *(
            [
                f"Left out of some rows: {counted(others, 'earlier run')} with another recipe or number of "
                "finished seeds, on other rows, or of another encoder or rule of scoring."
            ]
            if others
            else []
        ),
    )
    block = Block("", rows)
    return Table(f"History of suite {suite}", ("task", "strategy", "backbone"), columns, (block,), notes)


def _matches(name: str, task: str, strategy: str) -> bool:
    parts = name.split("/", 2)
    return (not task or parts[0] == task) and (not strategy or parts[1] == strategy)


def _on_the_same_terms(name: str, lines: Sequence[Line]) -> list[Line]:
    """The runs that have the cell on the terms of the last that has a score, as far as they are known, and with as
    many finished seeds: a mean over others moves by itself."""
    present = [item for item in lines if name in item.cells]
    scored = [item for item in present if item.cells[name].score is not None]
    last = (scored or present)[-1].cells[name]
    alike = [item for item in present if item.cells[name].recipe == last.recipe]
    alike = [item for item in alike if item.cells[name].seeds == last.seeds]
    return [item for item in alike if not last.terms or item.cells[name].terms in ("", last.terms)]


def _row(name: str, present: Sequence[Line]) -> Row:
    scored = [(item, value) for item in present if (value := item.cells[name].score) is not None]
    timed = [
        (item, value)
        for item in present
        if item.machine == present[-1].machine and (value := item.cells[name].seconds)
    ]
    scores, seconds = [value for _, value in scored], [value for _, value in timed]
    score_steps = [
        f"{100 * (after - before):+.1f} points at {_run_name(scored[place][0])}"
        for place, before, after in steps(scores, LEAST_NOISE["score"])
    ]
    time_steps = [
        f"{100 * math.expm1(after - before):+.0f}% at {_run_name(timed[place][0])}"
        for place, before, after in steps([math.log(value) for value in seconds], LEAST_NOISE["seconds"])
    ]
    entries = (
        Entry(float(len(present))),
        Entry(scores[-1] if scores else None),
        Entry(sparkline(scores)),
        Entry("; ".join(score_steps)),
        Entry(seconds[-1] if seconds else None),
        Entry(sparkline(seconds)),
        Entry("; ".join(time_steps)),
    )
    return Row(tuple(name.split("/", 2)), entries)


def _no_match(lines: Sequence[Line], suite: str, names: Iterable[str]) -> str:
    suites = ", ".join(dict.fromkeys(item.suite for item in lines)) or "none"
    parts = [name.split("/", 2) for name in names]
    if not parts:
        return f"the history has no run of suite '{suite}' (suites: {suites})"
    tasks, strategies = (", ".join(dict.fromkeys(part[place] for part in parts)) for place in (0, 1))
    return f"no cell of suite '{suite}' matches (tasks: {tasks}; strategies: {strategies})"


def _run_name(item: Line) -> str:
    return item.commit[:10] or item.date


def sparkline(values: Sequence[float], width: int = 30) -> str:
    """The last `width` values as bars from the lowest to the highest; a flat series is a line of low bars."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in shown)


def steps(values: Sequence[float], least_noise: float) -> list[tuple[int, float, float]]:
    """The changes in mean: (first place of the new level, mean before, mean after). A level lasts at least
    three runs; series shorter than six have none. `least_noise`: the smallest standard deviation assumed."""
    if len(values) < 6:
        return []
    import ruptures

    series = np.asarray(values, dtype=float)
    noise = max(1.4826 / math.sqrt(2) * float(np.median(np.abs(np.diff(series)))), least_noise)
    search = ruptures.Pelt(model="l2", min_size=3, jump=1).fit(series[:, None] / noise)
    ends = search.predict(pen=4 * math.log(len(series)))
    bounds = [0, *ends]
    levels = [float(series[start:end].mean()) for start, end in zip(bounds, ends, strict=False)]
    return [(ends[place], levels[place], levels[place + 1]) for place in range(len(levels) - 1)]
