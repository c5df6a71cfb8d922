"""What each kind of claim measures: an effect for every task and encoder of a run.

Differences and scores get the interval over seeds and test examples that tables have. Ratios are measured as
logarithms, on which they add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from bench.analysis.claims.conditions import Sides, name
from bench.analysis.claims.declared import tried
from bench.analysis.claims.evidence import Evidence, NotTestable, fits
from bench.analysis.claims.published import (
    BestClaim,
    CostClaim,
    DifferenceClaim,
    ForgettingClaim,
    GrowthClaim,
    Published,
    RateClaim,
    ScoreClaim,
)
from bench.analysis.curves import sized
from bench.analysis.groups import Group, Key
from bench.analysis.shift import domains, elsewhere
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.over_tasks import Effect, expected_best, student
from bench.analysis.statistics.resampling import Resampled, resample
from bench.analysis.timing import Timing, noise, training
from bench.text import counted

UNPAIRED = "no predictions on the same examples and seeds of this test set, or all of one document"
ONE_SEED = "one seed says nothing about other seeds: two are needed"


@dataclass(frozen=True)
class Part:
    """A claim on one task with one encoder. effect: None where `reason` says why it cannot be measured.

    above: the lower bound there, where it is not the claim's own."""

    name: str
    sides: Sides
    effect: Effect | None = None
    reason: str = ""
    above: float | None = None


def measure(claim: Published, evidence: Evidence) -> list[Part]:
    """The parts of a claim that one run can have. Raises NotTestable where it has none."""
    if isinstance(claim, ScoreClaim):
        return _scores(claim, evidence)
    if isinstance(claim, DifferenceClaim):
        return _differences(claim, evidence)
    if isinstance(claim, GrowthClaim):
        return _growth(claim, evidence)
    if isinstance(claim, CostClaim):
        return _costs(claim, evidence)
    if isinstance(claim, ForgettingClaim):
        return _forgetting(claim, evidence)
    if isinstance(claim, RateClaim):
        return _rates(claim, evidence)
    if isinstance(claim, BestClaim):
        return _best(claim, evidence)
    raise TypeError(f"no rule for claims of the kind {type(claim).__name__}")


def estimated(found: Mapping[str, tuple[Sides, Resampled | None]], known: Sequence[str] = ()) -> list[Part]:
    """The effects of resampled scores, moderated over the parts. known: parts that were scored on the very examples
    of the published score, so that examples add no noise. The variance of an effect is that of a normal error with
    the same interval: Student's t over two or three documents has none."""
    parts = {place: item.components() for place, (_, item) in found.items() if item is not None}
    kept = {
        place: replace(part, example=0.0, exact=None, example_dof=math.inf) if place in known else part
        for place, part in parts.items()
        if part.seeds > 1
    }
    effects = {
        place: Effect(item.mean, ((item.high - item.low) / 2 / 1.96) ** 2, item.low, item.high)
        for place, item in intervals(kept).items()
    }
    return [
        Part(place, sides, effects.get(place), "" if place in effects else ONE_SEED if item else UNPAIRED)
        for place, (sides, item) in found.items()
    ]


def minus(first: Resampled | None, second: Resampled | None, share: float = 1.0) -> Resampled | None:
    """`first` minus `share` times `second`, on the seeds and examples of both."""
    if first is None or second is None:
        return None
    return first.minus(replace(second, scores=share * second.scores, draws=share * second.draws))


def _scores(claim: ScoreClaim, evidence: Evidence) -> list[Part]:
    key = Key("", claim.strategy, "")
    groups = [group for group, _ in evidence.pairs(claim, key, key)]
    found = {
        name(group): (Sides(group, group), resample(group, claim.metric or group.headline, evidence.source))
        for group in groups
    }
    whole = [name(group) for group in groups if all(r.cell.recipe.test is None for r in group.done)]
    return estimated(found, whole)


def _differences(claim: DifferenceClaim, evidence: Evidence) -> list[Part]:
    first = Key("", claim.first, claim.first_backbone)
    second = Key("", claim.second, claim.second_backbone)
    pairs, score = evidence.pairs(claim, first, second), resample
    if claim.on == "elsewhere":
        pairs, score = [pair for pair in pairs if domains(pair[0].done[0])], elsewhere
    if not pairs:
        raise NotTestable("no task of this run has test sets of other domains")
    found = {}
    for group, other in pairs:
        metric = claim.metric or group.headline
        both = score(group, metric, evidence.source), score(other, metric, evidence.source)
        found[name(group)] = (Sides(group, other), minus(*both, claim.share))
    return estimated(found)


def _growth(claim: GrowthClaim, evidence: Evidence) -> list[Part]:
    """Sizes share test examples and their resamples, so the growth is paired over them; seeds are independent."""
    found = {}
    for task, lines in sized(evidence.run.records).items():
        for (strategy, backbone), points in lines.items():
            others = lines.get((claim.second, backbone), {})
            sizes = [size for size in points if size in others]
            if strategy != claim.first or len(sizes) < 2 or not fits(claim, Key(task, strategy, backbone)):
                continue
            metric, (least, most) = claim.metric or points[sizes[0]].headline, (sizes[0], sizes[-1])
            first, last = (
                minus(
                    resample(points[size], metric, evidence.source),
                    resample(others[size], metric, evidence.source),
                )
                for size in (least, most)
            )
            place = f"{task} {backbone} from {least:,} to {most:,} examples"
            sides = Sides(points[most], others[most], (points[least], others[least]))
            found[place] = (sides, minus(last, first))
    if not found:
        raise NotTestable(f"{claim.first} and {claim.second} were not run at two sizes of a task")
    return estimated(found)


def _costs(claim: CostClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of training times, with the interval of a ratio of times in tables: a part that
    was measured once and copied to all seeds counts as one measurement."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        learning = [group.done[0].trainable for group in (first, second)]
        above = math.log(learning[0] / learning[1]) if claim.above_parameters and all(learning) else None
        part = Part(name(first), Sides(first, second), above=above)
        timings = [(group, training(group.done)) for group in (first, second)]
        if first.machines() != second.machines():
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


def _forgetting(claim: ForgettingClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of perplexities, with Student's interval over seeds."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        part = Part(name(first), Sides(first, second))
        losses, others = _language_losses(first), _language_losses(second)
        seeds = sorted(losses.keys() & others.keys())
        if len(seeds) > 1:
            parts.append(replace(part, effect=_mean([losses[seed] - others[seed] for seed in seeds])))
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


def _mean(values: Sequence[float], known: float = 0.0) -> Effect:
    """A mean over seeds with Student's interval. known: a further variance of the mean."""
    value, variance = fmean(values), stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    half = student(max(len(values) - 1, 1)) * math.sqrt(variance) if variance else 0.0
    half = math.hypot(half, 1.96 * math.sqrt(known))
    return Effect(value, variance + known, value - half, value + half)


def _rates(claim: RateClaim, evidence: Evidence) -> list[Part]:
    """The logarithm of the ratio of the best rates, known to within a step of each grid."""
    parts = []
    for first, second in evidence.pairs(claim, Key("", claim.first, ""), Key("", claim.second, "")):
        part = Part(name(first), Sides(first, second))
        rates = [_best_rates(group, evidence) for group in (first, second)]
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
            effect = _mean(logs, sum(step**2 / 12 for step in steps))
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


def _best_rates(group: Group, evidence: Evidence) -> dict[int, float]:
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


def _best(claim: BestClaim, evidence: Evidence) -> list[Part]:
    """The gain of the best of many seeds, with a bootstrap interval over seeds."""
    key = Key("", claim.strategy, "")
    parts = []
    for group, _ in evidence.pairs(claim, key, key):
        scores = group.scores(claim.metric or group.headline)
        part = Part(name(group), Sides(group, group))
        spread = len(set(scores)) > 1
        reason = "" if spread else "all seeds have the same score"
        parts.append(replace(part, effect=_gain(scores, claim.runs) if spread else None, reason=reason))
    return parts


def _gain(scores: Sequence[float], runs: int) -> Effect:
    import numpy as np

    sample = np.array(scores)
    rng = np.random.default_rng(0)
    draws = [sample[rng.integers(len(sample), size=len(sample))] for _ in range(2000)]
    gains = np.array([expected_best(draw, runs) - draw.mean() for draw in draws])
    low, high = np.quantile(gains, [0.025, 0.975])
    return Effect(expected_best(sample, runs) - fmean(scores), float(gains.var()), float(low), float(high))
