"""The pooling that a backbone was trained with: how it turns the vectors of a text's tokens into one.

A sentence encoder declares it in the layout of sentence-transformers (Reimers & Gurevych 2019, arXiv 1908.10084):
`modules.json` names a Pooling module, whose `config.json` holds the kind. Imports no torch."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from bench.models import catalog

Kind = Literal["mean", "cls"]
DEFAULT: Kind = "mean"
"""For an encoder trained without pooling, such as a plain masked language model."""

MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""Keys of `config.json` before sentence-transformers 5.4; since then its `pooling_mode` is the kind."""


@dataclass(frozen=True)
class Pooling:
    """kind: how a text is pooled. why: the source of that choice, in words."""

    kind: Kind
    why: str


@functools.cache
def own_pooling(name: str) -> Pooling:
    """The pooling of the backbone called `name`: the same for every strategy, in every command."""
    if catalog.kind_of(name) == "vectors":
        return Pooling("mean", "word vectors are averaged")
    if name in catalog.BACKBONES:
        return Pooling(catalog.BACKBONES[name].pooling, f"what {name} was trained with")
    kinds = _declared(name)
    if len(kinds) == 1 and kinds[0] in ("mean", "cls"):
        return Pooling(kinds[0], "its own, from its modules.json")
    if kinds:
        return Pooling(DEFAULT, f"its own, {' and '.join(kinds)}, is not available")
    return Pooling(DEFAULT, "the default, as the encoder names none")


def _declared(name: str) -> tuple[Any, ...]:
    """The kinds that a sentence-transformers model declares; () for any other backbone."""
    modules = _read(name, "modules.json")
    if not isinstance(modules, list):
        return ()
    for module in (item for item in modules if isinstance(item, dict)):
        kind, path = str(module.get("type")), PurePosixPath(str(module.get("path")))
        if kind.rpartition(".")[2] == "Pooling" and not path.is_absolute() and ".." not in path.parts:
            config = _read(name, f"{path}/config.json")
            return _kinds(config) if isinstance(config, dict) else ()
    return ()


def _kinds(config: dict[str, Any]) -> tuple[str, ...]:
    mode = config.get("pooling_mode")
    if mode is not None:
        return tuple(map(str, mode)) if isinstance(mode, list) else (str(mode),)
    return tuple(kind for key, kind in MODES.items() if config.get(key) is True)


def _read(name: str, file: str) -> Any:
    """A JSON file of a backbone's folder or of its hub repository; None where there is none."""
    path = Path(name) / file
    try:
        if not Path(name).is_dir():
            from huggingface_hub import hf_hub_download

            path = Path(hf_hub_download(name, file))
        return json.loads(path.read_text(encoding="utf-8"))
    except Exception:  # of the hub's client: no such file, no network; the weights will say what matters
        return None
