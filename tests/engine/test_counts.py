"""Cells without an encoder: run, stored and refused as every other cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bench import suite as suites
from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.data.splits import prepare
from bench.engine.counts import prepare_counts, run_counts
from bench.engine.group import RunContext
from bench.executors.contract import Options
from bench.executors.launch import launch
from bench.models.counts import INVERSE_PENALTIES, Linear
from bench.models.loading import load
from bench.planning.forecast import forecast
from bench.planning.grids import Filters
from bench.registry import Plugins, Registry
from bench.runs.folder import Store
from bench.runs.listeners import Silent
from bench.runs.record import Record
from tests.engine.test_cold_seconds import Scripted

ToyCell = Callable[..., Cell]


@pytest.fixture
def registry(plugins: Plugins, tmp_path: Path) -> Registry:
    return Registry(plugins, Sources(cache=tmp_path / "cache"))


@pytest.fixture
def run(registry: Registry, toy_plugin: Path, tmp_path: Path) -> Callable[..., list[Record]]:
    options = Options(device="cpu", executor="inline", plugin_files=(toy_plugin,))

    def launched(cells: Sequence[Cell], executor: str = "inline") -> list[Record]:
        chosen = replace(options, executor=executor)
        return launch(cells, registry, tmp_path / "run", chosen, Silent())

    return launched


def counted(toy_cell: ToyCell, **changes: object) -> Cell:
    return toy_cell("probe", backbone="tfidf", **changes)


@pytest.mark.parametrize("executor", ["inline", "process"])
def test_a_cell_predicts_what_a_plain_pipeline_predicts(
    executor: str, toy_cell: ToyCell, registry: Registry, run: Callable[..., list[Record]], tmp_path: Path
) -> None:
    cell = counted(toy_cell)
    (record,) = run([cell], executor)
    assert record.status == "done", record.reason
    rows = prepare(registry.task(cell.task), registry.sources, cell.recipe)
    tried = []
    for c in INVERSE_PENALTIES:
        vectors = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+", ngram_range=(1, 2))
        plain = make_pipeline(vectors, LogisticRegression(C=c, max_iter=1000))
        plain.fit([row.text for row in rows.train], [row.label for row in rows.train])
        score = plain.score([row.text for row in rows.validation], [row.label for row in rows.validation])
        tried.append((score, -c, plain))
    score, negative, plain = max(tried, key=lambda item: item[:2])
    expected = plain.predict([row.text for row in rows.test])
    kept = Store(tmp_path / "run").predictions(cell.id)
    assert kept["prediction"].to_pylist() == expected.tolist()
    assert kept["id"].to_pylist() == [row.id for row in rows.test]
    gold = np.array([row.label for row in rows.test])
    assert record.scores["test"]["accuracy"] == pytest.approx(float((expected == gold).mean()))
    assert record.chosen == {"inverse_penalty": -negative}
    assert record.parameters == record.trainable == plain[-1].coef_.size + plain[-1].intercept_.size


def test_its_record_says_what_other_records_say(toy_cell: ToyCell, run: Callable[..., list[Record]]) -> None:
    encoder, floor = run([toy_cell("probe"), counted(toy_cell)])
    assert encoder.data
    assert encoder.machine
    assert floor.data
    assert floor.machine
    assert floor.data.fingerprint == encoder.data.fingerprint
    assert floor.data.majority == encoder.data.majority
    assert floor.metrics == encoder.metrics
    assert floor.headline == encoder.headline
    assert floor.machine.processor == encoder.machine.processor
    assert floor.started
    assert floor.weights not in ("", encoder.weights)
    seconds = floor.seconds
    assert min(seconds.prepare, seconds.train, seconds.evaluate) > 0
    assert seconds.cold == pytest.approx(seconds.prepare + seconds.train + seconds.evaluate)


def test_validating_within_the_fit_is_evaluation_and_no_text_is_cut(
    toy_cell: ToyCell, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that moves by a minute wherever a model is asked for logits."""
    device = Scripted(torch.device("cpu"), torch.float32)
    context = RunContext(registry, device)
    cell = counted(toy_cell)
    group = prepare_counts(cell, context)
    assert isinstance(group.device, Scripted)
    resets: list[str] = []
    monkeypatch.setattr(Scripted, "reset_peak_memory", lambda self: resets.append("reset"))
    monkeypatch.setattr(Linear, "logits", group.device.after(Linear.logits, 60.0))
    (found,) = run_counts([cell], replace(group, seconds=7.0), context)
    assert not isinstance(found, BaseException)
    record, _ = found
    tried = len(INVERSE_PENALTIES)  # each on the validation rows; then those once more, and the test rows
    assert (record.seconds.train, record.seconds.evaluate) == (0, 60 * (tried + 2))
    assert (record.seconds.prepare, record.seconds.cold) == (7, 7 + 60 * (tried + 2))
    assert resets == ["reset"]
    assert record.data is not None
    assert record.data.truncated == 0


def test_seeds_differ_in_nothing_where_rows_are_fixed_and_in_their_rows_where_they_are_drawn(
    toy_cell: ToyCell, run: Callable[..., list[Record]], tmp_path: Path
) -> None:
    first, second = run([counted(toy_cell, seed=seed) for seed in (0, 1)])
    assert first.scores == second.scores
    recipe = replace(first.cell.recipe, shots=4)
    drawn = run([counted(toy_cell, seed=seed, recipe=recipe) for seed in (0, 1)])
    rows = [record.data.fingerprint for record in drawn if record.data]
    assert len(set(rows)) == 2


def test_logits_and_their_temperature_are_kept_where_they_are_asked_for(
    toy_cell: ToyCell, run: Callable[..., list[Record]], tmp_path: Path
) -> None:
    plain, found = counted(toy_cell), []
    for recipe in (replace(plain.recipe, logits=True), replace(plain.recipe, calibrate=True)):
        (record,) = run([replace(plain, recipe=recipe)])
        kept = Store(tmp_path / "run").predictions(plain.id)
        labels = [name.removeprefix("logit:") for name in kept.column_names if name.startswith("logit:")]
        logits = np.stack([kept[f"logit:{label}"].to_numpy() for label in labels], 1).astype(float)
        found.append((record.chosen.get("temperature"), logits))
        if recipe.logits:
            clear = np.ptp(logits, axis=1) > 0  # in float16 a text without a known word is a tie
            said = np.array(labels)[logits.argmax(1)]
            assert clear.any()
            assert (said == kept["prediction"].to_numpy())[clear].all()
    (none, raw), (temperature, divided) = found
    assert none is None
    assert temperature
    assert divided == pytest.approx(raw / temperature, rel=2e-3, abs=1e-6)


def test_a_finished_cell_is_not_run_again(toy_cell: ToyCell, run: Callable[..., list[Record]]) -> None:
    (first,), (second,) = run([counted(toy_cell)]), run([counted(toy_cell)])
    assert first == second


def test_a_strategy_that_needs_an_encoder_is_skipped_with_its_reason(
    toy_cell: ToyCell, run: Callable[..., list[Record]]
) -> None:
    done, skipped = run([toy_cell("full"), toy_cell("full", backbone="tfidf")])
    assert done.status == "done"
    assert skipped.status == "skipped"
    assert "use probe" in skipped.reason


@pytest.mark.parametrize("strategy", ["frozen", "full", "lora", "scratch", "setfit", "tapt"])
def test_only_a_head_that_is_solved_for_stands_on_counts(
    strategy: str, toy_cell: ToyCell, registry: Registry
) -> None:
    assert registry.incompatible(toy_cell(strategy, backbone="tfidf"))
    assert not registry.incompatible(counted(toy_cell))


@pytest.mark.parametrize("task", ["toy-ner", "toy-qa"])
def test_words_and_answers_are_out_of_its_reach(
    task: str, toy_cell: ToyCell, run: Callable[..., list[Record]]
) -> None:
    with pytest.raises(BenchError) as error:
        run([counted(toy_cell, task=task)])
    assert error.value.code == "strategy-does-not-fit"
    assert "reads whole texts" in str(error.value)


@pytest.mark.parametrize(("task", "there"), [("toy-sentiment", True), ("toy-ner", False), ("toy-qa", False)])
def test_the_grid_of_user_data_has_it_where_it_can_answer(task: str, there: bool, plugins: Plugins) -> None:
    own = suites.load("own")
    pairs = {(c.strategy, c.backbone) for c in suites.cells(own, plugins, Filters(tasks=(task,)))}
    assert ("probe", "minilm") in pairs
    assert (("probe", "tfidf") in pairs) is there
    assert {strategy for strategy, backbone in pairs if backbone == "tfidf"} <= {"probe"}
    named = suites.cells(own, plugins, Filters(tasks=(task,), backbones=("tfidf",)))
    assert {cell.backbone for cell in named} == {"tfidf"}


def test_no_other_suite_has_it(plugins: Plugins) -> None:
    for name in suites.names():
        grids = suites.load(name).grid
        assert name == "own" or all("tfidf" not in grid.backbones for grid in grids)


@pytest.mark.parametrize("backbone", ["tfidf", "word2vec:task"])
def test_what_is_made_from_the_task_is_not_downloaded(
    backbone: str, toy_cell: ToyCell, registry: Registry, tmp_path: Path
) -> None:
    found = forecast([toy_cell("probe", backbone=backbone)], registry, tmp_path / "run")
    assert not found.downloads
    assert found.rows[0].each.seconds > 0


def test_it_has_no_weights_to_load(registry: Registry) -> None:
    with pytest.raises(BenchError) as error:
        load("tfidf", registry.sources)
    assert error.value.code == "no-weights"
