"""Loads a backbone and its tokenizer by name, folder or vector file."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.contracts import BenchError
from bench.data.prompts import lower, with_prompt
from bench.data.sources import Sources
from bench.models.backbone import Backbone
from bench.models.catalog import BACKBONES, TRAINED, folder, hub_name, identity, kind_of
from bench.models.checkpoints import check_tokenizer, check_weights, say_what_is_left_out
from bench.models.families import family_of
from bench.models.fetching import fetch
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.local_folders import INDEX, WEIGHTS, adapter_refused, check_index, check_named
from bench.models.pooling import lowers, prompt_of
from bench.models.refusals import refusal
from bench.models.static_vectors import kept_vectors
from bench.models.trained_vectors import Texts, train_vectors
from bench.models.vector_backbone import StaticVectors

PLAIN = {
    "output_hidden_states": False,
    "output_attentions": False,
    "return_dict": True,
    "chunk_size_feed_forward": 0,
}
"""What a forward pass returns and how it runs, whatever the configuration of a checkpoint says."""


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
    if kind_of(name) == "counts":
        raise BenchError(f"{name} counts words: it has no weights to load", code="no-weights")
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
    from transformers import AutoModel
    from transformers.utils import logging
    from transformers.utils.peft_utils import find_adapter_config_file

    logging.disable_progress_bar()
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    where, revision = (path, None) if Path(path).is_dir() else hub_name(path)
    try:
        adapter = find_adapter_config_file(where, revision=revision)
        if adapter:
            raise adapter_refused(name, Path(adapter))
        _check_parts(name, where, revision)
        config = config_of(name, where, revision)
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
        tokenizer = _tokenizer(name, where, revision)
    except BenchError:
        raise
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        raise _refused(name, error) from error
    finally:
        logging.set_verbosity(level)
    encoder = HuggingFaceEncoder(model.eval(), name)
    check_weights(name, found, encoder)
    say_what_is_left_out(name, config, found)
    check_tokenizer(name, tokenizer, encoder.rows)
    _give_padding(tokenizer, encoder.model.config)
    if lowers(name):
        lower(tokenizer)
    tokenizer.padding_side = tokenizer.truncation_side = "right"  # positions count from the start; so do cuts
    return Loaded(name, encoder, tokenizer, encoder.rows, model.config, prompt=prompt_of(name))


def _check_parts(name: str, where: str, revision: str | None) -> None:
    """BenchError where the hub's repository has its weights in several files, and one is no safetensors. A folder's
    weights were looked at when its digest was made."""
    if Path(where).is_dir():
        return
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(where, WEIGHTS, revision=revision), str):
        return  # the library reads this file, whatever index is beside it
    index = try_to_load_from_cache(where, INDEX, revision=revision)
    if isinstance(index, str):
        check_index(name, Path(index))


def _tokenizer(name: str, where: str, revision: str | None) -> Any:
    """The tokenizer. BenchError where the library cannot read its files, whatever it raises."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            where, revision=revision or "main", use_fast=True, trust_remote_code=False
        )
    except Exception as error:  # the tokenizers library raises a plain one
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BenchError(
            f"backbone '{name}': its tokenizer cannot be read ({reason[0][:150]}); save a tokenizer.json beside "
            "its weights with AutoTokenizer.from_pretrained(...).save_pretrained(...), where that works",
            code="no-tokenizer",
        ) from error


def config_of(name: str, where: str, revision: str | None) -> Any:
    """The configuration, with what its family is always set to, and without what a checkpoint asks of outputs.
    BenchError where the weights are quantised."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(where, revision=revision or "main", trust_remote_code=False)
    quantised = getattr(config, "quantization_config", None)
    if quantised:
        kind = quantised.get("quant_method", "") if isinstance(quantised, dict) else ""
        raise BenchError(
            f"backbone '{name}' has quantised weights{f' ({kind})' if kind else ''}: give the checkpoint in full "
            "precision; strategy qlora holds its weights in four bits",
            code="quantised-backbone",
        )
    check_named(name, getattr(config, "transformers_weights", None))
    family = family_of(config.model_type)
    for key, value in {**PLAIN, **(family.settings if family else {})}.items():
        setattr(config, key, value)
    if getattr(config, "_attn_implementation", None) not in (None, "eager", "sdpa"):
        config._attn_implementation = "eager"  # such as a kernel that is not installed here
    padding = getattr(config, "pad_token_id", None)
    if padding is not None and not 0 <= padding < getattr(config, "vocab_size", padding + 1):
        config.pad_token_id = None  # of some decoders it is -1, or that of a token without a row
    return config


def _kept_type(config: Any) -> torch.dtype:
    """The type that weights are loaded in: fp32, except where a decoder comes in bf16. It would take twice the
    memory, and what learns gets fp32 masters anyway."""
    family = family_of(config.model_type)
    decoder = family is not None and family.kind == "decoder"
    return torch.bfloat16 if decoder and config.dtype == torch.bfloat16 else torch.float32


def _refused(name: str, error: Exception) -> BenchError:
    if "custom code" in str(error) or "trust_remote_code" in str(error):
        return BenchError(
            f"backbone '{name}' needs code from its repository, which is never run: give a checkpoint of an "
            "architecture that transformers has",
            code="remote-code",
        )
    known = refusal(name, error, list(BACKBONES))
    if known.code != "no-backbone":
        return known
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return BenchError(
        f"backbone '{name}' cannot be loaded: {reason[:200]}; give a built-in name "
        f"({', '.join(BACKBONES)}), a Hugging Face name, or a folder with safetensors",
        code="cannot-load-backbone",
    )


def _give_padding(tokenizer: Any, config: Any) -> None:
    """Decoders come without a padding token: any will do, as the mask hides it."""
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
