"""The second column of scores: those of the same cells at their strategies' default learning rates.

A ranking at tuned rates beside one at default rates shows how much of it is the choice of a rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.statistics.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.contracts import BenchError

COLUMN = "default-rates"


@dataclass(frozen=True)
class DefaultRates:
    """A run at default rates. groups: those of its cells that have the same recipe as in the table, but for rates.
    uncertainty: of their headline scores, which are not tested against each other."""

    name: str
    groups: Mapping[Key, Group]
    uncertainty: Uncertainty

    @property
    def note(self) -> str:
        return (
            "At default rates: the headline score of the same cells at their strategies' own learning rates "
            f"({self.name}). No test of this table compares it."
        )


def matched(run: Run, tuned: Mapping[Key, Group], intervals: bool) -> DefaultRates:
    """The groups of a run at default rates that belong beside those of a table. BenchError where there is none."""
    found = {
        key: ranked_by(group, tuned[key].headline)
        for key, group in gather(run.records).items()
        if key in tuned and _settings(group) == _settings(tuned[key])
    }
    if not found:
        raise BenchError(
            f"{run.name}: none of its cells is one of this table at another learning rate: name a run of the same "
            "suite with `--rates default`",
            code="other-cells",
        )
    shown = {key: (group.headline,) if group.headline else () for key, group in found.items()}
    known = from_predictions(found, shown, run.predictions) if intervals else from_seeds(found, shown)
    return DefaultRates(run.name, found, replace(known, tied=frozenset()))


def ranked_by(group: Group, metric: str) -> Group:
    """The group with this metric as its headline."""
    return Group(group.key, tuple(record.model_copy(update={"headline": metric}) for record in group.records))


def _settings(group: Group) -> set[Any]:
    """Recipes and options of a group's cells, whatever their rates."""
    cells = [record.cell for record in group.records]
    return {(replace(cell.recipe, rate_scale=1.0, tune=()), cell.options) for cell in cells}
