"""The scores on the card of an exported model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.analysis.statistics.metrics import ratios
from bench.export import scores
from tests.analysis.conftest import METRICS, make_predictions, make_record


def test_an_interval_ends_where_its_score_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve rows, half of it is more than what an F1 of 92% has left."""
    rows = make_predictions(np.array([1.0] * 11 + [0.0]))
    record = make_record().model_copy(
        update={"scores": {"test": {metric.name: ratios(metric, rows).score() for metric in METRICS}}}
    )
    tested = {name: values for name, values in rows.items() if name != "split"}
    monkeypatch.setattr(scores, "score", lambda *_: (record, {"test": tested}))
    group: Any = SimpleNamespace(rows=SimpleNamespace(train=[], test=[]))
    unread: Any = None
    card = scores.own_scores(record.cell, unread, group, unread)
    (line,) = (line for line in card.splitlines() if line.startswith("| f1 |"))
    assert line.endswith(" to 100.0 |")
