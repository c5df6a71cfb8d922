"""Hostile input: whatever a file holds, it is read by its documented rule or refused in one line (BenchError)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import suite
from bench.analysis.regression import baseline
from bench.contracts import BenchError
from bench.data.formats import read_mentions, read_ratings, read_squad, read_tab
from bench.data.packages.archives import extract
from bench.runs.folder import Store
from bench.runs.record import read_record

# a folder that all examples of a test share is fine: each writes the same file anew
fuzz = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
DEEP = "[" * 200_000


def edited(value: Any) -> st.SearchStrategy[Any]:
    """The JSON value with one part of it replaced by anything, or left out."""
    if isinstance(value, dict) and value:
        at_key = st.sampled_from(sorted(value)).flatmap(
            lambda key: edited(value[key]).map(lambda new: {**value, key: new})
        )
        without = st.sampled_from(sorted(value)).map(lambda key: {k: v for k, v in value.items() if k != key})
        return st.one_of(at_key, without, JSON)
    if isinstance(value, list) and value:
        return st.one_of(edited(value[0]).map(lambda new: [new, *value[1:]]), JSON)
    return JSON


def reads_or_refuses(read: Callable[[Path], Any], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with suppress(BenchError):
        read(path)


READERS = {
    "tab": lambda path: read_tab(path, "p"),
    "ratings": lambda path: read_ratings(path, "p"),
    "mentions": lambda path: read_mentions(path, "p"),
    "squad": read_squad,
    "baseline": baseline.read,
    "suite": lambda path: suite.load(str(path)),
}
STARTS = {
    "tab": b"Category\tText\nd\tstring\nclass\t\n",
    "ratings": b"1_1\t",
    "mentions": b'{"input": [{"content": "',
    "squad": b'{"data": [{"title": "t", "paragraphs": [',
    "baseline": b'{"baseline_version": 1, "record": {',
    "suite": b'[tasks.movie-sentiment]\n[[grid]]\nstrategies = ["full"]\nbackbones = ["minilm"]\n[recipe]\n',
}


@pytest.mark.parametrize("kind", READERS)
@fuzz
@given(tail=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(kind: str, tail: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    reads_or_refuses(READERS[kind], path, tail)
    reads_or_refuses(READERS[kind], path, STARTS[kind] + tail)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        "é".encode("latin-1"),
        DEEP.encode(),
        b"\x00" * 100,
        b"[" + b"9" * 5000 + b"]",
    ],
    ids=["empty", "utf-16", "bom", "latin-1", "deep", "zeros", "long number"],
)
def test_known_troublemakers_are_read_or_refused(kind: str, content: bytes, tmp_path: Path) -> None:
    reads_or_refuses(READERS[kind], tmp_path / "file.toml", content)


@pytest.mark.parametrize("rating", ["nan", "inf", "-inf", "x", "", "1e999"])
def test_a_rating_that_is_no_number_is_refused(rating: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.txt"
    path.write_text(f"1\t0.5\tgood\n2\t{rating}\tbad")
    with pytest.raises(BenchError, match=r"ratings\.txt, line 2") as error:
        read_ratings(path, "p")
    assert error.value.code == "damaged-file"


SQUAD = {
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": "Ann ran",
                    "qas": [{"id": "q", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}],
                }
            ],
        }
    ]
}


@fuzz
@given(value=edited(SQUAD))
def test_any_squad_json_is_read_or_refused(value: Any, tmp_path: Path) -> None:
    reads_or_refuses(read_squad, tmp_path / "squad.json", json.dumps(value).encode())


@fuzz
@given(value=edited({"input": [{"content": "Ann ran"}], "ideal": "[Ann - PERSON]"}))
def test_any_mention_is_read_or_refused(value: Any, tmp_path: Path) -> None:
    reads_or_refuses(READERS["mentions"], tmp_path / "mentions.jsonl", json.dumps(value).encode())


@pytest.fixture(scope="module")
def record_value() -> Any:
    from tests.runs.test_folder import record

    return json.loads(record().to_json())


@fuzz
@given(data=st.data())
def test_any_record_is_read_or_refused(data: st.DataObject, record_value: Any) -> None:
    text = json.dumps(data.draw(edited(record_value)))
    with suppress(BenchError):
        read_record(text, "here")


@fuzz
@given(data=st.data())
def test_any_stored_record_and_baseline_line_is_read_or_refused(
    data: st.DataObject, record_value: Any, tmp_path: Path
) -> None:
    value = data.draw(edited(record_value))
    path = tmp_path / "records" / "task" / "full" / "tiny" / "seed0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    with suppress(BenchError):
        Store(tmp_path).records()
    line = json.dumps({"baseline_version": 1, "record": value, "examples": data.draw(JSON)})
    with suppress(BenchError):
        run = baseline.load(line, "here")
        for record in run.records:
            with suppress(KeyError):
                run.predictions(record.cell.id)


@pytest.mark.parametrize(
    "text", [DEEP, '{"schema_version": "1"}', '{"schema_version": null}', "[]", "1", '"x"']
)
def test_a_record_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchError):
        read_record(text, "here")


@fuzz
@given(value=edited({"seeds": 1, "recipe": {"epochs": 1}, "tasks": {"t": {"epochs": 1}}, "grid": [{}]}))
def test_any_suite_is_valid_or_refused(value: Any) -> None:
    if isinstance(value, dict):
        with suppress(BenchError):
            chosen = suite.validate(value, "here")
            for task in chosen.tasks:
                chosen.task_recipe(task)


# --------------------------------------------------------------------------------------------------
# Archives


def tar_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        opened.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize("make", [tar_of, zip_of], ids=["tar", "zip"])
@fuzz
@given(data=st.data())
def test_an_archive_with_changed_bytes_is_read_or_refused(
    make: Callable[[str, bytes], bytes], data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(make("rows", bytes(range(256)) * 8))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    archive = tmp_path / "a.whl"
    archive.write_bytes(bytes(content))
    with suppress(BenchError):
        extract(archive, ["rows"], tmp_path / "into")
    assert {path.name for path in tmp_path.iterdir()} <= {"a.whl", "into"}


def test_a_truncated_download_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_of("rows", bytes(100_000))[:100])
    with pytest.raises(BenchError) as error:
        extract(archive, ["rows"], tmp_path / "into")
    assert error.value.code == "damaged-archive"


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(gzip.compress(b"#!/bin/sh\nrm -rf /\n"))
    with pytest.raises(BenchError):
        extract(archive, ["rows"], tmp_path / "into")
