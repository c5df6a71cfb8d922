"""Folders of brat's standoff format (Stenetorp et al. 2012, EACL): `doc.txt` and its entities in `doc.ann`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.encodings import Encoding, encodings_of, notes_of
from bench.user_data.folders import SPLITS
from bench.user_data.span_ends import PlacedText
from bench.user_data.span_units import UNITS, characters_of, unit_of
from bench.user_data.spans import words_in
from bench.user_data.tables import RawRow, RawTable

ENTITY = re.compile(r"T\d+\t(\S+) (\d+) (\d+)((?:;\d+ \d+)*)(?:\t(.*)|$)")
COLUMNS = ("text", "entities", "document")

ACROSS = "they are on two lines, or beyond the text"
ELSEWHERE = "their text is another than the file's at their place"


@dataclass(frozen=True)
class _Span:
    """An entity. text: what the .ann file says is there, '' where it says nothing. where: the file and the line."""

    start: int
    end: int
    label: str
    text: str
    where: str


@dataclass(frozen=True)
class _Document:
    name: str
    text: str
    spans: tuple[_Span, ...]


Lost = defaultdict[str, list[str]]
"""Where entities are that are left out, by the reason."""


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
    lost = Lost(list)
    documents = [_document(folder, path, encodings, lost) for path in paths]
    unit = unit_of(_placed(document) for document in documents if not document.text.isascii())
    documents = [replace(document, spans=tuple(_found(document, unit, lost))) for document in documents]
    _refuse_others(folder, lost[ELSEWHERE], sum(len(document.spans) for document in documents))
    rows: list[RawRow] = [row for document in documents for row in _lines(document)]
    notes = [
        f"brat's format: {counted(len(paths), 'text')}, a row for each line; "
        "--group document keeps a text in one part",
        *([f"the places of entities are counted in {UNITS[unit]}: they are read so"] if unit else []),
        *(
            f"{counted(len(places), 'entity', 'entities')} left out: {why}, as in {places[0]}"
            for why, places in lost.items()
            if places
        ),
    ]
    return RawTable(split, COLUMNS, lambda: rows, notes=tuple(notes), plain_places=True)


def _document(folder: Path, path: Path, encodings: Mapping[Path, Encoding], lost: Lost) -> _Document:
    beside = path.with_suffix(".ann")
    spans = _spans(_decoded(beside, encodings), beside.relative_to(folder).as_posix(), lost)
    name = path.relative_to(folder).with_suffix("").as_posix()
    return _Document(name, _decoded(path, encodings), tuple(spans))


def _placed(document: _Document) -> PlacedText:
    spans = [(span.start, span.end, span.text) for span in document.spans]
    return document.text, spans, words_in(document.text)


def _found(document: _Document, unit: str, lost: Lost) -> Iterator[_Span]:
    """The entities that are within a line where their text is, with their places in characters. Places count all
    characters of the file, carriage returns too."""
    characters = characters_of(document.text, unit)
    for span in document.spans:
        start, end = characters(span.start), characters(span.end)
        there = document.text[max(start, 0) : end]
        if not 0 <= start < end <= len(document.text) or "\n" in there:
            lost[ACROSS].append(span.where)
        elif span.text and span.text.split() != there.split():
            lost[ELSEWHERE].append(span.where)
        else:
            yield replace(span, start=start, end=end)


def _refuse_others(folder: Path, elsewhere: Sequence[str], found: int) -> None:
    """BenchError where most entities are not where their texts are."""
    if len(elsewhere) > found:
        raise BenchError(
            f"{folder.name}: {len(elsewhere):,} of {counted(found + len(elsewhere), 'entity', 'entities')} are not "
            f"where their text is, as in {elsewhere[0]}: are these the texts that were annotated?",
            code="spans-elsewhere",
        )


def _lines(document: _Document) -> Iterator[dict[str, Any]]:
    """The lines that are not blank, with their entities."""
    start = 0
    for line in document.text.split("\n"):
        end = start + len(line)
        if line.strip():
            yield {
                "text": line.rstrip("\r"),
                "entities": [
                    {"start": span.start - start, "end": span.end - start, "label": span.label}
                    for span in document.spans
                    if start <= span.start and span.end <= end
                ],
                "document": document.name,
            }
        start = end + 1


def _spans(annotations: str, name: str, lost: Lost) -> Iterator[_Span]:
    for number, line in enumerate(re.split(r"\r?\n", annotations), 1):
        found = ENTITY.match(line)
        where = f"{name}, line {number:,}"
        if found and found[4]:
            lost["they are in several pieces"].append(where)
        elif found and int(found[2]) < int(found[3]):
            yield _Span(int(found[2]), int(found[3]), found[1], found[5] or "", where)
        elif found:
            lost["they end where they begin, or before"].append(where)
        elif line.startswith("T"):
            lost["their lines are not like 'T1<tab>PER 0 4<tab>Anna'"].append(where)


def _decoded(path: Path, encodings: Mapping[Path, Encoding]) -> str:
    found = encodings[path]
    return path.read_bytes().decode(found.name, found.errors)
