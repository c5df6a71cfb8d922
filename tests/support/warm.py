"""`python` for tests that start many programs: the time to import torch is spent once.

A program that it runs is a process with its own files, folder, environment and import of this project, forked
from one that has imported the large libraries (warm_server.py). Two things differ from a cold start: what is
imported when, and the hash seed, which all its programs share. Tests of these use `sys.executable`, and a test
that compares two runs to the bit starts one of them cold."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
STARTUP = 120.0  # seconds that a busy machine may take to import the libraries


@cache
def python() -> str:
    """The path of the program; on other systems than Linux, this process's own Python."""
    if sys.platform != "linux":
        return sys.executable
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path, wire = folder / "python", folder / "socket"
    client = f'"{sys.executable}" -I -S "{HERE / "warm_client.py"}"'
    path.write_text(f'#!/bin/sh\nexec {client} "$0" "{wire}" "$@"\n')
    path.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-I", str(HERE / "warm_server.py"), str(wire)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
        stdin=subprocess.PIPE,
        cwd=folder,
    )
    atexit.register(_stop, server)
    began = time.monotonic()
    while not wire.exists():
        assert server.poll() is None, "the warm Python does not start"
        assert time.monotonic() - began < STARTUP, "the warm Python does not start in time"
        time.sleep(0.05)
    return str(path)


def _stop(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin
    server.stdin.close()
    server.wait()
