"""Files of kinds that strangers bring, each with its true rows or the right refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from tests.support.user_files import all_rows, opened

LINES = ("Ann Smith lives in Oslo.", "Bob of Acme Corp met her.")
SPANS = (("PER", "Ann Smith"), ("LOC", "Oslo"), ("PER", "Bob"), ("ORG", "Acme Corp"))
TAGS = {
    "Ann Smith lives in Oslo.": ("B-PER", "I-PER", "O", "O", "B-LOC", "O"),
    "Bob of Acme Corp met her.": ("B-PER", "O", "B-ORG", "I-ORG", "O", "O", "O"),
}


def brat(folder: Path, count: int = 12, end: str = "\n", more: str = "") -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        text = end.join((f"{number}", *(f"{line} {number}" for line in LINES)))
        places = [(label, text.index(words), words) for label, words in SPANS]
        entities = [
            f"T{n}\t{label} {start} {start + len(words)}\t{words}"
            for n, (label, start, words) in enumerate(places, 1)
        ]
        (folder / f"{number:02}.txt").write_bytes(text.encode())
        (folder / f"{number:02}.ann").write_text("\n".join([*entities, "R1\tWorks Arg1:T3 Arg2:T4", more]))
    return folder


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_folder_of_brat_is_read_line_by_line(end: str, tmp_path: Path) -> None:
    found = opened(brat(tmp_path / "brat", end=end), group="document")
    rows = [row for row in all_rows(found) if len(row.words) > 1]
    assert len(rows) == 24
    for row in rows:
        line = LINES[0] if row.words[0] == "Ann" else LINES[1]
        assert row.tags == (*TAGS[line], "O")
        assert "".join(row.words[:-1]) == line.replace(" ", "")
    splits = found.splits
    groups = [{row.group for row in part} for part in (splits.train, splits.validation, splits.test)]
    assert not groups[0] & groups[2]


def test_what_brat_has_and_tags_cannot_say_is_counted(tmp_path: Path) -> None:
    folder = brat(tmp_path / "brat", more="T9\tLOC 2 5;8 11\tAnn mit\nT10\tLOC 24 40\tover lines\n")
    (folder / "unannotated.txt").write_text("nothing is known of this")
    notes = " ".join(opened(folder).notes)
    assert "12 entities left out: they are in several pieces" in notes
    assert "12 entities left out: they are on two lines" in notes
    assert "1 text without an .ann file left out" in notes


def test_splits_of_brat_are_kept(tmp_path: Path) -> None:
    brat(tmp_path / "corpus" / "train")
    brat(tmp_path / "corpus" / "test", 3)
    with pytest.raises(BenchError) as error:  # the same texts
        opened(tmp_path / "corpus")
    assert error.value.code == "leak"
    brat(tmp_path / "other" / "test", 3)
    with pytest.raises(BenchError) as error:
        opened(tmp_path / "other")
    assert error.value.code == "no-train-split"


def task(number: int, cancelled: Sequence[bool]) -> Mapping[str, Any]:
    text = f"{LINES[0]} {number}"
    span = {"type": "labels", "value": {"start": 0, "end": 9, "labels": ["PER"]}}
    return {
        "data": {"text": text},
        "annotations": [{"result": [] if skip else [span], "was_cancelled": skip} for skip in cancelled],
    }


def test_tasks_that_an_annotator_skipped_are_not_examples_without_entities(tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    kinds = [(False,), (True,), (True, False)]
    path.write_text(json.dumps([task(number, kinds[number % 3]) for number in range(30)]))
    found = opened(path)
    assert len(all_rows(found)) == 20
    assert all(row.tags[0] == "B-PER" for row in all_rows(found))
    assert any("10 tasks left out, because the annotator skipped it" in note for note in found.notes)


def test_pairs_of_spacy_under_a_name_are_read_and_null_is_a_text_that_was_skipped(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    pairs: list[Any] = [[f"{LINES[0]} {n}", {"entities": [[0, 9, "PER"]]}] for n in range(20)]
    path.write_text(json.dumps({"classes": ["PER", "LOC"], "annotations": [*pairs, None]}))
    rows = all_rows(opened(path))
    assert len(rows) == 20
    assert {row.tags[:3] for row in rows} == {("B-PER", "I-PER", "O")}


def table(cells: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["text,label", *(f"{text},{label}" for text, label in cells)])


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#BEZUG!", "#DIV/0!", "#¿NOMBRE?", "#ЗНАЧ!"])
def test_the_error_of_a_spreadsheet_is_no_text_and_no_class(error: str, tmp_path: Path) -> None:
    cells = [(f"text {n}", "ab"[n % 2]) for n in range(40)]
    cells[3], cells[8] = (error, "a"), ("text 8", error)
    path = tmp_path / "a.csv"
    path.write_text(table(cells))
    found = opened(path)
    assert {row.label for row in all_rows(found)} == {"a", "b"}
    assert {row.text for row in all_rows(found)} == {f"text {n}" for n in range(40) if n not in (3, 8)}
    said = " ".join(found.notes)
    assert "the text is the error of a spreadsheet" in said
    assert "the label is the error of a spreadsheet" in said


@pytest.mark.parametrize("tag", ["#love", "#NAME", "#1", "# heading", "NAME!"])
def test_a_hashtag_is_no_error_of_a_spreadsheet(tag: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(table([(f"text {n}", (tag, "b")[n % 2]) for n in range(40)]))
    assert {row.label for row in all_rows(opened(path))} == {tag, "b"}


def question(number: int, **more: Any) -> Mapping[str, Any]:
    return {"context": f"It was founded in 1999 as number {number}.", "question": f"When {number}?", **more}


@pytest.mark.parametrize("answer", [1999, 1999.0, [1999], {"text": [1999], "answer_start": [18]}], ids=str)
def test_an_answer_may_be_a_number(answer: Any, tmp_path: Path) -> None:
    path = tmp_path / "qa.jsonl"
    path.write_text("\n".join(json.dumps(question(n, answer=answer)) for n in range(30)))
    assert {row.answers for row in all_rows(opened(path))} == {(("1999", 18),)}


def test_an_article_may_have_no_title(tmp_path: Path) -> None:
    path = tmp_path / "qa.json"
    articles = [
        {
            "title": None,
            "paragraphs": [
                {
                    "context": question(n)["context"],
                    "qas": [{"question": f"When {n}?", "answers": [{"text": "1999", "answer_start": 18}]}],
                }
            ],
        }
        for n in range(30)
    ]
    path.write_text(json.dumps({"version": None, "data": articles}))
    assert len(all_rows(opened(path))) == 30


@pytest.mark.parametrize(("name", "content"), [("a.ann", "T1\tPER 0 3\tAnn\n"), ("a.spacy", "DocBin")])
def test_files_of_other_tools_are_named(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(BenchError) as error:
        opened(path)
    assert error.value.code == "not-rows"
