"""Activations that outlive a run: a folder of safetensors files, for `--cache-dir`.

A file is named by what determines its content. It carries a checksum, which is verified before use, and the
seconds that computing it took, so that a cell is charged the same whether the file was found or not. When the
folder exceeds its limit, the least recently used files are deleted.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import BenchError
from bench.runs import atomic_files

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ActivationStore:
    """folder: of the files. limit: the bytes that they may take together."""

    folder: Path
    limit: int

    def load(self, key: str) -> tuple[Tensor, float] | None:
        """The tensor of this key, and the seconds that computing it took; None where there is none. A damaged
        file is deleted."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensor = file.get_tensor("activations")
            if _checksum(tensor, metadata["seconds"]) != metadata["checksum"]:
                raise ValueError("checksum")
            os.utime(path)
            return tensor, float(metadata["seconds"])
        except (OSError, ValueError, KeyError, SafetensorError):
            with suppress(OSError):
                path.unlink()
            return None

    def save(self, key: str, tensor: Tensor, seconds: float) -> None:
        """Keep a tensor; BenchError where the folder cannot be written."""
        from safetensors.torch import save

        size = tensor.numel() * tensor.element_size()
        if size > self.limit:
            return
        self._evict(self.limit - size)
        took = repr(seconds)
        metadata = {"seconds": took, "checksum": _checksum(tensor, took)}
        try:
            atomic_files.write(self._path(key), save({"activations": tensor.cpu().contiguous()}, metadata))
        except BenchError as error:
            raise BenchError(f"--cache-dir: {error}", code="cannot-write") from error

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"

    def _evict(self, limit: int) -> None:
        """Delete the least recently used files until the rest take at most `limit` bytes."""
        found = []
        for path in self.folder.glob("*.safetensors"):
            with suppress(OSError):
                found.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= limit:
                return
            with suppress(OSError):
                path.unlink()
                total -= size


def _checksum(tensor: Tensor, seconds: str) -> str:
    import torch

    content = tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(seconds.encode() + content.tobytes()).hexdigest()
