"""Folders of texts: brat's lines, one encoding for all files, and what is left out is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.user_data.brat import brat_tables
from bench.user_data.class_folders import class_tables

POLISH = [
    "Jan mieszka w Łodzi od pięciu lat",
    "Żona pana Wiśniewskiego była wczoraj w Łodzi",
    "Przesyłka przyszła za późno, niestety",
    "Książka była ciekawa, ale zakończenie słabe",
]


def put(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("T1\tPER 0\tAnna", "their lines are not like"),
        ("T1\tPER 0 4 5\tAnna", "their lines are not like"),
        ("T1\tPER 0 4;\tAnna", "their lines are not like"),
        ("T1\tPER  0 4\tAnna", "their lines are not like"),
        ("T1 PER 0 4 Anna", "their lines are not like"),
        ("T2\tPER 9 3\tx", "they end where they begin, or before"),
        ("T2\tPER 4 4\t", "they end where they begin, or before"),
        ("T2\tPER 0 4;6 9\tAnna a", "they are in several pieces"),
        ("T2\tPER 100 104\tx", "they are on two lines, or beyond the text"),
    ],
)
def test_an_entity_that_cannot_be_read_is_left_out_and_counted(
    line: str, reason: str, tmp_path: Path
) -> None:
    put(tmp_path, {"a.txt": "Anna lives in Rome\n", "a.ann": f"T7\tLOC 14 18\tRome\n{line}\n"})
    table = brat_tables(tmp_path, "")["train"]
    assert [row["entities"] for row in table.rows()] == [[{"start": 14, "end": 18, "label": "LOC"}]]
    assert [note for note in table.notes if f"1 entity left out: {reason}" in note]


@pytest.mark.parametrize("line", ["T1\tPER 0 4\tAnna", "T1\tPER 0 4", "T1\tPER 0 4\tAnna\r"])
def test_an_entity_is_read(line: str, tmp_path: Path) -> None:
    put(tmp_path, {"a.txt": "Anna lives\n", "a.ann": f"{line}\nR1\tKnows Arg1:T1 Arg2:T1\n#1\tNote T1\tx\n"})
    table = brat_tables(tmp_path, "")["train"]
    assert [row["entities"] for row in table.rows()] == [[{"start": 0, "end": 4, "label": "PER"}]]
    assert not [note for note in table.notes if "left out" in note]


def test_texts_beside_the_folders_of_splits_are_counted(tmp_path: Path) -> None:
    files = {f"{name}.{kind}": "" for name in ("train/a", "more/b", "more/c") for kind in ("txt", "ann")}
    notes = brat_tables(put(tmp_path, files), "")["train"].notes
    assert [note for note in notes if "2 texts left out" in note and "more/b.txt" in note]


def test_the_texts_of_brat_have_one_encoding_decided_over_all(tmp_path: Path) -> None:
    texts = {f"{n}.txt": f"{text}\n" for n, text in enumerate(POLISH)}
    put(tmp_path, {**texts, **{f"{n}.ann": "" for n in range(len(POLISH))}}, "cp1250")
    put(tmp_path, {"0.ann": "T1\tLOC 14 19\tŁodzi\n"}, "cp1250")
    table = brat_tables(tmp_path, "")["train"]
    assert [row["text"] for row in table.rows()] == POLISH
    assert [note for note in table.notes if "by the letters of Polish" in note]


def test_the_texts_of_classes_have_one_encoding_decided_over_all(tmp_path: Path) -> None:
    texts = {f"{'ab'[n % 2]}/{n}.txt": text for n, text in enumerate(POLISH)}
    table = class_tables(put(tmp_path, texts, "cp1250"), "")["train"]
    assert sorted(row["text"] for row in table.rows()) == sorted(POLISH)
    assert [note for note in table.notes if "by the letters of Polish" in note]


def test_a_file_with_a_mark_keeps_its_own_encoding(tmp_path: Path) -> None:
    texts = {f"{'ab'[n % 2]}/{n}.txt": text for n, text in enumerate(POLISH)}
    put(put(tmp_path, texts, "cp1250"), {"a/mark.txt": "Żółw"}, "utf-16")
    table = class_tables(tmp_path, "")["train"]
    assert sorted(row["text"] for row in table.rows()) == sorted([*POLISH, "Żółw"])


def test_the_first_stray_byte_of_a_folder_is_named_with_its_file(tmp_path: Path) -> None:
    texts = {f"{'ab'[n % 2]}/{n}.txt": text for n, text in enumerate(POLISH)}
    put(tmp_path, texts)
    (tmp_path / "b" / "9.txt").write_bytes(b"one\ntwo \xff")
    notes = class_tables(tmp_path, "")["train"].notes
    assert [note for note in notes if "0xFF in 9.txt, line 2" in note]


def test_a_folder_without_plausible_words_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"a/1.txt": "да, хорошо", "b/2.txt": "нет, плохо"}, "cp1251")
    with pytest.raises(BenchError) as error:
        class_tables(tmp_path, "")
    assert error.value.code == "unknown-encoding"
    assert [row["text"] for row in class_tables(tmp_path, "cp1251")["train"].rows()] == [
        "да, хорошо",
        "нет, плохо",
    ]
