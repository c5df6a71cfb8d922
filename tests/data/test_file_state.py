"""What is remembered of a file holds while the file stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.data.file_state import state, while_unchanged
from bench.data.sources import Sources
from bench.models.pooling import prompt_of
from bench.models.sentence_modules import PROMPTS
from bench.user_data.description import Read, from_values, read
from tests.support.user_files import LABELS, TEXTS


def later(path: Path) -> None:
    """Let a file be one that was written a second later than it was."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**9))


def table(path: Path, labels: list[str]) -> str:
    """A file of texts that no file of another name has."""
    rows = [f'"{path.stem}: {text}",{label}\n' for text, label in zip(TEXTS, labels, strict=True)]
    path.write_text("text,label\n" + "".join(rows))
    return str(path)


def test_an_answer_is_remembered_until_a_file_below_the_path_changes(tmp_path: Path) -> None:
    asked: list[str] = []
    remembered = while_unchanged(lambda name: asked.append(name) or len(asked))
    (tmp_path / "inner").mkdir()
    inside = tmp_path / "inner" / "a.txt"
    inside.write_text("one")
    assert [remembered(str(tmp_path)) for _ in range(3)] == [1, 1, 1]
    later(inside)
    assert [remembered(str(tmp_path)) for _ in range(2)] == [2, 2]
    inside.unlink()
    assert remembered(str(tmp_path)) == 3


@pytest.mark.parametrize("name", ["owner/name", "minilm", "a" * 5000, "nothing\0here", ""])
def test_what_is_no_path_has_no_state_and_is_remembered(name: str) -> None:
    asked: list[str] = []
    remembered = while_unchanged(lambda given: asked.append(given) or len(asked))
    assert state(name) == ()
    assert [remembered(name) for _ in range(2)] == [1, 1]


def test_a_link_to_nothing_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    assert state(tmp_path) == ()


@pytest.mark.parametrize("changed", ["data", "test_data"])
def test_a_file_of_data_that_changed_is_read_again_in_the_same_process(changed: str, tmp_path: Path) -> None:
    """As in a notebook, where labels are mended between two calls."""
    files = {key: tmp_path / f"{key}.csv" for key in ("data", "test_data")}
    keys = {key: table(path, LABELS) for key, path in files.items()} | {"text": "text", "label": "label"}

    def once() -> Read:
        return read(from_values("mine", keys, tmp_path), Sources())

    first = once()
    assert once() is first
    table(files[changed], LABELS[1:] + LABELS[:1])
    later(files[changed])
    second = once()
    assert second.data.rows != first.data.rows
    rows = {"data": second.splits.train, "test_data": second.splits.test}[changed]
    texts = [f"{changed}: {text}" for text in TEXTS]
    right = dict(zip(texts, LABELS[1:] + LABELS[:1], strict=True))
    assert rows
    assert all(row.label == right[row.text] for row in rows)


def test_the_prompt_of_an_encoder_is_that_of_its_files_now(tmp_path: Path) -> None:
    path = tmp_path / PROMPTS
    path.write_text('{"prompts": {"q": "one: "}, "default_prompt_name": "q"}')
    assert prompt_of(str(tmp_path)) == "one: "
    path.write_text('{"prompts": {"q": "two: "}, "default_prompt_name": "q"}')
    later(path)
    assert prompt_of(str(tmp_path)) == "two: "


def test_rows_that_change_while_a_run_goes_on_are_refused(tmp_path: Path) -> None:
    """The description that workers get says which rows it means."""
    path = tmp_path / "data.csv"
    keys = {"data": table(path, LABELS), "text": "text", "label": "label"}
    described = read(from_values("mine", keys, tmp_path), Sources()).data
    assert described.splits(Sources()).train
    table(path, LABELS[1:] + LABELS[:1])
    later(path)
    with pytest.raises(BenchError) as error:
        described.splits(Sources())
    assert error.value.code == "changed-data"
