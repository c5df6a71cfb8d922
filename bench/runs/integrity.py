"""Verifies a run folder, and quarantines damaged files so that the next run makes them again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bench.runs import atomic_files, plain_files
from bench.runs.folder import FOLDERS, Damaged, Store
from bench.text import counted


@dataclass(frozen=True)
class Verdict:
    """What was found: sound cells, damaged files with the reason, files that belong to no record, and temporary
    files of writers that are gone."""

    sound: int
    damaged: dict[Path, str]
    leftovers: tuple[Path, ...]
    abandoned: tuple[Path, ...] = ()

    def text(self, run: Path) -> str:
        lines = [f"{path}: {reason}" for path, reason in self.damaged.items()]
        lines += [f"{path}: belongs to no record (a cell that was interrupted)" for path in self.leftovers]
        lines += [f"{path}: a temporary file of a write that was cut off" for path in self.abandoned]
        sound = f"{counted(self.sound, 'cell')} {'is' if self.sound == 1 else 'are'} sound"
        damaged = f"{counted(len(self.damaged), 'file')} {'is' if len(self.damaged) == 1 else 'are'} damaged"
        lines.append(f"{run}: {sound}, {damaged}")
        return "\n".join(lines)


def verify(store: Store) -> Verdict:
    """Compare every result file with its checksum. This finds bit rot, not forgery."""
    damaged: dict[Path, str] = {}
    found: dict[str, list[Path]] = {}
    for name in FOLDERS:
        found[name], irregular = plain_files.scan(store.path / name)
        damaged |= {item.path: item.reason for item in irregular}
    try:
        store.planned()
    except Damaged as damage:
        damaged[damage.path] = damage.reason
    sound = 0
    expected: set[str] = set()
    present = {os.fspath(path) for path in found["predictions"]}
    for path in found["records"]:
        if path.suffix != ".json" or path.name[0] == ".":
            continue
        cell = store.cell_of(path)
        predictions = os.fspath(store.predictions_path(cell))
        expected.add(predictions)
        try:
            stated = store.sealed_sum(cell)
            if predictions in present:
                store.predictions(cell)
            elif stated:
                store.check_predictions(cell)
            sound += 1
        except Damaged as damage:
            damaged[damage.path] = damage.reason
    temporary = [path for files in found.values() for path in files if atomic_files.is_temporary(path)]
    temporary += [path for path in sorted(store.path.glob(".*")) if atomic_files.is_temporary(path)]
    abandoned = tuple(path for path in temporary if atomic_files.is_abandoned(path))
    leftovers = [
        path for path in found["predictions"] if path.suffix == ".parquet" and os.fspath(path) not in expected
    ]
    leftovers += [path for path in temporary if path not in abandoned]
    return Verdict(sound, damaged, tuple(leftovers), abandoned)


def repair(store: Store, verdict: Verdict) -> list[Path]:
    """Move damaged files to the run's quarantine, and delete temporary files whose writers are gone. Returns
    the new paths of the damaged files."""
    for path in verdict.abandoned:
        store.remove(path)
    return [target for path in verdict.damaged for target in quarantine(store, path)]


def quarantine(store: Store, path: Path) -> list[Path]:
    """Quarantine a damaged file. The record of damaged predictions moves with them, so that the cell runs again."""
    moved = [store.quarantine(path)] if os.path.lexists(path) else []
    predictions = store.path / "predictions"
    if path.is_relative_to(predictions) and path != predictions:
        cell = path.relative_to(predictions).as_posix().removesuffix(".parquet")
        record = store.record_path(cell)
        if os.path.lexists(record):
            moved.append(store.quarantine(record))
    return moved
