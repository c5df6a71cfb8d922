"""How far measured seconds are from planned ones: of a run, of each of its groups, and of each strategy.

A plan can be wrong by any factor: rows were miscounted, a machine is not what was assumed. What was measured on a
task and backbone therefore decides for their other cells. What was planned, and what other tasks took, counts only
as far as it agrees with that. All levels are logarithms of seconds over planned seconds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

Group = tuple[str, str]
"""Task and backbone."""

AGREES = math.log(2)
"""Levels that differ by more contradict each other: what was measured elsewhere then says little."""

PLAUSIBLE = math.log(1.5)
"""A plan that is wrong by more for what has run is not believed for what has not."""

ROUNDS = 3
"""Of fitting groups and strategies to each other in turn."""


@dataclass(frozen=True)
class Measured:
    """Cells of one strategy in one group: mean seconds, and mean planned seconds."""

    group: Group
    strategy: str
    seconds: float
    planned: float


@dataclass(frozen=True)
class Levels:
    """run: the level of a group that has not begun: that of its task at other sizes, where those have run. planned:
    planned seconds of each group that were measured."""

    run: float
    groups: Mapping[Group, float]
    strategies: Mapping[str, float]
    planned: Mapping[Group, float]

    def of(self, group: Group, strategy: str, planned: float) -> float:
        """The level of a cell of so many planned seconds.

        The other groups weigh as much as the cell itself would beside what its own group has measured, and less the
        further they are from it."""
        effect = self.strategies.get(strategy, 0.0)
        own = self.groups.get(group)
        if own is None:
            return self.run + effect
        weight = planned / (planned + self.planned[group]) * _agreement(self.run - own)
        return own + weight * (self.run - own) + effect


def levels(found: Iterable[Measured], is_assumed: bool, of: Group) -> Levels:
    """The levels of what was measured, for a cell of group `of`. is_assumed: whether planned seconds are absolute;
    else only their ratios mean something."""
    groups: dict[Group, list[Measured]] = {}
    for item in found:
        if item.seconds > 0 and item.planned > 0:
            groups.setdefault(item.group, []).append(item)
    strategies: dict[str, float] = {}
    heights: dict[Group, float] = {}
    for _ in range(ROUNDS):
        heights = {group: _height(items, strategies) for group, items in groups.items()}
        strategies = _effects(groups, heights)
    others = [height for group, height in heights.items() if group != of]
    kin = [height for group, height in heights.items() if group != of and _is_kin(group, of)]
    if not kin and not others and not is_assumed:
        run = heights.get(of, 0.0)
    else:
        run = median(kin) if kin else _run(others, is_assumed)
    planned = {group: sum(item.planned for item in items) for group, items in groups.items()}
    return Levels(run, heights, strategies, planned)


def _height(items: Iterable[Measured], strategies: Mapping[str, float]) -> float:
    """The level of a group: large cells count by their size, for they are what a forecast is about."""
    kept = list(items)
    planned = sum(item.planned * math.exp(strategies.get(item.strategy, 0.0)) for item in kept)
    return math.log(sum(item.seconds for item in kept) / planned)


def _effects(groups: Mapping[Group, list[Measured]], heights: Mapping[Group, float]) -> dict[str, float]:
    """What a strategy takes beyond the level of its groups: the mean over them, and over one that is as planned."""
    rests: dict[str, list[float]] = {}
    for group, items in groups.items():
        for item in items if len(items) > 1 else ():
            rests.setdefault(item.strategy, []).append(math.log(item.seconds / item.planned) - heights[group])
    return {strategy: sum(found) / (len(found) + 1) for strategy, found in rests.items()}


def _run(heights: list[float], is_assumed: bool) -> float:
    """The level of a run: the median of its groups, and of the plan where it does not contradict them."""
    if not heights:
        return 0.0
    paces = [math.exp(height) for height in heights]
    is_plausible = is_assumed and abs(median(heights)) < PLAUSIBLE
    return math.log(median([*paces, 1.0] if is_plausible else paces))


def _is_kin(group: Group, other: Group) -> bool:
    """Whether they are one task at two sizes: the texts are as long, so that a plan is wrong in the same way."""
    return group[1] == other[1] and group[0].partition("@")[0] == other[0].partition("@")[0]


def _agreement(difference: float) -> float:
    """1 where two levels are equal, towards 0 where one of them must be wrong."""
    return 1 / (1 + (difference / AGREES) ** 4)
