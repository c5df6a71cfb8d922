"""What each kind of claim measures: an effect for every task and encoder of a run.

Differences and scores get the interval over seeds and test examples that tables have.
"""

from __future__ import annotations

from bench.analysis.claims.best_rates import best_rates
from bench.analysis.claims.conditions import Sides, name
from bench.analysis.claims.costs import costs, forgetting
from bench.analysis.claims.evidence import Evidence, NotTestable, fits
from bench.analysis.claims.part import Part, estimated, minus
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
from bench.analysis.groups import Key
from bench.analysis.shift import domains, elsewhere
from bench.analysis.statistics.best_of import best_gain
from bench.analysis.statistics.resampling import resample
from bench.text import counted


def measure(claim: Published, evidence: Evidence) -> list[Part]:
    """The parts of a claim that one run can have. Raises NotTestable where it has none."""
    if isinstance(claim, ScoreClaim):
        return _scores(claim, evidence)
    if isinstance(claim, DifferenceClaim):
        return _differences(claim, evidence)
    if isinstance(claim, GrowthClaim):
        return _growth(claim, evidence)
    if isinstance(claim, CostClaim):
        return costs(claim, evidence)
    if isinstance(claim, ForgettingClaim):
        return forgetting(claim, evidence)
    if isinstance(claim, RateClaim):
        return best_rates(claim, evidence)
    if isinstance(claim, BestClaim):
        return _best(claim, evidence)
    raise TypeError(f"no rule for claims of the kind {type(claim).__name__}")


def _scores(claim: ScoreClaim, evidence: Evidence) -> list[Part]:
    key = Key("", claim.strategy, "")
    groups = [group for group, _ in evidence.pairs(claim, key, key)]
    found = {
        name(group): (Sides(group, group), resample(group, claim.metric or group.headline, evidence.source))
        for group in groups
    }
    whole = [name(group) for group in groups if all(r.cell.recipe.test is None for r in group.done)]
    return estimated(found, whole if claim.needs.rows else ())


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


def _best(claim: BestClaim, evidence: Evidence) -> list[Part]:
    """The gain of the best of many seeds."""
    key = Key("", claim.strategy, "")
    parts = []
    for group, _ in evidence.pairs(claim, key, key):
        scores = group.scores(claim.metric or group.headline)
        reason = ""
        if len(scores) < claim.runs:
            reason = f"the best of {claim.runs} seeds is not known from {counted(len(scores), 'seed')}"
        elif len(set(scores)) == 1:
            reason = "all seeds have the same score"
        effect = None if reason else best_gain(scores, claim.runs)
        parts.append(Part(name(group), Sides(group, group), effect, reason))
    return parts
