"""Encoders that share layers, belong to a pair of encoder and decoder, or attend within windows."""

from __future__ import annotations

from dataclasses import replace

from bench.models.families.bert import AFTER_PADDING
from bench.models.families.contract import Family, Form

ALBERT = Family(
    name="albert",
    known=("albert-base-v2", "albert-large-v2"),
    layers="encoder.albert_layer_groups",
    embeddings="",
    outputs=("albert_layers.0.attention.dense", "albert_layers.0.ffn_output"),
    positions=0,
    depth_key="num_hidden_groups",
    form=Form(),
    small={"embedding_size": 16, "num_hidden_layers": 6, "num_hidden_groups": 3},
)
"""One group of weights runs several times in a row: a block is such a group, with all its runs."""

T5 = Family(
    name="t5",
    known=("t5-small", "t5-base", "google/flan-t5-base", "google/t5-v1_1-small"),
    layers="block",
    embeddings="",
    final="final_layer_norm",
    outputs=("layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"),
    segments="",
    part="encoder",
    lends="layer.0.SelfAttention",
    own_attention=True,
    small={"d_kv": 16, "num_layers": 3},
)
MT5 = replace(T5, name="mt5", known=("google/mt5-small", "google/mt5-base"))
BART = Family(
    name="bart",
    known=("facebook/bart-base", "facebook/bart-large"),
    layers="layers",
    embeddings="",
    outputs=("self_attn.out_proj", "fc2"),
    positions=0,
    segments="",
    part="encoder",
)
XLNET = Family(
    name="xlnet",
    known=("xlnet-base-cased", "xlnet-large-cased"),
    layers="layer",
    embeddings="",
    outputs=("ff.layer_2",),
    pooling="last",
    segments="layers",
    sequence_first=True,
    options={"use_mems": False},
    unread=("mask_emb",),
    own_attention=True,
)
"""Its attention holds its weights as bare tensors: LoRA and adapters reach the feed-forward part alone."""

LONGFORMER = Family(
    name="longformer",
    known=("allenai/longformer-base-4096",),
    layers="encoder.layer",
    embeddings="",
    positions=AFTER_PADDING,
    own_attention=True,
    unread=("*_global.*",),
    small={"attention_window": [4, 4, 4]},
)
"""Without global tokens, which belong to a task: every token attends to its window."""

BIG_BIRD = Family(
    name="big_bird",
    known=("google/bigbird-roberta-base",),
    layers="encoder.layer",
    positions=0,
    settings={"attention_type": "original_full"},
    own_attention=True,
    form=Form(),
)
"""With full attention: the sparse one depends on the length of the batch."""
