"""Folders of text files, a folder for each class: `train/pos/0_9.txt`, or `sport/001.txt` without splits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench.contracts import BenchError
from bench.text import counted
from bench.user_data.encodings import Encoding, encodings_of, notes_of
from bench.user_data.folders import NAMES, SPLITS
from bench.user_data.folders import SUFFIXES as READ
from bench.user_data.tables import RawRow, RawTable
from bench.user_data.text_files import lines_of

SUFFIXES = (".txt", "")
DIGEST = re.compile(r"\.[0-9a-f]{16,}")
FEWEST = 2  # classes
FEW = 0.1  # share of the files of a class up to which those of another kind are no texts
ABOUT = ("readme", "license", "licence", "copying", "changelog", "changes", "notice", "contributing")
"""Files that are about the others."""

UNLABELLED = ("unsup", "unlabeled", "unlabelled")
TABLES = (*(suffix for suffix in READ if suffix not in SUFFIXES), ".gz")


def class_tables(folder: Path, encoding: str) -> dict[str, RawTable]:
    """The rows of each split; {} where the folder is laid out in another way. BenchError for a file that cannot be
    read."""
    if any(path.name.lower().endswith(TABLES) for path in folder.iterdir() if path.is_file()):
        return {}
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    named = {split: path for split, names in SPLITS.items() for path in inner if path.name.lower() in names}
    if named:
        found = {split: files for split, path in named.items() if (files := _files(path))}
    else:
        found = {"train": files} if (files := _files(folder)) else {}
    if "train" not in found:
        return {}
    known = set(found["train"])
    strange = next((name for files in found.values() for name in files if name not in known), None)
    if strange:
        raise BenchError(
            f"{folder}: '{strange}' is a folder of the test or validation files, and not of the training files",
            code="untrained-class",
        )
    taken = [path for files in found.values() for paths in files.values() for path in paths]
    encodings = encodings_of(taken, folder.name, encoding)
    tables = {split: _table(split, files, encodings) for split, files in found.items()}
    notes = notes_of(encodings)
    known_files = set(taken)
    others = [path for path in folder.rglob("*") if path.is_file() and path not in known_files]
    if others:
        notes.append(f"{counted(len(others), 'other file')} of the folder not read, such as {others[0].name}")
    tables["train"] = replace(tables["train"], notes=(*tables["train"].notes, *notes))
    return tables


def _files(folder: Path) -> dict[str, list[Path]]:
    """The text files by class; {} where there are not several classes, or files are named like splits: each folder
    then holds a data set of its own."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        inside = sorted(path.iterdir()) if path.is_dir() and not path.name.startswith(".") else []
        files = [file for file in inside if file.is_file() and not file.name.startswith(".")]
        files = [file for file in files if file.stem.lower() not in ABOUT]
        kinds = Counter(kind for file in files if (kind := _kind(file)) is not None)
        kept = {kind for kind, count in kinds.items() if count > FEW * kinds.total()}
        files = [file for file in files if _kind(file) in kept]
        if files and path.name.lower() not in UNLABELLED:
            found[path.name] = files
    texts = [file for files in found.values() for file in files]
    parts = sum(_names_part(file.stem.lower()) for file in texts)
    return found if len(found) >= FEWEST and parts < len(texts) / 2 else {}


def _kind(file: Path) -> str | None:
    """The suffix of a text file, a digest as `digest`; None for a file of another kind. In a folder of texts, a few
    of another kind are no texts, as `cmds` is none beside `1.txt`."""
    suffix = file.suffix.lower()
    return "digest" if DIGEST.fullmatch(suffix) else suffix if suffix in SUFFIXES else None


def _names_part(stem: str) -> bool:
    """Whether a file is named like a split, as `train_text`; one with a number, as `test_1`, is one of many."""
    return re.split(r"[^a-z]", stem)[0] in NAMES and not re.search(r"\d", stem)


def _table(split: str, files: dict[str, list[Path]], encodings: Mapping[Path, Encoding]) -> RawTable:
    def rows() -> Iterator[RawRow]:
        for label, paths in files.items():
            for path in paths:
                text = "\n".join(lines_of(path, encodings[path]))
                yield {"text": text, "label": label}

    count = sum(map(len, files.values()))
    note = f"{counted(count, 'text file')}, and the folder of each is its label ({', '.join(files)[:80]})"
    return RawTable(split, ("text", "label"), rows, notes=(note,))
