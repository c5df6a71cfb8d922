"""Trains a strategy and writes it as a Hugging Face folder, checked against the harness's own
predictions."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from bench.engine.machine import Device, choose_device
from bench.engine.model import Model
from bench.engine.plan import PlannedPhase
from bench.engine.prediction import predict
from bench.export.card import card
from bench.export.onnx_graph import GRAPH, add_graph, check_packages
from bench.export.onnx_graph import section as onnx_section
from bench.export.pooled import plain_encoder, save_head
from bench.export.problem import are_close, in_units, is_alike, named, problem_of, reads_pairs, shares_of
from bench.export.problem import inputs as _inputs
from bench.export.scores import UNSAID, Request, own_scores
from bench.export.standard import is_standard, standard_model, why_not
from bench.export.twins import twin_of
from bench.models.catalog import architecture, check_positions, kind_of
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


def check_free(folder: Path) -> None:
    """BenchError where a folder cannot become a model: it is a file, or holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(
            f"--export {folder} is there already and not empty: give a new folder", "export-not-empty"
        )


def check_exportable(cell: Cell, registry: Registry) -> None:
    """BenchError where no training gives a model to hand over: the strategy starts from random weights, or the
    backbone is no encoder."""
    if not registry.strategy(cell).pretrained:
        raise BenchError(
            f"strategy '{cell.strategy}' starts from random weights: it is a control, not a model to use",
            "export-random",
        )
    if registry.strategy(cell).needs:
        raise BenchError(
            f"cannot export {cell.strategy}: its weights are in four bits, and low-rank updates cannot be merged "
            "into them; export lora, which learns the same updates",
            "export-four-bits",
        )
    if kind_of(cell.backbone) != "encoder":
        what = "word vectors have" if kind_of(cell.backbone) == "vectors" else "counts of words have"
        raise BenchError(
            f"cannot export {cell.strategy} on {cell.backbone}: {what} no transformers class",
            "export-no-form",
        )


def check_form(cell: Cell, registry: Registry) -> None:
    """BenchError where no standard class has the form of the model: its family, the task's head or the recipe."""
    reason = why_not(
        architecture(cell.backbone, registry.sources), registry.task(cell.task).head, cell.recipe
    )
    if reason:
        raise BenchError(f"cannot export {cell.strategy} on {cell.backbone}: {reason}", "export-no-form")


def check_fits(cell: Cell, registry: Registry) -> None:
    """BenchError, before anything is trained, where there would be no model to hand over: as `check_exportable`
    and `check_form`, and where the strategy does not fit the encoder, or texts are longer than its table of
    positions."""
    check_exportable(cell, registry)
    check_form(cell, registry)
    check_positions(cell.backbone, cell.recipe.max_length, registry.sources)
    registry.phases(cell)


def export(
    cell: Cell, registry: Registry, folder: Path, device: str = "auto", request: Request = UNSAID
) -> Exported:
    """Train the cell in fp32, write `folder` whole or not at all, and compare its predictions with the
    harness's own on all test rows. Raises BenchError where the model cannot be handed over, the folder exists, or
    a prediction differs; and where an ONNX graph was asked for and cannot be had, once the folder is written."""
    check_free(folder)
    if request.onnx:
        check_packages()
    check_fits(cell, registry)
    context = RunContext(registry, Device(choose_device(device).torch, torch.float32))
    group = prepare_group(cell, context)
    trained = train(cell, 1.0, group, context, request.watch)
    scores = own_scores(cell, trained, group, context)
    model = replace(trained.model, prefix=None)
    whole = replace(trained.plan.phases[-1], frozen=0)
    group = replace(group, task=fitted_task(model, whole, group, cell.recipe))
    temperature = kept_logits(model, whole, group, cell.recipe).temperature
    expected = _expected(model, whole, group, temperature)
    encoder = _whole(model.backbone, cell, group, context)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        standard = is_standard(encoder, group.task.head, cell.recipe)
        linear: Any = model.head.map[-1].cpu()
        head = in_units(linear, group.labels, problem_of(group.rows.train), temperature)
        _write(encoder, head, cell, group, work)
        (work / "README.md").write_text(card(cell, group, standard, request, scores), encoding="utf-8")
        _check(work, group, expected)
        no_graph = _add_graph(work, group) if request.onnx else None
        if folder.exists():
            folder.rmdir()
        os.replace(work, folder)
    except OSError as error:
        raise BenchError(
            f"--export {folder} cannot be written ({error.strerror or error})", "cannot-write"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if no_graph:
        raise BenchError(f"{folder}/ is written and checked, without {GRAPH}: {no_graph}", no_graph.code)
    return Exported(folder, len(group.rows.train), len(group.rows.test))


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
