"""Trains a strategy and writes it as a Hugging Face folder, checked against the harness's own
predictions."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.contracts import BenchError, Cell
from bench.data.sequences import pooled_windows
from bench.data.spaced import for_words
from bench.engine.cell import fitted_task, train
from bench.engine.group import CellGroup, RunContext, prepare_group
from bench.engine.kept_logits import kept_logits
from bench.engine.machine import Device, choose_device, whole_fp32
from bench.engine.model import Model
from bench.engine.plan import PlannedPhase
from bench.engine.prediction import predict
from bench.engine.training import Watch
from bench.engine.tuning import tune
from bench.export.attempts import with_less_memory
from bench.export.card import card
from bench.export.checks import check_fits, check_free, not_written, place_of
from bench.export.onnx_graph import GRAPH, add_graph, check_packages
from bench.export.onnx_graph import section as onnx_section
from bench.export.pooled import plain_encoder, save_head
from bench.export.problem import are_close, in_units, is_alike, named, problem_of, reads_pairs, shares_of
from bench.export.problem import inputs as _inputs
from bench.export.scores import UNSAID, Request, own_scores
from bench.export.standard import is_standard, standard_model
from bench.export.twins import twin_of
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.loading import load
from bench.registry import Registry

SCRIPTS = Path(__file__).parent / "scripts"
PER_LAYER = ("layer_types", "mlp_layer_types", "no_rope_layers", "attention_window")
"""What configurations list for every layer."""
SCRIPT = {"pooled": "text.py", "token": "words.py", "span": "questions.py"}


@dataclass(frozen=True)
class Exported:
    """Where the model is, how many rows it learnt from, and how many test rows were predicted alike by both."""

    folder: Path
    rows: int
    checked: int


@dataclass(frozen=True)
class _Expected:
    """What the harness says of the test rows. shares: the probabilities of all labels of every text, float
    [texts, labels]; None where the task has no labels of texts."""

    answers: Sequence[Any]
    shares: np.ndarray | None


@dataclass(frozen=True)
class _Learnt:
    """A trained model without a prefix cache, what was prepared for it, and what the card and the check need: its
    scores in Markdown, the temperature that calibrates it, and what it says of the test rows."""

    model: Model
    group: CellGroup
    scores: str
    temperature: float | None
    expected: _Expected


def export(
    cell: Cell, registry: Registry, folder: Path, device: str = "auto", request: Request = UNSAID
) -> Exported:
    """Train the cell in fp32, write `folder` whole or not at all, and compare its predictions with the
    harness's own on all test rows. Raises BenchError where the model cannot be trained or handed over, the folder
    exists, or a prediction differs; and where an ONNX graph was asked for and cannot be had, once the folder is
    written."""
    check_free(folder)
    if request.onnx:
        check_packages()
    check_fits(cell, registry)
    context = RunContext(registry, Device(choose_device(device).torch, torch.float32))
    found = with_less_memory(cell, context, partial(_learn, cell, request.watch))
    group = found.group
    encoder = _whole(found.model.backbone, cell, group, context)
    try:
        with _work_beside(place := place_of(folder)) as work:
            standard = is_standard(encoder, group.task.head, cell.recipe)
            linear: Any = found.model.head.map[-1].cpu()
            head = in_units(linear, group.labels, problem_of(group.rows.train), found.temperature)
            _write(encoder, head, cell, group, work)
            text = card(cell, group, standard, request, found.scores)
            (work / "README.md").write_text(text, encoding="utf-8")
            with (
                whole_fp32()
            ):  # products of other shapes, rounded, would differ by more than the check allows
                _check(work, group, found.expected)
            no_graph = _add_graph(work, group) if request.onnx else None
            if place.exists():
                place.rmdir()
            os.replace(work, place)
    except OSError as error:
        raise not_written(folder, error) from error
    if no_graph:
        raise BenchError(f"{folder}/ is written and checked, without {GRAPH}: {no_graph}", no_graph.code)
    return Exported(folder, len(group.rows.train), len(group.rows.test))


@contextmanager
def _work_beside(folder: Path) -> Iterator[Path]:
    """A new folder beside another one, to be moved there; removed where that did not happen."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _learn(cell: Cell, watch: Watch, context: RunContext) -> _Learnt:
    """Train the cell as a run would: where its recipe tries several rates, the one that validation chooses is
    kept. Raises Diverged."""
    group = prepare_group(cell, context)
    trained, _ = tune(cell.recipe.tune, lambda scale: train(cell, scale, group, context, watch))
    scores = own_scores(cell, trained, group, context)
    model = replace(trained.model, prefix=None)
    whole = replace(trained.plan.phases[-1], frozen=0)
    fitted = replace(group, task=fitted_task(model, whole, group, cell.recipe))
    temperature = kept_logits(model, whole, fitted, cell.recipe).temperature
    with whole_fp32():
        expected = _expected(model, whole, fitted, temperature)
    return _Learnt(model, fitted, scores, temperature, expected)


def _add_graph(folder: Path, group: CellGroup) -> BenchError | None:
    """Write the ONNX graph, and its section of the card; why there is none where there cannot be one."""
    try:
        graph = add_graph(folder, group.task.head, _inputs(group.rows.test))
    except BenchError as error:
        return error
    with (folder / "README.md").open("a", encoding="utf-8") as card_file:
        card_file.write("\n".join(["", *onnx_section(graph)]))
    return None


def _whole(trained: Any, cell: Cell, group: CellGroup, context: RunContext) -> HuggingFaceEncoder:
    """The encoder with its whole embedding table: given rows where a token never occurred, trained ones
    elsewhere. It is of the family that it is exported as."""
    trained.merge()
    whole = load(cell.backbone, context.registry.sources).backbone
    assert isinstance(whole, HuggingFaceEncoder)
    whole.cast(torch.float32)
    if cell.recipe.layers is not None:
        whole.keep_layers(cell.recipe.layers)
        if not whole.family.depth_key:
            _shorten(whole.model.config, cell.recipe.layers)
    if group.setup.both_ways:
        whole.attend_both_ways()
    ids = whole.copy().trim(group.setup.tokens)
    kept = torch.from_numpy(np.flatnonzero(ids >= 0))
    target = whole.named_parameters()
    with torch.no_grad():
        for name, parameter in trained.named_parameters().items():
            values = parameter.detach().float().cpu()
            if target[name].shape == values.shape:
                target[name].copy_(values)
            else:
                target[name][kept] = values[torch.from_numpy(ids[ids >= 0].astype(np.int64))]
    return twin_of(whole)


def _expected(model: Model, whole: PlannedPhase, group: CellGroup, temperature: float | None) -> _Expected:
    """What the harness's own model says, all blocks run anew."""
    encoded = group.encoded["test"]
    logits, _ = predict(model, "test", group.splits["test"], whole)
    answers = group.task.decode(logits, encoded, group.rows.test, group.labels)
    if group.task.head != "pooled":
        return _Expected(answers, None)
    problem = problem_of(group.rows.train)
    return _Expected(answers, shares_of(pooled_windows(logits, encoded), problem, temperature))


def _shorten(config: Any, layers: int) -> None:
    """Let a configuration say that the model has its first `layers` layers alone."""
    config.num_hidden_layers = layers
    for name in PER_LAYER:
        kinds = getattr(config, name, None)
        if isinstance(kinds, list):
            setattr(config, name, kinds[:layers])


def _write(encoder: HuggingFaceEncoder, head: Any, cell: Cell, group: CellGroup, folder: Path) -> None:
    """head: a linear map whose outputs are as the data have them."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    kind, recipe = group.task.head, cell.recipe
    standard = is_standard(encoder, kind, recipe)
    problem = problem_of(group.rows.train)
    names = named(group.labels, problem)
    if standard:
        model = standard_model(encoder, head, kind, names)
        model.config.doc_stride = recipe.stride
    else:
        model = plain_encoder(encoder, names)
        save_head(head, recipe.pooling, recipe.max_length, folder)
    if problem:
        model.config.problem_type = problem
    for name, value in group.task.chosen.items():
        setattr(model.config, name, value)
    if reads_pairs(group.rows.train):
        model.config.reads_pairs = True
    if recipe.windows != "none":
        model.config.text_windows, model.config.text_stride = recipe.windows, recipe.stride
    if recipe.truncation != "head":
        model.config.text_truncation = recipe.truncation
    model.save_pretrained(folder)
    tokenizer = group.loaded.text_tokenizer if kind == "pooled" else group.loaded.tokenizer
    tokenizer = for_words(tokenizer) if kind == "token" else tokenizer
    tokenizer.model_max_length = recipe.max_length
    types = getattr(encoder.model.config, "type_vocab_size", 0) > 1
    if types and reads_pairs(group.rows.train) and "token_type_ids" not in tokenizer.model_input_names:
        given = [*tokenizer.model_input_names, "token_type_ids"]
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = (
            given  # saved from the second
        )
    tokenizer.save_pretrained(folder)
    shutil.copyfile(SCRIPTS / SCRIPT[kind], folder / "predict.py")
    shutil.copyfile(SCRIPTS / "predict_files.py", folder / "predict_files.py")
    folder.chmod(0o755)


def _check(folder: Path, group: CellGroup, expected: _Expected) -> None:
    """BenchError where the folder's own script says anything else than the harness did: an answer, or the
    probability of a label."""
    spec = importlib.util.spec_from_file_location("exported_predict", folder / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # it holds a path of this machine
    found = script.probabilities(str(folder), _inputs(group.rows.test))
    answers = script.answers(str(folder), found)
    alike = [is_alike(a, b, group.labels) for a, b in zip(expected.answers, answers, strict=True)]
    if expected.shares is not None:
        close = are_close(expected.shares, found, group.labels)
        alike = [a and b for a, b in zip(alike, close, strict=True)]
    wrong = [row.id for row, same in zip(group.rows.test, alike, strict=True) if not same]
    if wrong:
        raise BenchError(
            f"the exported model predicts {len(wrong)} of {len(alike)} test rows otherwise than the "
            f"harness (first: '{wrong[0]}'): nothing was written; please report this",
            "export-differs",
        )
