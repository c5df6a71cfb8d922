"""Rows in the cache: read back as they were, checked by content, rebuilt when damaged, whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench.contracts import (
    BenchError,
    LabelsExample,
    NumberExample,
    QuestionExample,
    Recipe,
    Splits,
    TextExample,
    WordsExample,
)
from bench.data import splits as splits_module
from bench.data import stored_rows
from bench.data.cache import CACHE_VARIABLE, default_cache
from bench.data.rows import cached_splits
from bench.data.sources import Sources
from bench.data.splits import all_splits, prepare
from tasks.classification import Classification
from tasks.qa import QA

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
SETS = [LabelsExample("1", "both", ("b", "a"), "g"), LabelsExample("2", "none", ())]
RATED = [NumberExample("1", "fine", 0.1), NumberExample("2", "far", -1e30, "g")]


def never() -> Splits:
    raise AssertionError("built again")


def rows_file(cache: Path) -> Path:
    (path,) = (cache / "rows").glob("*.parquet")
    return path


@pytest.mark.parametrize(
    "splits", [TEXT, WORDS, QUESTIONS, Splits(SETS, SETS[1:], SETS), Splits(RATED, RATED[1:], RATED)]
)
def test_rows_come_back_as_they_were(tmp_path: Path, splits: Splits) -> None:
    cached_splits("t", 1, lambda: splits, tmp_path)
    found = all_splits(cached_splits("t", 1, never, tmp_path))
    assert found == all_splits(splits)
    assert list(found) == list(all_splits(splits))


def test_cached_rows_equal_the_same_rows_alone(tmp_path: Path) -> None:
    kept = cached_splits("t", 1, lambda: TEXT, tmp_path)
    assert kept.train == TEXT.train
    assert kept.train != TEXT.train[::-1]
    assert kept.train != kept.test
    assert kept.train != "12"


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


def lose_the_digest(path: Path) -> None:
    path.with_suffix(".json").unlink()


@pytest.mark.parametrize("damage", [cut_short, flip_a_byte, change_a_row, lose_the_digest])
def test_damaged_rows_are_noticed_and_built_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage
) -> None:
    cached_splits("t", 1, lambda: TEXT, tmp_path)
    damage(rows_file(tmp_path))
    assert cached_splits("t", 1, lambda: TEXT, tmp_path) == TEXT
    assert capsys.readouterr().err.startswith("the cached rows of 't' are damaged: building them again")
    assert cached_splits("t", 1, never, tmp_path) == TEXT


def test_an_interrupted_build_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pq.ParquetWriter, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_splits("t", 1, lambda: TEXT, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_an_error_of_the_source_is_passed_on(tmp_path: Path) -> None:
    def build() -> Splits:
        raise BenchError("no network", code="no-network")

    with pytest.raises(BenchError) as error:
        cached_splits("t", 1, build, tmp_path)
    assert error.value.code == "no-network"


def test_the_environment_moves_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "x"))
    assert default_cache() == tmp_path / "x"
    monkeypatch.delenv(CACHE_VARIABLE)
    assert default_cache().name == "transferbench"


# In proportion to what is used


def asked(split: str, count: int) -> list[QuestionExample]:
    """Questions whose contexts have 7 to 57 characters."""
    return [
        QuestionExample(
            f"{split}{n}", "Who?", "Ann ran" + " on" * (n % 50), (("Ann", 0),), f"{split}{n // 5}"
        )
        for n in range(count)
    ]


FULL = Splits(asked("a", 3000), asked("b", 1000), asked("c", 2000), {"far": asked("d", 5000)})


class Asked(QA):
    name = "asked"
    summary = "made up"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: FULL)


class Plain(Asked):
    """The same rows, never cached."""

    def splits(self, sources: Sources) -> Splits:
        return FULL


class Labelled(Classification):
    name = "labelled"
    summary = "made up"
    rows = tuple(
        TextExample(f"{n}", f"text {n}", "rare" if n == 1234 else f"label{n % 3}") for n in range(2000)
    )

    def splits(self, sources: Sources) -> Splits:
        texts = [TextExample(f"v{n}", f"held out {n}", f"label{n % 3}") for n in range(300)]
        return sources.cached(
            self.name, self.version, lambda: Splits(list(self.rows), texts[:100], texts[100:])
        )


@pytest.mark.parametrize("max_context", [None, 80, 10])
@pytest.mark.parametrize("shift", [False, True])
@pytest.mark.parametrize(
    "sizes", [(100, 20, 50), (None, None, None), (3000, 999, 10**6), (50, None, 600), (120, 40, 80)]
)
def test_cached_rows_give_the_same_samples(
    tmp_path: Path, max_context: int | None, shift: bool, sizes: tuple[int | None, ...]
) -> None:
    """The last sizes are exactly what is left where contexts have at most 10 characters."""
    train, validation, test = sizes
    recipe = Recipe(train=train, validation=validation, test=test, max_context=max_context, shift=shift)
    sources = Sources(tmp_path)
    assert prepare(Asked(), sources, recipe) == prepare(Plain(), sources, recipe)


def test_a_sample_of_cached_rows_has_every_label(tmp_path: Path) -> None:
    rows = prepare(Labelled(), Sources(tmp_path), Recipe(train=10)).train
    assert rows == splits_module.training_subset(Labelled.rows, 10)
    assert {row.label for row in rows} == {"label0", "label1", "label2", "rare"}


def test_only_rows_in_use_are_read_and_none_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(train=200, validation=30, test=100)
    prepare(Asked(), Sources(tmp_path), recipe)
    decoded: list[int] = []
    real = stored_rows.examples

    def counted(table: Any) -> list[Any]:
        decoded.append(table.num_rows)
        return real(table)

    def unused(*_: object) -> None:
        raise AssertionError("a digest of rows")

    monkeypatch.setattr(stored_rows, "examples", counted)
    monkeypatch.setattr(splits_module, "fingerprint", unused)
    monkeypatch.setattr(splits_module, "_hash_with", unused)
    prepare(Asked(), Sources(tmp_path), recipe)
    assert sum(decoded) == 330 + 3  # and one more of each split, to know that there is one
    decoded.clear()
    prepare(Asked(), Sources(tmp_path), Recipe(train=200, validation=30, test=100, max_context=80))
    assert sum(decoded) < 3 * 330  # about half of the contexts are longer


class Stricter(Labelled):
    """The rows that `Labelled` has cached, of which it accepts none."""

    def check(self, example: TextExample) -> str | None:
        return "it is too short"


def test_what_a_task_demands_now_holds_for_rows_that_were_sound_when_they_were_cached(tmp_path: Path) -> None:
    for _ in range(2):
        prepare(Labelled(), Sources(tmp_path), Recipe(train=10))
    with pytest.raises(BenchError, match="it is too short") as error:
        prepare(Stricter(), Sources(tmp_path), Recipe(train=10))
    assert error.value.code == "unsound-example"


class Twice(Asked):
    name = "twice"

    def splits(self, sources: Sources) -> Splits:
        rows = [*FULL.train, FULL.train[-1]]
        return sources.cached(self.name, self.version, lambda: Splits(rows, FULL.validation, FULL.test))


class Numbered(Asked):
    name = "numbered"

    def splits(self, sources: Sources) -> Splits:
        wrong: Any = 7
        rows = [*FULL.train, QuestionExample("x", wrong, "Ann", (("Ann", 0),))]
        return sources.cached(self.name, self.version, lambda: Splits(rows, FULL.validation, FULL.test))


@pytest.mark.parametrize(("task", "code"), [(Twice, "duplicate-id"), (Numbered, "unsound-example")])
def test_unsound_rows_are_refused_each_time_even_where_they_are_not_in_use(
    tmp_path: Path, task: type[QA], code: str
) -> None:
    for _ in range(2):
        with pytest.raises(BenchError) as error:
            prepare(task(), Sources(tmp_path), Recipe(train=5, validation=5, test=5))
        assert error.value.code == code
