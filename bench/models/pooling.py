"""The pooling that a backbone was trained with: how it turns the vectors of a text's tokens into one.

A sentence encoder declares it in the layout of sentence-transformers (Reimers & Gurevych 2019, arXiv 1908.10084):
`modules.json` names a Pooling module, whose `config.json` holds the kind. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.data.file_state import while_unchanged
from bench.models import catalog
from bench.models.families import family_knowing, family_of
from bench.models.sentence_modules import (
    LOWERING,
    MODULES,
    PROMPTS,
    default_prompt,
    lowers_texts,
    modules_in,
    read_json,
)

Kind = Literal["mean", "cls", "last"]
AVAILABLE: dict[str, Kind] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
"""Kinds of sentence-transformers, and what they are called here."""
THEIRS = {ours: theirs for theirs, ours in AVAILABLE.items()}

USED = ("Transformer", "Pooling", "Normalize", "Dropout")
"""Modules that are read, or that have no weights."""

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


@while_unchanged
def own_pooling(name: str) -> Pooling:
    """The pooling of the backbone called `name`: the same for every strategy, in every command."""
    if catalog.kind_of(name) != "encoder":
        return Pooling("mean", "word vectors are averaged")
    if name in catalog.BACKBONES:
        return Pooling(catalog.BACKBONES[name].pooling, f"what {name} was trained with")
    kinds = _declared(name)
    if len(kinds) == 1 and kinds[0] in AVAILABLE:
        return Pooling(AVAILABLE[kinds[0]], "its own, from its modules.json")
    default = family_pooling(name)
    if kinds:
        return Pooling(default, f"its own, {' and '.join(kinds)}, is not available")
    if default == "last":
        return Pooling(default, "the default of models that have read the whole text at its end")
    return Pooling(default, "the default, as the encoder names none")


@while_unchanged
def family_pooling(name: str) -> Kind:
    """What the family of a backbone reads a text at: its last token where the model reads from left to right."""
    if catalog.kind_of(name) != "encoder" or name in catalog.BACKBONES:
        return DEFAULT
    known = family_knowing(catalog.hub_name(name)[0])
    if known and not _is_folder(name):
        return known.pooling
    config = _read(name, "config.json")
    family = family_of(config.get("model_type")) if isinstance(config, dict) else None
    return family.pooling if family else DEFAULT


@while_unchanged
def prompt_of(name: str) -> str:
    """What a sentence encoder puts before every text by default; '' for any other backbone."""
    if catalog.kind_of(name) != "encoder" or name in catalog.BACKBONES:
        return ""
    return default_prompt(_read(name, PROMPTS))


@while_unchanged
def lowers(name: str) -> bool:
    """Whether a sentence encoder reads texts in lower case, whatever its tokenizer does."""
    if catalog.kind_of(name) != "encoder" or name in catalog.BACKBONES:
        return False
    return lowers_texts(_read(name, LOWERING))


@while_unchanged
def unused_modules(name: str) -> tuple[str, ...]:
    """The modules with weights that a sentence encoder has after its pooling, by kind; () for any other."""
    if catalog.kind_of(name) != "encoder" or name in catalog.BACKBONES:
        return ()
    return tuple(m.kind for m in modules_in(_read(name, MODULES)) if m.kind not in USED)


def _declared(name: str) -> tuple[Any, ...]:
    """The kinds that a sentence-transformers model declares; () for any other backbone."""
    for module in modules_in(_read(name, MODULES)):
        if module.kind == "Pooling":
            config = _read(name, f"{module.path}/config.json")
            return _kinds(config) if isinstance(config, dict) else ()
    return ()


def _kinds(config: dict[str, Any]) -> tuple[str, ...]:
    mode = config.get("pooling_mode")
    if mode is not None:
        return tuple(map(str, mode)) if isinstance(mode, list) else (str(mode),)
    return tuple(kind for key, kind in MODES.items() if config.get(key) is True)


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name longer than the file system allows
        return False


def _read(name: str, file: str) -> Any:
    """A JSON file of a backbone's folder or of its hub repository; None where there is none."""
    if _is_folder(name):
        of_weights = catalog.transformer_folder(name) / file
        return read_json(of_weights if file in ("config.json", LOWERING) else Path(name) / file)
    try:
        return read_json(_downloaded(name, file))
    except Exception:  # of the hub's client: no such file, no network; the weights will say what matters
        return None


def _downloaded(name: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    repository, revision = catalog.hub_name(name)
    cached = try_to_load_from_cache(repository, file, revision=revision)
    if isinstance(cached, str) or not catalog.hub_is_there():
        return Path(str(cached))
    return Path(hf_hub_download(repository, file, revision=revision))
