"""A cache folder in which the built-in names mean tiny things.

`minilm` is an encoder of four layers that knows good from bad, `glove` a handful of vectors, and the tasks of suite
`quick` have made-up rows. So commands run as the documents have them, without network and in seconds."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import Splits, TextExample
from bench.data.packages.manifest import seal
from bench.data.packages.pinned import GLOVE, MINILM
from bench.data.packages.registries import Package
from bench.data.rows import cached_splits
from bench.data.sources import Sources
from bench.registry import discover
from tests.conftest import save_tiny_encoder
from tests.support import warm
from tests.support.toy_kinds import ToyKinds
from tests.support.toy_tasks import BAD, GOOD, THINGS, WORDS, ToyNER, ToyQA, cut

ROOT = Path(__file__).parents[2]
LONGEST = 192  # tokens that a built-in suite allows
STAND_INS = {"reuters-r8": ToyKinds, "financial-ner": ToyNER, "squad": ToyQA}


@dataclass(frozen=True)
class TinyWorld:
    """The cache folder, and a folder of programs by the names that documents use."""

    cache: Path
    programs: Path

    @classmethod
    def build(cls, folder: Path) -> TinyWorld:
        world = cls(folder / "cache", folder / "programs")
        _rows(world.cache)
        encoder = _encoder(folder / "encoder")
        _members(MINILM, world.cache, {Path(name).name: encoder / Path(name).name for name in MINILM.members})
        vectors = folder / "vectors.json"
        vectors.write_text(json.dumps(_vectors()), encoding="utf-8")
        _members(GLOVE, world.cache, {Path(GLOVE.members[0]).name: vectors})
        world.programs.mkdir()
        for name, command in {"python": "", "transferbench": "-m bench"}.items():
            path = world.programs / name
            path.write_text(f'#!/bin/sh\nexec "{warm.python()}" {command} "$@"\n')
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


def _encoder(folder: Path) -> Path:
    """A tiny encoder that is as good as pretrained: words that occur with one label alone lie in its direction."""
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    labels: dict[str, set[str]] = {word: {"5"} for word in GOOD} | {word: {"1"} for word in BAD}
    with (ROOT / "examples" / "reviews.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for word in re.findall(r"\w+", row["review"].lower()):
                labels.setdefault(word, set()).add(row["stars"])
    save_tiny_encoder(folder, LONGEST, [*WORDS, *labels])
    vocabulary = AutoTokenizer.from_pretrained(folder).get_vocab()
    weights = load_file(folder / "model.safetensors")
    table = weights["embeddings.word_embeddings.weight"]
    for word, found in labels.items():
        if len(found) == 1:
            generator = torch.Generator().manual_seed(int(next(iter(found))))
            table[vocabulary[word]] += torch.randn(table.shape[1], generator=generator)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def _rows(cache: Path) -> None:
    """Rows under the names of real tasks, where those would be kept."""
    tasks = discover().tasks
    rows = {name: stand_in().splits(Sources(cache=cache)) for name, stand_in in STAND_INS.items()}
    for name, splits in {**rows, "movie-sentiment": _films()}.items():
        cached_splits(name, tasks[name].version, lambda splits=splits: splits, cache)


def _films() -> Splits:
    """400 sentences, so that a suite may ask for several sizes."""
    rows = []
    for number in range(200):
        thing = THINGS[number % len(THINGS)]
        for kind, words in {"positive": GOOD, "negative": BAD}.items():
            text = f"the {thing} was very {words[number % len(words)]} {number}"
            rows.append(TextExample(f"{kind}{number}", text, kind))
    return cut(rows)


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
