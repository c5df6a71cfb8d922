"""The columns of what was chosen: by a cell on its validation rows or by its gradients, and the learning rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from bench.analysis.groups import Group
from bench.analysis.tables.model import Entry, Unit
from bench.runs.record import Record

MOST = 5
"""Seeds whose values are listed; of more, the smallest and the largest."""


def rate_scale(record: Record) -> float:
    """What a cell multiplied its strategy's default learning rates by: the recipe's scale, and the one that tuning
    kept."""
    kept = [trial.scale for trial in record.trials if trial.kept]
    return record.cell.recipe.rate_scale * (kept[0] if kept else 1.0)


def _chosen(group: Group) -> Entry:
    """Each choice by its name. A validation loss is the reason for a choice, and is left out."""
    names = dict.fromkeys(name for record in group.done for name in record.chosen)
    texts = [
        f"{name.replace('_', ' ')} {_values([r.chosen[name] for r in group.done if name in r.chosen])}"
        for name in names
        if not name.endswith("-loss")
    ]
    return Entry("; ".join(texts)) if texts else Entry()


def _scale(group: Group) -> Entry:
    return Entry(f"× {_values([rate_scale(record) for record in group.done])}") if group.done else Entry()


def _values(values: Sequence[float]) -> str:
    """One value where all seeds have it; otherwise that of each seed, in the order of the seeds."""
    texts = [f"{value:.3g}" for value in values]
    if len(set(texts)) == 1:
        return texts[0]
    return ", ".join(texts) if len(texts) <= MOST else f"{min(values):.3g} to {max(values):.3g}"


COLUMNS: Mapping[str, tuple[str, Unit, Callable[[Group], Entry]]] = {
    "chosen": ("chosen", "text", _chosen),
    "rate-scale": ("rates", "text", _scale),
}
"""By name: heading, unit, and the entry of a group."""
