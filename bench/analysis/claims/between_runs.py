"""Claims on the recipe: the same strategy after short and after long training, or with and without AdamW's bias
correction. Each is another run, and the two may differ in nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeGuard

from bench.analysis.claims.conditions import Sides
from bench.analysis.claims.evidence import Evidence, NotTestable, fits, where
from bench.analysis.claims.part import Part, estimated, minus
from bench.analysis.claims.published import CorrectionClaim, GrowthClaim, SpreadClaim
from bench.analysis.groups import Group, Key
from bench.analysis.regression.conditions import known_to_differ
from bench.analysis.regression.matching import Words, data_differences
from bench.analysis.sizes import task_name
from bench.analysis.statistics.over_tasks import log_spread
from bench.analysis.statistics.resampling import resample
from bench.contracts import Recipe
from bench.runs.terms import MEASURED

RUNS: Words = ("in one", "in the other")

Between = GrowthClaim | SpreadClaim | CorrectionClaim
Found = tuple[Group, Evidence]
Pair = tuple[Found, Found]
Ends = tuple[Pair, Pair]
"""Two strategies after short and after long training."""

LENGTH = {"epochs", "warmup", "evaluations", "patience", *MEASURED}
"""What longer training may change besides."""
OWN = {"rate_scale", "tune", *MEASURED}
"""What two strategies may have of their own: each learns best at another rate."""

CONDITIONS = ("weights of the encoder", "precision")
"""What changes scores beside recipe and rows."""


def measure_between(claim: Between, runs: Sequence[Evidence]) -> list[Part]:
    """The parts of a claim that needs runs with different recipes. Raises NotTestable without them."""
    if isinstance(claim, GrowthClaim):
        return _growth(claim, runs)
    return _spreads(claim, runs) if isinstance(claim, SpreadClaim) else _corrections(claim, runs)


def is_between(claim: object) -> TypeGuard[Between]:
    """Whether the claim compares runs with each other."""
    return isinstance(claim, SpreadClaim | CorrectionClaim) or (
        isinstance(claim, GrowthClaim) and claim.by == "epochs"
    )


def _groups(claim: Between, runs: Sequence[Evidence]) -> dict[Key, list[Found]]:
    """The finished groups that the claim is about, by their key, from the fewest to the most epochs."""
    found: dict[Key, list[Found]] = {}
    for evidence in runs:
        for key, group in evidence.groups.items():
            if group.done and fits(claim, key):
                found.setdefault(key, []).append((group, evidence))
    return {key: sorted(items, key=lambda item: _recipe(item[0]).epochs) for key, items in found.items()}


def _recipe(group: Group) -> Recipe:
    return group.done[0].cell.recipe


def differing(first: Group, second: Group, free: set[str]) -> str:
    """What else differs between the recipes, options and rows of two groups, in words; '' where nothing does. free:
    keys that may differ."""
    found = [*_keys(first, second, free), *data_differences(first, second, RUNS)]
    if dict(first.done[0].cell.options) != dict(second.done[0].cell.options):
        found.append("the strategy's options")
    found += known_to_differ(first, second, CONDITIONS)
    return f"the runs also differ in {', '.join(found)}" if found else ""


def _keys(first: Group, second: Group, free: set[str]) -> list[str]:
    """The keys of two recipes that differ, but for those that may."""
    names = [field.name for field in fields(Recipe) if field.name not in free]
    return [name for name in names if getattr(_recipe(first), name) != getattr(_recipe(second), name)]


def _alike(pairs: Sequence[Pair], free: set[str]) -> Pair:
    """The first pair that differs in nothing else or, where each does, the first."""
    return next((pair for pair in pairs if not differing(pair[0][0], pair[1][0], free)), pairs[0])


def _growth(claim: GrowthClaim, runs: Sequence[Evidence]) -> list[Part]:
    groups, found, reasons = _groups(claim, runs), {}, {}
    for key, own in groups.items():
        ends = _ends(own, groups.get(key._replace(strategy=claim.second), []))
        if key.strategy != claim.first or not ends:
            continue
        (less, more), metric = _most_alike(ends), claim.metric or own[0][0].headline
        first, last = (
            minus(resample(one, metric, here.source), resample(two, metric, there.source))
            for (one, here), (two, there) in (less, more)
        )
        epochs = [_recipe(pair[0][0]).epochs for pair in (less, more)]
        place = f"{task_name(key.task)} {key.backbone} from {epochs[0]:g} to {epochs[1]:g} epochs"
        sides = Sides(more[0][0], more[1][0], (less[0][0], less[1][0]))
        found[place] = (sides, minus(last, first))
        reasons[place] = _why_unlike((less, more), OWN)
    if not found:
        raise NotTestable(f"no runs of {claim.first} and {claim.second} with different numbers of epochs")
    return [_unless(part, reasons[part.name]) for part in estimated(found)]


def _ends(first: Sequence[Found], second: Sequence[Found]) -> list[Ends]:
    """Short and long training of two strategies, the longest difference first. Both train for as many epochs."""
    pairs = [
        (one, two) for one in first for two in second if _recipe(one[0]).epochs == _recipe(two[0]).epochs
    ]
    return [
        (less, more)
        for less in pairs
        for more in reversed(pairs)
        if _recipe(less[0][0]).epochs < _recipe(more[0][0]).epochs
    ]


def _most_alike(ends: Sequence[Ends]) -> Ends:
    """The first whose four groups differ in nothing else, else in the rates of the strategies; else the first."""
    for free in ({*MEASURED}, OWN):
        found = next((item for item in ends if not _why_unlike(item, free)), None)
        if found:
            return found
    return ends[0]


def _why_unlike(ends: Ends, free: set[str]) -> str:
    """What else differs between the lengths of each strategy, or between the strategies at each length; '' where
    nothing does. free: keys in which the two strategies may differ."""
    less, more = ends
    reasons = [differing(short[0], long[0], LENGTH) for short, long in zip(less, more, strict=True)]
    for (first, _), (second, _) in ends:
        if keys := _keys(first, second, free):
            names = " and ".join(group.done[0].cell.strategy for group in (first, second))
            reasons.append(f"{names} differ in {', '.join(keys)} at {_recipe(first).epochs:g} epochs")
    return "; ".join(dict.fromkeys(filter(None, reasons)))


def _unless(part: Part, reason: str) -> Part:
    """The part, or why it cannot be measured."""
    return Part(part.name, part.sides, reason=reason) if reason else part


def _spreads(claim: SpreadClaim, runs: Sequence[Evidence]) -> list[Part]:
    parts = []
    for key, items in _groups(claim, runs).items():
        short = [item for item in items if _recipe(item[0]).epochs <= claim.short]
        long = [
            item
            for item in items
            if _recipe(item[0]).epochs >= claim.long and _recipe(item[0]).warmup >= claim.warmup
        ]
        if key.strategy == claim.strategy and short and long:
            pairs = [(more, less) for more in reversed(long) for less in short]
            parts.append(_spread(claim, key, _alike(pairs, LENGTH), LENGTH))
    if not parts:
        raise NotTestable(
            f"no run of {claim.strategy} with at most {claim.short:g} epochs beside one with at least "
            f"{claim.long:g} and a warm-up of {100 * claim.warmup:g}%{where(claim)}"
        )
    return parts


def _corrections(claim: CorrectionClaim, runs: Sequence[Evidence]) -> list[Part]:
    parts, free = [], {"bias_correction", *MEASURED}
    for key, items in _groups(claim, runs).items():
        with_it = [item for item in items if _recipe(item[0]).bias_correction]
        without = [item for item in items if not _recipe(item[0]).bias_correction]
        if key.strategy == claim.strategy and with_it and without:
            pairs = [(first, second) for first in without for second in with_it]
            parts.append(_spread(claim, key, _alike(pairs, free), free))
    if not parts:
        raise NotTestable(
            f"no run of {claim.strategy} with recipe.bias_correction = false beside one with it{where(claim)}"
        )
    return parts


def _spread(claim: SpreadClaim | CorrectionClaim, key: Key, pair: Pair, free: set[str]) -> Part:
    """The logarithm of the ratio of the first group's spread over seeds to the second's."""
    place, ((first, _), (second, _)) = f"{task_name(key.task)} {key.backbone}", pair
    part = Part(place, Sides(first, second))
    scores = [group.scores(claim.metric or group.headline) for group in (first, second)]
    reasons = [differing(first, second, free)]
    if isinstance(claim, CorrectionClaim) and _recipe(first).tune:
        reasons.append("each seed chose its learning rate, the claim is about a fixed one")
    if min(map(len, scores)) < 2:
        reasons.append("one seed has no spread")
    if any(reasons):
        return _unless(part, "; ".join(filter(None, reasons)))
    try:
        return Part(place, part.sides, log_spread(*scores))
    except ValueError as error:
        return _unless(part, str(error))
