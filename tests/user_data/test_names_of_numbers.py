"""Numbers of labels mean what their own file says: each Parquet file of `datasets` has names of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from bench.contracts import BenchError
from tests.support.user_files import LABELS, SENTENCES, TEXTS, all_rows, conll, delimited, opened

NAMES = ("bad", "good")
TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC")
OTHERS = [f"another text {n}" for n in range(12)]
ANSWERS = [NAMES[n % 2] for n in range(12)]


def parquet(path: Path, names: Sequence[str], column: str, **columns: Sequence[Any]) -> Path:
    """A file as `datasets` writes it: numbers in `column`, and their names in the schema."""
    feature: dict[str, Any] = {"names": list(names), "_type": "ClassLabel"}
    listed = isinstance(columns[column][0], (list, tuple))
    features = {column: {"feature": feature, "_type": "List"} if listed else feature}
    table = pyarrow.table({key: list(values) for key, values in columns.items()})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    return path


def labelled(path: Path, names: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> Path:
    return parquet(path, names, "label", text=texts, label=[names.index(label) for label in labels])


@pytest.mark.parametrize("names", [("bad", "good"), ("good", "bad"), ("ugly", "good", "bad")])
def test_each_file_names_its_numbers(names: Sequence[str], tmp_path: Path) -> None:
    train = labelled(tmp_path / "a.parquet", NAMES, TEXTS, LABELS)
    test = labelled(tmp_path / "b.parquet", names, OTHERS, ANSWERS)
    assert [row.label for row in opened(train, test_data=str(test)).splits.test] == ANSWERS


def test_each_file_of_a_folder_names_its_numbers(tmp_path: Path) -> None:
    labelled(tmp_path / "train.parquet", NAMES, TEXTS, LABELS)
    labelled(tmp_path / "test.parquet", NAMES[::-1], OTHERS, ANSWERS)
    assert [row.label for row in opened(tmp_path).splits.test] == ANSWERS


def test_names_of_a_test_file_alone_are_used_where_they_are_those_of_training(tmp_path: Path) -> None:
    train = tmp_path / "a.csv"
    train.write_text(delimited(), encoding="utf-8")
    test = labelled(tmp_path / "b.parquet", NAMES, OTHERS, ANSWERS)
    assert [row.label for row in opened(train, test_data=str(test)).splits.test] == ANSWERS


@pytest.mark.parametrize("numbers", [True, False])
def test_names_of_training_hold_for_a_file_without(numbers: bool, tmp_path: Path) -> None:
    train = labelled(tmp_path / "a.parquet", NAMES, TEXTS, LABELS)
    test = tmp_path / "b.csv"
    rows = [(t, NAMES.index(a) if numbers else a) for t, a in zip(OTHERS, ANSWERS, strict=True)]
    test.write_text(delimited(rows), encoding="utf-8")
    assert [row.label for row in opened(train, test_data=str(test)).splits.test] == ANSWERS


def test_a_number_of_the_test_file_without_a_name_is_refused(tmp_path: Path) -> None:
    train = labelled(tmp_path / "a.parquet", NAMES, TEXTS, LABELS)
    test = tmp_path / "b.csv"
    test.write_text(delimited([(text, n % 3) for n, text in enumerate(OTHERS)]), encoding="utf-8")
    with pytest.raises(BenchError) as error:
        opened(train, test_data=str(test))
    assert error.value.code == "label-without-name"


def test_a_hidden_test_file_has_no_labels(tmp_path: Path) -> None:
    """GLUE's test files have -1 for every label."""
    labelled(tmp_path / "train.parquet", NAMES, TEXTS, LABELS)
    parquet(tmp_path / "test.parquet", NAMES, "label", text=OTHERS, label=[-1] * 12)
    found = opened(tmp_path)
    assert {row.text for row in found.splits.test} < set(TEXTS)
    assert any("has no labels: training rows become the test rows" in note for note in found.notes)


def test_numbers_of_several_labels_have_names_in_every_file(tmp_path: Path) -> None:
    """As `datasets` writes a list of classes for each text, in files of their own for training and test."""
    names = ("food", "price", "staff")
    sets = [[n % 3] if n % 4 else [n % 3, (n + 1) % 3] for n in range(len(TEXTS))]
    parquet(tmp_path / "train.parquet", names, "labels", text=TEXTS, labels=sets)
    parquet(tmp_path / "test.parquet", names, "labels", text=OTHERS, labels=sets[:12])
    found = opened(tmp_path)
    assert found.data.adapter == "multilabel"
    assert [set(row.labels) for row in found.splits.test] == [
        {names[place] for place in places} for places in sets[:12]
    ]


@pytest.mark.parametrize("wrong", ["train", "test"])
def test_a_number_without_a_name_among_several_labels_is_refused(wrong: str, tmp_path: Path) -> None:
    names = ("food", "price", "staff")
    sets = [[n % 3] if n % 4 else [n % 3, (n + 1) % 3] for n in range(len(TEXTS))]
    odd = [*sets[:5], [1, 7], *sets[6:]]
    train, test = (odd if wrong == split else sets for split in ("train", "test"))
    parquet(tmp_path / "train.parquet", names, "labels", text=TEXTS, labels=train)
    parquet(tmp_path / "test.parquet", names, "labels", text=OTHERS, labels=test[:12])
    with pytest.raises(BenchError, match="label 7 has no name") as error:
        opened(tmp_path)
    assert error.value.code == "label-without-name"


def test_shards_with_other_names_are_refused(tmp_path: Path) -> None:
    labelled(tmp_path / "train-00000-of-00002.parquet", NAMES, TEXTS, LABELS)
    labelled(tmp_path / "train-00001-of-00002.parquet", NAMES[::-1], OTHERS, ANSWERS)
    with pytest.raises(BenchError) as error:
        opened(tmp_path)
    assert error.value.code == "different-shards"
    assert "other names of labels" in str(error.value)


def test_each_file_names_its_tags(tmp_path: Path) -> None:
    def tagged(path: Path, names: Sequence[str], more: str) -> Path:
        words = [[word + more for word, _ in sentence] for sentence in SENTENCES]
        tags = [[names.index(tag) for _, tag in sentence] for sentence in SENTENCES]
        return parquet(path, names, "ner_tags", tokens=words, ner_tags=tags)

    train = tagged(tmp_path / "a.parquet", TAGS, "")
    test = tagged(tmp_path / "b.parquet", TAGS[::-1], "x")
    found = opened(train, test_data=str(test))
    assert [list(row.tags) for row in found.splits.test] == [[tag for _, tag in s] for s in SENTENCES]
    (tmp_path / "c.conll").write_text(conll(), encoding="utf-8")
    assert all_rows(opened(tmp_path / "c.conll"))[1].tags == found.splits.test[1].tags
