"""The committed verdicts on published claims are those of the committed baseline. After a new baseline or claim:

python -m bench verify results/baselines/quick.jsonl --format md > results/tables/verify.md
"""

from __future__ import annotations

import os

import pytest

from bench.analysis.claims.declared import Declared
from bench.analysis.claims.findings import table
from bench.analysis.claims.published import read
from bench.analysis.claims.verify import verify
from bench.analysis.opening import open_source
from bench.analysis.tables.formats import render
from bench.cli.claims import chosen
from bench.registry import Registry, discover
from tests.docs.pages import ROOT

BASELINE = "results/baselines/quick.jsonl"
PAGE = ROOT / "results" / "tables" / "verify.md"


def test_the_verdicts_are_those_of_the_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made = render(table(verify(read(), open_source(BASELINE), Declared(Registry(discover()), chosen))), "md")
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made
