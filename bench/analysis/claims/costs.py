"""Claims on what a strategy costs: training time, and what the checkpoint's own head forgets.

Ratios are measured as logarithms, on which they add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from bench.analysis.claims.conditions import Sides, name
from bench.analysis.claims.evidence import Evidence
from bench.analysis.claims.part import ONE_SEED, Part, mean_over_seeds
from bench.analysis.claims.published import CostClaim, ForgettingClaim
from bench.analysis.groups import Group, Key, is_one_machine
from bench.analysis.statistics.over_tasks import Effect
from bench.analysis.timing import Timing, noise, training


def costs(claim: CostClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of training times, with the interval of a ratio of times in tables: a part that
    was measured once and copied to all seeds counts as one measurement."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        learning = [group.done[0].trainable for group in (first, second)]
        above = math.log(learning[0] / learning[1]) if claim.above_parameters and all(learning) else None
        part = Part(name(first), Sides(first, second), above=above)
        timings = [(group, training(group.done)) for group in (first, second)]
        if not is_one_machine(first.machines(), second.machines()):
            parts.append(replace(part, reason="the two strategies ran on different machines"))
        elif min(len(group.done) for group, _ in timings) < 2:
            parts.append(replace(part, reason="times need two seeds of both strategies"))
        elif once := [group.key.strategy for group, own in timings if own is None or own.measurements < 2]:
            reason = f"the time of {' and '.join(once)} was measured once and copied to all seeds"
            parts.append(replace(part, reason=reason))
        else:
            effect = _ratio([own for _, own in timings if own is not None], first, evidence)
            parts.append(
                replace(part, effect=effect, reason="" if effect else "the noise of times is not known")
            )
    return parts


def _ratio(timings: Sequence[Timing], group: Group, evidence: Evidence) -> Effect | None:
    """The logarithm of the ratio of two times on the machine of a group; None where nothing tells their noise."""
    alike = [other for other in evidence.groups.values() if other.machines() == group.machines()]
    known = noise(found for other in alike if (found := training(other.done)))
    half = known.half(*timings)
    if half is None:
        return None
    value = math.log(timings[0].mean / timings[1].mean)
    return Effect(value, known.variance * sum(item.weight for item in timings), value - half, value + half)


def forgetting(claim: ForgettingClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of perplexities, with Student's interval over seeds."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        part = Part(name(first), Sides(first, second))
        losses, others = _language_losses(first), _language_losses(second)
        seeds = sorted(losses.keys() & others.keys())
        if len(seeds) > 1:
            parts.append(
                replace(part, effect=mean_over_seeds([losses[seed] - others[seed] for seed in seeds]))
            )
        else:
            parts.append(replace(part, reason=_unmeasured(first, second) or ONE_SEED))
    return parts


def _language_losses(group: Group) -> dict[int, float]:
    """By seed, the loss of the checkpoint's own head after training."""
    return {
        record.cell.seed: record.language_loss.after
        for record in group.done
        if record.language_loss and record.language_loss.after is not None
    }


def _unmeasured(*groups: Group) -> str:
    """Why a side has no loss of a language-modelling head; '' where both have one."""
    for group in groups:
        losses = [record.language_loss for record in group.done if record.language_loss]
        if not losses:
            return "not measured: run with recipe.forgetting = true"
        if all(loss.after is None for loss in losses):
            return losses[0].reason
    return ""
