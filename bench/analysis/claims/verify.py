"""The test of published claims against a run: confirmed, contradicted, or not testable here.

A claim is a value and its bounds. The run gives the value a 95% interval over seeds and test examples, as in the
tables. Inside the bounds the claim is confirmed, outside it is contradicted; an interval that contains a bound
decides nothing. A published score on a whole test set used the same examples, so its interval is over seeds alone.
Where a task ran at several sizes, the largest counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from bench.analysis.claims.findings import ClaimFinding, Estimate, Unit
from bench.analysis.claims.published import CostClaim, DifferenceClaim, GrowthClaim, Published, ScoreClaim
from bench.analysis.curves import sized
from bench.analysis.groups import Group, Key, gather
from bench.analysis.loading import Run
from bench.analysis.shift import elsewhere
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.noise import total
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.variance import Components
from bench.runs.record import Record


class NotTestable(Exception):
    """The reason why a run cannot test a claim."""


def verify(claims: Sequence[Published], run: Run) -> list[ClaimFinding]:
    """A finding for each claim, in their order."""
    bench = _Evidence(run, _largest(gather(run.records)), Source(run.predictions))
    return [_judge(claim, bench) for claim in claims]


@dataclass(frozen=True)
class _Evidence:
    run: Run
    groups: Mapping[Key, Group]
    source: Source

    def pairs(self, claim: Published, first: Key, second: Key) -> list[tuple[Group, Group]]:
        """The finished groups of two strategies on the same task; an empty field of a key matches
        anything, and an empty second backbone the first. Raises NotTestable where there are none."""
        found = []
        for key, group in self.groups.items():
            other = self.groups.get(Key(key.task, second.strategy, second.backbone or key.backbone))
            if key.strategy != first.strategy or first.backbone not in ("", key.backbone):
                continue
            if other is not None and group.done and other.done and _fits(claim, key):
                found.append((group, other))
        if not found:
            missing = [n for n in dict.fromkeys((first.strategy, second.strategy)) if not self._has(claim, n)]
            raise NotTestable(f"no finished run of {' and '.join(missing) or 'both'}{_where(claim)}")
        return found

    def _has(self, claim: Published, strategy: str) -> bool:
        return any(
            key.strategy == strategy and _fits(claim, key) and g.done for key, g in self.groups.items()
        )


def _fits(claim: Published, key: Key) -> bool:
    task = key.task.partition("@")[0]
    return (not claim.tasks or task in claim.tasks) and (
        not claim.backbones or key.backbone in claim.backbones
    )


def _where(claim: Published) -> str:
    parts = [", ".join(names) for names in (claim.tasks, claim.backbones) if names]
    return f" on {' with '.join(parts)}" if parts else " on the same task and encoder"


def _largest(groups: Mapping[Key, Group]) -> dict[Key, Group]:
    """The groups without the smaller sizes of tasks that ran at several sizes."""
    sizes: dict[str, int] = {}
    for key, group in groups.items():
        task = key.task.partition("@")[0]
        sizes[task] = max([sizes.get(task, 0), *(_size(record) for record in group.done)])
    return {
        key: group
        for key, group in groups.items()
        if "@" not in key.task
        or {_size(record) for record in group.done} == {sizes[key.task.partition("@")[0]]}
    }


def _size(record: Record) -> int:
    return record.data.sizes.get("train", 0) if record.data else 0


def _judge(claim: Published, bench: _Evidence) -> ClaimFinding:
    above, below = claim.above, claim.below
    unit: Unit = (
        "times" if isinstance(claim, CostClaim) else "score" if isinstance(claim, ScoreClaim) else "points"
    )
    try:
        if isinstance(claim, CostClaim):
            estimate, parameters = _cost(claim, bench)
            above = parameters if claim.above_parameters else above
        elif isinstance(claim, GrowthClaim):
            estimate = _growth(claim, bench)
        elif isinstance(claim, DifferenceClaim):
            estimate = _mean(_differences(claim, bench))
        elif isinstance(claim, ScoreClaim):
            estimate = _mean(_scores(claim, bench))
        else:
            raise TypeError(f"no rule for claims of the kind {type(claim).__name__}")
    except NotTestable as error:
        return ClaimFinding(claim, bench.run.name, "not testable here", unit, reason=str(error))
    low, high = -math.inf if above is None else above, math.inf if below is None else below
    finding = ClaimFinding(claim, bench.run.name, "confirmed", unit, estimate, above, below)
    if low < estimate.low and estimate.high < high:
        return finding
    if estimate.high <= low or high <= estimate.low:
        return replace(finding, verdict="contradicted")
    return replace(
        finding,
        verdict="not testable here",
        reason="the interval contains a bound: too few seeds or examples",
    )


def _name(group: Group) -> str:
    return f"{group.key.task} {group.key.backbone}"


def _scores(claim: ScoreClaim, bench: _Evidence) -> dict[str, Components]:
    key = Key("", claim.strategy, "")
    groups = {_name(group): group for group, _ in bench.pairs(claim, key, key)}
    parts = _components(
        {name: resample(g, claim.metric or g.headline, bench.source) for name, g in groups.items()}
    )
    whole = {name for name, g in groups.items() if all(r.cell.recipe.test is None for r in g.done)}
    return {
        name: replace(part, example=0.0, exact=None) if name in whole else part
        for name, part in parts.items()
    }


def _differences(claim: DifferenceClaim, bench: _Evidence) -> dict[str, Components]:
    first = Key("", claim.first, claim.first_backbone)
    second = Key("", claim.second, claim.second_backbone)
    found: dict[str, Resampled | None] = {}
    for group, other in bench.pairs(claim, first, second):
        metric = claim.metric or group.headline
        score = elsewhere if claim.on == "elsewhere" else resample
        pair = score(group, metric, bench.source), score(other, metric, bench.source)
        found[_name(group)] = _minus(*pair, claim.share)
    return _components(found)


def _minus(first: Resampled | None, second: Resampled | None, share: float) -> Resampled | None:
    if first is None or second is None:
        return None
    return first.minus(replace(second, scores=share * second.scores, draws=share * second.draws))


def _components(found: Mapping[str, Resampled | None]) -> dict[str, Components]:
    """The components of the parts that have two seeds or more."""
    known = {name: item.components() for name, item in found.items() if item is not None}
    if not known:
        raise NotTestable("no predictions on the same examples and seeds of this test set")
    kept = {name: parts for name, parts in known.items() if parts.seeds > 1}
    if not kept:
        raise NotTestable("one seed says nothing about other seeds: two are needed")
    return kept


def _growth(claim: GrowthClaim, bench: _Evidence) -> Estimate:
    """Sizes share test examples and their resamples, so the growth is paired over them; seeds are independent."""
    found: dict[str, Resampled | None] = {}
    for task, lines in sized(bench.run.records).items():
        for (strategy, backbone), points in lines.items():
            others = lines.get((claim.second, backbone), {})
            sizes = [size for size in points if size in others]
            key = Key(task, strategy, backbone)
            if strategy != claim.first or len(sizes) < 2 or not _fits(claim, key):
                continue
            metric = claim.metric or points[sizes[0]].headline
            first, last = (
                _minus(
                    resample(points[size], metric, bench.source),
                    resample(others[size], metric, bench.source),
                    1.0,
                )
                for size in (sizes[0], sizes[-1])
            )
            found[f"{task} {backbone} from {sizes[0]:,} to {sizes[-1]:,} examples"] = _minus(last, first, 1.0)
    if not found:
        raise NotTestable(f"{claim.first} and {claim.second} were not run at two sizes of a task")
    return _mean(_components(found))


def _mean(parts: Mapping[str, Components]) -> Estimate:
    """The unweighted mean over tasks, with the interval of a sum of independent scores."""
    errors = [item.noise.scaled(1 / len(parts) ** 2) for item in intervals(parts).values()]
    half = total(errors).quantile(0.975)
    value = fmean(part.mean for part in parts.values())
    return Estimate(value, value - half, value + half, {name: part.mean for name, part in parts.items()})


def _cost(claim: CostClaim, bench: _Evidence) -> tuple[Estimate, float]:
    """The ratios of training times and of trainable parameters, as geometric means over tasks. The interval is
    Student's, over seeds, of the mean logarithm over tasks."""
    from scipy.special import stdtrit

    pairs = bench.pairs(claim, Key("", claim.first, ""), Key("", claim.second, ""))
    pairs = [(first, second) for first, second in pairs if first.machines() == second.machines()]
    if not pairs:
        raise NotTestable("the two strategies ran on different machines")
    seeds = set.intersection(*({r.cell.seed for r in group.done} for pair in pairs for group in pair))
    if len(seeds) < 2:
        raise NotTestable("times need two seeds that both strategies have")
    logs = [fmean(_log_ratio(*pair, seed) for pair in pairs) for seed in sorted(seeds)]
    half = float(stdtrit(len(logs) - 1, 0.975)) * stdev(logs) / math.sqrt(len(logs))
    parts = {
        _name(first): math.exp(fmean(_log_ratio(first, second, s) for s in seeds)) for first, second in pairs
    }
    shares = [(first.done[0].trainable, second.done[0].trainable) for first, second in pairs]
    parameters = math.exp(fmean(math.log(own / other) for own, other in shares))
    mean = fmean(logs)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half), parts), parameters


def _log_ratio(first: Group, second: Group, seed: int) -> float:
    spent = [
        next(
            r.seconds.prefix + r.seconds.compile + r.seconds.train for r in group.done if r.cell.seed == seed
        )
        for group in (first, second)
    ]
    return math.log(spent[0] / spent[1])
