"""Stands for `python` where `warm_server.py` runs the program: passes on words, files and signals, and ends as the
program ended. Where this process is killed, or its parent dies, the program is killed."""

import array
import json
import os
import select
import signal
import socket
import sys


def main() -> None:
    executable, server, *words = sys.argv[1:]
    parent = os.getppid()
    wire = socket.socket(socket.AF_UNIX)
    files = [number for number in map(int, os.listdir("/proc/self/fd")) if _inherited(number, wire)]
    wire.connect(server)
    request = {
        "words": words,
        "files": files,
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "parent": parent,
        "executable": executable,
    }
    wire.sendmsg([b" "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    wire.sendall(json.dumps(request).encode() + b"\n")
    answers = wire.makefile()
    child = int(answers.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    while not select.select([wire], [], [], 0.5)[0]:
        if os.getppid() != parent:
            os._exit(1)
    status = int(answers.readline() or "1")
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
        os.kill(os.getpid(), -status)
    os._exit(status)


def _inherited(number: int, wire: socket.socket) -> bool:
    try:
        return number != wire.fileno() and os.get_inheritable(number)
    except OSError:  # of the list itself
        return False


main()
