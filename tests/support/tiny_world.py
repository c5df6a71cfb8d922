"""A cache folder in which the built-in names mean tiny things: `minilm` a random encoder of four layers, `glove` a
handful of vectors, and the tasks of suite `quick` a few dozen made-up rows. So commands run as the documents have
them, without network and in seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import Splits
from bench.data.packages.manifest import seal
from bench.data.packages.pinned import GLOVE, MINILM
from bench.data.packages.registries import Package
from bench.data.rows import cached_splits
from bench.data.sources import Sources
from bench.registry import discover
from tests.conftest import save_tiny_encoder
from tests.support.toy_kinds import ToyKinds
from tests.support.toy_tasks import WORDS, ToyNER, ToyQA, ToySentiment

ROOT = Path(__file__).parents[2]
LONGEST = 192  # tokens that a built-in suite allows
STAND_INS = {
    "movie-sentiment": ToySentiment,
    "reuters-r8": ToyKinds,
    "financial-ner": ToyNER,
    "squad": ToyQA,
}


@dataclass(frozen=True)
class TinyWorld:
    """The cache folder, and a folder of programs by the names that documents use."""

    cache: Path
    programs: Path

    @classmethod
    def build(cls, folder: Path) -> TinyWorld:
        world = cls(folder / "cache", folder / "programs")
        _rows(world.cache)
        encoder = save_tiny_encoder(folder / "encoder", positions=LONGEST)
        _members(MINILM, world.cache, {Path(name).name: encoder / Path(name).name for name in MINILM.members})
        vectors = folder / "vectors.json"
        vectors.write_text(json.dumps(_vectors()), encoding="utf-8")
        _members(GLOVE, world.cache, {Path(GLOVE.members[0]).name: vectors})
        world.programs.mkdir()
        for name, command in {"python": "", "transferbench": "-m bench"}.items():
            path = world.programs / name
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
            path.chmod(0o755)
        return world

    def finish(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder and wait for it; what it said is in `stdout`."""
        environment = {
            **os.environ,
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TRANSFERBENCH_CACHE": str(self.cache),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            arguments,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )


def _rows(cache: Path) -> None:
    """Rows under the names of real tasks, where those would be kept."""
    tasks = discover().tasks
    for name, stand_in in STAND_INS.items():
        rows = stand_in().splits(Sources(cache=cache))
        cached_splits(name, tasks[name].version, lambda rows=rows: Splits(*_three(rows)), cache)


def _three(rows: Splits) -> tuple[list, list, list]:
    return list(rows.train), list(rows.validation), list(rows.test)


def _members(package: Package, cache: Path, files: dict[str, Path]) -> None:
    """The files of a package as if they had been read out of it; one that the encoder lacks is empty JSON."""
    folder = cache / "members" / package.sha256[:16]
    placed = {}
    for name in package.members:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        source = files[path.name]
        if source.is_file():
            shutil.copyfile(source, path)
        else:
            path.write_text("{}")
        placed[name] = path
    seal(folder, placed)


def _vectors() -> dict[str, object]:
    words = sorted(WORDS)
    values = {
        word: [*(((7 * place + 3 * column) % 11 - 5) / 5 for column in range(8)), 1.0, place]
        for place, word in enumerate(words)
    }
    return {"size": len(words), "dimensions": 8, "vectors": values}
