"""Shows the progress of a download by another program, from the size of the file that it writes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.data.cache import megabytes, notice

POLL = 0.2  # seconds


def run_watched(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], label: str, size: int
) -> tuple[int, str]:
    """Runs `command` in `folder`, which it downloads `size` bytes into; gives exit status and its output.

    On a terminal there is a progress bar; elsewhere one line at the start. The command is ended if this
    process is interrupted. OSError if it cannot be started.
    """
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _watch(process, folder, label, size)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
    return process.returncode, log.read_text(errors="replace")


def _watch(process: subprocess.Popen[bytes], folder: Path, label: str, size: int) -> None:
    if not sys.stderr.isatty():
        notice(f"downloading {label} ({megabytes(size)})")
        process.wait()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("downloading {task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task(label, total=size)
        while process.poll() is None:
            progress.update(bar, completed=min(size, _largest_file(folder)))
            time.sleep(POLL)
        if process.returncode == 0:
            progress.update(bar, completed=size)


def _largest_file(folder: Path) -> int:
    """Bytes of the largest file below `folder`: the archive, wherever pip or npm first writes it."""
    largest = 0
    for path in folder.rglob("*"):
        try:
            largest = max(largest, path.stat().st_size)
        except OSError:  # moved or deleted while we looked
            continue
    return largest
