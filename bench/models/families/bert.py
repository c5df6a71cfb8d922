"""BERT and its kin: `embeddings`, then a list of layers that attend in both directions."""

from __future__ import annotations

from bench.models.families.contract import Family, Form
from bench.models.shape import Shape

ROBERTA_HEAD = Form("classifier.dense", "tanh", "classifier.out_proj")
AFTER_PADDING = 2
"""Positions begin after the padding id, so that two rows of the table are never read."""

BERT = Family(
    name="bert",
    known={
        "bert-base-uncased": Shape(12, 768, 3072, 30522),
        "bert-base-cased": Shape(12, 768, 3072, 28996),
        "bert-large-uncased": Shape(24, 1024, 4096, 30522),
        "BAAI/bge-base-en-v1.5": Shape(12, 768, 3072, 30522),
        "BAAI/bge-small-en-v1.5": Shape(12, 384, 1536, 30522),
        "intfloat/e5-base-v2": Shape(12, 768, 3072, 30522),
    },
    layers="encoder.layer",
    positions=0,
    form=Form("bert.pooler.dense", "tanh", "classifier"),
)
ROBERTA = Family(
    name="roberta",
    known={
        "roberta-base": Shape(12, 768, 3072, 50265),
        "roberta-large": Shape(24, 1024, 4096, 50265),
        "distilroberta-base": Shape(6, 768, 3072, 50265),
    },
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
XLM_ROBERTA = Family(
    name="xlm-roberta",
    known={
        "xlm-roberta-base": Shape(12, 768, 3072, 250002),
        "xlm-roberta-large": Shape(24, 1024, 4096, 250002),
        "intfloat/multilingual-e5-base": Shape(12, 768, 3072, 250002),
    },
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
CAMEMBERT = Family(
    name="camembert",
    known={
        "camembert-base": Shape(12, 768, 3072, 32005),
    },
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
MPNET = Family(
    name="mpnet",
    known={
        "microsoft/mpnet-base": Shape(12, 768, 3072, 30527),
        "sentence-transformers/all-mpnet-base-v2": Shape(12, 768, 3072, 30527),
    },
    layers="encoder.layer",
    outputs=("attention.attn.o", "output.dense"),
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
DEBERTA = Family(
    name="deberta-v2",
    known={
        "microsoft/deberta-v3-xsmall": Shape(12, 384, 1536, 128100),
        "microsoft/deberta-v3-small": Shape(6, 768, 3072, 128100),
        "microsoft/deberta-v3-base": Shape(12, 768, 3072, 128100),
        "microsoft/deberta-v3-large": Shape(24, 1024, 4096, 128100),
    },
    layers="encoder.layer",
    form=Form("pooler.dense", "positive", "classifier"),
    small={
        "relative_attention": True,
        "position_buckets": 8,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_biased_input": False,
    },
)
ELECTRA = Family(
    name="electra",
    known={
        "google/electra-small-discriminator": Shape(12, 256, 1024, 30522),
        "google/electra-base-discriminator": Shape(12, 768, 3072, 30522),
    },
    layers="encoder.layer",
    after_embeddings="embeddings_project",
    positions=0,
    form=Form("classifier.dense", "positive", "classifier.out_proj"),
    small={"embedding_size": 16},
)
DISTILBERT = Family(
    name="distilbert",
    known={
        "distilbert-base-uncased": Shape(6, 768, 3072, 30522),
        "distilbert-base-cased": Shape(6, 768, 3072, 28996),
    },
    layers="transformer.layer",
    outputs=("attention.out_lin", "ffn.lin2"),
    positions=0,
    form=Form("pre_classifier", "positive", "classifier"),
)
