"""What the hub's client is asked, and when it may ask the hub: its one function that loads is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError, WordsExample
from bench.data import hub
from bench.data.hub import hub_rows, without_hub
from bench.data.sources import SPLITS, Sources
from tasks.conll2003 import NAMES as ENTITIES
from tasks.conll2003 import CoNLL2003

NAMES = ["negative", "positive"]


def table() -> Any:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)}
    )
    return datasets.Dataset.from_dict({"text": ["bad", "good"], "label": [0, 1]}, features=features)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was asked for, and whether the client was told to ask nobody. The hub answers."""
    import datasets
    from datasets import config
    from huggingface_hub import constants

    asked: list[tuple[Any, ...]] = []

    def load(*place: Any, revision: str | None) -> Any:
        asked.append((*place, revision, config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE))
        if place[0] == "nobody/nothing":
            raise RuntimeError("no such data set\nat all")
        return datasets.DatasetDict({"train": table(), "dev": table()})

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    monkeypatch.setattr(config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return asked


def test_rows_and_names_are_those_of_the_data_set(loads: list[tuple[Any, ...]]) -> None:
    rows = hub_rows("someone/films", "small", "v2", NAMES)
    assert loads == [("someone/films", "small", "v2", False, False)]
    expected = [{"text": "bad", "label": 0}, {"text": "good", "label": 1}]
    assert dict(rows) == {"train": expected, "dev": expected}
    assert rows.names == {"label": NAMES}


def test_a_hub_that_does_not_answer_is_not_asked(
    loads: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import config
    from huggingface_hub import constants

    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    hub_rows("someone/films", None, None, None)
    assert loads == [("someone/films", None, None, True, True)]
    assert (config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE) == (False, False)


def test_in_a_block_without_the_hub_nobody_looks_whether_it_answers(
    loads: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(hub, "hub_answers", lambda: looked.append(1) or True)
    with without_hub():
        hub_rows("someone/films", None, None, None)
    assert looked == []
    hub_rows("someone/films", None, None, None)
    assert looked == [1]
    assert [asked[-2:] for asked in loads] == [(True, True), (False, False)]


@pytest.mark.usefixtures("loads")
def test_labels_in_another_order_are_refused() -> None:
    for labels in (NAMES, None, []):
        assert len(hub_rows("someone/films", None, None, labels)["train"]) == 2
    with pytest.raises(BenchError) as error:
        hub_rows("someone/films", None, None, NAMES[::-1])
    assert error.value.code == "other-labels"


def test_label_names_are_those_of_the_column_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CoNLL-2003 has names of parts of speech before those of entities."""
    import datasets

    def read(names: Sequence[str]) -> WordsExample:
        tags = [datasets.ClassLabel(names=list(found)) for found in (["NN", "VB"], names)]
        kinds = {"tokens": datasets.Value("string"), "pos_tags": tags[0], "ner_tags": tags[1]}
        features = datasets.Features({name: datasets.Sequence(kind) for name, kind in kinds.items()})
        columns = {"tokens": [["Ann", "ran"]], "pos_tags": [[0, 1]], "ner_tags": [[1, 0]]}
        rows = datasets.Dataset.from_dict(columns, features)
        loaded = datasets.DatasetDict(dict.fromkeys(SPLITS, rows))
        monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: loaded)
        return CoNLL2003().splits(Sources(tmp_path)).test[0]

    monkeypatch.setattr(hub, "hub_answers", lambda: True)
    assert read(ENTITIES).tags == ("B-PER", "O")
    with pytest.raises(BenchError) as error:
        read(ENTITIES[::-1])
    assert error.value.code == "other-labels"


@pytest.mark.usefixtures("loads")
@pytest.mark.parametrize(
    ("answers", "reason"), [(True, "(no such data set)"), (False, "(no answer from http://here)")]
)
def test_the_reason_is_the_hubs_where_it_answers(
    answers: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "hub_answers", lambda: answers)
    monkeypatch.setenv("HF_ENDPOINT", "http://here")
    with pytest.raises(BenchError) as error:
        hub_rows("nobody/nothing", None, None, None)
    assert error.value.code == "cannot-reach-hub"
    assert reason in str(error.value)
