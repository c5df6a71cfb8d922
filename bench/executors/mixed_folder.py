"""What a run says where its folder also holds cells that ran on other terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.contracts import Cell
from bench.runs.listeners import Screen
from bench.runs.record import Record
from bench.runs.terms import different_keys, shared
from bench.text import counted, first_of


def note_mixture(run: Path, recorded: Iterable[Record], cells: Sequence[Cell], display: Screen) -> None:
    """Note finished cells of these tasks that are not asked for and ran with another recipe."""
    asked, recipes = {cell.id for cell in cells}, {cell.task: shared(cell.recipe) for cell in cells}
    keys: dict[str, None] = {}
    others = 0
    for record in recorded:
        cell = record.cell
        if record.status != "done" or cell.id in asked or cell.task not in recipes:
            continue
        found = different_keys(recipes[cell.task], shared(cell.recipe))
        others, keys = others + bool(found), keys | dict.fromkeys(found)
    if others:
        display.note(
            f"{run} also holds {counted(others, 'finished cell')} of these tasks with another recipe "
            f"({first_of(keys)}): tables will mix both; give --out a new folder, or run the whole suite again"
        )
