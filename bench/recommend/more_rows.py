"""The error of a difference between two strategies on more rows than were compared on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.analysis.statistics.noise import MANY, Noise, total
from bench.analysis.statistics.resampling import Resampled

NONE = Noise.known(0.0)


@dataclass(frozen=True)
class Error:
    """The error of a difference, and the parts of its variance that more rows would lower. example: over rows, or
    over groups of them. dof: degrees of freedom of `example`. interaction: which rows a seed gets right, a part of
    the error over seeds. seeds: the error over the seeds of both."""

    whole: Noise
    example: float = 0.0
    dof: float = np.inf
    interaction: float = 0.0
    seeds: Noise = NONE

    @classmethod
    def of(cls, difference: Resampled, whole: Noise, seeds: Noise) -> Error:
        """whole: its error on the rows at hand. seeds: as in the class."""
        parts = difference.components()
        interaction = parts.interaction / parts.seeds if parts.seeds > 1 else 0.0
        return cls(whole, parts.example, parts.example_dof, interaction, seeds)

    def on(self, factor: float) -> Noise:
        """The error on `factor` times the rows. Of a few groups the variance itself is uncertain, and more groups
        make it better known as well."""
        if factor == 1:
            return self.whole
        if self.dof >= MANY:
            return _lowered(self.whole, self.example + self.interaction, factor)
        groups = Noise.student(self.example / factor, (self.dof + 1) * factor - 1)
        return total([groups, _lowered(self.seeds, self.interaction, factor)])


def _lowered(noise: Noise, part: float, factor: float) -> Noise:
    """The error where a part of its variance is divided by `factor`."""
    lost = np.minimum(part, noise.variances) * (1 - 1 / factor)
    return Noise(noise.variances - lost, noise.weights)
