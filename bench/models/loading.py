"""Loads a backbone and its tokenizer by name, folder or vector file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.contracts import BenchError
from bench.data.cache import notice
from bench.data.prompts import with_prompt
from bench.data.sources import Sources
from bench.models.backbone import Backbone
from bench.models.catalog import BACKBONES, TRAINED, folder, hub_name, identity, kind_of
from bench.models.families import family_of
from bench.models.fetching import fetch
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.pooling import prompt_of
from bench.models.refusals import refusal
from bench.models.static_vectors import kept_vectors
from bench.models.trained_vectors import Texts, train_vectors
from bench.models.vector_backbone import StaticVectors

PRETRAINING = {"cls", "lm_head", "generator_predictions", "discriminator_predictions", "mask_predictions"} | {
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector",
    "lm_predictions",
    "embeddings",
    "pooler",
}
"""Where checkpoints keep the heads that they were pretrained with, and old buffers: nobody misses them."""


@dataclass(frozen=True)
class Loaded:
    """A pretrained backbone in evaluation mode on the CPU, and its tokenizer.

    vocabulary: rows of its embedding table, before any trimming. `config` builds the same architecture with
    random weights; None for word vectors. spared: seconds that loading from the local cache would have
    added, since word vectors stay in memory from one task to the next; negative by the time of downloads and
    conversions. prompt: what goes before every text that is read as a whole; '' for most."""

    name: str
    backbone: Backbone
    tokenizer: Any  # a fast transformers tokenizer
    vocabulary: int
    config: Any = None
    spared: float = 0.0
    prompt: str = ""

    @property
    def text_tokenizer(self) -> Any:
        """The tokenizer for texts that are read as a whole, which puts the prompt before them."""
        return with_prompt(self.tokenizer, self.prompt) if self.prompt else self.tokenizer

    def random(self, seed: int) -> Backbone:
        """The same architecture with random weights: word vectors keep their shape, N(0, 0.02)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.config is None:
                return StaticVectors(torch.randn(self.vocabulary, self.backbone.width) * 0.02)
            from transformers import AutoModel

            model = AutoModel.from_config(self.config, dtype=torch.float32)
            return HuggingFaceEncoder(model.eval(), self.name)


def load(name: str, sources: Sources, texts: Texts | None = None) -> Loaded:
    """The backbone called `name`: `minilm`, `glove`, a Hugging Face name or folder, a word-vector file, a name of
    gensim-data, or word vectors to be trained on the `texts` of a task.

    Raises BenchError where it does not exist, cannot be split into layers, has no safetensors or no fast
    tokenizer."""
    weights = identity(name)
    began = time.perf_counter()
    fetch(name, sources)
    fetched = time.perf_counter() - began
    if kind_of(name) == "vectors":
        if name in TRAINED:
            vectors, tokenizer = train_vectors(name, texts or Texts())
            return Loaded(name, StaticVectors(torch.from_numpy(vectors)), tokenizer, len(vectors))
        began = time.perf_counter()
        kept = kept_vectors(name, weights, sources)
        spared = max(0.0, kept.seconds - (time.perf_counter() - began)) - fetched
        table = StaticVectors(torch.from_numpy(kept.table))
        return Loaded(name, table, kept.tokenizer, len(kept.table), spared=spared)
    return replace(_encoder(name, folder(name, sources)), spared=-fetched)


def _encoder(name: str, path: str) -> Loaded:
    kept_vectors.cache_clear()  # they would count towards the memory of the encoder's cells
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    where, revision = (path, None) if Path(path).is_dir() else hub_name(path)
    try:
        config = _config(where, revision)
        model, found = AutoModel.from_pretrained(
            where,
            revision=revision or "main",
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=_kept_type(config),
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            where, revision=revision or "main", use_fast=True, trust_remote_code=False
        )
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        raise _refused(name, error) from error
    finally:
        logging.set_verbosity(level)
    encoder = HuggingFaceEncoder(model.eval(), name)
    _check_weights(name, found, encoder)
    _say_what_is_left_out(name, config, found, encoder)
    _check_tokenizer(name, tokenizer, encoder.rows)
    _give_padding(tokenizer, encoder.model.config)
    return Loaded(name, encoder, tokenizer, encoder.rows, model.config, prompt=prompt_of(name))


def _config(where: str, revision: str | None) -> Any:
    """The configuration, with what its family is always set to."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(where, revision=revision or "main", trust_remote_code=False)
    family = family_of(config.model_type)
    for key, value in (family.settings if family else {}).items():
        setattr(config, key, value)
    return config


def _kept_type(config: Any) -> torch.dtype:
    """The type that weights are loaded in: fp32, except where a decoder comes in bf16. It would take twice the
    memory, and what learns gets fp32 masters anyway."""
    family = family_of(config.model_type)
    decoder = family is not None and family.kind == "decoder"
    return torch.bfloat16 if decoder and config.dtype == torch.bfloat16 else torch.float32


def _refused(name: str, error: Exception) -> BenchError:
    known = refusal(name, error, list(BACKBONES))
    if known.code != "no-backbone":
        return known
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return BenchError(
        f"backbone '{name}' cannot be loaded: {reason[:200]}; give a built-in name "
        f"({', '.join(BACKBONES)}), a Hugging Face name, or a folder with safetensors",
        code="cannot-load-backbone",
    )


def _say_what_is_left_out(name: str, config: Any, found: Any, encoder: HuggingFaceEncoder) -> None:
    """A notice where a checkpoint has the head of another task: it is not used."""
    roots = sorted({key.partition(".")[0] for key in found["unexpected_keys"]} - PRETRAINING)
    if roots and any("For" in made for made in config.architectures or ()):
        notice(f"{name} is a {config.architectures[0]}: its head ({', '.join(roots)[:80]}) is left out")


def _give_padding(tokenizer: Any, config: Any) -> None:
    """Decoders come without a padding token: any will do, as the mask hides it. Padding is at the end: positions
    are counted from the start."""
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id


def _check_weights(name: str, found: Any, encoder: HuggingFaceEncoder) -> None:
    """BenchError where the library would fill a parameter with random values; poolers and decoders are not used."""
    wrong = {key for key, *_ in found["mismatched_keys"]} | set(found["missing_keys"])
    unused = ("pooler", "decoder") if encoder.family.part else ("pooler",)
    wrong = sorted(key for key in wrong if not any(f"{part}." in key for part in unused))
    if wrong:
        raise BenchError(
            f"backbone '{name}': its weights and its config.json do not belong together: "
            f"'{wrong[0]}' is missing or of another shape ({len(wrong)} in all)",
            code="wrong-weights",
        )


def _check_tokenizer(name: str, tokenizer: Any, rows: int) -> None:
    """BenchError where the tokenizer is slow, empty, or larger than the embedding table of `rows` rows."""
    if not tokenizer.is_fast:
        raise BenchError(f"backbone '{name}' has no fast tokenizer (tokenizer.json)", code="slow-tokenizer")
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise BenchError(
            f"backbone '{name}' has no tokenizer (tokenizer.json): save one beside its weights with "
            "tokenizer.save_pretrained(...)",
            code="no-tokenizer",
        )
    if len(tokenizer) > rows:
        raise BenchError(
            f"backbone '{name}': its tokenizer knows {len(tokenizer)} tokens but its embedding table has "
            f"{rows} rows; they do not belong together",
            code="wrong-tokenizer",
        )
