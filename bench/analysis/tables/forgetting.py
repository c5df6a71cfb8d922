"""The columns of how far encoders moved from the given one (`recipe.forgetting = true` measures it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

from bench.analysis.groups import Group
from bench.analysis.tables.model import Entry, Unit
from bench.runs.record import LanguageLoss


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


def _language(value: Callable[[LanguageLoss], float | None]) -> Callable[[Group], Entry]:
    def entry(group: Group) -> Entry:
        """The mean over seeds; without one, why there is none."""
        losses = [record.language_loss for record in group.done if record.language_loss]
        found = [item for loss in losses if (item := value(loss)) is not None]
        if found:
            return Entry(fmean(found))
        return Entry(note=next((loss.reason.partition(":")[0] for loss in losses), ""))

    return entry


COLUMNS: Mapping[str, tuple[str, Unit, Callable[[Group], Entry]]] = {
    "cka": ("CKA, all layers", "effect", _all),
    "cka-last": ("CKA, last layer", "effect", _last),
    "lm-loss": ("LM loss, nats", "effect", _language(lambda loss: loss.after)),
    "lm-rise": ("LM loss rise, nats", "effect", _language(lambda loss: loss.rise)),
}
"""By name: heading, unit, and the entry of a group."""
