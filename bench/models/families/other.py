"""Encoders that share layers, belong to a pair of encoder and decoder, or attend within windows."""

from __future__ import annotations

from dataclasses import replace

from bench.models.families.bert import AFTER_PADDING, ROBERTA_HEAD
from bench.models.families.contract import Family, Form
from bench.models.shape import Shape

ALBERT = Family(
    name="albert",
    known={
        "albert-base-v2": Shape(1, 768, 3072, 30000, 2, 12),
        "albert-large-v2": Shape(1, 1024, 4096, 30000, 2, 24),
    },
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
    known={
        "t5-small": Shape(6, 512, 2048, 32128),
        "t5-base": Shape(12, 768, 3072, 32128),
        "google/flan-t5-base": Shape(12, 768, 2048, 32128, 3),
    },
    layers="block",
    embeddings="",
    final="final_layer_norm",
    outputs=("layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"),
    segments="",
    part="encoder",
    lends="layer.0.SelfAttention",
    own_attention=True,
    form=Form(span=""),
    small={"d_kv": 16, "num_layers": 3},
)
MT5 = replace(
    T5,
    name="mt5",
    known={
        "google/mt5-small": Shape(8, 512, 1024, 250112, 3),
        "google/mt5-base": Shape(12, 768, 2048, 250112, 3),
    },
)
BART = Family(
    name="bart",
    known={
        "facebook/bart-base": Shape(6, 768, 3072, 50265),
        "facebook/bart-large": Shape(12, 1024, 4096, 50265),
    },
    layers="layers",
    embeddings="",
    outputs=("self_attn.out_proj", "fc2"),
    positions=0,
    segments="",
    part="encoder",
    settings={"encoder_layerdrop": 0.0},
    form=ROBERTA_HEAD,
    twin="roberta",
)
"""No layer is skipped at random: a view of some layers would lose the activations that enter it."""
XLNET = Family(
    name="xlnet",
    known={
        "xlnet-base-cased": Shape(12, 768, 3072, 32000),
        "xlnet-large-cased": Shape(24, 1024, 4096, 32000),
    },
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
    known={
        "allenai/longformer-base-4096": Shape(12, 768, 3072, 50265),
    },
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
    known={
        "google/bigbird-roberta-base": Shape(12, 768, 3072, 50358),
    },
    layers="encoder.layer",
    positions=0,
    settings={"attention_type": "original_full"},
    own_attention=True,
    form=Form(span=""),
)
"""With full attention: the sparse one depends on the length of the batch."""
