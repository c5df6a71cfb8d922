"""Workers of one node that share a folder of activations compute each prefix once between them, and lose no cell
where it cannot be written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.contracts import Cell
from bench.engine.activation_store import ActivationStore
from bench.engine.group import RunContext, prepare_group
from bench.engine.memory import Budget
from bench.engine.prefix import Prefix, Storage
from bench.executors.contract import Options, Work
from bench.executors.series import Series
from bench.models.heads import Head
from bench.runs.folder import Store
from bench.runs.listeners import Silent


def test_of_two_workers_at_the_same_prefix_one_computes_it(
    toy_cell: Callable[..., Cell], toy_context: RunContext, tmp_path: Path
) -> None:
    """Both begin at once, and a block takes long enough for the other to have begun too."""
    group = prepare_group(toy_cell("full"), toy_context)
    passes: list[int] = []

    def slow(*_: Any) -> None:
        passes.append(threading.get_ident())
        time.sleep(0.02)

    [first, *_] = group.given.modules_of(1)
    first.register_forward_hook(slow)
    together = threading.Barrier(2)
    head = Head(group.task.head, group.given.width, len(group.labels), toy_cell().recipe)
    workers = []
    for _ in range(2):
        storage = Storage(
            Budget({"memory": 1e9}), activations=ActivationStore(tmp_path, 10**9), content="weights"
        )
        prefix = Prefix(group.given, group.splits, head, toy_context.device, storage)

        def work(prefix: Prefix = prefix) -> None:
            together.wait()
            prefix.fill("train", (2,))

        workers.append((prefix, threading.Thread(target=work)))
    for _, thread in workers:
        thread.start()
    for _, thread in workers:
        thread.join()
    assert len(passes) == len(list(group.splits["train"].in_order_of_length()))
    assert len(set(passes)) == 1
    features = [prefix.features("train", 2) for prefix, _ in workers]
    assert all(kept is not None for kept in features)
    assert torch.equal(*features)  # pyright: ignore[reportCallIssue, reportArgumentType]


class Noting(Silent):
    """Keeps the lines that stay on the screen."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_folder_that_cannot_be_written_is_one_note_and_no_cell_is_lost(
    toy_cell: Callable[..., Cell], toy_context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It saves time alone: a cell that was skipped for it would be missing from a run that ends with 0."""
    monkeypatch.setattr("bench.engine.warm_up.rehearse", lambda *_: None)
    (tmp_path / "kept").write_text("")
    options = Options(device="cpu", executor="inline", activations=ActivationStore(tmp_path / "kept", 10**9))
    work = Work(Store(tmp_path / "run"), options, toy_context.registry.sources)
    series, listener = Series(work, toy_context.registry, "cpu"), Noting()
    cells = [toy_cell("probe"), toy_cell("probe", "toy-ner")]
    assert [record.status for cell in cells for record in series.run([cell], listener)] == ["done", "done"]
    (note,) = listener.notes
    assert note.startswith(f"--cache-dir {tmp_path / 'kept'} cannot be written (")
