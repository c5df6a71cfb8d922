"""Shift tables: a model is trained on the source domain and scored on its test set and on each target domain.

Test sets of different domains are independent samples, so their example noise adds up; the seeds are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from bench.analysis.groups import Group, Key, check_metric, collapsed, gather, scale
from bench.analysis.loading import Predictions
from bench.analysis.statistics import unequal
from bench.analysis.statistics.error_bars import ErrorBar, error_bar, of_differences
from bench.analysis.statistics.intervals import intervals
from bench.analysis.statistics.mcnemar import exact_tests
from bench.analysis.statistics.paired import Scored, Trio, compare_pairs, with_best
from bench.analysis.statistics.resampling import Resampled, Source, resample
from bench.analysis.statistics.uncertainty import Uncertainty, from_predictions, from_seeds
from bench.analysis.statistics.uncertainty_notes import Part, notes_on
from bench.analysis.tables.columns import Context, score, score_unit
from bench.analysis.tables.footnotes import accuracies, mixtures, provenance, warnings
from bench.analysis.tables.layouts import marked
from bench.analysis.tables.model import Block, Column, Entry, Row, Table, Unit
from bench.analysis.tables.shown import shown
from bench.contracts import BenchError
from bench.runs.record import Record

ABSENT = Entry()
REFERENCE = "full"
SOURCE, OUTSIDE, DROP, AGAINST = "source", "out of domain", "drop", f"against {REFERENCE}"
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
    columns = [Column("test", SOURCE, unit), Column("elsewhere", OUTSIDE, unit)]
    columns += [Column("drop", DROP, change), Column("against", AGAINST, change)]
    columns += [Column(name, _arrow(name), unit, "target") for name in targets]
    tests = ("test", *targets)
    parts = {
        test: from_seeds(groups, metrics, test)
        if predictions is None
        else from_predictions(groups, metrics, predictions, test, len(tests) + 1)
        for test in tests
    }
    derived = _derived(groups, metric, predictions, len(tests) + 1) if predictions else Derivation()
    blocks: dict[str, list[Row]] = {}
    for key, group in groups.items():
        source, *others = (_entry(group, metrics[key][0], test, parts[test]) for test in tests)
        scores = [entry.value for entry in others if isinstance(entry.value, float)]
        if key in derived.groups:
            between = derived.groups[key]
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
        tuple(marked(Block(task, tuple(rows)), _marked(columns)) for task, rows in blocks.items()),
        (
            *_notes(parts, derived, groups),
            ELSEWHERE,
            *accuracies(groups, metrics),
            *mixtures(groups),
            *warnings(groups),
        ),
        "task",
        tuple(provenance(groups)),
    )


def _marked(columns: Sequence[Column]) -> list[Column]:
    """The columns as those whose best is marked: no test compares the drops of two strategies, so that a mark would
    say of the others that they are behind."""
    return [replace(item, unit="text") if item.name in ("drop", "against") else item for item in columns]


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
    its place alone: two sums over the same test sets stay paired. The degrees of freedom are the fewest of any
    part, since a part on few documents may have most of the variance; they are the same for all groups."""
    found = [(weight, item) for weight, item in parts if item is not None]
    if len(found) < len(parts) or len({item.seeds for _, item in found}) > 1:
        return None
    scores, draws = np.zeros(()), np.zeros(())
    for place, (weight, item) in enumerate(found):
        scores = scores + weight * item.scores
        draws = draws + weight * np.random.default_rng(place).permutation(item.draws)
    ids = np.concatenate([item.ids for _, item in found])
    first, unit = found[0][1], max(item.unit for _, item in found)
    clusters, dofs = sum(item.clusters for _, item in found), [item.dof for _, item in found if item.clusters]
    effective = min(dofs) if dofs else None
    return Resampled(
        first.seeds, scores, draws, ids, clusters, scale=first.scale, unit=unit, effective=effective
    )


@dataclass(frozen=True)
class Derivation:
    """What is computed of every group from several test sets, and what notes say of it, by column."""

    groups: Mapping[Key, Derived] = field(default_factory=dict)
    parts: Mapping[str, Part] = field(default_factory=dict)


def _derived(
    groups: Mapping[Key, Group], metric: str, predictions: Callable[[str], Predictions], families: int
) -> Derivation:
    """The mean over target domains, the drop, and the drop against the reference, each with its error bar.
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
        other = drops.get(_reference(key))
        if key.strategy != REFERENCE and other and (less := drop.minus(other)):
            against[key] = less
    pairs = with_best(means)
    compared = compare_pairs(means, pairs, _exact_tests(means, groups, source), families)
    tied = {pair.second for pair in compared if not pair.behind}
    shown_means = _means(groups, metric, drops.keys(), source)
    apart = {key for key in drops if collapsed(groups[key])}
    either = {key for key in against if {key, _reference(key)} & apart}
    found = {
        OUTSIDE: _around({key: mean for (key, _), mean in means.items()}, apart),
        DROP: _around(drops, apart, differences=1),
        AGAINST: _around(against, either, differences=2),
    }
    parts = {name: Part([bar for _, bar in own.values()]) for name, own in found.items()}
    more = unequal.notes(means, pairs, compared, shown_means, f" {OUTSIDE}")
    parts[OUTSIDE] = Part(parts[OUTSIDE].bars, compared, more=more)
    return Derivation(
        {
            key: Derived(
                shown(*found[OUTSIDE][key], mark="tied" if key in tied else ""),
                shown(*found[DROP][key]),
                shown(*found[AGAINST][key]) if key in against else ABSENT,
            )
            for key in drops
        },
        parts,
    )


def _exact_tests(
    means: Mapping[Scored, Resampled], groups: Mapping[Key, Group], source: Source
) -> dict[Trio, float]:
    """The exact p of every pair of means that rest on a single seed and a single target domain."""
    alone: dict[str, dict[Scored, Resampled]] = {}
    for (key, name), mean in means.items():
        target, *others = domains(groups[key].done[0])
        if not others:
            alone.setdefault(target, {})[key, name] = mean
    found: dict[Trio, float] = {}
    for target, own in alone.items():
        found |= exact_tests(own, groups, source, target)
    return found


def _means(
    groups: Mapping[Key, Group], metric: str, known: Collection[Key], source: Source
) -> dict[Scored, float]:
    """The means over target domains that the table shows, the higher the better; not of tasks with a test set of
    one document, which another note names. known: groups with predictions on every test set."""
    others = [group for key, group in groups.items() if key not in known]
    tests = dict.fromkeys(name for group in others for name in ("test", *domains(group.done[0])))
    alone = {task for test in tests for task in unequal.one_document(others, source, test)}
    found = {}
    for key, group in groups.items():
        name = metric or group.headline
        scores = [fmean(own) for test in domains(group.done[0]) if (own := group.scores(name, test))]
        if scores and key.task not in alone:
            found[key, name] = scale([group], name).better * fmean(scores)
    return found


def _reference(key: Key) -> Key:
    return key._replace(strategy=REFERENCE)


def _around(
    found: Mapping[Key, Resampled], apart: Collection[Key], differences: int = 0
) -> dict[Key, tuple[float, ErrorBar]]:
    """Means, each with what may be shown around it. apart: of which single seeds are shown instead. differences:
    how often one score was subtracted from another, which widens what the result can be."""
    around = {}
    for key, item in intervals({key: item.components() for key, item in found.items()}).items():
        whole = found[key].scale
        for _ in range(differences):
            whole = of_differences(whole)
        points = found[key].scores.tolist() if key in apart else ()
        around[key] = item.mean, error_bar(item, whole, points)
    return around


def _notes(
    parts: Mapping[str, Uncertainty], derived: Derivation, groups: Mapping[Key, Group]
) -> Sequence[str]:
    """The notes of all test sets and of what is computed from several, by the headings of their columns."""
    if not derived.parts:
        return parts["test"].notes
    targets = {_arrow(name): known.part for name, known in parts.items() if name != "test"}
    return notes_on({SOURCE: parts["test"].part, **derived.parts, **targets}, groups, "its values")


def _arrow(test: str) -> str:
    """The heading of a target domain."""
    return f"→ {test}"


def _entry(group: Group, metric: str, test: str, uncertainty: Uncertainty) -> Entry:
    return score(group, metric, Context({}, uncertainty, ""), test)
