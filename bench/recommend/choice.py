"""Which strategy is named, and on what evidence.

Goal `cost` takes the cheapest of the best and those known to be as good. Goal `accuracy` takes the cheapest of the
best and those that are known to be as good *and* are not told apart from it: a difference that is shown decides,
small as it may be. Where neither a difference nor its absence is shown, the best is kept, and the answer says so.
Naming the cheapest of those not told apart would cost points: `recommend --validate` says how many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analysis.groups import gather
from bench.analysis.loading import Run
from bench.analysis.statistics.ties import equal
from bench.recommend.evidence import Standing, standing
from bench.recommend.successive_halving import FEW

Basis = Literal["alone", "ahead", "as good", "not known", "equal score", "shared seeds"]


@dataclass(frozen=True)
class Choice:
    """The strategy that is named, and why.

    `alone`: no other was measured. `ahead`: it is the best, and no cheaper one may be as good. `as good`: it is
    cheaper than the best and known to score within the margin. `not known`: it is the best, and the evidence for a
    cheaper one is missing. `equal score`: it is the cheapest of several with exactly the highest score. `shared
    seeds`: another has a higher mean, and a lower one on the seeds that both have."""

    strategy: str
    basis: Basis


def choose(now: Standing, goal: str, margin: float) -> Choice:
    """What to name for goal `accuracy` or `cost`. margin: in units of the score."""
    if len(now.means) == 1:
        return Choice(now.best, "alone")

    def cost(name: str) -> float:
        return now.seconds[name]

    good = [name for name in now.as_good(margin) if goal == "cost" or name in now.undecided]
    cheapest = min([now.best, *good], key=cost)
    if cheapest != now.best:
        return Choice(cheapest, "as good")
    highest = max(now.means.values())
    if not equal(now.means[now.best], highest):
        return Choice(now.best, "shared seeds")
    cheapest = min((name for name in (now.best, *now.cheaper) if equal(now.means[name], highest)), key=cost)
    if cheapest != now.best:
        return Choice(cheapest, "equal score")
    return Choice(now.best, "not known" if without_evidence(now, goal, margin) else "ahead")


def without_evidence(now: Standing, goal: str, margin: float) -> list[str]:
    """Cheaper strategies that are not known to be as good as the best nor known to be worse: told apart from it for
    goal `accuracy`, and by more than the margin for goal `cost`."""
    good = now.as_good(margin)

    def is_worse(name: str) -> bool:
        if goal == "accuracy":
            return name in now.behind
        found = now.against_best.get(name)
        return found is not None and found.difference.seeds > 1 and found.difference.low > margin

    return [name for name in now.cheaper if name not in good and not is_worse(name)]


def last_full(run: Run, view: str, planned: Mapping[int, Sequence[str]], least: int) -> Standing:
    """The standing at the largest size at which every strategy of its last round ended FEW seeds, and `least` of
    them finished so many; else one seed; else that of the first round. Of an interrupted round only the cheap ones
    may have ended, and none must win by being done first. planned: by size, the strategies of its last round."""
    for seeds in (FEW, 1):
        for size, strategies in reversed(list(planned.items())):
            task = f"{view}@{size}"
            groups = gather(record for record in run.records if record.cell.task == task)
            ended = {key.strategy for key, group in groups.items() if len(group.records) >= seeds}
            whole = {key.strategy for key, group in groups.items() if len(group.done) >= seeds}
            if ended.issuperset(strategies) and len(whole) >= least:
                found = standing(run, task)
                return found if set(found.means) == whole else standing(run, task, whole)
    return standing(run, f"{view}@{min(planned)}")
