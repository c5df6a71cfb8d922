"""Small made-up packages on disk, and the Package that pins each."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from bench.data.cache import sha256_of
from bench.data.packages.registries import Package


def tar_bytes(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def provided(cache: Path, files: Mapping[str, bytes], members: tuple[str, ...] = ()) -> Package:
    """A package whose archive lies in `<cache>/archives`, as for a machine without a network."""
    folder = cache / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    path = make_zip(folder / "made_up-1.0.whl", files)
    return Package("pip", "made-up", "1.0", sha256_of(path), path.stat().st_size, "wheel", members)
