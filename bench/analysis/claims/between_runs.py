"""Claims on the recipe: the same strategy after short and after long training, which is another run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from bench.analysis.claims.conditions import Sides
from bench.analysis.claims.evidence import Evidence, NotTestable, fits
from bench.analysis.claims.measures import Part, estimated, minus
from bench.analysis.claims.published import GrowthClaim, SpreadClaim
from bench.analysis.groups import Group, Key
from bench.analysis.sizes import task_name
from bench.analysis.statistics.over_tasks import log_spread
from bench.analysis.statistics.resampling import resample
from bench.contracts import Recipe

Found = tuple[Group, Evidence]


def measure_between(claim: GrowthClaim | SpreadClaim, runs: Sequence[Evidence]) -> list[Part]:
    """The parts of a claim that needs runs with different numbers of epochs. Raises NotTestable without them."""
    return _growth(claim, runs) if isinstance(claim, GrowthClaim) else _spreads(claim, runs)


def is_between(claim: object) -> TypeGuard[GrowthClaim | SpreadClaim]:
    """Whether the claim compares runs with each other."""
    return isinstance(claim, SpreadClaim) or (isinstance(claim, GrowthClaim) and claim.by == "epochs")


def _groups(claim: GrowthClaim | SpreadClaim, runs: Sequence[Evidence]) -> dict[Key, list[Found]]:
    """The finished groups that the claim is about, by their key, from the fewest to the most epochs."""
    found: dict[Key, list[Found]] = {}
    for evidence in runs:
        for key, group in evidence.groups.items():
            if group.done and fits(claim, key):
                found.setdefault(key, []).append((group, evidence))
    return {key: sorted(items, key=lambda item: _recipe(item[0]).epochs) for key, items in found.items()}


def _recipe(group: Group) -> Recipe:
    return group.done[0].cell.recipe


def _growth(claim: GrowthClaim, runs: Sequence[Evidence]) -> list[Part]:
    groups, found = _groups(claim, runs), {}
    for key, own in groups.items():
        others = {_recipe(g).epochs: (g, e) for g, e in groups.get(key._replace(strategy=claim.second), [])}
        pairs = [(item, others[_recipe(item[0]).epochs]) for item in own if _recipe(item[0]).epochs in others]
        if key.strategy != claim.first or len(pairs) < 2:
            continue
        (less, more), metric = (pairs[0], pairs[-1]), claim.metric or own[0][0].headline
        first, last = (
            minus(*(resample(g, metric, e.source) for g, e in pair), share=1.0) for pair in (less, more)
        )
        epochs = [_recipe(pair[0][0]).epochs for pair in (less, more)]
        place = f"{task_name(key.task)} {key.backbone} from {epochs[0]:g} to {epochs[1]:g} epochs"
        sides = Sides(more[0][0], more[1][0], (less[0][0], less[1][0]))
        found[place] = (sides, minus(last, first))
    if not found:
        raise NotTestable(f"no runs of {claim.first} and {claim.second} with different numbers of epochs")
    return estimated(found)


def _spreads(claim: SpreadClaim, runs: Sequence[Evidence]) -> list[Part]:
    parts = []
    for key, items in _groups(claim, runs).items():
        short = [group for group, _ in items if _recipe(group).epochs <= claim.short]
        long = [
            group
            for group, _ in items
            if _recipe(group).epochs >= claim.long and _recipe(group).warmup >= claim.warmup
        ]
        if key.strategy == claim.strategy and short and long:
            parts.append(_spread(claim, key, long[-1], short[0]))
    if not parts:
        raise NotTestable(
            f"no run of {claim.strategy} with at most {claim.short:g} epochs beside one with at least "
            f"{claim.long:g} and a warm-up of {100 * claim.warmup:g}%"
        )
    return parts


def _spread(claim: SpreadClaim, key: Key, long: Group, short: Group) -> Part:
    place, sides = f"{task_name(key.task)} {key.backbone}", Sides(long, short)
    scores = [group.scores(claim.metric or group.headline) for group in (long, short)]
    if min(map(len, scores)) < 2:
        return Part(place, sides, reason="one seed has no spread")
    try:
        return Part(place, sides, log_spread(*scores))
    except ValueError as error:
        return Part(place, sides, reason=str(error))
