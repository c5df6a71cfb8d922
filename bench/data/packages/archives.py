"""Reads named members out of a wheel, an sdist or an npm tarball, without trusting its content.

A member inside an archive inside the archive is written `outer.tar.gz!inner/path`, as in a jar URL.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from bench.contracts import BenchError

MEMBER_LIMIT = 512 * 2**20
"""Bytes that one member may unpack to; the largest that we read has 307 MB."""


_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    # what the two modules also raise on invalid headers and encrypted members
    TypeError,
    ValueError,
    OverflowError,
    RuntimeError,
)


def extract(archive: Path, names: Sequence[str], into: Path) -> dict[str, Path]:
    """Writes the named members below the folder `into`; gives the path of each by its name.

    Only regular files are written. BenchError where a member is missing, is a link, has more bytes than
    MEMBER_LIMIT, has a name that leaves the folder, or where the archive is damaged.
    """
    try:
        return _extract(archive, names, into)
    except BenchError:
        raise
    except _DAMAGED as error:
        raise BenchError(
            f"{archive.name} is damaged ({error}): delete it and run again", code="damaged-archive"
        ) from error


def member_path(name: str) -> PurePosixPath:
    """The relative path that a member is written to; BenchError if it could leave the folder."""
    path = PurePosixPath(name.replace("!", "/"))
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise BenchError(
            f"refused the archive member '{name}': its path leaves the archive", code="unsafe-member"
        )
    return path


def _extract(archive: Path, names: Sequence[str], into: Path) -> dict[str, Path]:
    paths = {name: into / member_path(name) for name in names}
    outer = dict.fromkeys(name.split("!", 1)[0] for name in names)
    for name, source in _members(archive, list(outer)):
        if name in paths:
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            with paths[name].open("wb") as target:
                _copy(name, source, target)
        inner = [full.removeprefix(f"{name}!") for full in names if full.startswith(f"{name}!")]
        if inner:
            with tempfile.NamedTemporaryFile(dir=into, suffix=PurePosixPath(name).name) as nested:
                _copy(name, source, nested)
                nested.flush()
                _extract(Path(nested.name), inner, into / member_path(name))
        del outer[name]
    if outer:
        raise BenchError(
            f"{archive.name} has no member '{next(iter(outer))}': the pinned version has changed",
            code="no-member",
        )
    return paths


def _members(archive: Path, names: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The named members that are there, each as an open stream; stops reading once all were given."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for name in set(names) & set(opened.namelist()):
                info = opened.getinfo(name)
                mode = info.external_attr >> 16
                _admit(name, info.file_size, info.is_dir() or stat.S_ISLNK(mode))
                with opened.open(info) as stream:
                    yield name, stream
        return
    wanted = set(names)
    with _tar_stream(archive) as opened:
        for info in opened:
            if info.name not in wanted:
                continue
            _admit(info.name, info.size, not info.isreg())
            wanted.discard(info.name)
            stream = opened.extractfile(info)
            if stream is not None:  # it never is, for a regular file
                yield info.name, stream
            if not wanted:
                return


@contextmanager
def _tar_stream(archive: Path) -> Iterator[tarfile.TarFile]:
    """One forward pass: an sdist of 358 MB is not unpacked twice to find five members."""
    with tarfile.open(archive, "r|*") as opened:
        yield opened


def _admit(name: str, size: int, irregular: bool) -> None:
    if irregular:
        raise BenchError(
            f"refused the archive member '{name}': it is a link or no regular file", code="unsafe-member"
        )
    if size > MEMBER_LIMIT:
        raise BenchError(
            f"refused the archive member '{name}': {size} bytes are over {MEMBER_LIMIT}",
            code="too-large-member",
        )


def _copy(name: str, source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a member and count its bytes, since a header may lie about the size."""
    total = 0
    while block := source.read(2**20):
        total += len(block)
        if total > MEMBER_LIMIT:
            raise BenchError(
                f"refused the archive member '{name}': it unpacks to over {MEMBER_LIMIT} bytes",
                code="too-large-member",
            )
        target.write(block)
