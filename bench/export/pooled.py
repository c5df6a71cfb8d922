"""A trained backbone and linear head on pooled tokens in the layout of sentence-transformers (Reimers & Gurevych
2019, arXiv 1908.10084): a Transformer, its Pooling, and a Dense map whose outputs are the logits.

The standard classifier of BERT and its kin reads the first token. A head on the mean of all tokens has no place
there, and here it is computed as it was measured. The encoder's folder is the standard one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from bench.export.standard import clean_config, with_weights
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.pooling import MODES, THEIRS, Kind

POOLING, DENSE = "1_Pooling", "2_Dense"


def plain_encoder(encoder: HuggingFaceEncoder, labels: tuple[str, ...]) -> Any:
    """The encoder as the library's own class, with the labels in its configuration. A pooler that the class has
    and nobody reads is zero: without values for it, every loading would warn. BenchError as `with_weights`."""
    from transformers import AutoModel, AutoModelForTextEncoding

    kind = AutoModelForTextEncoding if encoder.family.part else AutoModel  # the encoder of a pair, alone
    with torch.random.fork_rng(devices=[]):
        model = kind.from_config(clean_config(encoder, labels)).float().eval()
    with_weights(model, encoder)
    pooler = getattr(model, "pooler", None)
    with torch.no_grad():
        for parameter in pooler.parameters() if pooler is not None else ():
            parameter.zero_()
    return model


def save_head(head: nn.Linear, pooling: Kind, max_length: int, folder: Path) -> None:
    """Write what makes an encoder's folder a classifier: the list of modules, the pooling, the linear map."""
    from safetensors.torch import save_file

    paths = {"Transformer": "", "Pooling": POOLING, "Dense": DENSE}
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (name, path) in enumerate(paths.items())
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    modes = {key: kind == THEIRS[pooling] for key, kind in MODES.items()}
    (folder / POOLING).mkdir()
    _write(folder / POOLING / "config.json", {"word_embedding_dimension": head.in_features, **modes})
    (folder / DENSE).mkdir()
    dense = {
        "in_features": head.in_features,
        "out_features": head.out_features,
        "bias": True,
        "activation_function": "torch.nn.modules.linear.Identity",
    }
    _write(folder / DENSE / "config.json", dense)
    values = {f"linear.{name}": value.detach().contiguous() for name, value in head.named_parameters()}
    save_file(values, folder / DENSE / "model.safetensors", {"format": "pt"})


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
