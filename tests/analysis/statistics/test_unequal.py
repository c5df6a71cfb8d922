"""How many documents the test examples of each task come from."""

from __future__ import annotations

import pytest

from bench.analysis.groups import gather
from bench.analysis.statistics.resampling import Source
from bench.analysis.statistics.unequal import documents, one_document
from tests.analysis.conftest import make_record
from tests.analysis.statistics.test_few_documents import run_of as in_documents
from tests.analysis.statistics.test_unequal_seeds import run_of


@pytest.mark.parametrize(("count", "alone"), [(1, ["t"]), (2, []), (7, [])])
def test_documents_are_counted_by_task(count: int, alone: list[str]) -> None:
    run = in_documents(count)
    lost = make_record("t", "aborted", status="failed", scores={})
    groups = sorted(gather([lost, *run.records]).values(), key=lambda group: group.key.strategy)
    source = Source(run.predictions)
    assert groups[0].done == ()
    assert documents(groups, source) == {"t": count}
    assert one_document(groups, source) == alone


def test_examples_of_unknown_documents_are_of_none() -> None:
    run = run_of({"full": {0: 0.9}})
    groups, source = gather(run.records).values(), Source(run.predictions)
    assert documents(groups, source) == {"t": 0}
    assert one_document(groups, source) == []
    assert documents(groups, source, "tweets") == {}
