"""What strategies declare, where a claim depends on it: rates, layers that learn, a solver. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bench.contracts import BenchError, Cell, Phase
from bench.registry import Registry
from bench.runs.record import Record


@dataclass(frozen=True)
class Tried:
    """The learning-rate scales that a cell tried on validation data, and the one that it kept; None where it tried
    none. seeds: on how many it was chosen."""

    kept: float | None = None
    scales: tuple[float, ...] = ()
    seeds: int = 1

    @property
    def at_edge(self) -> bool:
        """Whether the kept scale is an end of the grid, beyond which a better one may lie."""
        return self.kept in (min(self.scales, default=None), max(self.scales, default=None))


def nothing(cell: Cell) -> Tried:
    """The cells of a suite that chose no rates."""
    return Tried()


@dataclass(frozen=True)
class Declared:
    """Answers from the plug-ins that are installed here. chosen: the scales that a cell's suite tried before, where
    the cell has the one that was chosen."""

    registry: Registry
    chosen: Callable[[Cell], Tried] = nothing

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
        """Whether a solver finds the optimum of some phase, so that there is no budget to converge in."""
        return any(map(_is_solved, self._phases(cell)))

    def without_rates(self, cell: Cell) -> bool:
        """Whether a solver finds the optimum of every phase, so that there is no rate to choose."""
        phases = self._phases(cell)
        return bool(phases) and all(map(_is_solved, phases))

    def masked(self, cell: Cell) -> float | None:
        """The steps on masked words, as a multiple of the task's; None where the phases are not known."""
        phases = self._phases(cell)
        return sum(phase.share for phase in phases if phase.objective == "masked-lm") if phases else None

    def _phases(self, cell: Cell) -> tuple[Phase, ...]:
        """None of them where the strategy is not installed, or does not fit its encoder."""
        try:
            return self.registry.phases(cell)
        except BenchError:
            return ()


def tried(record: Record, declared: Declared | None) -> Tried:
    """The scales that a record's cell tried itself or, where it tried none, its suite before."""
    if record.trials:
        kept = [trial.scale for trial in record.trials if trial.kept]
        return Tried(kept[0] if kept else None, tuple(trial.scale for trial in record.trials))
    return declared.chosen(record.cell) if declared else Tried()


def _is_solved(phase: Phase) -> bool:
    return phase.solver == "lbfgs"


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
