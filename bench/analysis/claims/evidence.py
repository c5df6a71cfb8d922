"""The groups of a run that a claim is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis.claims.declared import Declared
from bench.analysis.claims.published import Published
from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.sizes import largest, task_name
from bench.analysis.statistics.resampling import Source


class NotTestable(Exception):
    """The reason why no task of a run can test a claim."""


@dataclass(frozen=True)
class Evidence:
    """A run as claims see it. groups: of a task that ran at several sizes, those of the largest. declared: what the
    strategies declare; None where plug-ins are not looked at."""

    run: Run
    groups: Mapping[Key, Group]
    source: Source
    declared: Declared | None = None

    @classmethod
    def of(cls, run: Run, declared: Declared | None = None) -> Evidence:
        return cls(run, largest(gather(run.records)), Source(run.predictions), declared)

    def pairs(self, claim: Published, first: Key, second: Key) -> list[tuple[Group, Group]]:
        """The finished groups of two strategies on the same task; an empty field of a key matches
        anything, and an empty second backbone the first. Raises NotTestable where there are none."""
        found = []
        for key, group in self.groups.items():
            other = self.groups.get(Key(key.task, second.strategy, second.backbone or key.backbone))
            if key.strategy != first.strategy or first.backbone not in ("", key.backbone):
                continue
            if other is not None and group.done and other.done and fits(claim, key):
                found.append((group, other))
        if not found:
            names = dict.fromkeys((first.strategy, second.strategy))
            missing = [name for name in names if not self._has(claim, name)]
            raise NotTestable(f"no finished run of {' and '.join(missing or names)}{where(claim)}")
        return found

    def _has(self, claim: Published, strategy: str) -> bool:
        return any(key.strategy == strategy and fits(claim, key) and g.done for key, g in self.groups.items())


def fits(claim: Published, key: Key) -> bool:
    """Whether the claim is about this task and backbone."""
    return (not claim.tasks or task_name(key.task) in claim.tasks) and (
        not claim.backbones or key.backbone in claim.backbones
    )


def where(claim: Published) -> str:
    """The tasks and encoders that a claim is about, in words."""
    parts = [", ".join(names) for names in (claim.tasks, claim.backbones) if names]
    return f" on {' with '.join(parts)}" if parts else " on the same task and encoder"
