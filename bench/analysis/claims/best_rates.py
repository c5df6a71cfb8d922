"""Claims on learning rates: the ratio of the best ones, as logarithms, known to within a step of each grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from bench.analysis.claims.conditions import Sides, name
from bench.analysis.claims.declared import tried
from bench.analysis.claims.evidence import Evidence
from bench.analysis.claims.part import Part, mean_over_seeds
from bench.analysis.claims.published import RateClaim
from bench.analysis.groups import Group, Key
from bench.text import counted


def best_rates(claim: RateClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of the best rates, known to within a step of each grid."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        part = Part(name(first), Sides(first, second))
        rates = [_by_seed(group, evidence) for group in (first, second)]
        seeds = sorted(rates[0].keys() & rates[1].keys())
        if edge := [g.key.strategy for g in (first, second) if _at_edge(g, evidence)]:
            reason = f"the best rate of {' and '.join(edge)} is the smallest or largest that was tried"
            parts.append(replace(part, reason=reason))
        elif not seeds:
            parts.append(replace(part, reason="the best learning rates are not known"))
        else:
            logs = [math.log(rates[0][seed] / rates[1][seed]) for seed in seeds]
            before = [_chosen_before(group, evidence) for group in (first, second)]
            logs = logs[:1] if all(before) else logs  # one choice, which all seeds carry
            steps = [_grid_step(tried(group.done[0], evidence.declared).scales) for group in (first, second)]
            effect = mean_over_seeds(logs, sum(step**2 / 12 for step in steps))
            parts.append(replace(part, effect=effect, reason=_repeated(claim, part.sides, before)))
    return parts


def _repeated(claim: RateClaim, sides: Sides, before: Sequence[int]) -> str:
    """Which rates were chosen on too few seeds, whatever the number of seeds that train with them; '' where none.
    before: by side, as in `_chosen_before`."""
    few = [
        f"the rate of {group.key.strategy} was chosen once, on {counted(seeds, 'seed')} of a development draw"
        for group, seeds in zip((sides.first, sides.second), before, strict=True)
        if 0 < seeds < claim.needs.seeds
    ]
    return f"{' and '.join(few)}; the claim needs {claim.needs.seeds}" if few else ""


def _chosen_before(group: Group, evidence: Evidence) -> int:
    """The seeds of the development draw on which a suite chose the rate that the group's cells carry; 0 where each
    cell chose its own."""
    if all(record.trials for record in group.done):
        return 0
    return tried(group.done[0], evidence.declared).seeds


def _by_seed(group: Group, evidence: Evidence) -> dict[int, float]:
    """By seed, the encoder's learning rate that validation chose."""
    found = {}
    for record in group.done:
        rate = evidence.declared.rate(record.cell) if evidence.declared else None
        kept = tried(record, evidence.declared).kept
        if rate and kept:
            own = kept if record.trials else 1.0  # a scale that the suite fixed is in rate_scale already
            found[record.cell.seed] = rate * record.cell.recipe.rate_scale * own
    return found


def _at_edge(group: Group, evidence: Evidence) -> bool:
    """Whether most seeds have an end of their grid, beyond which a better rate may lie."""
    found = [tried(record, evidence.declared) for record in group.done]
    return 2 * sum(bool(item.scales) and item.at_edge for item in found) > len(found)


def _grid_step(scales: Sequence[float]) -> float:
    """The logarithm of the mean ratio of neighbouring rates: a best rate is known to within one step."""
    return math.log(max(scales) / min(scales)) / (len(scales) - 1) if len(scales) > 1 else 0.0
