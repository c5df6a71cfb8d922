"""The hub and its local layout; no test needs the hub."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.contracts import BenchError, QuestionExample, Task, TextExample
from bench.data.sources import Sources
from bench.data.splits import all_splits
from tasks.ag_news import AGNews
from tasks.conll2003 import NAMES, CoNLL2003
from tasks.squad_v1 import SquadV1
from tasks.squad_v2 import SquadV2
from tasks.sst2 import SST2
from tasks.wnut_17 import WNUT17


def local_sources(folder: Path, name: str, **splits: list[dict[str, Any]]) -> Sources:
    (folder / name).mkdir()
    for split, rows in splits.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / name / f"{split}.parquet")
    return Sources(folder / "cache", folder)


@pytest.mark.parametrize("setting", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_a_hub_that_cannot_be_reached_is_one_line_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    started = time.perf_counter()
    with pytest.raises(BenchError) as caught:
        Sources(tmp_path).hub("nobody/no-such-data-set")
    assert caught.value.code == "cannot-reach-hub"
    assert time.perf_counter() - started < 10
    assert "\n" not in str(caught.value)


def test_sentences_of_a_local_copy(tmp_path: Path) -> None:
    rows = [{"idx": n, "sentence": f"film {n} ", "label": n % 2} for n in range(4)]
    splits = SST2().splits(local_sources(tmp_path, "sst2", train=rows, validation=rows[:2], test=rows[:1]))
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [4, 2, 1]
    assert splits.train[1] == TextExample("train-1", "film 1", "positive")


def test_without_test_labels_validation_is_the_test_set(tmp_path: Path) -> None:
    rows = [{"idx": n, "sentence": f"film {n}", "label": n % 2} for n in range(100)]
    hidden = [{"idx": 0, "sentence": "hidden", "label": -1}]
    sources = local_sources(tmp_path, "sst2", train=rows[:90], validation=rows[90:], test=hidden)
    splits = SST2().splits(sources)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [81, 9, 10]


def test_a_missing_validation_set_is_cut_from_training(tmp_path: Path) -> None:
    rows = [{"text": f"news {n}", "label": n % 4} for n in range(100)]
    splits = AGNews().splits(local_sources(tmp_path, "ag_news", train=rows, test=rows[:10]))
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [81, 9, 10]
    assert splits.test[3].label == "Sci/Tech"


def test_tags_of_a_local_copy(tmp_path: Path) -> None:
    rows = [{"id": "0", "tokens": ["Ann", "Lee", "ran"], "ner_tags": [1, 2, 0]}]
    splits = CoNLL2003().splits(local_sources(tmp_path, "conll2003", train=rows, validation=rows, test=rows))
    assert splits.train[0].tags == ("B-PER", "I-PER", "O")


def test_training_sentences_that_wnut_17_tests_on_are_left_out(tmp_path: Path) -> None:
    train, validation, test = (
        [{"tokens": [word, "ran"], "ner_tags": [0, 0]} for word in words]
        for words in (("a", "b", "c", "d"), ("b", "e", "c"), ("c", "a"))
    )
    sources = local_sources(tmp_path, "wnut_17", train=train, validation=validation, test=test)
    found = all_splits(WNUT17().splits(sources))
    assert ["".join(row.words[0] for row in rows) for rows in found.values()] == ["d", "be", "ca"]


def test_questions_of_a_local_copy(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"{n}",
            "title": f"article {n // 5}",
            "question": "Who ran? ",
            "context": f"Ann {n} ran.",
            "answers": {"text": ["Ann", "Ann"], "answer_start": [0, 0]},
        }
        for n in range(50)
    ]
    splits = SquadV1().splits(local_sources(tmp_path, "squad", train=rows, validation=rows[:1]))
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [44, 5, 1]
    assert splits.test[0] == QuestionExample("0", "Who ran?", "Ann 0 ran.", (("Ann", 0),), "article 0")


def test_questions_without_an_answer_of_a_local_copy(tmp_path: Path) -> None:
    answers = ({"text": ["Ann"], "answer_start": [0]}, {"text": [], "answer_start": []})
    rows = [
        {
            "id": f"{n}",
            "title": f"article {n // 5}",
            "question": "Who ran?",
            "context": f"Ann {n} ran.",
            "answers": answers[n % 2],
        }
        for n in range(50)
    ]
    splits = SquadV2().splits(local_sources(tmp_path, "squad_v2", train=rows, validation=rows[:1]))
    found = [row.answers for row in (*splits.train, *splits.validation, *splits.test)]
    assert found.count(()) == found.count((("Ann", 0),)) == 25


@pytest.mark.parametrize("task", [SquadV1, SquadV2])
@pytest.mark.parametrize(
    "answers", [{"text": ["Bob"], "answer_start": [0]}, {"text": ["Ann"]}, None], ids=str
)
def test_an_answer_that_is_not_in_its_context_is_no_question_without_one(
    task: type[Task], answers: Any, tmp_path: Path
) -> None:
    row = {"id": "0", "title": "t", "question": "Who?", "context": "Ann ran.", "answers": answers}
    folder = {SquadV1: "squad", SquadV2: "squad_v2"}[task]
    with pytest.raises(BenchError, match="row 0 of split 'train'") as error:
        task().splits(local_sources(tmp_path, folder, train=[row], validation=[row]))
    assert error.value.code == "unexpected-row"


@pytest.mark.parametrize(
    ("task", "names"), [(SST2(), ["positive", "negative"]), (CoNLL2003(), [*NAMES, "B-X"])]
)
def test_other_label_names_than_expected_are_an_error(tmp_path: Path, task: Task, names: list[str]) -> None:
    sources = local_sources(tmp_path, task.name)
    (tmp_path / "labels.json").write_text(json.dumps({task.name: {"names": names}}))
    with pytest.raises(BenchError) as error:
        task.splits(sources)
    assert error.value.code == "other-labels"


@pytest.mark.parametrize(
    ("task", "column", "names"),
    [(SST2(), "label", ["positive", "negative"]), (CoNLL2003(), "ner_tags", [*NAMES[::-1]])],
)
def test_other_label_names_in_a_local_file_itself_are_an_error(
    tmp_path: Path, task: Task, column: str, names: list[str]
) -> None:
    """`datasets` writes them into the schema. Those of other columns do not count."""
    sources = local_sources(tmp_path, task.name)

    def written(**names_of: list[str]) -> None:
        features = {name: {"feature": {"names": given}} for name, given in names_of.items()}
        about = json.dumps({"info": {"features": features}})
        tokens = pa.array([[]], pa.list_(pa.string()))
        rows = pa.table({"tokens": tokens, "sentence": [""], "label": [0]})
        for split in ("train", "validation", "test"):
            table = rows.replace_schema_metadata({"huggingface": about})
            pq.write_table(table, tmp_path / task.name / f"{split}.parquet")

    written(pos_tags=names)
    assert task.splits(sources).train == []
    written(pos_tags=names, **{column: names})
    with pytest.raises(BenchError, match=f"'{task.name}/train.parquet' has the labels") as error:
        task.splits(sources)
    assert error.value.code == "other-labels"


def test_a_damaged_local_file_is_named(tmp_path: Path) -> None:
    sources = local_sources(tmp_path, "sst2")
    (tmp_path / "sst2" / "train.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(BenchError) as error:
        SST2().splits(sources)
    assert error.value.code == "not-parquet"


def test_a_local_copy_without_a_needed_split_names_it(tmp_path: Path) -> None:
    rows = [{"sentence": "film", "label": 0}]
    with pytest.raises(BenchError, match="'sst2' has no split 'test'") as error:
        SST2().splits(local_sources(tmp_path, "sst2", train=rows, validation=rows))
    assert error.value.code == "no-split"


def test_a_local_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        SST2().splits(Sources(tmp_path, tmp_path / "nowhere"))
    assert error.value.code == "no-folder"
