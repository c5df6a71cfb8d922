"""A plug-in that is contained: what it raises is its fault, what stops this program's own work is not."""

from __future__ import annotations

import signal
import time

import pytest

from bench.contracts import BenchError
from bench.data.foreign import Interruption, contained
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
