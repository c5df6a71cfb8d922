"""Calls of plug-ins. A plug-in may raise anything and may end the process; either becomes one line of error."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from bench.contracts import BenchError


class Interruption(BaseException):
    """What this program raises to stop its own work and a plug-in's: a budget is spent, a limit is reached. Not
    an Exception: an executor turns those into a failed cell, and a cell that was stopped has not failed."""


ENDED = 2
"""The exit code of a program that a plug-in ended: the request was not carried out."""


@contextmanager
def contained(what: str) -> Iterator[None]:
    """BenchError naming `what` if the `with` block raises anything but an ordinary exception: SystemExit,
    GeneratorExit, a BaseException of its own, or KeyboardInterrupt though nobody pressed Ctrl-C. An Interruption of
    this program passes."""
    pressed: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        pressed.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    ours = ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except (Exception, Interruption):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and (pressed or not ours):
            raise
        raise BenchError(
            f"{what} {_deed(error)}: a plug-in returns or raises an ordinary exception", code="plugin-ended"
        ) from error
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _deed(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r})"
    return f"raised {type(error).__name__}"


def refuse_silent_exits() -> None:
    """From now on `os._exit` in this process is a failure that says so: this program never calls it. Children that
    were forked end as they like."""
    end, process = os._exit, os.getpid()

    def say_and_end(status: int) -> NoReturn:
        if os.getpid() == process:
            print(
                f"transferbench: a plug-in ended the program with os._exit({status}); finished cells are kept",
                file=sys.stderr,
                flush=True,
            )
            end(status or ENDED)
        end(status)

    os._exit = say_and_end
