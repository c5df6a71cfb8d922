"""A forecast on the screen, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.contracts import Cell
from bench.data.cache import megabytes
from bench.planning.at_once import advice
from bench.planning.estimates import Basis
from bench.planning.forecast import Forecast, Row
from bench.planning.workload import sizes
from bench.registry import Registry
from bench.text import counted, duration, printable

BASIS: dict[Basis, str] = {
    "recorded": "recorded",
    "scaled": "scaled from other recorded cells",
    "assumed": "assumed from operations",
}


def show(forecast: Forecast, console: Any) -> None:
    """Print a forecast on a rich console: a line for each task, strategy and backbone, and the sums."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("task", "strategy", "backbone"):
        table.add_column(heading)
    for heading in ("cells", "finished", "each, about", "memory, about"):
        table.add_column(heading, justify="right")
    table.add_column("from")
    for row in forecast.rows:
        cell = row.cells[0]
        names = (cell.task, cell.strategy, cell.backbone)
        numbers = (str(len(row.cells)), str(row.finished), duration(row.each.seconds), _mib(row))
        last = f"does not fit: {row.reason}" if row.reason else row.each.basis
        table.add_row(*(Text(printable(text)) for text in (*names, *numbers, last)))
    console.print(table)
    for line in _sums(forecast):
        console.print(printable(line), markup=False, highlight=False)


def as_dict(forecast: Forecast) -> dict[str, Any]:
    return {
        "seconds": round(forecast.seconds, 1),
        "downloads": [vars(download) for download in forecast.downloads],
        "assumed_operations_a_second": forecast.rate,
        "cells": [
            {
                "id": cell.id,
                "seconds": round(row.each.seconds, 2),
                "memory": row.each.memory,
                "from": row.each.basis,
                "misfit": row.reason,
            }
            | (
                {"at_once": row.at_once.seeds, "memory_at_once": row.at_once.memory}
                if row.at_once.seeds > 1
                else {}
            )
            for row in forecast.rows
            for cell in row.cells
        ],
    }


def kept_logits(cells: Sequence[Cell], registry: Registry) -> str:
    """How much the logits take that predictions are to keep; '' where none do."""
    kept = [cell for cell in cells if cell.recipe.logits or cell.recipe.calibrate]
    rows = sum(sizes(type(registry.task(cell.task)), cell)[2] for cell in kept)
    if not kept:
        return ""
    return (
        f"predictions of {counted(len(kept), 'cell')} keep logits: about {megabytes(2 * rows)} for each label, "
        "before compression"
    )


def at_once(forecast: Forecast, per_device: int, gpu: tuple[str, int] | None) -> str:
    """What training so many seeds at once takes. gpu: its name and bytes of memory."""
    names = (
        ("/".join((row.cells[0].task, row.cells[0].strategy, row.cells[0].backbone)), row.at_once)
        for row in forecast.rows
    )
    return advice(list(names), per_device, gpu)


def _mib(row: Row) -> str:
    return f"{row.each.memory / 2**20:,.0f} MiB" if row.each.memory else "–"


def _sums(forecast: Forecast) -> list[str]:
    rows = [row for row in forecast.rows if not row.reason]
    cells, finished = sum(len(row.cells) for row in rows), sum(row.finished for row in rows)
    counts: Counter[Basis] = Counter(row.each.basis for row in rows for _ in row.cells)
    lines = [
        "",
        f"{counted(cells - finished, 'cell')} to run, {finished} finished; about {duration(forecast.seconds)} "
        "one after another, what cells share included",
    ]
    if counts:
        bases = ", ".join(f"{BASIS[basis]} ({counted(count, 'cell')})" for basis, count in counts.items())
        lines.append(f"times are {bases}")
    if any(row.each.basis == "assumed" for row in rows) and all(row.at_once.seeds == 1 for row in rows):
        lines.append("memory is assumed for a process on a CPU; cells take 0.6 to 1.6 of it")
    if forecast.machines:
        lines.append(f"recorded on {'; '.join(forecast.machines)}")
    if forecast.elsewhere:
        lines.append(f"left out: records of {'; '.join(forecast.elsewhere)}")
    if counts["assumed"] or counts["scaled"]:
        lines.append(
            f"assumed speed: {forecast.rate / 1e9:,.0f} GFLOP/s (a CPU's is measured with a matrix product)"
        )
    if not forecast.downloads:
        return [*lines, "nothing to download"]
    known = sum(download.size or 0 for download in forecast.downloads)
    lines.append(f"to download first, {megabytes(known)} known in all:")
    for download in forecast.downloads:
        size = megabytes(download.size) if download.size else "size not known before"
        lines.append(f"  {download.name} ({download.source}, {size})")
    return lines
