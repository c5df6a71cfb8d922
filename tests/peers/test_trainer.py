"""A cell through Trainer: phases as declared, and scores that the task's own scorer gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate")

from bench.contracts import BenchError, Cell, Recipe
from bench.data.sources import Sources
from bench.engine.cell import build
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.plan import Parameters, Plan
from bench.engine.training import fit
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.loading import load
from bench.peers import trainer
from bench.peers.classifiers import plain, run_classifier, sentence_transformers
from bench.peers.engine import run_one, run_suite
from bench.peers.model import EncoderWithHead
from bench.peers.schedule import Thaw, optimizer_and_schedule
from bench.peers.settings import Settings
from bench.peers.trainer import features, run_trainer
from bench.registry import Plugins, Registry
from bench.runs.curve import Point
from strategies.gradual import Gradual

MakeCell = Callable[..., Cell]
CPU = Device(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def backbone(tiny_encoder: Path, sources: Sources) -> Any:
    return load(str(tiny_encoder), sources).backbone


def named(backbone: HuggingFaceEncoder) -> dict[str, torch.nn.Parameter]:
    return {**backbone.named_parameters(), "head.weight": torch.nn.Parameter(torch.zeros(2, backbone.width))}


def planned(backbone: HuggingFaceEncoder, recipe: Recipe, steps: int = 10) -> Plan:
    names = [*backbone.named_parameters(), "head.weight"]
    return Plan.of(Gradual(), Parameters(names, backbone.depth), recipe, steps)


def test_each_phase_thaws_what_it_declares(backbone: HuggingFaceEncoder) -> None:
    parameters = named(backbone)
    plan = planned(backbone, Recipe(epochs=2))
    thaw, step = Thaw(plan, parameters), 0
    for phase in plan.phases:
        for _ in range(phase.steps):
            thaw.on_step_begin(None, type("State", (), {"global_step": step}), None)
            assert {name for name, p in parameters.items() if p.requires_grad} == set(phase.rates)
            step += 1


def test_rates_are_those_of_the_phase_with_warm_up_and_decay_to_zero(backbone: HuggingFaceEncoder) -> None:
    parameters = named(backbone)
    plan = planned(backbone, Recipe(epochs=4, warmup=0.2), steps=10)
    optimizer, schedule = optimizer_and_schedule(plan, parameters, Recipe(warmup=0.2))
    name = "layers.3.output.dense.weight"  # the top layer: learns from the second phase on
    (place,) = [
        i
        for i, group in enumerate(optimizer.param_groups)
        if any(p is parameters[name] for p in group["params"])
    ]
    seen = []
    for _ in range(plan.steps):
        seen.append(optimizer.param_groups[place]["lr"])
        optimizer.step()
        schedule.step()
    for number, phase in enumerate(plan.phases):
        begin = sum(p.steps for p in plan.phases[:number])
        rates, full = seen[begin : begin + phase.steps], phase.rates.get(name, 0.0)
        assert max(rates) <= full
        assert (rates[-1] < full) or not full
    last = plan.phases[-1]
    assert seen[-1] == pytest.approx(last.rates[name] / (last.steps * 0.8))
    assert max(seen[-last.steps :]) == last.rates[name]


def test_biases_norms_and_embeddings_are_not_decayed(backbone: HuggingFaceEncoder) -> None:
    parameters = named(backbone)
    optimizer, _ = optimizer_and_schedule(planned(backbone, Recipe()), parameters, Recipe())
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
    names = {name for name, p in parameters.items() if id(p) in decayed}
    assert names == {n for n, p in parameters.items() if p.dim() == 2 and not n.startswith("embeddings.")}


@pytest.mark.parametrize("settings", [Settings.defaults(), Settings.tuned(CPU)], ids=["defaults", "tuned"])
@pytest.mark.parametrize("task", ["toy-sentiment", "toy-ner", "toy-qa"])
def test_trainer_runs_every_kind_of_head(
    task: str, settings: Settings, toy_cell: MakeCell, plugins: Plugins, sources: Sources
) -> None:
    outcome = run_trainer(toy_cell("gradual", task), Registry(plugins, sources), CPU, settings)
    assert outcome.score is not None
    assert 0 <= outcome.score <= 1
    assert min(outcome.clock.prepare, outcome.clock.train, outcome.clock.evaluate) > 0


def test_trainer_takes_the_steps_that_this_engine_takes(
    toy_cell: MakeCell, plugins: Plugins, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the whole training split in each batch and without dropout nothing is left to chance."""
    recipe = Recipe(epochs=8, batch_size=1000, max_length=32, stride=8, dropout=0.0, encoder_dropout=0.0)
    cell, context = toy_cell("gradual", recipe=recipe), RunContext(Registry(plugins, sources), CPU)
    group = prepare_group(cell, context)
    model, plan = build(cell, group, context)
    weights = {name: value.clone() for name, value in model.head.map[-1].state_dict().items()}
    own: dict[str, torch.Tensor] = {}

    def keep(_: Point) -> None:
        own.update({name: p.detach().clone() for name, p in model.backbone.named_parameters().items()})

    fit(model, plan, group.splits, recipe, 0, lambda _: 0.0, keep)
    seen: list[EncoderWithHead] = []

    class Seen(EncoderWithHead):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.classifier.load_state_dict(weights)
            seen.append(self)

    monkeypatch.setattr(trainer, "EncoderWithHead", Seen)
    run_trainer(cell, Registry(plugins, sources), CPU, Settings.defaults())
    peer = HuggingFaceEncoder(seen[0].encoder, "tiny").named_parameters()
    given = load(cell.backbone, sources).backbone.named_parameters()
    for name in (name for name in own if name.startswith("layers.")):
        assert not torch.equal(peer[name], given[name])
        torch.testing.assert_close(peer[name].detach(), own[name], atol=2e-5, rtol=0, msg=name)


def test_what_the_engine_changes_in_a_model_is_not_in_the_one_that_trainer_trains(
    toy_cell: MakeCell, plugins: Plugins, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[EncoderWithHead] = []

    class Seen(EncoderWithHead):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            seen.append(self)

    monkeypatch.setattr(trainer, "EncoderWithHead", Seen)
    run_trainer(toy_cell("frozen"), Registry(plugins, sources), CPU, Settings.defaults())
    assert seen[0].encoder.config._attn_implementation == "sdpa"
    assert not [m for m in seen[0].modules() if type(m).__module__.startswith("bench.") and m is not seen[0]]


@pytest.mark.parametrize("strategy", ["adapter", "probe"])
def test_what_trainer_has_no_part_for_is_refused(
    strategy: str, toy_cell: MakeCell, plugins: Plugins, sources: Sources
) -> None:
    with pytest.raises(BenchError) as error:
        run_trainer(toy_cell(strategy), Registry(plugins, sources), CPU, Settings.defaults())
    assert error.value.code == "no-trainer-peer"


def test_features_are_the_encoded_sequences(toy_cell: MakeCell, plugins: Plugins, backbone: Any) -> None:
    cell = toy_cell("full", "toy-ner")
    task = plugins.task(cell.task)
    rows = task.splits(Sources()).train
    tokenizer = load(cell.backbone, Sources()).tokenizer
    encoded = task.encode(rows, tokenizer, task.labels(rows), cell.recipe)
    found = features(encoded, "token")
    np.testing.assert_array_equal(np.concatenate([f["input_ids"] for f in found]), encoded.tokens)
    np.testing.assert_array_equal(np.concatenate([f["labels"] for f in found]), encoded.targets)


@pytest.mark.parametrize("encode", [plain, sentence_transformers])
def test_classifiers_fit_pooled_features(
    encode: Any, toy_cell: MakeCell, plugins: Plugins, sources: Sources
) -> None:
    if encode is sentence_transformers:
        pytest.importorskip("sentence_transformers")
    outcome = run_classifier(toy_cell("frozen"), Registry(plugins, sources), CPU, encode)
    assert outcome.score is not None
    assert 0 <= outcome.score <= 1


def test_both_encoders_of_texts_give_the_same_vectors(toy_cell: MakeCell) -> None:
    pytest.importorskip("sentence_transformers")
    cell, texts = toy_cell("frozen"), ["the film was good", "a dull book"]
    found = [encode(cell.backbone, cell, CPU)(texts) for encode in (plain, sentence_transformers)]
    np.testing.assert_allclose(*found, atol=1e-5)


def test_the_clock_of_a_cell_leaves_evaluation_apart(
    toy_cell: MakeCell, plugins: Plugins, sources: Sources
) -> None:
    outcome = run_one(toy_cell("top-layers"), Registry(plugins, sources), CPU)
    assert min(outcome.clock.prepare, outcome.clock.train, outcome.clock.evaluate) > 0


def test_a_suite_runs_all_its_cells(toy_cell: MakeCell, plugins: Plugins, sources: Sources) -> None:
    recipe = dataclasses.replace(toy_cell().recipe, epochs=1)
    cells = [
        toy_cell(strategy, seed=seed, recipe=recipe) for strategy in ("frozen", "full") for seed in range(2)
    ]
    assert run_suite(cells, Registry(plugins, sources), CPU).clock.whole > 0


@pytest.mark.parametrize(
    ("strategy", "options", "named"),
    [
        ("tapt", (), "objective"),
        ("surgical", (), "select"),
        ("auto-freeze", (), "freeze"),
        ("full", (("reinit", 1),), "reinit"),
        ("full", (("anchor", 0.1),), "anchor"),
        ("full", (("average", "swa"),), "average"),
    ],
)
def test_an_option_that_trainer_lacks_is_refused_by_name(
    strategy: str,
    options: tuple[tuple[str, object], ...],
    named: str,
    toy_cell: MakeCell,
    plugins: Plugins,
    sources: Sources,
) -> None:
    cell = toy_cell(strategy, options=options)
    with pytest.raises(BenchError, match=named) as error:
        run_trainer(cell, Registry(plugins, sources), CPU, Settings.defaults())
    assert error.value.code == "no-trainer-peer"
