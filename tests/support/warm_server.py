"""A Python that has imported the large libraries once and forks for each program it is asked to run.

`python -I warm_server.py SOCKET` serves until its standard input ends. It has not imported this project: a program
does that itself, in its own order. A request is a JSON object and the open files of `warm_client.py`."""

from __future__ import annotations

import array
import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy",
    "pandas",
    "pydantic",
    "rich.console",
    "typer",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "scipy.optimize",
    "scipy.stats",
    "statsmodels.stats.multitest",
    "torch",
    "torch._dynamo",
    "tokenizers",
    "transformers",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert",
)
leave = os._exit  # a program may put another function in its place
HIGH = 200  # above every number that a request may want for one of its files


def serve(path: str) -> dict[str, Any]:
    """Fork for each request. Returns the request, and only in the processes that are forked."""
    asked, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    gc.freeze()
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([0, asked, listener, *running.values()], [], [])
        if asked in ready:
            os.read(asked, 4096)
            _bury(running)
        if 0 in ready and not os.read(0, 1):
            _kill(running)
            os._exit(0)
        for child in [child for child, client in running.items() if client in ready]:
            with contextlib.suppress(ProcessLookupError):  # its client is gone
                os.kill(child, signal.SIGKILL)
            running.pop(child).close()
        if listener in ready:
            client, _ = listener.accept()
            request, files = _receive(client)
            child = os.fork() if request else -1
            if child == 0:
                signal.set_wakeup_fd(-1)
                for open_ in (listener, client, *running.values()):
                    open_.close()
                for number in (asked, woken):
                    os.close(number)
                _become(request, files)
                return request
            for file in files:
                os.close(file)
            if request:
                running[child] = client
                with contextlib.suppress(OSError):  # the client was killed: it is seen above
                    client.sendall(f"{child}\n".encode())


def _bury(running: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            client = running.pop(found[0], None)
            if client:
                with contextlib.suppress(OSError), client:
                    client.sendall(f"{os.waitstatus_to_exitcode(found[1])}\n".encode())


def _kill(running: dict[int, socket.socket]) -> None:
    for child in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    content, more, _, _ = client.recvmsg(65536, socket.CMSG_SPACE(64 * array.array("i").itemsize))
    files = array.array("i")
    for _, _, data in more:
        files.frombytes(data)
    while not content.endswith(b"\n"):
        following = client.recv(65536)
        if not following:  # the client was killed
            return {}, list(files)
        content += following
    return json.loads(content), list(files)


def _become(request: dict[str, Any], files: list[int]) -> None:
    """Give this process the files, the folder, the environment and the parent of the one that was asked for."""
    os.setsid()
    held = [fcntl.fcntl(file, fcntl.F_DUPFD, HIGH) for file in files]
    for file in files:
        os.close(file)
    for number, file in zip(request["files"], held, strict=True):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8").partition(":")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, errors=errors or None, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding=encoding, errors=errors or "backslashreplace", buffering=1, closefd=False
    )
    sys.executable = request["executable"]
    parent = request["parent"]
    os.getppid = lambda: parent  # as the program that started it expects
    importlib.import_module("numpy").random.seed()


def run(words: list[str]) -> None:
    """As `python *words` does."""
    flags = set()
    while words and words[0] in ("-I", "-P", "-S", "-u"):
        flags.add(words.pop(0))
    paths = (
        [] if "-I" in flags else [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    )
    sys.path[:0] = paths
    safe = bool(flags & {"-I", "-P"})
    if words[0] == "-m":
        sys.path[:0] = [] if safe else [os.getcwd()]
        sys.argv = ["-m", *words[2:]]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.path[:0] = [] if safe else [""]
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})
    else:
        sys.path[:0] = [] if safe else [str(Path(words[0]).resolve().parent)]
        sys.argv = list(words)
        runpy.run_path(words[0], run_name="__main__")


def finish(words: list[str]) -> None:
    """Run it and end this process as Python would, but for taking apart what the libraries have made: that takes
    longer than most programs."""
    status: object = 0
    try:
        run(words)
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue]
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError, ValueError):
        sys.stdout.flush()
    leave((status or 0) & 255)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for library in LIBRARIES:
            importlib.import_module(library)
    finish(serve(sys.argv[1])["words"])
