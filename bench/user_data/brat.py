"""Folders of brat's standoff format (Stenetorp et al. 2012, EACL): `doc.txt` and its entities in `doc.ann`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.encodings import Encoding, encodings_of, notes_of
from bench.user_data.folders import SPLITS
from bench.user_data.tables import RawRow, RawTable

ENTITY = re.compile(r"T\d+\t(\S+) (\d+) (\d+)((?:;\d+ \d+)*)(?:\t|$)")
COLUMNS = ("text", "entities", "document")


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    label: str


def brat_tables(folder: Path, encoding: str) -> dict[str, RawTable]:
    """The lines of the texts by split, with their entities; {} where the folder holds no such files. BenchError
    where none of them holds training rows."""
    texts = sorted(path for path in folder.rglob("*.txt") if path.with_suffix(".ann").is_file())
    if not texts:
        return {}
    found = {
        split: [path for path in texts if path.relative_to(folder).parts[0].lower() in names]
        for split, names in SPLITS.items()
    }
    found = {split: paths for split, paths in found.items() if paths} or {"train": texts}
    if "train" not in found:
        raise BenchError(
            f"{folder} has texts with .ann files for {', '.join(found)} and none for training: put those into a "
            "folder 'train'",
            code="no-train-split",
        )
    used = [path for paths in found.values() for path in paths]
    files = [file for path in used for file in (path, path.with_suffix(".ann"))]
    encodings = encodings_of(files, folder.name, encoding)
    tables = {split: _table(folder, split, paths, encodings) for split, paths in found.items()}
    notes = (*_left_out(folder, texts, used), *notes_of(encodings))
    tables["train"] = replace(tables["train"], notes=(*tables["train"].notes, *notes))
    return tables


def _left_out(folder: Path, texts: list[Path], used: list[Path]) -> list[str]:
    """Notes on the texts that are in no table."""
    notes = []
    alone = sum(not path.with_suffix(".ann").is_file() for path in folder.rglob("*.txt"))
    if alone:
        notes.append(f"{counted(alone, 'text')} without an .ann file left out")
    beside = sorted(set(texts) - set(used))
    if beside:
        notes.append(
            f"look: {counted(len(beside), 'text')} left out, which no folder train, dev or test holds, such as "
            f"{beside[0].relative_to(folder).as_posix()}"
        )
    return notes


def _table(folder: Path, split: str, paths: list[Path], encodings: Mapping[Path, Encoding]) -> RawTable:
    rows: list[RawRow] = []
    lost: Counter[str] = Counter()
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        rows += [{**row, "document": name} for row in _lines(path, encodings, lost)]
    notes = [
        f"brat's format: {counted(len(paths), 'text')}, a row for each line; "
        "--group document keeps a text in one part",
        *(f"{counted(count, 'entity', 'entities')} left out: {why}" for why, count in lost.items()),
    ]
    return RawTable(split, COLUMNS, lambda: rows, notes=tuple(notes))


def _lines(path: Path, encodings: Mapping[Path, Encoding], lost: Counter[str]) -> Iterator[dict[str, Any]]:
    """The lines that are not blank. Positions count all characters of the file, carriage returns too."""
    text = _decoded(path, encodings)
    spans = list(_spans(_decoded(path.with_suffix(".ann"), encodings), lost))
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        here = [span for span in spans if start <= span.start and span.end <= end]
        if line.strip():
            yield {
                "text": line.rstrip("\r"),
                "entities": [
                    {"start": span.start - start, "end": span.end - start, "label": span.label}
                    for span in here
                ],
            }
        start = end + 1
    across = sum("\n" in text[span.start : span.end] or span.end > len(text) for span in spans)
    if across:
        lost["they are on two lines, or beyond the text"] += across


def _spans(annotations: str, lost: Counter[str]) -> Iterator[_Span]:
    for line in re.split(r"\r?\n", annotations):
        found = ENTITY.match(line)
        if found and found[4]:
            lost["they are in several pieces"] += 1
        elif found and int(found[2]) < int(found[3]):
            yield _Span(int(found[2]), int(found[3]), found[1])
        elif found:
            lost["they end where they begin, or before"] += 1
        elif line.startswith("T"):
            lost["their lines are not like 'T1<tab>PER 0 4<tab>Anna'"] += 1


def _decoded(path: Path, encodings: Mapping[Path, Encoding]) -> str:
    found = encodings[path]
    return path.read_bytes().decode(found.name, found.errors)
