"""What strategies declare, where a claim depends on it: rates, layers that learn, a solver. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.contracts import BenchError, Cell, Phase
from bench.registry import Registry


@dataclass(frozen=True)
class Declared:
    """Answers from the plug-ins that are installed here."""

    registry: Registry

    def layers(self, cell: Cell) -> tuple[int, int] | None:
        """The number of encoder layers in which the cell learns, and of all; None where that is not known."""
        phases = self._phases(cell)
        if not phases:
            return None
        depth = self.registry.layers(cell)
        return sum(any(_learns(phase, layer) for phase in phases) for layer in range(depth)), depth

    def rate(self, cell: Cell) -> float | None:
        """The largest learning rate of the cell's encoder before any scale; None where nothing of it learns."""
        rates = [rate for phase in self._phases(cell) for _, rate in phase.rates]
        return max(rates, default=0.0) or None

    def solved(self, cell: Cell) -> bool:
        """Whether a solver finds the optimum, so that there is no rate to choose and no budget to converge in."""
        return any(phase.solver == "lbfgs" for phase in self._phases(cell))

    def _phases(self, cell: Cell) -> tuple[Phase, ...]:
        """None of them where the strategy is not installed, or does not fit its encoder."""
        try:
            return self.registry.phases(cell)
        except BenchError:
            return ()


def _learns(phase: Phase, layer: int) -> bool:
    """Whether some parameter of a layer may learn: the first pattern that can match one of them decides, unless
    it freezes only some."""
    own = f"layers.{layer}."
    for pattern, rate in phase.rates:
        stem = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        if own.startswith(stem) or stem.startswith(own):
            if rate:
                return True
            if fnmatchcase(f"{own}weight", pattern):
                return False
    return False
