"""Rows in the cache: read back as they were, checked by content, rebuilt when damaged, whole or absent."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.contracts import BenchError, QuestionExample, Splits, TextExample, WordsExample
from bench.data.cache import CACHE_VARIABLE, default_cache
from bench.data.rows import cached_splits
from bench.data.splits import all_splits

TEXT = Splits(
    [TextExample("1", "good — ünïcode", "positive", "g"), TextExample("2", "bad", "negative")],
    [TextExample("3", "fair", "positive")],
    [TextExample("4", "poor", "negative")],
    {"tweets": [TextExample("5", "gr8", "positive")], "films": [TextExample("6", "dull", "negative")]},
)
TAGGED = [[WordsExample(f"{n}", ("Ann", "ran"), ("B-PER", "O"))] for n in range(3)]
WORDS = Splits(TAGGED[0], TAGGED[1], TAGGED[2])
ASKED = [[QuestionExample(f"{n}", "Who?", "Ann ran", (("Ann", 0), ("ran", 4)))] for n in range(3)]
QUESTIONS = Splits(ASKED[0], ASKED[1], ASKED[2])


def never() -> Splits:
    raise AssertionError("built again")


def rows_file(cache: Path) -> Path:
    (path,) = (cache / "rows").iterdir()
    return path


@pytest.mark.parametrize("splits", [TEXT, WORDS, QUESTIONS])
def test_rows_come_back_as_they_were(tmp_path: Path, splits: Splits) -> None:
    cached_splits("t", 1, lambda: splits, tmp_path)
    found = all_splits(cached_splits("t", 1, never, tmp_path))
    assert found == all_splits(splits)
    assert list(found) == list(all_splits(splits))


def test_a_new_version_is_built_anew(tmp_path: Path) -> None:
    cached_splits("t", 1, lambda: WORDS, tmp_path)
    assert cached_splits("t", 2, lambda: TEXT, tmp_path) == TEXT


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 1
    path.write_bytes(content)


def change_a_row(path: Path) -> None:
    table = pq.read_table(path)
    labels = ["positive"] * table.num_rows
    place = table.schema.get_field_index("label")
    pq.write_table(
        table.set_column(place, "label", [labels]).replace_schema_metadata(table.schema.metadata), path
    )


@pytest.mark.parametrize("damage", [cut_short, flip_a_byte, change_a_row])
def test_damaged_rows_are_noticed_and_built_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage
) -> None:
    cached_splits("t", 1, lambda: TEXT, tmp_path)
    damage(rows_file(tmp_path))
    assert cached_splits("t", 1, lambda: TEXT, tmp_path) == TEXT
    assert capsys.readouterr().err.startswith("the cached rows of 't' are damaged: building them again")
    assert cached_splits("t", 1, never, tmp_path) == TEXT


def test_an_interrupted_build_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_splits("t", 1, lambda: TEXT, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_an_error_of_the_source_is_passed_on(tmp_path: Path) -> None:
    def build() -> Splits:
        raise BenchError("no network", code="no-network")

    with pytest.raises(BenchError, match="no network"):
        cached_splits("t", 1, build, tmp_path)


def test_the_environment_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "x"))
    assert default_cache() == tmp_path / "x"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert default_cache().name == "transferbench"
