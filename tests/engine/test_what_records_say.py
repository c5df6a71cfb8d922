"""What a record says of its rows, and a curve of its seconds and steps, however the model is trained."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from bench.contracts import Cell
from bench.engine import cell as cells
from bench.engine import pretraining, solving
from bench.engine.cell import build, pretrained, score, train, train_heads
from bench.engine.group import RunContext, prepare_group
from bench.engine.machine import Device
from bench.engine.training import Fit, fit

MakeCell = Callable[..., Cell]
NAP = 0.05  # seconds of each scoring


def slow(*_: object) -> float:
    time.sleep(NAP)
    return 0.5


def fitted(name: str, cell: Cell, context: RunContext, patch: pytest.MonkeyPatch) -> Fit:
    """What training leaves, where each scoring takes NAP."""
    group = prepare_group(cell, context)
    if name == "frozen":
        patch.setattr(cells, "headline", slow)
        heads = train_heads(cell, group, context)
        assert heads is not None
        return heads.trained(cell.seed, 1.0, lambda point: None).fitted
    model, plan = build(cell, group, context)
    for split in ("train", "validation"):
        group.prefix.fill(split, plan.boundaries)
    train = solving.solve if name == "probe" else fit
    return train(model, plan, group.splits, cell.recipe, 0, slow, lambda point: None)


@pytest.mark.parametrize("name", ["full", "frozen", "probe"])
def test_the_seconds_of_a_point_are_those_of_training_and_validation(
    name: str, toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = toy_cell(name, recipe=replace(toy_cell().recipe, evaluations=2, patience=9))
    found = fitted(name, cell, toy_context, monkeypatch)
    seconds = [point.seconds for point in found.curve]
    naps = NAP * (len(seconds) - 1)  # the last one may be counted after its point
    assert len(seconds) >= 4
    assert seconds == sorted(seconds)
    assert found.evaluate_seconds >= naps + NAP
    assert found.train_seconds + 0.8 * naps < seconds[-1] <= found.train_seconds + found.evaluate_seconds


@pytest.mark.parametrize("longest", [6, 32])
def test_a_record_says_what_its_rows_are(longest: int, toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen", recipe=replace(toy_cell().recipe, max_length=longest, stride=0))
    group = prepare_group(cell, toy_context)
    rows, data = group.rows, group.data
    lengths = [len(group.loaded.tokenizer(row.text)["input_ids"]) for row in rows.train]
    cut = sum(length > longest for length in lengths)
    assert data.truncated == cut / len(rows.train)
    assert (cut > 0) is (longest == 6)
    named = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    assert data.sizes == {name: len(part) for name, part in named.items()}
    assert (data.labels, data.task_version) == (group.labels, group.task.version)
    ((label, _),) = Counter(sorted(row.label for row in rows.train)).most_common(1)
    gold = [row.label for row in rows.test]
    said = [label] * len(gold)
    assert data.majority["accuracy"] == pytest.approx(np.mean([one == label for one in gold]))
    assert data.majority["f1"] == pytest.approx(f1_score(gold, said, average="macro", zero_division=0))


@dataclass(frozen=True)
class SevenBytes(Device):
    """Says that it has a peak of 7 bytes."""

    def peak_memory(self) -> int:
        return 7


@pytest.mark.parametrize(("replayed", "said"), [(5, 7), (9, 9)])
def test_the_peak_is_the_higher_one_of_the_device_and_of_replayed_steps(
    replayed: int, said: int, toy_cell: MakeCell, toy_context: RunContext
) -> None:
    context = replace(toy_context, device=SevenBytes(torch.device("cpu"), torch.float32))
    cell = toy_cell("frozen")
    group = prepare_group(cell, context)
    trained = train(cell, 1.0, group, context, lambda point: None)
    trained.fitted.peak_memory = replayed
    record, _ = score(cell, trained, group, context)
    assert record.peak_memory == said


@pytest.mark.parametrize("name", ["setfit", "tapt"])
def test_steps_before_the_task_are_counted_from_one(
    name: str, toy_cell: MakeCell, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a loss that is not finite is reported at its step."""
    cell = toy_cell(name)
    group = prepare_group(cell, toy_context)
    model, plan = build(cell, group, toy_context)
    seen: list[int] = []
    given = pretraining.check_finite

    def noted(losses: torch.Tensor, last: int) -> None:
        seen.append(last)
        assert losses.shape == (1, 2)
        given(losses, last)

    monkeypatch.setattr(pretraining, "check_finite", noted)
    pretrained(model, plan, cell, group)
    (phase,) = plan.pretraining
    assert seen == list(range(1, phase.steps + 1))


def test_a_head_whose_gradient_is_not_finite_is_told_by_its_step() -> None:
    from bench.engine.batched_heads import Member

    plan: object = None
    make = partial(Member, plan, plan, 0, 1.0, 0.0)  # type: ignore[arg-type]
    logits = np.random.default_rng(0).normal(size=(20, 2))
    fine, wild = torch.tensor([[1.0, 1.0], [1.0, 2.0]]), torch.tensor([[1.0, 1.0], [1.0, float("inf")]])
    sound = make()
    assert sound.judge(logits, fine, 0.5, 10)
    assert (sound.diverged, sound.waited) == (None, 0)
    broken = make()
    assert not broken.judge(logits, wild, 0.5, 10)
    assert "gradient's norm is inf at step 10" in str(broken.diverged)
    flat = make()
    assert not flat.judge(np.ones((20, 2)), fine, 0.5, 10)
    assert "collapsed" in str(flat.diverged)
