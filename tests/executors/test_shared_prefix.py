"""Workers of one node that share a folder of activations compute each prefix once between them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Cell
from bench.engine.activation_store import ActivationStore
from bench.engine.group import RunContext, prepare_group
from bench.engine.memory import Budget
from bench.engine.prefix import Prefix, Storage
from bench.models.heads import Head


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
