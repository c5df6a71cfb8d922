"""The peers of a head: scikit-learn's logistic regression on pooled features of the frozen encoder.

It is another estimator than a head that AdamW trains for the recipe's epochs: L2-regularised and solved to
convergence. The tables say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from bench.contracts import BenchError, Cell, Splits, TextExample
from bench.data.splits import prepare
from bench.engine.machine import Device
from bench.extras import missing
from bench.models.catalog import folder
from bench.models.pooling import THEIRS
from bench.peers.measurement import Clock, SideOutcome
from bench.peers.model import pool
from bench.registry import Registry

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to float32 [N, width]."""

Load = Callable[[str, Cell, Device], Encode]
"""The folder of an encoder, the cell and the device -> its encoder of texts."""


def run_classifier(cell: Cell, registry: Registry, device: Device, load: Load) -> SideOutcome:
    """Encode, fit, and score the test set. Raises BenchError where the cell is not a head on pooled features."""
    task = registry.task(cell.task)
    if cell.strategy != "frozen" or task.head != "pooled":
        raise BenchError(
            f"{cell.id}: a classifier on features is compared only with `frozen`, on tasks with a pooled head",
            code="no-classifier-peer",
        )
    clock = [device.clock()]
    rows: Splits = prepare(task, registry.sources, cell.recipe, cell.draw)
    if not all(isinstance(row, TextExample) and not row.pair for row in rows.train):
        raise BenchError(
            f"{cell.id}: a classifier on features is compared only on single texts with one label",
            code="no-classifier-peer",
        )
    encode = load(folder(cell.backbone, registry.sources), cell, device)
    clock.append(device.clock())
    features = encode([example.text for example in rows.train])
    classifier = LogisticRegression(max_iter=1000).fit(features, [example.label for example in rows.train])
    clock.append(device.clock())
    predictions = classifier.predict(encode([example.text for example in rows.test])).tolist()
    score = task.score(rows.test, predictions)[task.headline]
    clock.append(device.clock())
    prepared, trained, evaluated = np.diff(clock).tolist()
    return SideOutcome(clock=Clock(prepare=prepared, train=trained, evaluate=evaluated), score=score)


def plain(path: str, cell: Cell, device: Device) -> Encode:
    """transformers' AutoModel as a careful user runs it: bf16 where the hardware has it, sorted by length."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, use_fast=True, trust_remote_code=False)
    model = (
        AutoModel.from_pretrained(path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False)
        .eval()
        .to(device.torch)
    )
    recipe = cell.recipe

    def encode(texts: Sequence[str]) -> np.ndarray:
        tokens = tokenizer(list(texts), truncation=True, max_length=recipe.max_length)["input_ids"]
        order = np.argsort([len(ids) for ids in tokens], kind="stable")
        found = np.empty((len(texts), model.config.hidden_size), np.float32)
        low = device.dtype == torch.bfloat16
        with torch.inference_mode(), torch.autocast(device.torch.type, torch.bfloat16, enabled=low):
            for start in range(0, len(order), recipe.batch_size):
                index = order[start : start + recipe.batch_size]
                batch = tokenizer.pad({"input_ids": [tokens[i] for i in index]}, return_tensors="pt")
                batch = batch.to(device.torch)
                hidden = model(**batch).last_hidden_state
                found[index] = pool(hidden, batch["attention_mask"], recipe.pooling).float().cpu().numpy()
        return found

    return encode


def sentence_transformers(path: str, cell: Cell, device: Device) -> Encode:
    """sentence-transformers with its defaults and the same pooling. Raises BenchError where it is not installed."""
    model = sentence_encoder(path, cell, device)

    def encode(texts: Sequence[str]) -> np.ndarray:
        return np.asarray(
            model.encode(list(texts), batch_size=cell.recipe.batch_size, show_progress_bar=False), np.float32
        )

    return encode


def sentence_encoder(path: str, cell: Cell, device: Device) -> Any:
    """The encoder with the cell's pooling, as a SentenceTransformer. Raises BenchError where that is missing."""
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    except ImportError as error:
        raise missing("peer sentence-transformers", "peers", error) from error
    words = Transformer(path, max_seq_length=cell.recipe.max_length)
    kind: Any = THEIRS[cell.recipe.pooling]
    pooling = Pooling(words.get_embedding_dimension(), kind)
    return SentenceTransformer(modules=[words, pooling], device=str(device.torch))
