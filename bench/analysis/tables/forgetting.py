"""The columns of how far encoders moved from the given one (`recipe.forgetting = true` measures it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

from bench.analysis.groups import Group
from bench.analysis.tables.model import Entry, Unit


def by_layer(group: Group) -> list[float]:
    """The CKA of each block with the given encoder, the embeddings' first: means over seeds."""
    found = [record.forgetting for record in group.done if record.forgetting]
    return [fmean(values) for values in zip(*found, strict=True)] if found else []


def _all(group: Group) -> Entry:
    layers = by_layer(group)
    return Entry(fmean(layers)) if layers else Entry()


def _last(group: Group) -> Entry:
    layers = by_layer(group)
    return Entry(layers[-1]) if layers else Entry()


COLUMNS: Mapping[str, tuple[str, Unit, Callable[[Group], Entry]]] = {
    "cka": ("CKA, all layers", "effect", _all),
    "cka-last": ("CKA, last layer", "effect", _last),
}
"""By name: heading, unit, and the entry of a group."""
