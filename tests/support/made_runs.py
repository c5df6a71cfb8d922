"""Runs of a toy suite in processes of their own, and what came out of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.runs.folder import Store
from tests.support import warm

MOMENTS = int(os.environ.get("TRANSFERBENCH_FAULTS", "0"))
"""Random moments at which `make faults` kills; 0 in `make test`, which runs the fast part of the suite."""

ROOT = Path(__file__).parents[2]
TOYS = Path(__file__).parent / "toy_tasks.py"
NASTY = Path(__file__).parent / "nasty.py"

CACHE = (
    Path(tempfile.gettempdir()) / f"transferbench-no-cache-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
)
"""Where runs that are compared to the bit find one choice of attention, however close its measured times are."""

SUITE = """
seeds = {seeds}
[recipe]
epochs = 2
batch_size = 8
max_length = 32
stride = 8
[tasks.toy-sentiment]
[[grid]]
strategies = [{strategies}]
backbones = ["{backbone}"]
"""


@dataclass(frozen=True)
class ToySuite:
    """A suite file on the tiny encoder, and the processes that run it."""

    path: Path

    @classmethod
    def write(cls, path: Path, backbone: Path, strategies: Sequence[str], seeds: int = 1) -> ToySuite:
        names = ", ".join(f'"{name}"' for name in strategies)
        path.write_text(SUITE.format(seeds=seeds, strategies=names, backbone=backbone))
        return cls(path)

    def arguments(self, run: Path, *more: str) -> list[str]:
        plugins = ["--plugin", str(TOYS), "--plugin", str(NASTY)]
        where = ["--out", str(run), "--device", "cpu", "--threads", "1"]
        return ["run", str(self.path), *plugins, *where, *more]

    def start(self, run: Path, *more: str) -> subprocess.Popen[str]:
        """`python -m bench run` in the background, in a process group of its own."""
        return start(self.arguments(run, *more))

    def finish(self, run: Path, *more: str) -> subprocess.CompletedProcess[str]:
        """`python -m bench run`, waited for."""
        return finish(self.arguments(run, *more))

    def finish_warm(self, run: Path, *more: str) -> subprocess.CompletedProcess[str]:
        """The same on tests.support.warm: for tests of what a run does, not of how its processes start."""
        return finish_warm(self.arguments(run, *more))


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(arguments: Sequence[str], limit: float = 300) -> subprocess.CompletedProcess[str]:
    return _finish(sys.executable, arguments, limit)


def finish_warm(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return _finish(warm.python(), arguments, 300)


def _finish(python: str, arguments: Sequence[str], limit: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "bench", *arguments],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )


def results(run: Path) -> dict[str, tuple[Any, str]]:
    """By finished cell: its scores, and the SHA-256 of its prediction file. Raises where a file is damaged."""
    store = Store(run)
    found = {}
    for path in store.record_files():
        cell = path.relative_to(run / "records").with_suffix("").as_posix()
        record = store.verified(cell)
        if record is not None and record.status == "done":
            content = store.predictions_path(cell).read_bytes()
            found[cell] = record.scores, hashlib.sha256(content).hexdigest()
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "TRANSFERBENCH_CACHE": str(CACHE), "HF_HUB_OFFLINE": "1"}
