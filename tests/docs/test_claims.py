"""The committed verdicts on published claims are those of the committed baselines. After a new baseline or claim:

UPDATE_GOLDEN=1 python -m pytest tests/docs/test_claims.py
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

TABLES = {"quick": "verify.md", "reference": "verify-reference.md"}
"""The table of each baseline."""


@pytest.mark.parametrize("suite", TABLES)
def test_the_verdicts_are_those_of_the_baseline(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    source, page = (
        open_source(f"results/baselines/{suite}.jsonl"),
        ROOT / "results" / "tables" / TABLES[suite],
    )
    made = render(table(verify(read(), source, Declared(Registry(discover()), chosen))), "md")
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(made, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == made
