"""Where a result comes from: what a record says of machine, library versions and commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench import __version__
from bench.runs.record import Machine

VERSIONS = ("torch", "transformers", "tokenizers", "datasets", "gensim", "scikit-learn", "numpy")
ROOT = Path(__file__).resolve().parents[2]  # a checkout, or where packages are installed


def machine(device: str, dtype: str, threads: int) -> Machine:
    """What a record says of this machine; `device` is the name of the GPU, or `cpu`."""
    return Machine(
        device=device,
        dtype=dtype,
        threads=threads,
        processor=processor(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions=_versions(),
        commit=_git("rev-parse", "--short=12", "HEAD"),
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
    )


@functools.cache
def _versions() -> dict[str, str]:
    """Of the libraries; and of this program where no commit says which it is."""
    found = {} if (ROOT / ".git").exists() else {"transferbench": __version__}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def _git(*arguments: str) -> str:
    """Output of git in this project's checkout; empty where it is installed without one."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


@functools.cache
def processor() -> str:
    """The processor's name and number of cores."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    except OSError:
        pass
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
