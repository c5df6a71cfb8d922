"""How many times faster, and whether as good: pure functions over measurements.

Speed is the ratio of medians over repeats, with the range of the ratios of single repeats. Quality is a paired
equivalence test (two one-sided t tests, Schuirmann 1987) of the headline metric over seeds: equivalent within
MARGIN, which is a choice. Strategies of one seed share rows and head, so their differences are
not independent pairs: they are averaged first, and seeds are the pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bench.peers.measurement import SIDES, Measurement, Side, SideOutcome

MARGIN = 0.01
"""Scores nearer than this count as equivalent: one point, which is less than the ± of a table with up to 1,000 test
examples, so a difference that the margin hides is one that such a table could not show."""

LEVEL = 0.05
ROUNDING = 1e-9  # of a difference of two scores


@dataclass(frozen=True)
class Speed:
    """Seconds of a side, by its median, and how many times this engine's they are; the engine's own ratio is 1."""

    seconds: float
    ratio: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Equality:
    """Paired differences, this engine's score minus the peer's: their mean and half of its 95% interval; p of the
    test that they are not within MARGIN. Both are None below two pairs, and where all pairs differ alike: by chance
    two may, and a spread of nothing says nothing of other seeds."""

    pairs: int
    difference: float
    half: float | None
    p: float | None

    @property
    def equivalent(self) -> bool:
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True)
class Case:
    """What is compared: a strategy on a task with a backbone; a suite where `strategy` is empty. suite: the
    strategy of each of its cells."""

    task: str
    strategy: str
    backbone: str
    suite: tuple[str, ...] = ()


@dataclass(frozen=True)
class SideComparison:
    """One side of one case. `learn` and `whole` are the two clocks; reason: why a side has no measurement. limit:
    seconds that this engine's training takes at least, at the rates that were measured beside it; None where they
    were not."""

    case: Case
    side: Side
    repeats: int = 0
    learn: Speed | None = None
    whole: Speed | None = None
    score: float | None = None
    equality: Equality | None = None
    reason: str = ""
    limit: float | None = None

    @property
    def reached(self) -> float | None:
        """The share of `learn` that the limit is."""
        return self.limit / self.learn.seconds if self.limit and self.learn else None


def compare(measurements: Sequence[Measurement]) -> list[SideComparison]:
    """Every side of every case, this engine's first; a suite is compared with the sum of a peer's cells."""
    cases: dict[Case, dict[Side, dict[int, Measurement]]] = {}
    for m in measurements:
        case = Case(m.task, m.strategy, m.backbone, () if m.strategy else m.strategies)
        cases.setdefault(case, {}).setdefault(m.side, {})[m.seed] = m
    found = []
    for case, sides in cases.items():
        if not case.strategy:
            continue
        own = _outcomes(sides.get("engine", {}).values())
        for side in SIDES:
            if side not in sides:
                continue
            other = _outcomes(sides[side].values())
            reason = next((m.reason for m in sides[side].values() if m.reason), "")
            found.append(_comparison(case, side, own, other, reason))
    for case in (case for case in cases if not case.strategy):
        found += _suite(case, cases)
    return found


def pooled(measurements: Sequence[Measurement], side: Side) -> dict[str, Equality]:
    """Equality of a side over all strategies together, by task; a seed's differences are averaged over the
    strategies that both sides ran, and seeds are the pairs."""
    scores: dict[str, dict[tuple[str, str, int], dict[Side, float]]] = {}
    for m in measurements:
        if m.outcome and m.outcome.score is not None and m.side in ("engine", side):
            pair = scores.setdefault(m.task, {}).setdefault((m.strategy, m.backbone, m.seed), {})
            pair[m.side] = m.outcome.score
    found = {}
    for task, pairs in scores.items():
        by_seed: dict[int, list[float]] = {}
        for (_, _, seed), pair in pairs.items():
            if len(pair) == 2:
                by_seed.setdefault(seed, []).append(pair["engine"] - pair[side])
        if by_seed:
            found[task] = equality([fmean(differences) for differences in by_seed.values()])
    return found


def equality(differences: Sequence[float]) -> Equality:
    """The equivalence test of paired differences."""
    mean = fmean(differences)
    if len(differences) < 2 or max(differences) - min(differences) < ROUNDING:
        return Equality(len(differences), mean, None, None)
    from statsmodels.stats.weightstats import DescrStatsW

    stats = DescrStatsW(list(differences))
    p, *_ = stats.ttost_mean(-MARGIN, MARGIN)
    low, high = stats.tconfint_mean(LEVEL)
    return Equality(len(differences), mean, float(high - low) / 2, float(p))


def _outcomes(measurements: Iterable[Measurement]) -> dict[int, SideOutcome]:
    return {m.seed: m.outcome for m in measurements if m.outcome}


def _comparison(
    case: Case, side: Side, own: dict[int, SideOutcome], other: dict[int, SideOutcome], reason: str
) -> SideComparison:
    if not other:
        return SideComparison(case, side, reason=reason)
    scores = {seed: outcome.score for seed, outcome in other.items() if outcome.score is not None}
    pairs = [
        own_score - score
        for seed, score in scores.items()
        if seed in own and (own_score := own[seed].score) is not None
    ]
    return SideComparison(
        case,
        side,
        len(other),
        speed(_seconds(own, "learn"), _seconds(other, "learn")),
        speed(_seconds(own, "whole"), _seconds(other, "whole")),
        fmean(scores.values()) if scores else None,
        equality(pairs) if pairs and side != "engine" else None,
        limit=_limit(own),
    )


def _limit(own: dict[int, SideOutcome]) -> float | None:
    found = [outcome.limit.seconds for outcome in own.values() if outcome.limit]
    return median(found) if found else None


def _seconds(outcomes: dict[int, SideOutcome], clock: str) -> dict[int, float]:
    return {seed: getattr(outcome.clock, clock) for seed, outcome in outcomes.items()}


def speed(own: dict[int, float], other: dict[int, float]) -> Speed | None:
    """The medians' ratio, and the range of the ratios of equal seeds; None where this engine was not measured."""
    if not own or not other:
        return None
    both = [other[seed] / own[seed] for seed in own if seed in other]
    ratio = median(other.values()) / median(own.values())
    return Speed(median(other.values()), ratio, min([ratio, *both]), max([ratio, *both]))


def _suite(case: Case, cases: dict[Case, dict[Side, dict[int, Measurement]]]) -> list[SideComparison]:
    """This engine's suite, and for each side the sum over strategies of as many cells at the median. The range is
    that of this engine's repeats."""
    repeats = cases[case]["engine"]
    own = [m.outcome.clock.whole for m in repeats.values() if m.outcome]
    if not own:
        reason = next((m.reason for m in repeats.values()), "")
        return [SideComparison(case, "engine", reason=reason)]
    found = []
    strategies = set(case.suite)
    each = len(case.suite) // len(strategies)
    for side in SIDES:
        parts = [
            _outcomes(cases.get(Case(case.task, strategy, case.backbone), {}).get(side, {}).values())
            for strategy in strategies
        ]
        if side != "engine" and not all(parts):
            continue
        total = sum(each * median(_seconds(part, "whole").values()) for part in parts if side != "engine")
        seconds = total or median(own)
        ratios = [seconds / value for value in own]
        whole = Speed(seconds, seconds / median(own), min(ratios), max(ratios))
        found.append(SideComparison(case, side, len(own), whole=whole))
    return found
