"""Word vectors of the gensim-data collection, by name: `gensim-data:glove-wiki-gigaword-100`."""

from __future__ import annotations

import os
from pathlib import Path

from bench.contracts import BenchError

PREFIX = "gensim-data:"


def vector_file(name: str) -> Path:
    """The file of `gensim-data:NAME`, downloaded by gensim when missing. gensim's own loader would run code that it
    downloads; here the file alone is read. BenchError where the name is unknown or cannot be reached."""
    from gensim import downloader

    short = name.removeprefix(PREFIX)
    folder = Path(os.environ.get("GENSIM_DATA_DIR", downloader.BASE_DIR))
    path = folder / short / f"{short}.gz"
    if path.is_file():
        return path
    try:
        return Path(downloader.load(short, return_path=True))  # pyright: ignore[reportArgumentType]
    except (OSError, ValueError) as error:
        raise BenchError(
            f"backbone '{name}' cannot be fetched ({error}): it needs the network once, or the file {path}; "
            "any word-vector file can be given by its path instead",
            code="no-vectors",
        ) from error
