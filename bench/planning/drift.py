"""A machine that grows slower or faster while a run goes on: other work comes and goes, clocks are throttled."""

from __future__ import annotations

import math

GAIN = 0.5
"""How far the drift follows what one cell shows."""

NOISE = math.log(1.25)
"""Seeds differ by as much on a steady machine: the first one may prepare something, another may end early."""

SHORT = 1.0
"""Seconds: shorter cells tell less, in proportion."""

MOST = math.log(4)
"""One cell shows no more than this."""


class Drift:
    """How much slower than usual the machine is, as a logarithm."""

    def __init__(self) -> None:
        self._value = 0.0

    @property
    def factor(self) -> float:
        """What usual seconds are multiplied by now."""
        return math.exp(self._value)

    def follow(self, seconds: float, usual: float | None) -> float:
        """The drift while a cell ran for `seconds`. usual: seconds of cells like it at the usual speed; None where
        there are none, so that the cell shows nothing."""
        if usual and seconds > 0:
            seen = math.log(seconds / usual) - self._value
            beyond = math.copysign(min(MOST, max(0.0, abs(seen) - NOISE)), seen)
            self._value += GAIN * min(1.0, seconds / SHORT) * beyond
        return self._value
