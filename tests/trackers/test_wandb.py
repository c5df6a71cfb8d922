"""Weights & Biases without network: the files that its library keeps hold everything of a cell, once."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from bench.runs.folder import Store
from bench.trackers.contract import tracker
from bench.trackers.follow import Copy
from tests.trackers.conftest import TESTS, record

pytest.importorskip("wandb", reason="pip install -e .[wandb]")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

HEADER, BLOCK = 7, 32768  # of the file and of an entry; bytes of a block


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def copied(store: Store) -> int:
    return Copy(store, tracker("wandb", store)).update()


def entries(path: Path) -> list[bytes]:
    """The entries of a file in LevelDB's log format, behind a header of the library's own."""
    data, place, found, part = path.read_bytes(), HEADER, [], b""
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + HEADER])
        part += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # the whole entry, or its last part
            found.append(part)
            part = b""
    return found


def runs(store: Store) -> dict[str, Any]:
    """What the library kept of each cell: its protocol buffers, by kind."""
    from wandb.proto import wandb_internal_pb2 as messages

    found = {}
    for path in store.path.glob("wandb/wandb/offline-run-*/*.wandb"):
        kept: dict[str, list[Any]] = {}
        for entry in entries(path):
            message = messages.Record()
            message.ParseFromString(entry)
            kind = message.WhichOneof("record_type")
            if kind:
                kept.setdefault(kind, []).append(getattr(message, kind))
        found[kept["run"][0].display_name] = kept
    return found


def values(items: Any) -> dict[str, Any]:
    """The last value of each name among the items of messages."""
    return {
        item.key or ".".join(item.nested_key): json.loads(item.value_json)
        for message in items
        for item in message
    }


def test_a_cell_is_a_run_with_its_request_curves_and_scores(store: Store) -> None:
    assert copied(store) == 3
    found = runs(store)
    assert sorted(found) == [record(seed).cell.id for seed in range(3)]
    run = found[record(0).cell.id]
    assert run["run"][0].project == "suite"
    request = values([run["run"][0].config.update])
    assert request["strategy"] == "full"
    assert request["recipe.epochs"] == "2.0"
    steps = [values([message.item]) for message in run["history"]]
    assert [(step["_step"], round(step["curve.validation_f1"], 3)) for step in steps] == [(1, 0.1), (2, 0.2)]
    summary = values(message.update for message in run["summary"])
    assert summary["test.f1"] == 0.5
    assert summary["seconds.cold"] == 3.0
    assert [message.exit_code for message in run["exit"]] == [0]
    failed = found[record(2).cell.id]
    assert failed["run"][0].notes == "no luck"
    assert [message.exit_code for message in failed["exit"]] == [1]


def test_looking_again_adds_nothing_and_a_cell_that_ran_again_is_a_new_run(store: Store) -> None:
    copied(store)
    before = sorted(store.path.glob("wandb/wandb/offline-run-*"))
    assert copied(store) == 0
    assert sorted(store.path.glob("wandb/wandb/offline-run-*")) == before
    store.save(record(0, scores={"test": {"f1": 0.625}}), TESTS)
    assert copied(store) == 1
    assert len(list(store.path.glob("wandb/wandb/offline-run-*"))) == len(before) + 1
