"""What the caveats of tasks say is counted on the real rows, where this machine has them."""

from __future__ import annotations

from collections import Counter

import pytest
from seqeval.metrics.sequence_labeling import get_entities

from bench.contracts import Splits
from bench.data.cache import default_cache
from bench.data.rows import rows_file
from bench.data.sources import Sources
from bench.data.splits import subset
from bench.registry import built_in_caveats, discover

CAVEATS = built_in_caveats()


def rows(name: str, monkeypatch: pytest.MonkeyPatch) -> Splits:
    monkeypatch.undo()  # the cache of the machine, not that of the tests
    task = discover().task(name)
    if not rows_file(name, task.version, default_cache()).is_file():
        pytest.skip(f"the rows of {name} are not on this machine")
    return task.splits(Sources(cache=default_cache()))


def test_three_role_words_are_most_entities_of_financial_ner(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Counter[str] = Counter()
    for example in rows("financial-ner", monkeypatch).test:
        for _, start, last in get_entities(list(example.tags)):
            found[" ".join(example.words[start : last + 1]).lower()] += 1
    three = dict(found.most_common(3))
    assert three.keys() == {"borrower", "lender", "bank"}
    assert f"{sum(three.values())} of the {found.total()} entities" in CAVEATS["financial-ner"]


def test_an_eighth_of_macro_f1_hangs_on_few_stories(monkeypatch: pytest.MonkeyPatch) -> None:
    test = rows("reuters-r8", monkeypatch).test
    whole, cut = (Counter(row.label for row in part) for part in (test, subset(test, 800)))
    assert len(whole) == 8
    assert f"grain, with {whole['grain']} of the {len(test):,} test stories" in CAVEATS["reuters-r8"]
    assert f"{cut['grain']} of the 800" in CAVEATS["reuters-r8"]
    counts = Counter(row.label for row in rows("reuters-r52", monkeypatch).test)
    single = sum(count == 1 for count in counts.values())
    assert f"{single} of the {len(counts)} topics" in CAVEATS["reuters-r52"]
    assert single / len(counts) == pytest.approx(1 / 8, abs=0.02)
