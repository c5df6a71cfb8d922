"""What the folder of an encoder holds, and what people give in its place. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from bench.contracts import BenchError
from bench.models.sentence_modules import read_json

ADAPTER = "adapter_config.json"
"""What PEFT writes beside the weights of an adapter."""

WEIGHTS = "model.safetensors"
"""What the library reads rather than an index, unless the configuration names another file."""

INDEX = "model.safetensors.index.json"
"""What says which of several files holds a parameter."""

NAMED = re.compile(r"[\w-][\w.-]*\.safetensors(\.index\.json)?")
"""Weights, or an index of them, that a configuration may name: beside it, and no pickle."""


def adapter_refused(name: str, file: Path) -> BenchError:
    """The error for a backbone with this adapter_config.json: its weights change those of another model."""
    settings = read_json(file)
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    return BenchError(
        f"backbone {name} has a PEFT adapter{f' of {base}' if base else ''} ({ADAPTER}): merge it with "
        "PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(...), and give the new "
        "folder",
        code="adapter",
    )


def weights_in(name: str, folder: Path) -> list[Path]:
    """The safetensors of an encoder's folder, in the order of their names. BenchError where the folder has none, or
    no config.json; it names the folder inside that was meant, if there is one."""
    if (folder / ADAPTER).is_file():
        raise adapter_refused(name, folder / ADAPTER)
    weights = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if weights and (folder / "config.json").is_file():
        known = {path.name for path in weights}
        if index := _index_that_is_read(folder, known):
            check_index(name, index, known)
        return weights
    meant = _meant(folder)
    remedy = f"give {meant}" if meant else "save it again with save_pretrained(..., safe_serialization=True)"
    raise BenchError(
        f"backbone folder {name} needs config.json and *.safetensors (pickled weights are never loaded); {remedy}",
        code="no-safetensors",
    )


def _index_that_is_read(folder: Path, known: Collection[str]) -> Path | None:
    """The index by which the library would read the weights of a folder, of which `known` are there. A stale one
    beside a single file of weights is not read, nor is that of another precision."""
    config = read_json(folder / "config.json")
    named = config.get("transformers_weights") if isinstance(config, dict) else None
    if named is None:
        named = INDEX if WEIGHTS not in known else ""
    index = folder / str(named)
    is_index = NAMED.fullmatch(str(named)) and index.name.endswith(".index.json")
    return index if is_index and index.is_file() else None


def check_index(name: str, file: Path, known: Collection[str] = ()) -> None:
    """BenchError where an index of weights names anything but safetensors files in its own folder. known: the names
    of those that are there; empty: not looked at. The library would read a file wherever it lies, and unpickle one
    of another format."""
    index = read_json(file)
    parts = index.get("weight_map") if isinstance(index, dict) else None
    for part in set(map(str, parts.values())) if isinstance(parts, dict) else ():
        if not NAMED.fullmatch(part) or (known and part not in known):
            raise BenchError(
                f"backbone {name}: {file.name} names {part[:80]!r}, which is none of the *.safetensors beside it; "
                "save the model again with save_pretrained(...)",
                code="wrong-index",
            )


def check_named(name: str, weights: object) -> None:
    """BenchError where a configuration names weights elsewhere, or a pickle: `transformers_weights`."""
    if weights is not None and not NAMED.fullmatch(str(weights)):
        raise BenchError(
            f"backbone {name}: its config.json names the weights {str(weights)[:80]!r}; only *.safetensors beside "
            "it are read",
            code="wrong-index",
        )


def _meant(folder: Path) -> Path | None:
    """The snapshot in a repository of the hub's cache, or the last checkpoint in the output of a Trainer."""
    try:
        snapshot = folder / "snapshots" / (folder / "refs" / "main").read_text(encoding="utf-8").strip()
        if snapshot.is_dir():
            return snapshot
    except (OSError, ValueError):
        pass
    found = [path for path in folder.glob("checkpoint-*") if (path / "config.json").is_file()]
    steps = {
        int(path.name.rpartition("-")[2]): path for path in found if path.name.rpartition("-")[2].isdigit()
    }
    return steps[max(steps)] if steps else None
