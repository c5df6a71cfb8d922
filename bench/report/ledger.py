"""The time ledger: the parts of every strategy's cold seconds, which explain why it is or is not faster."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.analysis.groups import Group, Key, is_one_machine
from bench.analysis.tables.model import Block, Column, Entry, Row, Table
from bench.contracts import BenchError
from bench.report.palette import PARTS
from bench.report.reading import REFERENCE, Reading
from bench.runs.record import Record

STEPS = "ledger.json"  # in a run's folder, written by `make ledger`
NOTE = (
    "Each row shows the seed with the median cold seconds, so that its parts add up. prepare: read rows, tokenise, "
    "load the encoder. prefix: run frozen blocks once over every split. train: the steps. evaluate: validation "
    "passes and the test sets."
)


@dataclass(frozen=True)
class LedgerEntry:
    """The seconds of one seed: parts sum to cold. machines: those that ran any seed of the group."""

    key: Key
    cold: float
    parts: Mapping[str, float]
    machines: AbstractSet[str]


@dataclass(frozen=True)
class Ledger:
    """In the order of the tables."""

    entries: tuple[LedgerEntry, ...]

    def reference(self, entry: LedgerEntry) -> LedgerEntry | None:
        """The reference strategy on the same task and backbone; None for the reference itself, and where the two
        ran on several machines."""
        found = self._by_key.get(entry.key._replace(strategy=REFERENCE))
        if found is None or found.key == entry.key or not is_one_machine(entry.machines, found.machines):
            return None
        return found

    def of_task(self, task: str) -> list[LedgerEntry]:
        return self._by_task.get(task, [])

    @cached_property
    def _by_key(self) -> dict[Key, LedgerEntry]:
        return {entry.key: entry for entry in reversed(self.entries)}

    @cached_property
    def _by_task(self) -> dict[str, list[LedgerEntry]]:
        found: dict[str, list[LedgerEntry]] = {}
        for entry in self.entries:
            found.setdefault(entry.key.task, []).append(entry)
        return found


def ledger(reading: Reading) -> Ledger:
    """The ledger of a run, without parts in which no cell spent time."""
    found = [(group, _median(group)) for group in reading.groups.values() if group.done]
    found = [(group, record) for group, record in found if record.seconds.cold > 0]
    parts = [name for name in PARTS if any(getattr(record.seconds, name) for _, record in found)]
    return Ledger(
        tuple(
            LedgerEntry(
                group.key,
                record.seconds.cold,
                {name: getattr(record.seconds, name) for name in parts},
                group.machines(),
            )
            for group, record in found
        )
    )


def explain(entry: LedgerEntry, reference: LedgerEntry) -> str:
    """The difference from the reference in words, with the two parts that differ most."""
    saved = reference.cold - entry.cold
    moved = {name: entry.parts[name] - reference.parts[name] for name in entry.parts}
    largest = sorted(moved, key=lambda name: -abs(moved[name]))[:2]
    shown = [f"{name} {moved[name]:+.1f} s" for name in largest if abs(moved[name]) >= 0.05]
    verdict = f"{abs(saved):.1f} s {'less' if saved >= 0 else 'more'}"
    return f"{verdict}: {', '.join(shown)}" if shown else "the same"


def table(found: Ledger) -> Table:
    """The ledger as a table, one block per task."""
    parts = list(found.entries[0].parts) if found.entries else []
    columns = [Column("cold", "cold", "seconds"), *(Column(name, name, "seconds") for name in parts)]
    columns.append(Column("why", f"against {REFERENCE}", "text"))
    blocks: dict[str, list[Row]] = {}
    for entry in found.entries:
        other = found.reference(entry)
        values = [Entry(entry.cold), *(Entry(entry.parts[name]) for name in parts)]
        values.append(Entry(explain(entry, other)) if other else Entry())
        blocks.setdefault(entry.key.task, []).append(Row(entry.key[1:], tuple(values)))
    filled = tuple(Block(task, tuple(rows)) for task, rows in blocks.items())
    return Table("Where the seconds go", ("strategy", "backbone"), tuple(columns), filled, (NOTE,), "task")


def _median(group: Group) -> Record:
    """The seed with the median cold seconds; of an even number, the cheaper of the middle two."""
    ordered = sorted(group.done, key=lambda record: record.seconds.cold)
    return ordered[(len(ordered) - 1) // 2]


def steps(folder: Path) -> Table | None:
    """The forward, backward and optimizer times of a training step by strategy, where they were measured.

    BenchError where the file is damaged."""
    path = folder / STEPS
    try:
        return TypeAdapter(Table).validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise BenchError(
            f"{path} cannot be read: {reason}; remove it or run `make ledger` again", code="cannot-read"
        ) from error
