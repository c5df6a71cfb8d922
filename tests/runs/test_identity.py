"""What a fingerprint sees of a strategy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.contracts import Cell
from bench.registry import Plugins, Registry, discover

OWN = """
from dataclasses import dataclass
from bench.contracts import FROZEN, Phase, Strategy

RANK = 0

@dataclass(frozen=True)
class Wide(Strategy):
    name = "wide"
    summary = "low-rank updates of a rank that the file says"

    def adapt(self, encoder):
        encoder.insert_low_rank(RANK, 2 * RANK)

    def phases(self, depth):
        return (Phase(1.0, (("layers.*lora_*", 1e-4), ("*", FROZEN))),)
"""


def test_the_options_of_what_is_inserted_count(toy_cell: Callable[..., Cell], plugins: Plugins) -> None:
    registry = Registry(plugins)
    plain, wider = toy_cell("lora"), toy_cell("lora", options=(("rank", 16),))
    assert registry.fingerprint(plain) != registry.fingerprint(wider)


def test_what_a_ready_made_method_sets_counts(toy_cell: Callable[..., Cell], plugins: Plugins) -> None:
    """Rows of one name whose methods differ in arguments of the library alone."""
    registry = Registry(plugins)
    cells = [toy_cell("mine", options=(("base", base),)) for base in ("peft", "dora", "rslora")]
    assert len({registry.fingerprint(cell) for cell in cells}) == 3


def test_the_file_of_ones_own_strategy_that_inserts_modules_counts(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wide.py"
    found = []
    for rank in (4, 8):
        path.write_text(OWN.replace("RANK = 0", f"RANK = {rank}"))
        registry = Registry(discover([toy_plugin, path]))
        found.append(registry.fingerprint(toy_cell("wide")))
    assert found[0] != found[1]


def test_an_option_that_changes_no_phase_does_not_count(
    toy_cell: Callable[..., Cell], plugins: Plugins
) -> None:
    registry = Registry(plugins)
    plain, same = toy_cell("full"), toy_cell("full", options=(("rate", 1e-4),))
    assert registry.fingerprint(plain) == registry.fingerprint(same)
