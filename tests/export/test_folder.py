"""An exported model is a standard one: without this project, it predicts what the harness predicts."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import train
from bench.engine.divergence import Diverged
from bench.export import folder as exporting
from bench.export.card import escaped
from bench.export.checks import check_free
from bench.export.folder import export
from bench.registry import Plugins, Registry, discover
from tests.support import warm

RECIPE = Recipe(epochs=2, batch_size=8, max_length=32, stride=8, pooling="cls", rate_scale=3)
STRATEGIES = ("probe", "frozen", "top-layers", "gradual", "full", "lp-ft", "lora", "full-mean", "probe-mean")
"""A strategy, on the first token; `-mean`: on the mean of all tokens."""
TASKS = ("toy-kinds", "toy-sentiment", "toy-ner", "toy-qa")
CASES = [
    *((task, strategy) for task in ("toy-kinds", "toy-sentiment") for strategy in STRATEGIES),
    *((task, name) for task in ("toy-ner", "toy-qa") for name in STRATEGIES if not name.endswith("-mean")),
]
"""Tags and answers are read from single tokens, whatever the pooling."""
FILES = {
    *("README.md", "config.json", "model.safetensors", "predict.py", "predict_files.py"),
    *("tokenizer.json", "tokenizer_config.json"),
}
"""Of a standard model."""
WITHOUT_BENCH = """
import importlib.util, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("bench", "strategies", "tasks"):
            raise ImportError(name + " is not installed here")
sys.meta_path.insert(0, Blocked())
found = []
for folder, inputs in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location("predict", folder + "/predict.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    found.append(script.predict(folder, inputs))
print("PREDICTIONS", json.dumps(found))
"""
"""A process that finds no module of this project, run with -I: no current folder, no PYTHONPATH."""


@dataclass(frozen=True)
class Model:
    """An exported folder, what was predicted from, and the harness's own predictions, of all test rows."""

    folder: Path
    inputs: Sequence[Any]
    expected: Sequence[Any]


def elsewhere(models: Sequence[Model], cwd: Path) -> list[list[Any]]:
    """What the folders' own scripts predict where this project is not installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_BENCH],
        input=json.dumps([(str(model.folder), model.inputs) for model in models]),
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("PREDICTIONS "))
    return json.loads(line.removeprefix("PREDICTIONS "))


@pytest.fixture(scope="module")
def pairs(
    toy_cell: Callable[..., Cell], toy_plugin: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Model, list[Any]]]:
    """By task and strategy: the exported model, and what it predicts without this project."""
    plugins = discover([toy_plugin, Path(__file__).parents[1] / "support" / "toy_kinds.py"])
    work = tmp_path_factory.mktemp("models")
    models = {}
    with pytest.MonkeyPatch.context() as patch:
        check = exporting._check

        def noted(folder: Path, group: Any, expected: Any) -> None:
            task, strategy, _ = folder.name.removeprefix(".").split("_")[:3]
            target = work / f"{task}_{strategy}_model"
            models[task, strategy] = Model(target, exporting._inputs(group.rows.test), expected.answers)
            check(folder, group, expected)

        patch.setattr(exporting, "_check", noted)
        for task, strategy in CASES:
            name = strategy.removesuffix("-mean")
            recipe = replace(RECIPE, pooling="mean" if name != strategy else "cls")
            cell = toy_cell(name, task=task, recipe=recipe)
            export(cell, Registry(plugins, Sources(cache=work)), work / f"{task}_{strategy}_model", "cpu")
    found = elsewhere(list(models.values()), work)
    return {key: (model, said) for (key, model), said in zip(models.items(), found, strict=True)}


@pytest.mark.parametrize(("task", "strategy"), CASES)
def test_without_this_project_a_model_predicts_what_the_harness_predicts(
    task: str, strategy: str, pairs: dict[tuple[str, str], tuple[Model, list[Any]]]
) -> None:
    model, said = pairs[task, strategy]
    assert len(model.expected) > 5
    assert said == [list(item) if isinstance(item, tuple) else item for item in model.expected]


def test_the_models_have_learnt_something_to_compare(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]],
) -> None:
    """Equal predictions of models that always say the same would show little."""
    different = {task for (task, _), (_, said) in pairs.items() if len({str(item) for item in said}) > 1}
    assert different == set(TASKS)


def exported(cell: Cell, plugins: Plugins, folder: Path) -> Any:
    return export(cell, Registry(plugins, Sources(cache=folder / "cache")), folder / "model", "cpu")


def test_a_folder_is_written_whole_and_says_what_it_is(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    found = exported(toy_cell("frozen", recipe=RECIPE), plugins, tmp_path)
    assert found.checked > 5
    assert sorted(path.name for path in tmp_path.glob("*model*")) == ["model"]
    assert {path.name for path in (tmp_path / "model").iterdir()} == FILES
    card = (tmp_path / "model" / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card
    rows = (
        Registry(plugins, Sources(cache=tmp_path / "cache")).task("toy-sentiment").splits(Sources(tmp_path))
    )
    assert f"{len(rows.train):,} rows to learn from" in card
    for label, count in Counter(row.label for row in rows.train).items():
        assert f"| {label} | {count:,} |" in card
    assert "This model on its test rows, which it did not learn from:" in card
    for part in ("## Scores", "## Limits", "## Licences", f"max_length = {RECIPE.max_length}", "torch "):
        assert part in card


def test_a_label_adds_no_markup_to_a_card() -> None:
    assert escaped("a|b\n# [c](d)") == "a\\|b \\# \\[c\\]\\(d\\)"


def test_a_head_that_has_no_form_elsewhere_says_why_not(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    def code_of(cell: Cell) -> str:
        with pytest.raises(BenchError) as error:
            exported(cell, plugins, tmp_path)
        return error.value.code

    assert code_of(toy_cell("scratch", recipe=RECIPE)) == "export-random"
    assert code_of(toy_cell("frozen", recipe=replace(RECIPE, head="bottleneck"))) == "export-no-form"
    assert code_of(toy_cell("frozen", recipe=replace(RECIPE, features="last-4"))) == "export-no-form"
    with pytest.raises(BenchError, match="not linear"):
        exported(toy_cell("adapter", recipe=RECIPE), plugins, tmp_path)
    assert not (tmp_path / "model").exists()


def test_texts_longer_than_the_table_of_positions_are_refused_before_training(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "train", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(BenchError, match="at most 64") as error:
        exported(toy_cell("full", recipe=replace(RECIPE, max_length=65)), plugins, tmp_path)
    assert error.value.code == "too-long-for-positions"


@pytest.mark.parametrize(("task", "code"), [("toy-ner", "export-no-form"), ("toy-qa", "export-no-form")])
def test_a_family_whose_heads_cannot_be_folded_is_refused_before_training(
    task: str,
    code: str,
    tiny_encoder: Path,
    toy_cell: Callable[..., Cell],
    plugins: Plugins,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Funnel's standard heads are not known; its pooled form is one of sentence-transformers'."""
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "funnel"}))
    monkeypatch.setattr(exporting, "prepare_group", lambda *_: pytest.fail("rows were encoded"))
    with pytest.raises(BenchError) as error:
        exported(toy_cell("full", task=task, recipe=RECIPE, backbone=str(folder)), plugins, tmp_path)
    assert error.value.code == code


@pytest.fixture(scope="module")
def tuned_checkpoint(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny encoder as a checkpoint of another task: seven labels, each yes or no."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("checkpoints") / "tuned"
    names = {number: f"old{number}" for number in range(7)}
    AutoModelForSequenceClassification.from_pretrained(
        tiny_encoder, id2label=names, problem_type="multi_label_classification"
    ).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("task", ["toy-kinds", "toy-ner", "toy-qa"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_checkpoint_of_another_task_leaves_nothing_of_it(
    task: str,
    pooling: str,
    tuned_checkpoint: Path,
    toy_cell: Callable[..., Cell],
    toy_plugin: Path,
    tmp_path: Path,
) -> None:
    plugins = discover([toy_plugin, Path(__file__).parents[1] / "support" / "toy_kinds.py"])
    recipe = replace(RECIPE, pooling=pooling)
    exported(toy_cell("frozen", task=task, backbone=str(tuned_checkpoint), recipe=recipe), plugins, tmp_path)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert not config.get("problem_type")
    assert not any(str(name).startswith("old") for name in config.get("id2label", {}).values())


def test_sentence_transformers_gives_the_logits_of_a_mean_pooled_model(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]],
) -> None:
    library = pytest.importorskip("sentence_transformers")
    model, said = pairs["toy-kinds", "full-mean"]
    labels = json.loads((model.folder / "config.json").read_text())["id2label"]
    logits = library.SentenceTransformer(str(model.folder), device="cpu").encode(list(model.inputs))
    assert [labels[str(row.argmax())] for row in logits] == said


def test_loading_an_exported_encoder_says_nothing(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoModel

    _, found = AutoModel.from_pretrained(pairs["toy-kinds", "full-mean"][0].folder, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]


def test_a_folder_that_is_there_is_not_touched(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("mine")
    with pytest.raises(BenchError) as error:
        exported(toy_cell("full", recipe=RECIPE), plugins, tmp_path)
    assert error.value.code == "export-not-empty"


def test_a_link_to_an_empty_folder_leads_to_the_model(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "model").symlink_to(tmp_path / "disk")
    exported(toy_cell("frozen", recipe=RECIPE), plugins, tmp_path)
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "disk" / "predict.py").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "disk", "model"}


def test_a_folder_that_cannot_be_replaced_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match="the current folder") as error:
        check_free(Path())
    assert error.value.code == "export-in-use"
    (tmp_path / "mounted").mkdir()
    monkeypatch.setattr("os.path.ismount", lambda path: path == tmp_path / "mounted")
    with pytest.raises(BenchError, match="mounted is a mount point"):
        check_free(Path("mounted"))
    check_free(Path("mounted/model"))


@pytest.mark.parametrize("name", ["file/model", "file/new/model", "x" * 300])
def test_a_folder_that_cannot_be_written_is_refused_before_training_and_leaves_nothing(
    name: str,
    toy_cell: Callable[..., Cell],
    plugins: Plugins,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("rows")
    monkeypatch.setattr(exporting, "prepare_group", lambda *_: pytest.fail("rows were encoded"))
    registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
    with pytest.raises(BenchError, match="cannot be written") as error:
        export(toy_cell("full", recipe=RECIPE), registry, tmp_path / name, "cpu")
    assert error.value.code == "cannot-write"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_looking_whether_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    check_free(tmp_path / "a" / "b" / "model")
    assert not list(tmp_path.iterdir())


def test_rates_are_tuned_as_in_a_run(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, kept = {}, []

    def noted(cell: Cell, scale: float, *of: Any) -> Any:
        found = train(cell, scale, *of)
        losses[scale] = found.fitted.loss
        return found

    monkeypatch.setattr(exporting, "train", noted)
    monkeypatch.setattr(exporting, "own_scores", lambda cell, trained, *_: kept.append(trained) or "")
    exported(toy_cell("full", recipe=replace(RECIPE, tune=(0.001, 1.0, 0.01))), plugins, tmp_path)
    assert list(losses) == [0.001, 1.0, 0.01]
    assert [trained.fitted.loss for trained in kept] == [min(losses.values())]


def test_what_is_compared_is_computed_in_whole_fp32(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's rounded products would make the script and the harness differ."""
    rounded: dict[str, bool] = {}

    def watched(name: str, does: Callable[..., Any]) -> None:
        def noted(*given: Any) -> Any:
            rounded[name] = torch.backends.cuda.matmul.allow_tf32
            return does(*given)

        monkeypatch.setattr(exporting, name, noted)

    watched("train", train)
    watched("predict", exporting.predict)
    watched("is_alike", exporting.is_alike)
    products = torch.backends.cuda.matmul
    before, products.allow_tf32 = products.allow_tf32, True
    try:
        exported(toy_cell("frozen", recipe=RECIPE), plugins, tmp_path)
    finally:
        products.allow_tf32 = before
    assert rounded == {"train": True, "predict": False, "is_alike": False}


def test_training_that_diverges_is_one_line(
    toy_cell: Callable[..., Cell], plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*_: Any) -> None:
        raise Diverged("the training loss is nan at step 3; try a smaller learning rate")

    monkeypatch.setattr(exporting, "train", diverges)
    with pytest.raises(BenchError) as error:
        exported(toy_cell("full", recipe=RECIPE), plugins, tmp_path)
    assert error.value.code == "export-diverged"
    assert str(error.value).startswith("cannot export full: the training loss is nan at step 3")


@pytest.mark.parametrize("enough", [2, 0])
def test_where_memory_is_short_batches_are_divided_and_in_the_end_one_line_says_so(
    enough: int,
    toy_cell: Callable[..., Cell],
    plugins: Plugins,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def short(cell: Cell, scale: float, group: Any, context: Any, watch: Any) -> Any:
        tried.append(context.memory.micro_batch)
        if not 0 < tried[-1] <= enough:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
        return train(cell, scale, group, context, watch)

    monkeypatch.setattr(exporting, "train", short)
    cell = toy_cell("full", recipe=RECIPE)
    if enough:
        assert exported(cell, plugins, tmp_path).checked > 5
        assert tried == [0, 4, 2]  # of a batch of 8; 0: all of it at once
        return
    with pytest.raises(BenchError) as error:
        exported(cell, plugins, tmp_path)
    assert tried[:4] == [0, 4, 2, 1]
    assert error.value.code == "export-memory"
    assert "(CUDA out of memory.)" in str(error.value)
    assert not (tmp_path / "model").exists()


def run_script(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), str(folder / "predict.py"), *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("strategy", ["full", "full-mean"])
def test_the_script_takes_a_file_and_gives_csv(
    strategy: str, pairs: dict[tuple[str, str], tuple[Model, list[Any]]], tmp_path: Path
) -> None:
    model, said = pairs["toy-kinds", strategy]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([["n", "review"], *([number, text] for number, text in enumerate(model.inputs))])
    done = run_script(
        model.folder,
        "--file",
        str(tmp_path / "rows.csv"),
        "--text",
        "review",
        "--out",
        str(tmp_path / "out.csv"),
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == said
    assert [row["text"] for row in rows] == list(model.inputs)
    shares = [[float(value) for name, value in row.items() if name.startswith("p(")] for row in rows]
    assert all(sum(row) == pytest.approx(1, abs=2e-3) for row in shares)
    assert all(
        float(row[f"p({row['label']})"]) == max(found) for row, found in zip(rows, shares, strict=True)
    )


def test_the_scripts_take_words_and_questions(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]], tmp_path: Path
) -> None:
    model, said = pairs["toy-ner", "full"]
    (tmp_path / "words.txt").write_text("\n".join(" ".join(words) for words in model.inputs))
    done = run_script(model.folder, "--file", str(tmp_path / "words.txt"))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["tag"] for row in rows] == [tag for tags in said for tag in tags]
    model, said = pairs["toy-qa", "full"]
    lines = [json.dumps({"question": question, "context": context}) for question, context in model.inputs]
    (tmp_path / "questions.any").write_text("\n".join(lines))
    done = run_script(model.folder, "--file", str(tmp_path / "questions.any"))
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["answer"] for row in rows] == said
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)


@pytest.mark.parametrize("task", TASKS)
def test_the_script_alone_shows_how_to_use_it(
    task: str, pairs: dict[tuple[str, str], tuple[Model, list[Any]]]
) -> None:
    done = run_script(pairs[task, "full"][0].folder)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_script_names_the_columns_of_a_file_that_lacks_the_one_wanted(
    pairs: dict[tuple[str, str], tuple[Model, list[Any]]], tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("id,body\n1,good\n")
    done = run_script(
        pairs["toy-kinds", "full"][0].folder, "--file", str(tmp_path / "rows.csv"), "--text", "review"
    )
    assert done.returncode == 2
    assert "no column 'review'" in done.stderr
    assert "id, body" in done.stderr
