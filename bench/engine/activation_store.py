"""Activations that outlive a run: a folder of safetensors files, for `--cache-dir`.

A file is named by what determines its content. It carries a checksum, which is verified before use, and the
seconds that computing it took, so that a cell is charged the same whether the file was found or not. When the
folder exceeds its limit, the least recently used files are deleted. A folder that cannot be written is read alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contracts import BenchError
from bench.runs import atomic_files
from bench.runs.leases import exclusive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class ActivationStore:
    """folder: of the files. limit: the bytes that they may take together. refusal: why this process writes nothing
    there any more, for the user; '' while it does."""

    folder: Path
    limit: int
    refusal: str = field(default="", compare=False)

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """Processes that share the folder compute what a key stands for one at a time, and the next finds what the
        last one left."""
        with ExitStack() as held:
            if not self.refusal:
                try:
                    held.enter_context(exclusive(self.folder / "locks" / key))
                except BenchError as error:
                    self._refuse(error)
            yield

    def load(self, key: str) -> tuple[Tensor, float] | None:
        """The tensor of this key, and the seconds that computing it took; None where there is none. A damaged
        file is deleted."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            if not path.is_file():
                return None
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensor = file.get_tensor("activations")
            if _checksum(tensor, metadata["seconds"]) != metadata["checksum"]:
                raise ValueError("checksum")
            with suppress(OSError):  # a folder that is read alone
                os.utime(path)
            return tensor, float(metadata["seconds"])
        except (OSError, ValueError, KeyError, SafetensorError):
            with suppress(OSError):
                path.unlink()
            return None

    def save(self, key: str, tensor: Tensor, seconds: float) -> None:
        """Keep a tensor. Where the folder cannot be written, `refusal` says why, and no other one is kept: a run
        goes on without."""
        from safetensors.torch import save

        size = tensor.numel() * tensor.element_size()
        if self.refusal or size > self.limit:
            return
        self._evict(self.limit - size)
        took = repr(seconds)
        metadata = {"seconds": took, "checksum": _checksum(tensor, took)}
        try:
            atomic_files.write(self._path(key), save({"activations": tensor.cpu().contiguous()}, metadata))
        except BenchError as error:
            self._refuse(error)

    def _refuse(self, error: BenchError) -> None:
        cause = error.__cause__
        reason = (isinstance(cause, OSError) and cause.strerror) or error
        self.refusal = f"--cache-dir {self.folder} cannot be written ({reason}): nothing more is kept there"

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
