"""Encoders with random weights in the shapes of real ones, and a plug-in with made-up rows: nothing to download.

To measure this engine and its peers on them:

    python -m tests.support.made_up FOLDER
    python -m bench peers SUITE --plugin tests/support/made_up.py --task made-up-short --backbone FOLDER/minilm-size
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.contracts import Splits
from bench.data.sources import Sources
from bench.profiling.made_up import SHAPES, Shape, rows, save_encoder
from tasks.sentiment import Sentiment

__all__ = ["SHAPES", "MadeUpLong", "MadeUpShort", "Shape", "save_encoder"]


class MadeUpShort(Sentiment):
    name = "made-up-short"
    summary = "Two classes of made-up short texts"
    licence = "made up"
    length: int | None = None

    def splits(self, sources: Sources) -> Splits:
        sizes = {"train": 8192, "validation": 512, "test": 512}
        return Splits(*(rows(name, count, self.length) for name, count in sizes.items()))


class MadeUpLong(MadeUpShort):
    name = "made-up-long"
    summary = "Two classes of made-up texts of 128 tokens"
    length = 126


if __name__ == "__main__":
    for name, shape in SHAPES.items():
        print(save_encoder(Path(sys.argv[1]) / name, shape))
