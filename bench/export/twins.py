"""Encoders that are exported as another family, which computes the same: their own standard classes need a decoder.

BART's encoder (Lewis et al. 2020, arXiv 1910.13461, section 2.1) has the layers of RoBERTa: attention and a
feed-forward part, each with a norm after it, on tokens and learned positions. What differs is where its table of
positions begins, and that some of its checkpoints scale the embeddings of tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.models.hf_encoder import HuggingFaceEncoder

UNUSED = 2
"""Rows of BART's table of positions that no token uses."""

NAMES = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
"""Parts of a layer: BART's, then RoBERTa's."""


def twin_of(encoder: HuggingFaceEncoder) -> HuggingFaceEncoder:
    """The encoder as its family's twin, with the same values; the encoder itself where it has none."""
    twin = encoder.family.twin
    return TWINS[encoder.family.name, twin](encoder) if twin else encoder


def _bart_as_roberta(encoder: HuggingFaceEncoder) -> HuggingFaceEncoder:
    from transformers import RobertaConfig, RobertaModel

    old, given = encoder.model.config, encoder.model.state_dict()
    # RoBERTa counts positions from the padding id; one that was added behind the vocabulary would need a long table
    padding = old.pad_token_id if old.pad_token_id is not None and old.pad_token_id < 16 else UNUSED - 1
    config = RobertaConfig(
        vocab_size=encoder.rows,
        hidden_size=old.d_model,
        num_hidden_layers=encoder.depth,
        num_attention_heads=old.encoder_attention_heads,
        intermediate_size=old.encoder_ffn_dim,
        hidden_act=old.activation_function,
        hidden_dropout_prob=old.dropout,
        attention_probs_dropout_prob=old.attention_dropout,
        classifier_dropout=old.classifier_dropout,
        max_position_embeddings=len(given["embed_positions.weight"]) - UNUSED + padding + 1,
        type_vocab_size=1,
        layer_norm_eps=encoder.model.layernorm_embedding.eps,
        pad_token_id=padding,
        bos_token_id=old.bos_token_id,
        eos_token_id=old.eos_token_id,
    )
    model = RobertaModel(config, add_pooling_layer=False).float().eval()
    model.load_state_dict(
        _values(given, model.state_dict(), padding + 1, encoder.model.embed_tokens.embed_scale)
    )
    return HuggingFaceEncoder(model, "roberta")


def _values(
    given: dict[str, Tensor], wanted: dict[str, Tensor], first: int, scale: float
) -> dict[str, Tensor]:
    """RoBERTa's parameters from those of BART's encoder. first: its row of positions for the first token."""
    positions = torch.zeros_like(wanted["embeddings.position_embeddings.weight"])
    positions[first:] = given["embed_positions.weight"][UNUSED:]
    found = {
        "embeddings.word_embeddings.weight": given["embed_tokens.weight"] * scale,
        "embeddings.position_embeddings.weight": positions,
        "embeddings.token_type_embeddings.weight": torch.zeros(1, positions.shape[1]),
        "embeddings.LayerNorm.weight": given["layernorm_embedding.weight"],
        "embeddings.LayerNorm.bias": given["layernorm_embedding.bias"],
    }
    for name, value in given.items():
        if name.startswith("layers."):
            _, layer, part = name.split(".", 2)
            module, _, kind = part.rpartition(".")
            found[f"encoder.layer.{layer}.{NAMES[module]}.{kind}"] = value
    return found


TWINS: dict[tuple[str, str], Callable[[HuggingFaceEncoder], HuggingFaceEncoder]] = {
    ("bart", "roberta"): _bart_as_roberta
}
"""By family and twin."""
