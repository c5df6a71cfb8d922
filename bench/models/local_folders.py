"""What the folder of an encoder holds, and what people give in its place. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from bench.contracts import BenchError
from bench.models.sentence_modules import read_json

ADAPTER = "adapter_config.json"
"""What PEFT writes beside the weights of an adapter."""


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
    weights = sorted(folder.glob("*.safetensors"))
    if weights and (folder / "config.json").is_file():
        return weights
    meant = _meant(folder)
    remedy = f"give {meant}" if meant else "save it again with save_pretrained(..., safe_serialization=True)"
    raise BenchError(
        f"backbone folder {name} needs config.json and *.safetensors (pickled weights are never loaded); {remedy}",
        code="no-safetensors",
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
