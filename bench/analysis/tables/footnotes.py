"""The footnotes of a table: everything that a reviewer asks for, one paragraph each."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from bench.analysis.convergence import Converged, converged
from bench.analysis.groups import (
    Group,
    Key,
    failure_counts,
    is_degenerate,
    machine_fingerprint,
    metric_heading,
    scoring_rule,
)
from bench.analysis.rates import at_edge
from bench.analysis.tables import forgetting, serving
from bench.analysis.tables.model import ADAPTED
from bench.contracts import Recipe
from bench.runs.load import BUSY
from bench.runs.record import Record
from bench.runs.terms import Conflict, conflicts
from bench.text import counted, first_of

SECONDS = (
    "Seconds are cold: the cost of this cell alone (prepare + prefix + compile + train + evaluate), even where "
    "work was shared with other cells. Downloads are not counted. Median over seeds."
)
RULES = {
    "conlleval": "F1 of entities follows conlleval, as published tables do",
    "strict IOB2": "F1 of entities is strict IOB2, the rule of earlier versions: it lies above that of conlleval, "
    "which published tables hold",
}
SELECTION = (
    "Selection: the state with the lowest validation loss is kept; the test set is scored once, at the end."
)
SOLVED = "inverse_penalty"
"""What a model chose that has no learning curve: it is solved, not trained."""


def provenance(groups: Mapping[Key, Group]) -> list[str]:
    """Seeds, sizes, recipe, selection rule, encoders, machine and versions."""
    records = [record for group in groups.values() for record in group.records]
    done = [record for record in records if record.status == "done"]
    notes = [
        _seeds(records),
        _sizes(done),
        *_recipes(records),
        SELECTION,
        _tuned(groups),
        _backbones(groups),
        *_machines(done),
        _measured_once(groups),
    ]
    return [note for note in notes if note]


def _backbones(groups: Mapping[Key, Group]) -> str:
    """The backbones; of those that this project does not pin, with what records say of their weights."""
    from bench.models import catalog

    pinned = {*catalog.BACKBONES, *catalog.TRAINED, *catalog.COUNTS}
    found: dict[str, dict[str, None]] = {}
    for key, group in groups.items():
        known = found.setdefault(key.backbone, {})
        if key.backbone not in pinned:
            known.update(dict.fromkeys(record.weights for record in group.done if record.weights))
    named = [f"{name} (weights {first_of(known)})" if known else name for name, known in found.items()]
    return f"Backbones: {', '.join(named)}."


def accuracies(groups: Mapping[Key, Group], shown: Mapping[Key, Collection[str]]) -> list[str]:
    """What `accuracy` is on the tasks where it is not a share of right labels. shown: the metrics of each group."""
    tasks: dict[str, dict[str, None]] = {}
    for key, group in groups.items():
        if "accuracy" in shown[key]:
            tasks.setdefault(metric_heading("accuracy", [group]), {})[key.task] = None
    found = [f"{heading} on {', '.join(names)}" for heading, names in tasks.items() if heading != "accuracy"]
    return [f"Accuracy is {'; '.join(found)}."] if found else []


def caveats(groups: Mapping[Key, Group]) -> list[str]:
    """What flatters or unsettles the scores of the tasks and backbones that are shown."""
    from bench.registry import built_in_caveats

    known = built_in_caveats()
    names: dict[str, list[str]] = {}
    for name in dict.fromkeys([*(key.task for key in groups), *(key.backbone for key in groups)]):
        if caveat := known.get(name.partition("@")[0]):
            names.setdefault(caveat, []).append(name)
    return [f"Read with care: {', '.join(found)}: {caveat}." for caveat, found in names.items()]


def rules(groups: Mapping[Key, Group]) -> list[str]:
    """By which rule scores were counted on tasks where there have been several; `mixtures` names those that mix
    them."""
    found: dict[str, set[str]] = {}
    for key, group in groups.items():
        found.setdefault(key.task, set()).update(map(scoring_rule, group.done))
    tasks: dict[str, list[str]] = {}
    for task, (rule, *others) in ((task, sorted(by_rule)) for task, by_rule in found.items() if by_rule):
        if rule in RULES and not others:
            tasks.setdefault(rule, []).append(task)
    return [f"{RULES[rule]} ({', '.join(names)})." for rule, names in tasks.items()]


def mixtures(groups: Mapping[Key, Group]) -> list[str]:
    """Where finished cells that the table compares ran on other terms, as where a changed request went on in a run
    folder: what differs, and two such cells."""
    found: dict[tuple[str, str], Conflict] = {}
    for conflict in conflicts((record, "") for group in groups.values() for record in group.done):
        found.setdefault((conflict.what, conflict.of), conflict)
    return [
        f"Not comparable on {conflict.of}: cells ran with different {conflict.words}, such as "
        f"{' and '.join(conflict.cells)}: run the earlier again, or keep each in its own run folder."
        for conflict in found.values()
    ]


def unmeasured(columns: Collection[str], groups: Mapping[Key, Group]) -> list[str]:
    """Which setting of the recipe measures columns that no run of the table has."""
    recipes = [record.cell.recipe for group in groups.values() for record in group.records]
    missing = {
        "serving": () if any(recipe.serving for recipe in recipes) else serving.MEASURED,
        "forgetting": () if any(recipe.forgetting for recipe in recipes) else tuple(forgetting.COLUMNS),
    }
    return [
        f"No cell has measured {', '.join(found)}: run with --set recipe.{setting}=true."
        for setting, names in missing.items()
        if (found := [name for name in columns if name in names])
    ]


def warnings(groups: Mapping[Key, Group]) -> list[str]:
    """Runs that failed, that learned nothing, that had not converged, or that were adapted."""
    done = [record for group in groups.values() for record in group.done]
    return [
        *_failures(groups),
        *_degenerate(done),
        *_unconverged(done),
        *_adaptations(done),
        *_disturbed(done),
    ]


def _seeds(records: Iterable[Record]) -> str:
    seeds = sorted({record.cell.seed for record in records})
    return "Seeds: " + ", ".join(map(str, seeds)) + "." if seeds else ""


def _sizes(records: Iterable[Record]) -> str:
    sizes: dict[str, list[str]] = {}
    for record in records:
        if record.data and record.cell.task not in sizes:
            sizes[record.cell.task] = [f"{split} {size:,}" for split, size in record.data.sizes.items()]
    return (
        "Examples: " + "; ".join(f"{task}: {', '.join(parts)}" for task, parts in sizes.items()) + "."
        if sizes
        else ""
    )


QUESTIONS = ("qa", "unanswerable")
"""The adapters that read windows of a context."""


def _recipes(records: Iterable[Record]) -> list[str]:
    tasks: dict[str, dict[str, None]] = {}
    for record in records:
        tasks.setdefault(recipe_text(record.cell.recipe, record.adapter), {})[record.cell.task] = None
    return [
        f"Recipe ({', '.join(names)}): {text}." if len(tasks) > 1 else f"Recipe: {text}."
        for text, names in tasks.items()
    ]


@lru_cache(maxsize=64)
def recipe_text(recipe: Recipe, adapter: str = "") -> str:
    """A recipe in one line, without sizes (they are listed with the examples), settings that this adapter does not
    read, and switches that are off."""
    parts = [
        "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs:g} epochs",
        f"batches of {recipe.batch_size}",
        f"up to {recipe.max_length} tokens",
    ]
    if adapter in QUESTIONS:
        parts[-1] += f" with stride {recipe.stride}"
    if recipe.max_context is not None and adapter in (*QUESTIONS, ""):
        parts.append(f"contexts of up to {recipe.max_context:,} characters")
    often = "once" if recipe.evaluations == 1 else f"{recipe.evaluations} times"
    parts += [
        f"warm-up {100 * recipe.warmup:g}% of each phase",
        f"weight decay {recipe.weight_decay:g}",
        f"gradient norm up to {recipe.clip:g}",
        f"validated {often} an epoch with patience {recipe.patience}",
        f"{recipe.head} head"
        if adapter in ("ner", *QUESTIONS)
        else f"{recipe.head} head, {recipe.pooling} pooling",
        f"dropout {recipe.dropout:g}",
    ]
    shown = ("epochs", "batch_size", "max_length", "stride", "max_context", "evaluations", "warmup")
    shown += ("weight_decay", "clip", "patience", "head", "pooling", "dropout", "train", "validation", "test")
    for field in dataclasses.fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name not in shown and value != field.default:
            text = " ".join(f"{item:g}" for item in value) if isinstance(value, tuple) else value
            text = Path(str(value)).name if field.name == "unlabelled" else text
            parts.append(f"{field.name.replace('_', ' ')} {text}")
    return ", ".join(parts)


def _tuned(groups: Mapping[Key, Group]) -> str:
    """The learning-rate scales that each group kept, in how many seeds and how often at an edge, and the cost of
    trying the others."""
    kept: dict[str, list[str]] = {}
    tried: dict[tuple[float, ...], dict[str, None]] = {}
    spent: list[float] = []
    edges: list[bool] = []
    for key, group in groups.items():
        tuned = [record for record in group.done if record.trials]
        chosen = Counter(trial.scale for record in tuned for trial in record.trials if trial.kept)
        if chosen:
            counts = ", ".join(f"{scale:g} ({count})" for scale, count in sorted(chosen.items()))
            kept.setdefault(key.task, []).append(f"{key.strategy} {key.backbone} {counts}")
        for record in tuned:
            tried.setdefault(tuple(sorted(trial.scale for trial in record.trials)), {})[key.task] = None
        spent += [record.seconds.tune for record in tuned]
        edges += map(at_edge, tuned)
    if not kept:
        return ""
    text = "; ".join(f"{task}: {', '.join(parts)}" for task, parts in kept.items())
    edge = ""
    if any(edges):
        of = f"{sum(edges)} of {counted(len(edges), 'cell')}"
        edge = f"In {of} the kept scale is at an edge of the grid: a better one may lie beyond it. "
    return (
        f"Tuned: every cell tried {_scales(tried)} and kept the one with the lowest validation loss. Kept, with "
        f"the number of seeds: {text}. {edge}"
        f"The others took {sum(spent):,.0f} seconds in all, which no column includes."
    )


def _scales(tried: Mapping[tuple[float, ...], Iterable[str]]) -> str:
    """The scales that cells tried, by task where not all tried the same."""
    texts = {scales: ", ".join(f"{scale:g}" for scale in scales) for scales in tried}
    if len(tried) == 1:
        ((scales, text),) = texts.items()
        return f"{len(scales)} scales of its learning rates ({text})"
    by_task = "; ".join(f"{', '.join(tasks)}: {texts[scales]}" for scales, tasks in tried.items())
    return f"scales of its learning rates ({by_task})"


def _measured_once(groups: Mapping[Key, Group]) -> str:
    """Times without a repetition, which say nothing about noise."""
    once = [group for group in groups.values() if group.seconds() and group.measurements() == 1]
    if not once:
        return ""
    names = "all rows" if len(once) == len(groups) else first_of(group.key for group in once)
    return f"Times measured once, which are no evidence that one strategy is faster than another: {names}."


def _machines(records: Iterable[Record]) -> list[str]:
    """A note for each machine with its versions; what ran there at several commits has all of them."""
    commits: dict[str, dict[str, None]] = {}
    for record in records:
        if machine := record.machine:
            versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
            here = commits.setdefault("; ".join(filter(None, (machine_fingerprint(machine), versions))), {})
            if machine.commit:
                here[f"{machine.commit}{' (with changes)' if machine.dirty else ''}"] = None
    notes = []
    for here, found in commits.items():
        made = f"; commit{'s' * (len(found) > 1)} {', '.join(found)}" if found else ""
        notes.append(f"Machine: {here}{made}.")
    return notes


def _failures(groups: Mapping[Key, Group]) -> list[str]:
    failed = [record for group in groups.values() for record in group.failures]
    if not failed:
        return []
    counts = ", ".join(f"{count} {status}" for status, count in failure_counts(failed).items())
    reasons: dict[str, list[str]] = {}
    for record in failed:
        reasons.setdefault(f"{record.status}: {record.reason or 'no reason recorded'}", []).append(
            record.cell.id
        )
    return [
        f"Not finished: {counts}. "
        + "; ".join(f"{first_of(ids)} {reason}" for reason, ids in reasons.items())
        + "."
    ]


def _degenerate(records: Iterable[Record]) -> list[str]:
    ids = [record.cell.id for record in records if is_degenerate(record)]
    if not ids:
        return []
    score = "scores" if len(ids) == 1 else "score"
    return [
        f"Degenerate: {len(ids)} of the finished runs {score} within noise of chance or of the majority label "
        f"({first_of(ids)})."
    ]


def _unconverged(records: Sequence[Record]) -> list[str]:
    """Runs whose budget ended too early, by strategy; those that cannot tell are counted apart. Earlier versions'
    baselines have no curves."""
    trained = [record for record in records if SOLVED not in record.chosen]
    if trained and not any(record.curve for record in trained):
        return ["Convergence is not known: no record has a learning curve."]
    found = converged(records)
    untold, were = len(found.untold), "was" if len(found.untold) == 1 else "were"
    rarely = f"{were} validated too rarely to tell"
    if not found.late:
        runs = f"{untold} of {len(found.told) + untold} finished runs"
        return [f"Convergence: {runs} {rarely} whether they had converged."] if untold else []
    named = "; ".join(_late(name, found) for name in _strategies(found.late))
    return [
        f"Not converged: {len(found.late)} of {len(found.told)} finished runs were still improving on validation "
        f"when their budget ended ({named}); more epochs may raise their scores."
        + (f" {untold} more {rarely}." if untold else "")
    ]


def _strategies(records: Iterable[Record]) -> list[str]:
    """The strategies of the records, the most frequent first."""
    return [name for name, _ in Counter(record.cell.strategy for record in records).most_common()]


def _late(strategy: str, found: Converged) -> str:
    """How many runs of a strategy had not converged; on which tasks, where that is not all of its tasks."""
    late, told = (
        [record.cell.task for record in records if record.cell.strategy == strategy]
        for records in (found.late, found.told)
    )
    tasks = list(dict.fromkeys(late))
    where = f" on {first_of(tasks)}" if len(tasks) < len(set(told)) else ""
    return f"{strategy} {len(late)} of {len(told)}{where}"


def _adaptations(records: Iterable[Record]) -> list[str]:
    ids: dict[str, list[str]] = {}
    for record in records:
        for change in record.adaptations:
            ids.setdefault(change, []).append(record.cell.id)
    return [
        f"{ADAPTED} Adapted while running: {change} ({first_of(cells)})." for change, cells in ids.items()
    ]


def _disturbed(records: Iterable[Record]) -> list[str]:
    """The cells whose machine was busy with other work while they ran."""
    shares: dict[str, float] = {}
    for record in records:
        found = record.machine.load if record.machine else None
        if found and found.others is not None and found.others > BUSY:
            shares[record.cell.id] = found.others
    if not shares:
        return []
    return [
        f"Busy machine: while {len(shares)} of the cells ran ({first_of(shares)}), other processes took up to "
        f"{100 * max(shares.values()):.0f}% of the cores: their seconds are not those of a quiet machine."
    ]
