"""`plan --per-device`: what seeds at once would take of a GPU's memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import run
from tests.cli.test_measure import Command
from tests.support.made_runs import TOYS


@pytest.fixture
def on_toys(tiny_encoder: Path) -> list[object]:
    return [
        *("plan", "quick", "-t", "toy-sentiment", "-b", tiny_encoder, "-s", "full", "-s", "frozen"),
        *("--plugin", TOYS, "--seeds", 5, "--per-device", 4),
    ]


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        (None, "there is no GPU here to compare that with"),
        (("Abacus", 2**40), "Abacus has 1,048,576 MiB, so they fit"),
        (
            ("Abacus", 2**20),
            "Abacus has 1 MiB, so fewer will train at once: 1 of 4 seeds of toy-sentiment/full",
        ),
    ],
)
def test_it_says_what_they_take_and_whether_they_fit(
    gpu: tuple[str, int] | None,
    said: str,
    on_toys: list[object],
    bench: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_gpu", lambda: gpu)
    code, out, err = bench(*on_toys)
    assert code == 0, err
    shown = " ".join(out.split())
    assert "--per-device 4: up to 4 seeds at once, after the first of them; at most about" in shown
    assert said in shown


def test_it_is_json_too(on_toys: list[object], bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_gpu", lambda: None)
    code, out, err = bench(*on_toys, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["per_device"].startswith("--per-device 4: ")
    full = [cell for cell in found["cells"] if "/full/" in cell["id"]]
    assert {cell["at_once"] for cell in full} == {4}
    assert all(cell["memory_at_once"] > cell["memory"] for cell in full)
    assert not any("at_once" in cell for cell in found["cells"] if "/frozen/" in cell["id"])
