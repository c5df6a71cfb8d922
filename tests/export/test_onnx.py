"""An exported model as an ONNX graph: ONNX Runtime predicts what the model predicts, or there is no graph."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.export import onnx_graph
from bench.export.folder import export
from bench.export.onnx_graph import GRAPH, Batches
from bench.export.scores import Request
from bench.registry import Plugins, Registry, discover
from tests.conftest import save_tiny_encoder
from tests.engine.test_language_loss import checkpoint

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="pip install -e .[onnx]")

RECIPE = Recipe(epochs=1, batch_size=8, max_length=32, stride=8, pooling="cls", rate_scale=3)
ALONE = """
import json, sys, traceback
for name in ("bench", "torch"):
    sys.modules[name] = None
found = []
for code, outputs in json.load(sys.stdin):
    names = {}
    try:
        exec(code, names)
        arrays = [names[name.strip()] for name in outputs.split(",")]
        setting = names["options"].get_session_config_entry("session.intra_op.allow_spinning")
        found.append({"shapes": [array.shape for array in arrays], "spins": setting})
    except Exception:
        found.append({"error": traceback.format_exc()})
print(json.dumps(found))
"""
"""The lines of model cards, each in its own namespace, where neither this project nor torch can be imported."""


@pytest.fixture(scope="module")
def toy_cell(toy_cell: Callable[..., Cell], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Cell]:
    """Cells on an encoder of one layer: a trace takes seconds for each."""
    folder = save_tiny_encoder(tmp_path_factory.mktemp("encoders") / "one-layer", layers=1)

    def make(strategy: str = "full", **changes: Any) -> Cell:
        return toy_cell(strategy, **{"backbone": str(folder), **changes})

    return make


@pytest.fixture(scope="module")
def exported(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """`exported(task, pooling)`: a model with its graph, trained once."""
    support = Path(__file__).parents[1] / "support"
    plugins = discover([toy_plugin, support / "toy_kinds.py", support / "toy_texts.py"])
    work, made = tmp_path_factory.mktemp("models"), {}

    def make(task: str, pooling: str) -> Path:
        if (task, pooling) not in made:
            cell = toy_cell("full", task=task, recipe=replace(RECIPE, pooling=pooling))
            registry = Registry(plugins, Sources(cache=work / "cache"))
            found = export(cell, registry, work / f"{task}-{pooling}", "cpu", Request(onnx=True))
            made[task, pooling] = found.folder
        return made[task, pooling]

    return make


FORMS = [
    ("toy-kinds", "cls"),
    ("toy-kinds", "mean"),
    ("toy-pairs", "mean"),
    ("toy-ner", "cls"),
    ("toy-qa", "cls"),
]


@pytest.fixture(scope="module")
def lines(exported: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """By form, what comes of the lines of its card; all in one process."""
    codes = []
    for task, pooling in FORMS:
        folder = exported(task, pooling)
        card = (folder / "README.md").read_text()
        (code,) = re.findall(r"```python\n(.*?)```", card.partition("## ONNX")[2], re.S)
        outputs = re.findall(r"^(.*?),? = session.run", code, re.M)[0]
        codes.append((code.replace("THIS FOLDER", str(folder)), outputs))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE],
        input=json.dumps(codes),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("form", range(len(FORMS)), ids=["-".join(form) for form in FORMS])
def test_the_lines_of_the_card_run_without_torch(form: int, lines: list[dict[str, Any]]) -> None:
    assert lines[form].get("error") is None
    assert all(shape[0] == 1 for shape in lines[form]["shapes"])


@pytest.mark.parametrize(
    ("task", "pooling", "given"),
    [
        ("toy-pairs", "mean", '["a text"], ["its second text"], truncation'),
        ("toy-kinds", "mean", '(["a text"], truncation'),
    ],
)
def test_the_lines_of_the_card_give_two_texts_where_pairs_are_read(
    task: str, pooling: str, given: str, exported: Callable[..., Path]
) -> None:
    assert given in (exported(task, pooling) / "README.md").read_text()


@pytest.mark.parametrize("form", range(len(FORMS)), ids=["-".join(form) for form in FORMS])
def test_the_lines_of_the_card_let_threads_sleep(form: int, lines: list[dict[str, Any]]) -> None:
    assert lines[form]["spins"] == "0"


def test_threads_sleep_while_the_graph_is_compared(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    begin, spins = onnxruntime.InferenceSession, []

    def session(path: str, options: Any, **more: Any) -> Any:
        spins.append(options.get_session_config_entry("session.intra_op.allow_spinning"))
        return begin(path, options, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
    cell = toy_cell("frozen", recipe=RECIPE)
    export(cell, registry, tmp_path / "model", "cpu", Request(onnx=True))
    assert spins == ["0"]


def test_the_graph_gives_the_probabilities_of_the_script(exported: Callable[..., Path]) -> None:
    """Texts of other lengths, and more of them, than it was traced with."""
    import importlib.util
    import json

    import onnxruntime
    from transformers import AutoTokenizer

    folder = exported("toy-kinds", "mean")
    spec = importlib.util.spec_from_file_location("predict_onnx", folder / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    texts = ["good", "the film was very bad and the food was worse", "where is it?", "", "a " * 40] * 7
    expected = script.probabilities(str(folder), texts)
    session = onnxruntime.InferenceSession(str(folder / GRAPH))
    batch = AutoTokenizer.from_pretrained(folder)(
        texts, truncation=True, padding=True, return_token_type_ids=True, return_tensors="np"
    )
    (found,) = session.run(["logits"], {item.name: batch[item.name] for item in session.get_inputs()})
    logits = np.asarray(found)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    for row, wanted in zip(shares, expected, strict=True):
        named = {labels[str(number)]: float(share) for number, share in enumerate(row)}
        assert named == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("family", ["distilbert", "roberta", "deberta-v2", "modernbert", "gpt2", "llama"])
def test_other_families_have_graphs_too(
    family: str, toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    checkpoint(family, "", tmp_path / "encoder", num_hidden_layers=2)
    pooling = "last" if family in ("gpt2", "llama") else "mean"
    cell = toy_cell("frozen", backbone=str(tmp_path / "encoder"), recipe=replace(RECIPE, pooling=pooling))
    registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
    export(cell, registry, tmp_path / "model", "cpu", Request(onnx=True))
    assert (tmp_path / "model" / GRAPH).is_file()


def refused(
    cell: Cell, plugins: Plugins, folder: Path, patch: pytest.MonkeyPatch, name: str, instead: Any
) -> BenchError:
    """What an export says that cannot have its graph; the model is there all the same."""
    patch.setattr(onnx_graph, name, instead)
    registry = Registry(plugins, Sources(cache=folder / "cache"))
    with pytest.raises(BenchError) as error:
        export(cell, registry, folder / "model", "cpu", Request(onnx=True))
    assert (folder / "model" / "predict.py").is_file()
    assert not list((folder / "model").glob(f"{GRAPH}*"))
    assert "ONNX" not in (folder / "model" / "README.md").read_text()
    assert f"written and checked, without {GRAPH}" in str(error.value)
    assert "\n" not in str(error.value)
    return error.value


def test_a_graph_that_predicts_otherwise_is_not_left(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph of the model with another last layer."""
    save = onnx_graph._save

    def other(model: Any, sample: Any, path: Path) -> None:
        model.linear.weight.data.neg_()
        save(model, sample, path)
        model.linear.weight.data.neg_()

    cell = toy_cell("full", recipe=replace(RECIPE, pooling="mean"))
    assert refused(cell, plugins, tmp_path, monkeypatch, "_save", other).code == "onnx-differs"


def test_a_graph_of_one_length_alone_is_not_left(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.exporters import configs

    fixed = configs.OnnxConfig
    monkeypatch.setattr(configs, "OnnxConfig", lambda dynamic: fixed(dynamic=False))
    cell = toy_cell("frozen", recipe=replace(RECIPE, pooling="mean"))
    error = refused(cell, plugins, tmp_path, monkeypatch, "ALONE", 8)
    assert error.code == "onnx-unsupported"
    assert "does not take" in str(error)


def test_what_the_exporter_cannot_trace_is_one_line(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.exporters.exporter_onnx import OnnxExporter

    def fails(*_: Any) -> None:
        raise ValueError("no such operator\nand a page more")

    monkeypatch.setattr(OnnxExporter, "export_program", fails)
    cell = toy_cell("frozen", recipe=replace(RECIPE, pooling="mean"))
    error = refused(cell, plugins, tmp_path, monkeypatch, "ALONE", 8)
    assert error.code == "onnx-unsupported"
    assert "(ValueError: no such operator)" in str(error)


def test_rows_are_compared_in_batches_and_alone(exported: Callable[..., Path]) -> None:
    rows = [f"the film was {word}" for word in ("good", "bad", "very very good")] * 4
    shapes = [
        tuple(batch["input_ids"].shape)
        for batch in Batches(exported("toy-kinds", "mean"), "pooled", rows, True)
    ]
    assert [shape[0] for shape in shapes] == [8, 4, *[1] * onnx_graph.ALONE]
    assert len({shape[1] for shape in shapes}) > 1


def test_a_graph_is_refused_where_no_model_is_saved() -> None:
    from bench.cli.recommend import check_onnx

    check_onnx(True, Path("model"))
    check_onnx(False, None)
    with pytest.raises(BenchError) as error:
        check_onnx(True, None)
    assert error.value.code == "onnx-alone"
