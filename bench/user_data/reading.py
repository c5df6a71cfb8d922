"""From files to the splits of a task: read, convert, refuse leaks, cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import BenchError, Splits
from bench.data.splits import content, drop_duplicates, split_stratified
from bench.user_data import tables
from bench.user_data.columns import Columns, choose, guess_adapter
from bench.user_data.conll import read_conll
from bench.user_data.examples import Converted, Numbered, Reading, convert, learn
from bench.user_data.questions import is_squad, read_squad
from bench.user_data.text_files import ROWS, sample

if TYPE_CHECKING:
    from bench.data.sources import Sources
    from bench.user_data.description import UserData

TABLES = {
    ".csv": tables.read_delimited,
    ".tsv": tables.read_delimited,
    ".tab": tables.read_delimited,
    ".jsonl": tables.read_json_lines,
    ".ndjson": tables.read_json_lines,
    ".json": tables.read_json_records,
    ".parquet": tables.read_parquet,
}
CONLL = (".conll", ".iob", ".iob2", ".bio", ".txt")
SQUAD_COLUMNS = {role: role for role in ("question", "context", "answer", "group")}
SALT = "own data"
CUT = {"train": 0.7, "validation": 0.1, "test": 0.2}
DOCUMENTS = 10  # below this many documents of a file, sentences are cut instead


@dataclass(frozen=True)
class Source:
    """One file: what is in it, and the columns it has ({} where the format fixes them)."""

    where: str
    items: Iterable[Any]
    table: tables.Table | None = None
    kind: str = ""  # the adapter that the format alone is for
    notes: tuple[str, ...] = ()


def read_files(data: UserData, sources: Sources) -> tuple[str, Columns, Splits, list[str]]:
    """The adapter, its columns, the splits, and what was done, in words. BenchError."""
    files = _sources(data, sources)
    first = files["train"]
    notes = [f"{first.where}: {note}" for note in first.notes]
    adapter = data.adapter or first.kind or guess_adapter(_table(first))
    if first.kind and adapter != first.kind:
        raise BenchError(f"{first.where} is a file for adapter {first.kind}, not {adapter}")
    if not data.adapter:
        notes.append(f"adapter guessed: {adapter}")
    columns = _columns(first, adapter, data, notes)
    reading: Reading | None = None
    found: dict[str, Converted] = {}
    for split, source in files.items():
        rows, count = sample(source.items)
        if count > len(rows):
            notes.append(f"{source.where}: {count:,} rows; a fixed sample of {ROWS:,} is used")
        names = source.table.names if source.table else {}
        reading = reading or _learn(adapter, columns, names, rows, notes)
        try:
            found[split] = convert(reading, rows, split, source.where)
        except BenchError:
            if split != "test" or "validation" not in found or data.test:
                raise
            notes.append(f"{source.where} has no labels: the validation rows are the test rows")
            found["test"] = found.pop("validation")
            continue
        notes += found[split].said()
    chosen = tuple(columns.items()) if first.table else ()
    return adapter, chosen, _cut(found, data, adapter, notes), notes


def _learn(
    adapter: str,
    columns: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    rows: Numbered,
    notes: list[str],
) -> Reading:
    reading = learn(adapter, columns, names, rows)
    if reading.labels.note:
        notes.append(reading.labels.note)
    if reading.scheme != "IOB2":
        kind = "types without B- and I-" if reading.scheme == "none" else reading.scheme
        notes.append(f"tags are {kind}: they are read as IOB2")
    return reading


def _sources(data: UserData, sources: Sources) -> dict[str, Source]:
    """The files by split, training first."""
    path = Path(data.data)
    if path.is_absolute() and not path.exists():
        raise BenchError(f"--data {data.data}: there is no such file or folder")
    if path.is_file():
        found = {"train": _file(path)}
    else:
        parts = tables.hub_tables(data.data, sources)
        if "train" not in parts:
            raise BenchError(f"{data.data} has no split 'train' (it has: {', '.join(parts) or 'none'})")
        order = [split for split in ("train", "validation", "test") if split in parts]
        found = {split: Source(parts[split].where, parts[split].rows(), parts[split]) for split in order}
    for split, given in (("validation", data.validation), ("test", data.test)):
        if given:
            if not Path(given).is_file():
                raise BenchError(f"--{split} {given}: there is no such file")
            found[split] = _file(Path(given))
    return found


def _file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix == ".json" and is_squad(path):
        return Source(path.name, read_squad(path), kind="qa")
    if suffix in TABLES:
        table = TABLES[suffix](path)
        return Source(path.name, table.rows(), table, notes=table.notes)
    if suffix in CONLL:
        return Source(path.name, read_conll(path), kind="ner")
    raise BenchError(
        f"{path.name}: files of kind '{suffix or 'no suffix'}' are not read; give one of "
        f"{', '.join([*TABLES, *CONLL])}"
    )


def _table(source: Source) -> tables.Table:
    assert source.table is not None
    return source.table


def _columns(source: Source, adapter: str, data: UserData, notes: list[str]) -> dict[str, str]:
    if source.table is None:
        if data.columns:
            raise BenchError(f"{source.where} has no columns to choose: leave out --{data.columns[0][0]}")
        return dict(SQUAD_COLUMNS) if adapter == "qa" else {}
    chosen, guessed = choose(source.table, adapter, dict(data.columns))
    notes += guessed
    return dict(chosen)


def _cut(found: dict[str, Converted], data: UserData, adapter: str, notes: list[str]) -> Splits:
    rows = {split: part.examples for split, part in found.items()}
    _refuse_unknown(rows)
    for split in ("validation", "test"):
        if split in rows:
            rows["train"] = _without_leaks(rows, split, data, notes)
    if "test" in rows and "validation" in rows:
        return Splits(rows["train"], rows["validation"], rows["test"])
    if adapter == "ner" and not dict(data.columns).get("group"):
        rows["train"] = _enough_documents(rows["train"], notes)
    if "test" in rows or "validation" in rows:
        given = "test" if "test" in rows else "validation"
        other = "validation" if given == "test" else "test"
        cut = _divided(rows["train"], {"train": 1 - CUT[other], other: CUT[other]})
        made = {**cut, given: rows[given]}
    else:
        made = _divided(rows["train"], CUT)
        notes.append(
            "one file: cut into 70% training, 10% validation and 20% test rows" + _how(rows["train"])
        )
    splits = Splits(made["train"], made["validation"], made["test"])
    apart = drop_duplicates(splits)
    gone = len(splits.train) + len(splits.validation) - len(apart.train) - len(apart.validation)
    if gone:
        notes.append(
            f"{gone:,} rows left out of training: their text is in another group of the test or validation rows"
        )
    return apart


def _divided(rows: Sequence[Any], fractions: Mapping[str, float]) -> dict[str, list[Any]]:
    cut = split_stratified(rows, fractions, SALT)
    empty = next((split for split, part in cut.items() if not part), None)
    if empty:
        raise BenchError(
            f"{len(rows):,} rows give no {empty} rows: give more rows, or more groups than one or two"
        )
    return cut


def _how(rows: Sequence[Any]) -> str:
    kinds = ["stratified by label"] if hasattr(rows[0], "label") else []
    twins = sum(count - 1 for count in Counter(map(content, rows)).values())
    if any(row.group for row in rows):
        kinds.append("a group stays in one part")
    if twins:
        kinds.append(f"{twins:,} repeated rows stay with their twins")
    return f" ({', '.join(kinds)})" if kinds else ""


def _enough_documents(rows: list[Any], notes: list[str]) -> list[Any]:
    documents = {row.group for row in rows}
    if len(documents) >= DOCUMENTS or documents == {""}:
        return rows
    notes.append(f"only {len(documents)} documents: sentences of one document may be in different parts")
    return [replace(row, group="") for row in rows]


def _without_leaks(rows: Mapping[str, list[Any]], split: str, data: UserData, notes: list[str]) -> list[Any]:
    """The training rows without those that are also in the other file, where that was asked for. BenchError."""
    held_out = {content(row) for row in rows[split]}
    kept = [row for row in rows["train"] if content(row) not in held_out]
    shared = len(rows["train"]) - len(kept)
    if shared and not data.drop_duplicates:
        example = next(content(row) for row in rows["train"] if content(row) in held_out)
        raise BenchError(
            f"leak: {shared:,} of {len(rows['train']):,} training rows are also in the {split} file (such as "
            f"'{example[:60]}'): scores would be too good; remove them, or give --drop-duplicates to "
            f"leave them out of "
            "training"
        )
    if shared:
        notes.append(f"{shared:,} training rows left out: they are also in the {split} file")
    return kept


def _refuse_unknown(rows: Mapping[str, Sequence[Any]]) -> None:
    known = _classes(rows["train"])
    for split in ("validation", "test"):
        strange = sorted(_classes(rows.get(split, ())) - known)
        if strange:
            raise BenchError(
                f"the {split} file has class '{strange[0]}', which no training row has: add rows of it "
                f"to training, or "
                "remove it"
            )


def _classes(rows: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for row in rows:
        found |= {row.label} if hasattr(row, "label") else set(getattr(row, "tags", ()))
    return found
