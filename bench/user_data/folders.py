"""Parquet files, folders with a file a split (the hub's layout and its relatives), and data sets of the hub."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import BenchError
from bench.data.class_names import stored_names
from bench.user_data.tables import CHUNK, RawRow, RawTable, apart, repeats

if TYPE_CHECKING:
    from bench.data.sources import Sources

SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing", "eval"),
}
"""Names of the files of a split, likeliest first."""

NAMES = {name for names in SPLITS.values() for name in names}

DEEPEST = 3
"""Folders within each other that are opened."""

SUFFIXES = (
    *(".parquet", ".csv", ".tsv", ".tab", ".jsonl", ".json", ".ndjson"),
    *(".conllup", ".conllu", ".conll2003", ".conll", ".iob2", ".iob", ".bio", ".bmes", ".txt"),
)
"""Suffixes of files that are read, best first."""

TABLES = tuple(suffix for suffix in SUFFIXES if suffix != ".txt")
"""Those of files that are read wherever they are in the folder of a split; texts there may be anything."""

DATA = (*SUFFIXES, ".gz", ".ann")
"""What tells a folder of data."""

CODE = (".py", ".ipynb", ".sh", ".md", ".rst", ".log", ".yaml", ".yml", ".toml")
"""Suffixes of files that hold no rows, whatever their name says."""


def read_parquet(path: Path) -> RawTable:
    """A Parquet file; the label names that `datasets` left in it are used. BenchError if it is not one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.ParquetFile(path).schema_arrow
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BenchError(
            f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0][:100]})", code="not-parquet"
        ) from error

    def rows() -> Iterator[RawRow]:
        try:
            for batch in pq.ParquetFile(path).iter_batches(CHUNK):
                yield from batch.rename_columns(columns).to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise BenchError(
                f"{path.name} is damaged ({str(error).splitlines()[0][:100]})", code="not-parquet"
            ) from error

    columns, repeated = apart(schema.names)
    notes = tuple(f"two columns are named '{name}': choose one by its number" for name in repeated)
    names = stored_names(schema.metadata or {})
    return RawTable(path.name, tuple(columns), rows, names, notes, frozenset(repeated))


def inner(folder: Path) -> Path:
    """The folder that holds the data: where there is nothing but one folder in it, as in many an unpacked archive,
    that one."""
    found = folder
    for _ in range(DEEPEST):
        inside = [path for path in found.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        within = [path for path in inside if path.is_dir()]
        files = [path for path in inside if _is_data(path)]
        if len(within) != 1 or files or within[0].name.lower() in NAMES:
            break
        if within[0].name == "data" and any(map(_is_data, within[0].iterdir())):
            break  # where the hub keeps the files of a data set
        found = within[0]
    holds_data = any(path.is_dir() or _is_data(path) for path in found.iterdir())
    return found if holds_data else folder


def _is_data(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(DATA)


def split_files(folder: Path) -> dict[str, list[Path]]:
    """The files of each split of a folder: `train.csv`, `dev.conll`, `data/train-00000-of-00002.parquet`.
    BenchError if no file holds training rows."""
    for place in (folder, folder / "data"):
        files = sorted(path for path in place.glob("*") if path.is_file()) if place.is_dir() else []
        found: dict[str, list[Path]] = {}
        for split, words in SPLITS.items():
            for word in words:
                pattern = rf"{word}(-\d+-of-\d+)?({'|'.join(map(re.escape, SUFFIXES))})(\.gz)?"
                named = [path for path in files if re.fullmatch(pattern, path.name.lower())]
                if named:
                    found.setdefault(split, _one_format(named))
        for shards in found.values():
            _refuse_missing(shards)
        if "train" in found:
            return found
    if (folder / "dataset_dict.json").is_file() or (folder / "dataset_info.json").is_file():
        raise BenchError(
            f"{folder} was written by save_to_disk, whose files only `datasets` reads: write each split with "
            "to_parquet(), as train.parquet and test.parquet",
            code="no-train-split",
        )
    found = _files_in_folders(folder)
    if "train" in found:
        return found
    names = sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else []
    raise BenchError(
        f"{folder} has no split 'train' (it has: {', '.join(names) or 'nothing'}): name its files train, "
        "validation and test, such as train.parquet or train.csv, or give one file with --data",
        code="no-train-split",
    )


def _files_in_folders(folder: Path) -> dict[str, list[Path]]:
    """The files of each split that has a folder of its own, such as `train/0000.parquet`. BenchError where a shard
    is missing."""
    found: dict[str, list[Path]] = {}
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for split, words in SPLITS.items():
        place = next((path for word in words for path in inner if path.name.lower() == word), None)
        files = sorted(place.iterdir()) if place else []
        files = [path for path in files if path.name.lower().removesuffix(".gz").endswith(TABLES)]
        if files:
            found[split] = _one_format(files)
            _refuse_missing(found[split])
    return found


def _refuse_missing(files: Sequence[Path]) -> None:
    """BenchError where the names of shards say that there are more."""
    counts = {int(match[1]) for path in files if (match := re.search(r"-\d+-of-(\d+)\.", path.name.lower()))}
    if counts and max(counts) > len(files):
        raise BenchError(
            f"{files[0].parent}: {len(files)} of {max(counts)} files of '{files[0].name.split('-')[0]}' are here: "
            "fetch the others, or rename those that are here, without 'of'",
            code="missing-shards",
        )


def unread_files(folder: Path) -> list[str]:
    """The names of files that no split of a folder takes, such as `dev.csv` beside `val.csv`, and `test.xlsx`."""
    files = [file for part in split_files(folder).values() for file in part]
    beside = sorted(file.name for file in files[0].parent.iterdir() if file.is_file())
    taken = {file.name for file in files}
    return [name for name in beside if name not in taken and _may_hold_rows(name.lower())]


def _may_hold_rows(name: str) -> bool:
    """Whether a name in lower case is that of a file of data, or of a split in another format."""
    split = re.split(r"[^a-z]", name)[0] in NAMES
    return name.removesuffix(".gz").endswith(SUFFIXES) or (split and not name.endswith(CODE))


def _one_format(files: list[Path]) -> list[Path]:
    """If a split is there in several formats, the files of the first format in the order of SUFFIXES."""
    suffix = next(s for s in SUFFIXES if any(s in path.name.lower() for path in files))
    return [path for path in files if suffix in path.name.lower()]


def joined(tables: Sequence[RawTable]) -> RawTable:
    """The shards of a split as one table. BenchError where their columns differ."""
    first = tables[0]
    for table in tables[1:]:
        if table.columns != first.columns:
            raise BenchError(f"{table.where} has other columns than {first.where}", code="different-shards")
        if table.names != first.names:
            raise BenchError(
                f"{table.where} has other names of labels than {first.where}, or none, so the same number may mean "
                "two labels: write all shards with the same names",
                code="different-shards",
            )

    def rows() -> Iterator[RawRow]:
        for table in tables:
            yield from table.rows()

    if len(tables) == 1:
        return first
    found = (table.short for table in tables if table.short)
    short = max(found, key=lambda row: len(row.missing), default=None)
    again = [f"{table.where}: {note}" for table in tables for note in repeats(table)]
    # all begin alike: with the names
    return replace(first, rows=rows, short=short, with_first_line=None, notes=(*first.notes, *again))


def folder_names(folder: Path) -> dict[str, Sequence[str]]:
    """The label names of labels.json beside the folder, for the columns that the hub uses."""
    try:
        names = json.loads((folder.parent / "labels.json").read_text(encoding="utf-8"))[folder.name]["names"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"label": names, "ner_tags": names}


def hub_tables(path: str, sources: Sources) -> dict[str, RawTable]:
    """The splits of a hub data set by name. BenchError."""
    found = sources.hub(path)
    return {split: _of_rows(f"{path} ({split})", rows, found.names) for split, rows in found.items()}


def _of_rows(where: str, rows: Sequence[RawRow], names: Mapping[str, Sequence[str]]) -> RawTable:
    read: Callable[[], Sequence[RawRow]] = lambda: rows  # noqa: E731
    return RawTable(where, tuple(rows[0]) if rows else (), read, names)
