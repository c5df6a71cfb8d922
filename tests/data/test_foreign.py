"""A plug-in that is contained: what it raises is its fault, what stops this program's own work is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from bench.contracts import BenchError
from bench.data.foreign import ENDED, Interruption, contained
from bench.profiling.device_check import TimeIsUp
from bench.recommend.budget import BudgetSpent, until


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, BaseException, KeyboardInterrupt])
def test_what_only_a_plugin_raises_is_named_as_its_fault(kind: type[BaseException]) -> None:
    with pytest.raises(BenchError) as error, contained("task 'x': reading its rows"):
        raise kind
    assert error.value.code == "plugin-ended"


@pytest.mark.parametrize("kind", [Interruption, BudgetSpent, TimeIsUp])
def test_an_interruption_of_this_program_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind), contained("task 'x': reading its rows"):
        raise kind


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer of the main thread")
def test_a_budget_that_ends_while_a_plugin_works_is_no_fault_of_the_plugin() -> None:
    with pytest.raises(BudgetSpent), until(time.monotonic), contained("task 'x': reading its rows"):
        time.sleep(60)


def test_ctrl_c_while_a_plugin_works_ends_the_program() -> None:
    """The signal tells it from a KeyboardInterrupt that the plug-in raises."""

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt), contained("task 'x': reading its rows"):
        press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("beside", [False, True], ids=["another handler", "another thread"])
def test_where_the_signal_cannot_be_seen_every_interrupt_is_the_users(beside: bool) -> None:
    def work() -> None:
        try:
            with contained("task 'x': reading its rows"):
                raise KeyboardInterrupt
        except BaseException as error:
            found.append(error)

    found: list[BaseException] = []
    if beside:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            work()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        finally:
            signal.signal(signal.SIGINT, before)
    (error,) = found
    assert type(error) is KeyboardInterrupt


EXITS = """
import os, sys
from bench.data.foreign import refuse_silent_exits
refuse_silent_exits()
if "child" in sys.argv:
    child = os.fork()
    if not child:
        os._exit(int(sys.argv[1]))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
else:
    os._exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(("status", "code"), [("0", 2), ("7", 7)])
def test_a_silent_exit_is_a_failure_that_says_so(status: str, code: int) -> None:
    done = subprocess.run([sys.executable, "-c", EXITS, status], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"transferbench: a plug-in ended the program with os._exit({status})")
    assert ENDED == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
@pytest.mark.parametrize("status", ["0", "7"])
def test_a_child_ends_as_it_likes(status: str) -> None:
    command = [sys.executable, "-c", EXITS, status, "child"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{status}\n", "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(3), "reading its rows called sys.exit(3):"),
        (GeneratorExit(), "reading its rows raised GeneratorExit:"),
    ],
)
def test_what_a_plugin_did_is_said(error: BaseException, said: str) -> None:
    with pytest.raises(BenchError) as found, contained("reading its rows"):
        raise error
    assert str(found.value).startswith(said)
