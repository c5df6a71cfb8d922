"""The conditions under which a run can test a claim: each in one function, which says what a task misses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.analysis.claims.declared import tried
from bench.analysis.claims.evidence import Evidence
from bench.analysis.claims.published import DifferenceClaim, GrowthClaim, Needs, Published
from bench.analysis.groups import Group, scale
from bench.analysis.shift import domains, elsewhere, weighted
from bench.analysis.sizes import task_name, train_rows
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.resampling import resample
from bench.analysis.statistics.scales import ERROR
from bench.runs.record import Record
from bench.runs.terms import conflicts
from bench.text import counted


@dataclass(frozen=True)
class Sides:
    """The groups that a claim compares on one task. earlier: those with less training, of a claim on growth."""

    first: Group
    second: Group
    earlier: tuple[Group, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        return (self.first, self.second, *self.earlier)


def unmet(claim: Published, sides: Sides, evidence: Evidence) -> str:
    """What this task misses whatever the scores are; '' where it misses nothing."""
    needs = claim.needs
    rules = (
        _metric(claim, sides),
        _seeds(claim, sides),
        _rows(needs, sides),
        _train(needs, sides),
        _steps(needs, sides),
        _growth(needs, sides),
        _layers(needs, sides, evidence),
        _unlabelled(needs, sides),
        _masked(needs, sides, evidence),
        _domains(needs, sides),
        _drop(claim, sides, evidence),
    )
    return "; ".join(rule for rule in rules if rule)


def mixed(sides: Sides) -> str:
    """In what the cells of one run differ that the claim compares, as where a changed request went on in a run
    folder; '' where they ran on the same terms."""
    records = [(record, "") for group in sides.groups for record in group.done]
    found = dict.fromkeys(conflict.words for conflict in conflicts(records))
    return f"cells ran with different {' and '.join(found)}" if found else ""


def unfair(needs: Needs, losers: Iterable[Group], evidence: Evidence) -> str:
    """Why the losers had no fair chance; '' where they had one."""
    return "; ".join(reason for group in losers for reason in _chance(needs, group, evidence) if reason)


def losers(claim: Published, sides: Sides, value: float) -> list[Group]:
    """The groups that a value puts on the losing side of the claim's bound: both, between two bounds."""
    if claim.above is not None and claim.below is not None:
        found = [sides.first, sides.second]
    elif claim.above is not None:
        found = [sides.second if value > claim.above else sides.first]
    else:
        found = [sides.first if value < (claim.below or 0.0) else sides.second]
    return list({group.key: group for group in found}.values())


def steps(record: Record) -> int:
    """The optimizer steps of a record: the last of its learning curve or, where a baseline file has none, by its
    rows, batches and epochs. Windows of long texts make more."""
    return record.curve[-1].step if record.curve else budget(record)


def budget(record: Record) -> int:
    """The optimizer steps that a record's recipe gives the task, where none is saved by stopping early."""
    recipe = record.cell.recipe
    return round(math.ceil(train_rows(record) / recipe.batch_size) * recipe.epochs)


def converged(record: Record) -> bool:
    """Whether validation loss has passed its lowest value: the kept state is not the last."""
    losses = [point.loss for point in record.curve]
    return len(losses) > 1 and min(losses) < losses[-1]


def _metric(claim: Published, sides: Sides) -> str:
    """An error has the units of its task, in which no claim has a bound."""
    metric = getattr(claim, "metric", "")
    if scale(sides.groups, metric) != ERROR:
        return ""
    return f"{metric} is an error in the units of the labels, and the bounds of a claim are shares"


def _seeds(claim: Published, sides: Sides) -> str:
    """The seeds that the effect rests on: those that both sides have, where it is a difference."""
    needs = claim.needs
    seeds = [{record.cell.seed for record in group.done} for group in sides.groups]
    if isinstance(claim, DifferenceClaim | GrowthClaim):
        seeds = [one & other for one, other in zip(seeds[::2], seeds[1::2], strict=True)]
    least = min(map(len, seeds))
    return f"{counted(least, 'seed')}, the claim needs {needs.seeds}" if least < needs.seeds else ""


def _rows(needs: Needs, sides: Sides) -> str:
    found = {r.data.sizes.get("test", 0) if r.data else 0 for group in sides.groups for r in group.done}
    if not needs.rows or found == {needs.rows}:
        return ""
    return f"{max(found):,} test examples, the score was published on {needs.rows:,}"


def _train(needs: Needs, sides: Sides) -> str:
    found = [train_rows(record) for group in sides.groups for record in group.done]
    if max(found) < needs.train:
        return f"{max(found):,} training examples, the claim needs {needs.train:,}"
    if needs.most_train and min(found) > needs.most_train:
        return f"{min(found):,} training examples, the claim is about at most {needs.most_train:,}"
    return ""


def _steps(needs: Needs, sides: Sides) -> str:
    least = min(steps(record) for group in (sides.first, sides.second) for record in group.done)
    return f"{counted(least, 'step')}, the claim needs {needs.steps:,}" if least < needs.steps else ""


def _growth(needs: Needs, sides: Sides) -> str:
    if not sides.earlier or needs.growth <= 1:
        return ""
    ratio = max(
        _training(sides.first, epochs) / _training(sides.earlier[0], epochs) for epochs in (False, True)
    )
    if ratio >= needs.growth:
        return ""
    return f"{ratio:.3g} times as much training at most, the claim needs {needs.growth:g} times"


def _training(group: Group, epochs: bool) -> float:
    record = group.done[0]
    return record.cell.recipe.epochs if epochs else max(train_rows(record), 1)


def _layers(needs: Needs, sides: Sides, evidence: Evidence) -> str:
    if needs.layers >= 1:
        return ""
    known = evidence.declared.layers(sides.first.done[0].cell) if evidence.declared else None
    if known is None:
        return f"the layers in which {sides.first.key.strategy} learns are not known"
    learning, depth = known
    if learning <= needs.layers * depth:
        return ""
    return f"{learning} of {depth} layers learn, the claim is about at most {100 * needs.layers:.0f}%"


def _unlabelled(needs: Needs, sides: Sides) -> str:
    """Whether the texts whose masked words `first` predicts are those of the claim."""
    files = {record.cell.recipe.unlabelled for record in sides.first.done} - {""}
    if needs.unlabelled == "domain" and not files:
        return "no text of the domain: recipe.unlabelled names no file"
    if needs.unlabelled == "task" and files:
        return "recipe.unlabelled names a file, the claim is about the task's own texts"
    return ""


def _masked(needs: Needs, sides: Sides, evidence: Evidence) -> str:
    if not needs.masked:
        return ""
    shares = [
        evidence.declared.masked(record.cell) if evidence.declared else None for record in sides.first.done
    ]
    known = [
        round(share * budget(record))
        for share, record in zip(shares, sides.first.done, strict=True)
        if share is not None
    ]
    if len(known) < len(shares):
        return f"the steps of {sides.first.key.strategy} on masked words are not known"
    if min(known) >= needs.masked:
        return ""
    return f"{counted(min(known), 'step')} on masked words, the claim needs {needs.masked:,}"


def _domains(needs: Needs, sides: Sides) -> str:
    missing = [
        name for name in needs.domains if any(name not in domains(group.done[0]) for group in sides.groups)
    ]
    return f"no scores on {', '.join(missing)}" if missing else ""


def _drop(claim: Published, sides: Sides, evidence: Evidence) -> str:
    """Whether the shift costs `second` so much, and at all beyond noise."""
    if not claim.needs.drop:
        return ""
    group, least = sides.second, 100 * claim.needs.drop
    metric = claim.metric if isinstance(claim, DifferenceClaim) and claim.metric else group.headline
    pair = resample(group, metric, evidence.source), elsewhere(group, metric, evidence.source)
    drop = weighted([(1.0, pair[0]), (-1.0, pair[1])])
    if drop is None:
        return "no test sets of other domains"
    found = intervals({group.key: drop.components()})[group.key]
    if found.mean >= claim.needs.drop and found.low > 0:
        return ""
    cost = f"the shift costs {group.key.strategy} {100 * found.mean:.1f} ± {100 * found.half:.1f} points"
    return f"{cost}, the claim needs {least:g}"


def _chance(needs: Needs, group: Group, evidence: Evidence) -> Sequence[str]:
    return _tuned(needs, group, evidence), _converged(needs, group, evidence)


def _tuned(needs: Needs, group: Group, evidence: Evidence) -> str:
    declared = evidence.declared
    if declared and all(declared.without_rates(record.cell) for record in group.done):
        return ""
    least = min(len(tried(record, declared).scales) for record in group.done)
    if least >= needs.rates:
        return ""
    rates = counted(least, "learning rate")
    return f"{group.key.strategy} tried {rates} on validation data, the claim needs {needs.rates}"


def _converged(needs: Needs, group: Group, evidence: Evidence) -> str:
    declared = evidence.declared
    if not needs.converged or (declared and all(declared.solved(record.cell) for record in group.done)):
        return ""
    name, moving = group.key.strategy, sum(not converged(record) for record in group.done)
    if not any(record.curve for record in group.done):
        return f"no learning curve shows that {name} converged"
    if 2 * moving <= len(group.done):
        return ""
    return f"{name} had not converged in {moving} of {counted(len(group.done), 'seed')}"


def name(group: Group) -> str:
    """A task and its encoder."""
    return f"{group.key.task} {group.key.backbone}"


def unit(group: Group) -> str:
    """The task that a group counts for, whatever its size and encoder."""
    return task_name(group.key.task)
