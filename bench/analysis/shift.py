"""Shift tables: a model is trained on the source domain and scored on its test set and on each target domain.

Test sets of different domains are independent samples, so their example noise adds up; the seeds are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from bench.analysis.groups import Group, Key, check_metric, gather, scale
from bench.analysis.loading import Predictions
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.paired import compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.analysis.tables.columns import Context, score, score_unit
from bench.analysis.tables.footnotes import provenance, warnings
from bench.analysis.tables.layouts import marked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table, Unit
from bench.contracts import BenchError
from bench.runs.record import Record

ABSENT = Entry()
REFERENCE = "full"
ELSEWHERE = (
    "Out of domain: the mean score over the target domains. Drop: the source score minus that mean, in points "
    "(of an error the mean minus that of the source); "
    f"smaller is better. Against {REFERENCE}: the drop minus that of {REFERENCE}, on the same examples and seeds."
)


def build(
    records: Sequence[Record], predictions: Callable[[str], Predictions] | None = None, metric: str = ""
) -> Table:
    """One block per source task, one column per test set. Each score is the task's headline metric, or `metric`.

    BenchError where no task has a test set of another domain."""
    groups = {key: group for key, group in gather(records).items() if any(map(domains, group.done))}
    if not groups:
        raise BenchError(
            "no task of this run has test sets of other domains: run it with --set recipe.shift=true",
            code="no-other-domains",
        )
    check_metric(metric, groups.values())
    targets = list(
        dict.fromkeys(name for group in groups.values() for r in group.done for name in domains(r))
    )
    metrics = {key: (metric or group.headline,) for key, group in groups.items()}
    unit, better = score_unit(groups.values(), metric), scale(groups.values(), metric).better
    change: Unit = "percent" if unit == "score" else unit
    columns = [Column("test", "source", unit), Column("elsewhere", "out of domain", unit)]
    columns += [Column("drop", "drop", change), Column("against", f"against {REFERENCE}", change)]
    columns += [Column(name, f"→ {name}", unit, "target") for name in targets]
    tests = ("test", *targets)
    parts = {
        test: from_seeds(groups, metrics, test)
        if predictions is None
        else from_predictions(groups, metrics, predictions, test, len(tests) + 1)
        for test in tests
    }
    derived = _derived(groups, metric, predictions, len(tests) + 1) if predictions else {}
    blocks: dict[str, list[Row]] = {}
    for key, group in groups.items():
        source, *others = (_entry(group, metrics[key][0], test, parts[test]) for test in tests)
        scores = [entry.value for entry in others if isinstance(entry.value, float)]
        if key in derived:
            between = derived[key]
        elif scores and isinstance(source.value, float):
            between = Derived(Entry(fmean(scores)), Entry(better * (source.value - fmean(scores))))
        else:
            between = Derived()
        entries = (source, between.elsewhere, between.drop, between.against, *others)
        blocks.setdefault(key.task, []).append(Row((key.strategy, key.backbone), entries))
    return Table(
        "Trained on the source domain, scored on it and on others",
        ("strategy", "backbone"),
        tuple(columns),
        tuple(marked(Block(task, tuple(rows)), columns) for task, rows in blocks.items()),
        (*parts["test"].notes, ELSEWHERE, *warnings(groups)),
        "task",
        tuple(provenance(groups)),
    )


@dataclass(frozen=True)
class Derived:
    """What is computed from a group's scores on all test sets."""

    elsewhere: Entry = ABSENT
    drop: Entry = ABSENT
    against: Entry = ABSENT


def domains(record: Record) -> list[str]:
    """The test sets of other domains that a record was scored on."""
    return [test for test in record.scores if test != "test"]


def elsewhere(group: Group, metric: str, source: Source) -> Resampled | None:
    """The mean score over a group's target domains; None where it has none, or no predictions on one."""
    names = domains(group.done[0]) if group.done else []
    found = [resample(group, metric, source, name) for name in names]
    return weighted([(1 / len(found), item) for item in found]) if found else None


def weighted(parts: Sequence[tuple[float, Resampled | None]]) -> Resampled | None:
    """The weighted sum of scores on independent test sets, seed by seed; None where one is missing.

    Test sets of equal size share their resamples, so the draws of each part are shuffled, in a way that depends on
    its place alone: two sums over the same test sets stay paired."""
    found = [(weight, item) for weight, item in parts if item is not None]
    if len(found) < len(parts) or len({item.seeds for _, item in found}) > 1:
        return None
    scores, draws = np.zeros(()), np.zeros(())
    for place, (weight, item) in enumerate(found):
        scores = scores + weight * item.scores
        draws = draws + weight * np.random.default_rng(place).permutation(item.draws)
    ids = np.concatenate([item.ids for _, item in found])
    first, unit = found[0][1], max(item.unit for _, item in found)
    clusters = sum(item.clusters for _, item in found)
    return Resampled(first.seeds, scores, draws, ids, clusters, scale=first.scale, unit=unit)


def _derived(
    groups: Mapping[Key, Group], metric: str, predictions: Callable[[str], Predictions], families: int
) -> dict[Key, Derived]:
    """The mean over target domains, the drop, and the drop against the reference, each with half its interval.
    families: as in `compare_pairs`."""
    source = Source(predictions)
    means: dict[tuple[Key, str], Resampled] = {}
    drops: dict[Key, Resampled] = {}
    for key, group in groups.items():
        name = metric or group.headline
        mean = elsewhere(group, name, source)
        better = scale([group], name).better
        drop = weighted([(better, resample(group, name, source)), (-better, mean)])
        if mean and drop:
            means[key, name], drops[key] = mean, drop
    against = {}
    for key, drop in drops.items():
        other = drops.get(key._replace(strategy=REFERENCE))
        if key.strategy != REFERENCE and other and (less := drop.minus(other)):
            against[key] = less
    compared = compare_pairs(means, with_best(means), families=families)
    tied = {pair.second for pair in compared if pair.tied}
    shown = _entries({key: mean for (key, _), mean in means.items()})
    fallen, compared = _entries(drops), _entries(against)
    return {
        key: Derived(
            replace(shown[key], mark="tied") if key in tied else shown[key],
            fallen[key],
            compared.get(key, ABSENT),
        )
        for key in shown
    }


def _entries(found: Mapping[Key, Resampled]) -> dict[Key, Entry]:
    """Means with half their intervals."""
    estimated = intervals({key: item.components() for key, item in found.items()})
    return {key: Entry(item.mean, item.half) for key, item in estimated.items()}


def _entry(group: Group, metric: str, test: str, uncertainty: Uncertainty) -> Entry:
    return score(group, metric, Context({}, uncertainty, ""), test)
