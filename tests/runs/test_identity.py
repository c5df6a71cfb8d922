"""What a fingerprint sees of a strategy."""

from __future__ import annotations

from collections.abc import Callable

from bench.contracts import Cell
from bench.registry import Plugins, Registry


def test_the_options_of_what_is_inserted_count(toy_cell: Callable[..., Cell], plugins: Plugins) -> None:
    registry = Registry(plugins)
    plain, wider = toy_cell("lora"), toy_cell("lora", options=(("rank", 16),))
    assert registry.fingerprint(plain) != registry.fingerprint(wider)


def test_an_option_that_changes_no_phase_does_not_count(
    toy_cell: Callable[..., Cell], plugins: Plugins
) -> None:
    registry = Registry(plugins)
    plain, same = toy_cell("full"), toy_cell("full", options=(("rate", 1e-4),))
    assert registry.fingerprint(plain) == registry.fingerprint(same)
