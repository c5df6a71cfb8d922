"""BERT and its kin: `embeddings`, then a list of layers that attend in both directions."""

from __future__ import annotations

from bench.models.families.contract import Family, Form

ROBERTA_HEAD = Form("classifier.dense", "tanh", "classifier.out_proj")
AFTER_PADDING = 2
"""Positions begin after the padding id, so that two rows of the table are never read."""

BERT = Family(
    name="bert",
    known=("bert-base-uncased", "bert-large-cased", "BAAI/bge-base-en-v1.5"),
    layers="encoder.layer",
    positions=0,
    form=Form("bert.pooler.dense", "tanh", "classifier"),
)
ROBERTA = Family(
    name="roberta",
    known=("roberta-base", "distilroberta-base"),
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
XLM_ROBERTA = Family(
    name="xlm-roberta",
    known=("xlm-roberta-base", "intfloat/multilingual-e5-base"),
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
CAMEMBERT = Family(
    name="camembert",
    known=("camembert-base",),
    layers="encoder.layer",
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
MPNET = Family(
    name="mpnet",
    known=("microsoft/mpnet-base", "sentence-transformers/all-mpnet-base-v2"),
    layers="encoder.layer",
    outputs=("attention.attn.o", "output.dense"),
    positions=AFTER_PADDING,
    form=ROBERTA_HEAD,
)
DEBERTA = Family(
    name="deberta-v2",
    known=("microsoft/deberta-v3-small", "microsoft/deberta-v3-base"),
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
    known=("google/electra-small-discriminator", "google/electra-base-discriminator"),
    layers="encoder.layer",
    after_embeddings="embeddings_project",
    positions=0,
    form=Form("classifier.dense", "positive", "classifier.out_proj"),
    small={"embedding_size": 16},
)
DISTILBERT = Family(
    name="distilbert",
    known=("distilbert-base-uncased", "distilbert-base-cased"),
    layers="transformer.layer",
    outputs=("attention.out_lin", "ffn.lin2"),
    positions=0,
    form=Form("pre_classifier", "positive", "classifier"),
)
