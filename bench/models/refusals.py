"""Why a backbone cannot be had, in one line with the remedy. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from bench.contracts import BenchError
from bench.models.families import families

REMEDIES = {
    "GatedRepoError": (
        "gated-backbone",
        "it is gated: accept its terms on its page of the hub, and log in with `hf auth login` or set HF_TOKEN",
    ),
    "RevisionNotFoundError": (
        "no-revision",
        "it has no such revision: give a branch, tag or commit that it has",
    ),
    "RepositoryNotFoundError": (
        "no-backbone",
        "the hub has no such name, or it is private: check the spelling, or log in with `hf auth login`",
    ),
    "LocalEntryNotFoundError": (
        "hub-unreachable",
        "it is not in the local cache and the hub cannot be reached: connect once, or give a folder",
    ),
    "EntryNotFoundError": ("no-backbone", "it has no config.json: it is no model of transformers"),
    "OfflineModeIsEnabled": (
        "hub-unreachable",
        "it is not in the local cache and HF_HUB_OFFLINE is set: unset it once, or give a folder",
    ),
}
"""By the exceptions of the hub's client, the more special ones first: (code, what to do)."""


def refusal(name: str, error: BaseException, built_in: Sequence[str]) -> BenchError:
    """The error for a backbone whose files raised `error`."""
    kinds = [cls.__name__ for found in _chain(error) for cls in type(found).__mro__]
    for kind, (code, remedy) in REMEDIES.items():
        if kind in kinds:
            return BenchError(f"backbone '{name}': {remedy}{_nearest(name, built_in, code)}", code=code)
    reason = str(error).strip().splitlines()
    return BenchError(
        f"backbone '{name}' cannot be found ({(reason or [type(error).__name__])[0][:150]}); give a built-in name "
        f"({', '.join(built_in)}), a Hugging Face name, or a folder with safetensors",
        code="no-backbone",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it; the hub's client wraps its own."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _nearest(name: str, built_in: Sequence[str], code: str) -> str:
    known = [*built_in, *(name for family in families().values() for name in family.known)]
    near = difflib.get_close_matches(name.partition("@")[0], known, 1, 0.8) if code == "no-backbone" else []
    return f"; did you mean '{near[0]}'?" if near and near[0] != name else ""
