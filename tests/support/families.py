"""A small random model of every family of encoders and decoders."""

from __future__ import annotations

from typing import Any

from bench.models.families import family_of

DEPTH, WIDTH, VOCABULARY, HEADS = 3, 32, 90, 2
PAD = 1  # as in RoBERTa and MPNet, whose positions count what is not padding

SIZES: dict[str, Any] = {
    **dict.fromkeys(("hidden_size", "dim", "d_model", "n_embd"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "encoder_layers", "decoder_layers"), DEPTH),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads", "num_key_value_heads"), HEADS),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), HEADS),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_ff", "d_inner", "n_inner"), 48),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim"), 48),
    "head_dim": WIDTH // HEADS,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "initializer_range": 0.2,
    "pad_token_id": PAD,
    "cls_token_id": 2,
    "bos_token_id": 2,
    "sep_token_id": 3,
    "eos_token_id": 3,
    "decoder_start_token_id": 2,
}
"""Sizes and tokens by the names that configurations have for them; a family takes those that it knows."""


def small_config(name: str, **changes: Any) -> Any:
    """The configuration of a model of this family with 3 layers, 32 values a token and 90 tokens."""
    import transformers

    family = family_of(name)
    assert family is not None
    usual = transformers.AutoConfig.for_model(name)
    names = {type(usual).attribute_map.get(key, key): value for key, value in SIZES.items()}
    known = {key: value for key, value in names.items() if hasattr(usual, key)}
    if name == "xlnet":  # has no table of positions, and refuses to hear of one
        del known["max_position_embeddings"]
    return transformers.AutoConfig.for_model(name, **{**known, **family.small, **family.settings, **changes})


def small_model(name: str, **changes: Any) -> Any:
    """A random model of this family, the same one each time."""
    import torch
    import transformers

    config = small_config(name, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.AutoModel.from_config(config).eval()
