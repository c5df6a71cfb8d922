"""Loads a backbone and its tokenizer by name, folder or vector file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models.backbone import Backbone
from bench.models.catalog import BACKBONES, TRAINED, folder, identity, kind_of
from bench.models.fetching import fetch
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.static_vectors import kept_vectors
from bench.models.trained_vectors import Texts, train_vectors
from bench.models.vector_backbone import StaticVectors


@dataclass(frozen=True)
class Loaded:
    """A pretrained backbone in evaluation mode on the CPU, and its tokenizer.

    vocabulary: rows of its embedding table, before any trimming. `config` builds the same architecture with
    random weights; None for word vectors. spared: seconds that loading from the local cache would have
    added, since word vectors stay in memory from one task to the next; negative by the time of downloads and
    conversions."""

    name: str
    backbone: Backbone
    tokenizer: Any  # a fast transformers tokenizer
    vocabulary: int
    config: Any = None
    spared: float = 0.0

    def random(self, seed: int) -> Backbone:
        """The same architecture with random weights: word vectors keep their shape, N(0, 0.02)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if self.config is None:
                return StaticVectors(torch.randn(self.vocabulary, self.backbone.width) * 0.02)
            from transformers import AutoModel

            return HuggingFaceEncoder(AutoModel.from_config(self.config).eval(), self.name)


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
    try:
        model, found = AutoModel.from_pretrained(
            path,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BenchError(
            f"backbone '{name}' cannot be loaded: {reason[:200]}; give a built-in name "
            f"({', '.join(BACKBONES)}), a Hugging Face name, or a folder with safetensors",
            code="cannot-load-backbone",
        ) from error
    finally:
        logging.set_verbosity(level)
    _check_weights(name, found)
    _check_tokenizer(name, tokenizer, model.get_input_embeddings().num_embeddings)
    encoder = HuggingFaceEncoder(model.eval(), name)
    return Loaded(name, encoder, tokenizer, encoder.rows, model.config)


def _check_weights(name: str, found: Any) -> None:
    """BenchError where the library would fill a parameter with random values; a pooler is not used."""
    wrong = {key for key, *_ in found["mismatched_keys"]} | set(found["missing_keys"])
    wrong = sorted(key for key in wrong if "pooler." not in key)
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
