"""Encoders whose positions are rotations of queries and keys: no table of positions limits a text."""

from __future__ import annotations

from bench.models.families.contract import Family, Form
from bench.models.shape import Shape

MODERNBERT = Family(
    name="modernbert",
    known={
        "answerdotai/ModernBERT-base": Shape(22, 768, 1152, 50368, 3),
        "answerdotai/ModernBERT-large": Shape(28, 1024, 2624, 50368, 3),
        "jhu-clsp/ettin-encoder-17m": Shape(7, 256, 384, 50368, 3),
        "jhu-clsp/ettin-encoder-68m": Shape(19, 512, 768, 50368, 3),
    },
    gated=True,
    layers="layers",
    final="final_norm",
    outputs=("attn.Wo", "mlp.Wo"),
    segments="",
    small={"local_attention": 4, "global_attn_every_n_layers": 2},
)
NOMIC_BERT = Family(
    name="nomic_bert",
    known={
        "nomic-ai/nomic-embed-text-v1.5": Shape(12, 768, 3072, 30528, 3),
    },
    gated=True,
    layers="layers",
    outputs=("self_attn.o_proj", "mlp.down_proj"),
    form=Form(span=""),
)
EUROBERT = Family(
    name="eurobert",
    known={
        "EuroBERT/EuroBERT-210m": Shape(12, 768, 3072, 128256, 3),
        "EuroBERT/EuroBERT-610m": Shape(26, 1152, 4096, 128256, 3),
    },
    gated=True,
    layers="layers",
    embeddings="",
    final="norm",
    outputs=("self_attn.o_proj", "mlp.down_proj"),
    segments="",
    form=Form(token="classifier", span=""),
)
