"""Verifies a run folder, and sets aside what is damaged so that the next run makes it anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.runs.folder import Damaged, Store


@dataclass(frozen=True)
class Verdict:
    """What was found: sound cells, damaged files with the reason, and files that belong to no record."""

    sound: int
    damaged: dict[Path, str]
    leftovers: tuple[Path, ...]

    def text(self, run: Path) -> str:
        lines = [f"{path}: {reason}" for path, reason in self.damaged.items()]
        lines += [f"{path}: belongs to no record (a cell that was interrupted)" for path in self.leftovers]
        lines.append(f"{run}: {self.sound} cells are sound, {len(self.damaged)} files are damaged")
        return "\n".join(lines)


def verify(store: Store) -> Verdict:
    """Read every file with results and compare it with its checksum."""
    damaged: dict[Path, str] = {}
    sound = 0
    try:
        store.planned()
    except Damaged as damage:
        damaged[damage.path] = damage.reason
    expected = set()
    for path in store.record_files():
        cell = path.relative_to(store.path / "records").with_suffix("").as_posix()
        expected.add(store.predictions_path(cell))
        try:
            store.verified(cell)
            if store.predictions_path(cell).exists():
                store.predictions(cell)
            sound += 1
        except Damaged as damage:
            damaged[damage.path] = damage.reason
    return Verdict(sound, damaged, tuple(_leftovers(store, expected)))


def repair(store: Store, verdict: Verdict) -> list[Path]:
    """Move what is damaged to the run's quarantine; where everything went."""
    return [target for path in verdict.damaged for target in set_aside(store, path)]


def set_aside(store: Store, path: Path) -> list[Path]:
    """Quarantine a damaged file; with damaged predictions goes their record, so that the cell runs again."""
    moved = [store.quarantine(path)] if path.exists() else []
    predictions = store.path / "predictions"
    if path.is_relative_to(predictions):
        record = store.record_path(path.relative_to(predictions).with_suffix("").as_posix())
        if record.exists():
            moved.append(store.quarantine(record))
    return moved


def _leftovers(store: Store, expected: set[Path]) -> list[Path]:
    """Predictions without a record, and temporary files of a write that was cut off."""
    found = [path for path in sorted((store.path / "predictions").rglob("*.parquet")) if path not in expected]
    for folder in ("records", "predictions"):
        found += [path for path in sorted((store.path / folder).rglob(".*")) if path.is_file()]
    return found
