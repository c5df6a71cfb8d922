"""The peer of `setfit`: the library of the method's authors (Tunstall et al. 2022, arXiv 2209.11055).

Both train the same weights with the same pooling on as many batches of pairs, at the same learning rate with the
same warm-up, decay to zero and clipping. What differs is each side's own: setfit draws its pairs beforehand, every
pair once before any is repeated, and fits scikit-learn's logistic regression at its default penalty. This engine
draws a partner for each text of a batch, and chooses the penalty on validation data."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.contracts import BenchError, Cell, TextExample
from bench.data.batches import epoch_steps
from bench.data.splits import prepare
from bench.engine.machine import Device
from bench.extras import missing
from bench.models.catalog import folder
from bench.peers.classifiers import sentence_encoder
from bench.peers.measurement import Clock, SideOutcome
from bench.peers.trainer import set_dropout
from bench.registry import Registry


def run_setfit(cell: Cell, registry: Registry, device: Device) -> SideOutcome:
    """Train on pairs, fit the head, and score the test set. Raises BenchError where setfit cannot run the cell."""
    rate, share = _pairs(cell, registry)
    setfit, data_set = _library()
    task, recipe = registry.task(cell.task), cell.recipe
    clock = [device.clock()]
    rows = prepare(task, registry.sources, recipe, cell.draw)
    if not all(isinstance(row, TextExample) and not row.pair for row in rows.train):
        raise BenchError(
            f"{cell.id}: setfit is compared only on single texts with one label", code="no-setfit-peer"
        )
    labels = sorted({row.label for row in rows.train})
    encoder = sentence_encoder(folder(cell.backbone, registry.sources), cell, device)
    if recipe.encoder_dropout is not None:
        set_dropout(encoder, recipe.encoder_dropout)
    texts = [row.text for row in rows.train]
    train = data_set.from_dict({"text": texts, "label": [labels.index(row.label) for row in rows.train]})
    budget = round(recipe.epochs * epoch_steps(len(texts), recipe.batch_size))
    clock.append(device.clock())
    with tempfile.TemporaryDirectory(prefix="transferbench-peers-") as output:
        arguments = setfit.TrainingArguments(
            output_dir=output,
            batch_size=recipe.batch_size,
            max_steps=max(1, round(share * budget)),
            body_learning_rate=rate,
            warmup_proportion=recipe.warmup,
            l2_weight=recipe.weight_decay,
            seed=cell.seed,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            show_progress_bar=False,
        )
        model = setfit.SetFitModel(
            model_body=encoder, model_head=LogisticRegression(max_iter=1000), labels=labels
        )
        trainer = setfit.Trainer(model=model, args=arguments, train_dataset=train)
        trainer.st_trainer.args.max_grad_norm = recipe.clip
        trainer.train()
    clock.append(device.clock())
    predictions = model.predict([row.text for row in rows.test], show_progress_bar=False)
    score = task.score(rows.test, [str(label) for label in predictions])[task.headline]
    clock.append(device.clock())
    prepared, trained, evaluated = np.diff(clock).tolist()
    return SideOutcome(clock=Clock(prepare=prepared, train=trained, evaluate=evaluated), score=score)


def _library() -> tuple[Any, Any]:
    """setfit, and the class of the data sets that it takes. BenchError where it is not installed."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        import setfit
        from datasets import Dataset
    except ImportError as error:
        raise missing("peer setfit", "peers", error) from error
    return setfit, Dataset


def _pairs(cell: Cell, registry: Registry) -> tuple[float, float]:
    """The learning rate on pairs, and the share of the task's steps. BenchError where the strategy is another than
    setfit's."""
    first, *more = registry.phases(cell)
    strategy = registry.strategy(cell)
    usual = len(first.rates) == 1 and first.objective == "contrastive" and not strategy.reinit
    recipe = cell.recipe
    if not usual or [phase.solver for phase in more] != ["lbfgs"]:
        raise BenchError(
            f"{cell.id}: setfit is compared only with pairs at one rate, then L-BFGS", code="no-setfit-peer"
        )
    if recipe.schedule != "linear" or recipe.head != "linear":
        raise BenchError(
            "recipe.schedule and recipe.head: setfit has a linear schedule and a linear head",
            code="peers-recipe",
        )
    return first.rates[0][1] * recipe.rate_scale, first.share
