"""Encoders whose positions are rotations of queries and keys: no table of positions limits a text."""

from __future__ import annotations

from bench.models.families.contract import Family, Form

MODERNBERT = Family(
    name="modernbert",
    known=("answerdotai/ModernBERT-base", "answerdotai/ModernBERT-large", "jhu-clsp/ettin-encoder-68m"),
    layers="layers",
    final="final_norm",
    outputs=("attn.Wo", "mlp.Wo"),
    segments="",
    small={"local_attention": 4, "global_attn_every_n_layers": 2},
)
NOMIC_BERT = Family(
    name="nomic_bert",
    known=("nomic-ai/nomic-embed-text-v1.5",),
    layers="layers",
    outputs=("self_attn.o_proj", "mlp.down_proj"),
    form=Form(span=""),
)
EUROBERT = Family(
    name="eurobert",
    known=("EuroBERT/EuroBERT-210m",),
    layers="layers",
    embeddings="",
    final="norm",
    outputs=("self_attn.o_proj", "mlp.down_proj"),
    segments="",
    form=Form(token="classifier", span=""),
)
