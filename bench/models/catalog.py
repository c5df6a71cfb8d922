"""The built-in backbones, and the identity of any backbone. Imports no torch."""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.contracts import LARGEST, BenchError, digest
from bench.data.file_state import while_unchanged
from bench.data.hub import hub_answers
from bench.data.packages.pinned import GLOVE, MINILM, MPNET
from bench.data.packages.registries import Package
from bench.data.sources import Sources
from bench.models import gensim_data
from bench.models.families import family_knowing, family_of
from bench.models.local_folders import weights_in
from bench.models.refusals import refusal
from bench.models.sentence_modules import (
    LOWERING,
    PROMPTS,
    default_prompt,
    lowers_texts,
    read_json,
    saved_modules,
)
from bench.models.shape import Shape

VECTOR_SUFFIXES = (".kv", ".model", ".bin", ".txt", ".vec", ".gz", ".w2v", ".glove")


@dataclass(frozen=True)
class Packaged:
    """A backbone inside a registry package."""

    kind: Literal["encoder", "vectors"]
    package: Package
    summary: str
    shape: Shape
    pooling: Literal["mean", "cls", "last"] = "mean"  # that it was trained with
    caveat: str = ""  # what it flatters: for `list`, and under tables


BASE = Shape(12, 768, 3072, 30_522)
"""BERT-base: the assumed shape of an encoder that was not downloaded yet."""

VECTORS = Shape(0, 300, 0, 1_000_000)
"""The assumed shape of a file of word vectors."""

COUNTED = Shape(0, 2, 0, 200_000)
"""The assumed shape of counts: two outputs for each word and pair of words."""

HUB = "hub:"
"""Before a name of the hub, as its identity."""

MOST_LAYERS = 1000
"""Of an encoder that a configuration describes."""

DEPTH_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
"""The names of the number of layers in configurations."""

TABLE_KEYS = ("max_position_embeddings", "n_positions")
"""The names of the rows of the table of positions."""

TOKENIZER_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)
"""Files beside tokenizer.json that change what a tokenizer does."""

WIDTH_KEYS = ("hidden_size", "dim", "d_model", "n_embd")
INNER_KEYS = ("intermediate_size", "hidden_dim", "d_inner", "d_ff", "encoder_ffn_dim", "n_inner")

SENTENCE_TUNED = (
    "it was tuned on sentence pairs, so that frozen features of whole texts are better than those of an encoder "
    "that was only pretrained: frozen and probe are flattered"
)

BACKBONES: dict[str, Packaged] = {
    "glove": Packaged(
        "vectors",
        GLOVE,
        "static word vectors, 341,479 words x 100 (depth 0)",
        Shape(0, 100, 0, 341_479),
    ),
    "minilm": Packaged(
        "encoder",
        MINILM,
        "MiniLM-L6-H384, sentence-tuned: 6 layers, width 384, 22.7 M parameters",
        Shape(6, 384, 1536, 30_522),
        caveat=SENTENCE_TUNED,
    ),
    "mpnet": Packaged(
        "encoder",
        MPNET,
        "MPNet-base, sentence-tuned: 12 layers, width 768, 109 M parameters",
        Shape(12, 768, 3072, 30_527),
        caveat=SENTENCE_TUNED,
    ),
}


TRAINED: dict[str, str] = {
    "word2vec:task": "skip-gram vectors, width 100, trained on the task's training text: no transfer",
    "fasttext:task": "the same with character n-grams, which unseen words have too",
}
"""Word vectors that are trained on the task."""

COUNTS: dict[str, str] = {
    "tfidf": "TF-IDF of words and pairs of words, without an encoder: the floor; for probe, on whole texts",
}
"""Counts of words instead of an encoder: a model of scikit-learn reads them."""

LIKE = 0.8  # likeness to a name of ours from which one without an owner is misspelt
COUNTS_VERSION = 1
"""Raised when the same texts give other counts or another model of them."""


def kind_of(name: str) -> Literal["encoder", "vectors", "counts"]:
    """`vectors` for word vectors, `counts` for counts of words, `encoder` for everything else: a name or folder of
    Hugging Face."""
    if name in COUNTS:
        return "counts"
    if name in BACKBONES:
        return BACKBONES[name].kind
    if name in TRAINED or name.startswith(gensim_data.PREFIX):
        return "vectors"
    is_vectors = name.lower().endswith(VECTOR_SUFFIXES) and not Path(name).is_dir()
    return "vectors" if is_vectors else "encoder"


def reads(name: str, head: str) -> bool:
    """Whether a head of this kind can stand on the backbone: on counts of words, one of whole texts alone."""
    return kind_of(name) != "counts" or head == "pooled"


@while_unchanged
def identity(name: str) -> str:
    """What identifies the weights: a pinned digest, a digest of local files, or a hub name.

    Raises BenchError where a local path does not exist or holds no safetensors."""
    if name in COUNTS:
        return f"{name}:{COUNTS_VERSION}"
    if name in BACKBONES:
        return BACKBONES[name].package.sha256
    if name in TRAINED or name.startswith(gensim_data.PREFIX):
        return name  # what vectors are trained on is determined by task and recipe; gensim-data's names are fixed
    path = Path(name)
    if path.is_file():
        return _sha256(path)
    if path.is_dir():
        path = transformer_folder(name)
        weights = weights_in(name, path)
        names = [path / "config.json", path / "tokenizer.json", *weights]
        digests = "".join(_sha256(p) for p in names if p.is_file())
        others = sorted(p for pattern in TOKENIZER_FILES for p in path.glob(pattern) if p.is_file())
        digests += "".join(f"{p.name}:{_sha256(p)}" for p in others)
        digests += f"{LOWERING}:lower" if lowers_texts(read_json(path / LOWERING)) else ""
        digests += default_prompt(read_json(Path(name) / PROMPTS))
        return hashlib.sha256(digests.encode()).hexdigest()
    if name.count("/") > 1 or name.startswith((".", "/", "~")) or kind_of(name) == "vectors":
        raise BenchError(f"backbone {name}: there is no such file or folder", code="no-backbone")
    near = difflib.get_close_matches(name.lower(), [*BACKBONES, *TRAINED, *COUNTS], n=1, cutoff=LIKE)
    if near and "/" not in name:
        raise BenchError(
            f"backbone {name}: did you mean '{near[0]}'? (a model of the hub is written owner/name)",
            code="no-backbone",
        )
    return f"{HUB}{name}"


def weights(known: str, cache: Path) -> str:
    """What a record says of weights with this identity: the start of a digest; of a name of the hub, of the commit
    whose files are here, and '' where none are."""
    if not known.startswith(HUB):
        return digest(known)[:12]
    snapshot = _local_config(known.removeprefix(HUB), cache).parent
    return snapshot.name[:12] if snapshot.parent.name == "snapshots" else ""


def depth(name: str, sources: Sources) -> int:
    """Encoder layers of a backbone, from its configuration alone; 0 where it has none. Raises BenchError."""
    identity(name)
    if name.startswith(gensim_data.PREFIX):
        gensim_data.vector_file(name)
    if kind_of(name) != "encoder":
        return 0
    try:
        config = json.loads(_config_file(name, sources).read_text(encoding="utf-8"))
        layers = _layers(config)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise refusal(name, error, list(BACKBONES)) from error
    if type(layers) is not int or not 1 <= layers <= MOST_LAYERS:
        kind = str(config.get("model_type", "unknown kind"))[:40]
        says = "" if layers is None else f" (its config.json says {str(layers)[:40]})"
        raise BenchError(
            f"backbone '{name}' ({kind}) has no layers to transfer{says}; give an encoder", code="no-layers"
        )
    return layers


def architecture(name: str, sources: Sources) -> str:
    """The architecture that an encoder's configuration names, such as `bert`. Raises BenchError."""
    depth(name, sources)
    return str(json.loads(_config_file(name, sources).read_text(encoding="utf-8")).get("model_type", ""))


def positions(name: str, sources: Sources) -> int | None:
    """The most tokens that an encoder has positions for; None where it has no table of them. Raises BenchError."""
    depth(name, sources)
    if kind_of(name) != "encoder":
        return None
    config = json.loads(_config_file(name, sources).read_text(encoding="utf-8"))
    table = next((config[key] for key in TABLE_KEYS if config.get(key)), None)
    family = family_of(config.get("model_type"))
    if not isinstance(table, int) or family is None or family.positions is None:
        return None
    return table - family.positions


def check_positions(name: str, length: int, sources: Sources) -> None:
    """BenchError where texts of up to `length` tokens are longer than the backbone's table of positions."""
    most = positions(name, sources)
    if most and length > most:
        raise BenchError(
            f"{name} has positions for {most} tokens, and texts may have {length}: set recipe.max_length to "
            f"at most {most}",
            code="too-long-for-positions",
        )


def _layers(config: dict[str, Any]) -> Any:
    """Layers with weights of their own, of which an encoder consists; None where the configuration names none."""
    family = family_of(config.get("model_type"))
    if family and family.depth_key:
        return config.get(family.depth_key, 1)
    keys = ("encoder_layers", *DEPTH_KEYS) if family and family.part else DEPTH_KEYS
    return next((config[key] for key in keys if config.get(key)), None)


def shape(name: str, cache: Path) -> Shape:
    """The shape of a backbone, without a download: from its local configuration, else from its catalogue
    entry, else as well-known names have it, else BERT-base."""
    if kind_of(name) == "counts":
        return COUNTED
    if kind_of(name) == "vectors":
        return BACKBONES[name].shape if name in BACKBONES else VECTORS
    try:
        return _shape(json.loads(_local_config(name, cache).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, StopIteration, ArithmeticError, RecursionError):
        return BACKBONES[name].shape if name in BACKBONES else _known(hub_name(name)[0])


def _shape(config: dict[str, Any]) -> Shape:
    layers, family = int(_layers(config)), family_of(config.get("model_type"))
    width = next(config[key] for key in WIDTH_KEYS if config.get(key))
    inner = next((config[key] for key in INNER_KEYS if config.get(key)), 4 * width)
    gated = (family and family.gated) or str(config.get("feed_forward_proj", "")).startswith("gated")
    runs = int(config.get("num_hidden_layers", 1)) // layers if family and family.depth_key else 1
    vocabulary = int(config.get("vocab_size", BASE.vocabulary))
    if not all(0 < size <= LARGEST for size in (layers, width, inner, vocabulary, runs)):
        raise ValueError("a size that no encoder has")
    return Shape(layers, int(width), int(inner), vocabulary, 3 if gated else 2, runs)


def _known(name: str) -> Shape:
    """The sizes of a well-known name of the hub; BERT-base's for any other."""
    family = family_knowing(name)
    return family.known[name] if family else BASE


def _local_config(name: str, cache: Path) -> Path:
    """Where `config.json` is, or would be."""
    if name in BACKBONES:
        package = BACKBONES[name].package
        return cache / "members" / package.sha256[:16] / package.members[0]
    if Path(name).is_dir():
        return transformer_folder(name) / "config.json"
    from huggingface_hub import try_to_load_from_cache

    repository, revision = hub_name(name)
    found = try_to_load_from_cache(repository, "config.json", revision=revision)
    return Path(found) if isinstance(found, str) else Path(name) / "config.json"


def _config_file(name: str, sources: Sources) -> Path:
    """`config.json` of a packaged encoder, a folder or a Hugging Face name. AutoConfig would import torch; the
    weights are not verified for it."""
    if name in BACKBONES:
        package = BACKBONES[name].package
        return sources.members(package, package.members[:1])[package.members[0]]
    if Path(name).is_dir():
        return transformer_folder(name) / "config.json"
    from huggingface_hub import hf_hub_download

    repository, revision = hub_name(name)
    alone = not hub_is_there()
    return Path(hf_hub_download(repository, "config.json", revision=revision, local_files_only=alone))


@functools.cache
def hub_is_there() -> bool:
    """Whether the hub answers, asked once a process: its client would try for half a minute, for every file."""
    return hub_answers()


def hub_name(name: str) -> tuple[str, str | None]:
    """The repository of the hub and its revision, of `name@revision`; None: the newest one."""
    repository, _, revision = name.partition("@")
    return repository, revision or None


def transformer_folder(name: str) -> Path:
    """Where a local folder keeps the weights: older sentence-transformers have them in a folder of their own."""
    path = Path(name)
    if not (path / "config.json").is_file():
        for module in saved_modules(path):
            if module.kind == "Transformer":
                return path / module.path
    return path


def folder(name: str, sources: Sources) -> str:
    """The folder of a packaged encoder, downloaded when missing; a local one with weights; a name of the hub."""
    if Path(name).is_dir():
        return str(transformer_folder(name))
    if name not in BACKBONES:
        return name
    package = BACKBONES[name].package
    return str(sources.members(package)[package.members[0]].parent)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
