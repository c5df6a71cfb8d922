"""A user's file becomes a task by documented rules, and each rule is said where it is used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.contracts import BenchError, QuestionExample, WordsExample
from bench.data.sources import Sources
from bench.user_data.description import Read, from_values, read, task_name
from bench.user_data.tagging import scheme_of, to_iob2
from bench.user_data.text_files import sample
from tests.support.user_files import said

TEXTS = [f"film number {n} was {'good' if n % 2 else 'bad'}" for n in range(60)]
LABELS = ["positive" if n % 2 else "negative" for n in range(60)]


def opened(path: Path, **keys: Any) -> Read:
    return read(from_values(task_name(str(path)), {"data": str(path), **keys}, path.parent), Sources())


def csv(path: Path, **columns: list[Any]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@contextmanager
def refused(code: str, says: str = "") -> Iterator[None]:
    """What is within raises a BenchError of this code, whose line has these words."""
    with pytest.raises(BenchError) as error:
        yield
    assert error.value.code == code
    assert says in str(error.value)


def sizes(found: Read) -> list[int]:
    return [len(rows) for rows in (found.splits.train, found.splits.validation, found.splits.test)]


# --------------------------------------------------------------------------------------------------
# Formats


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet"])
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": LABELS})
    path = tmp_path / f"films{suffix}"
    write = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".parquet": lambda: frame.to_parquet(path),
    }
    write[suffix]()
    found = opened(path)
    assert found.data.adapter == "sentiment"
    assert sizes(found) == [42, 6, 12]
    assert found.data.rows == opened(csv(tmp_path / "other.csv", text=TEXTS, label=LABELS)).data.rows


def test_a_guess_is_said(tmp_path: Path) -> None:
    found = opened(csv(tmp_path / "a.csv", review=TEXTS, stars=[1, 5] * 30))
    assert said(found, "adapter guessed: classification")
    assert said(found, "text is 'review', label is 'stars'")


def test_a_long_column_and_a_column_of_few_values_are_obvious(tmp_path: Path) -> None:
    found = opened(
        csv(tmp_path / "a.csv", mail=TEXTS, verdict=LABELS, n=list(range(60))), adapter="classification"
    )
    assert dict(found.data.columns) == {"text": "mail", "label": "verdict"}


def test_what_is_not_obvious_is_asked(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", text=TEXTS, x=LABELS, y=LABELS)
    with refused("unclear-column"):
        opened(path, adapter="classification")


def test_a_column_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    with refused("unknown-column", "did you mean 'review'?"):
        opened(csv(tmp_path / "a.csv", review=TEXTS, label=LABELS), text="revew")


def test_conll_columns_are_sentences(tmp_path: Path) -> None:
    lines = ["-DOCSTART- O", ""] + [
        line for n in range(30) for line in ("Ann X B-PER", f"saw{n} X O", "Rome X B-LOC", "")
    ]
    path = tmp_path / "a.conll"
    path.write_text("\n".join(lines))
    found = opened(path)
    assert found.data.adapter == "ner"
    example = found.splits.train[0]
    assert isinstance(example, WordsExample)
    assert example.words == ("Ann", "saw0", "Rome")
    assert example.tags == ("B-PER", "O", "B-LOC")


def test_iob1_and_iobes_become_iob2() -> None:
    iob1 = ["I-PER", "I-PER", "B-PER", "O", "I-LOC"]
    assert scheme_of([iob1]) == "IOB1"
    assert to_iob2(iob1, "IOB1") == ("B-PER", "I-PER", "B-PER", "O", "B-LOC")
    iobes = ["B-PER", "E-PER", "S-LOC", "S-LOC", "O"]
    assert scheme_of([iobes]) == "IOBES"
    assert to_iob2(iobes, "IOBES") == ("B-PER", "I-PER", "B-LOC", "B-LOC", "O")
    assert to_iob2(["PER", "PER", "O", "LOC"], scheme_of([["PER", "O"]])) == ("B-PER", "I-PER", "O", "B-LOC")


def squad(path: Path, articles: int = 30, **changes: Any) -> Path:
    def paragraph(n: int) -> dict[str, Any]:
        context = f"Ann {n} lives in Rome. Bob {n} lives in Oslo, and Rome is warm."
        answer = {"text": "Rome", "answer_start": context.rindex("Rome"), **changes}
        return {
            "context": context,
            "qas": [{"id": f"q{n}", "question": "Where is it warm?", "answers": [answer]}],
        }

    data = [{"title": f"t{n}", "paragraphs": [paragraph(n)]} for n in range(articles)]
    path.write_text(json.dumps({"data": data}))
    return path


def test_squad_json_keeps_the_given_place_of_an_answer(tmp_path: Path) -> None:
    example = opened(squad(tmp_path / "q.json")).splits.train[0]
    assert isinstance(example, QuestionExample)
    assert example.answers[0][1] > 20


def test_of_an_answer_without_a_place_the_first_is_taken(tmp_path: Path) -> None:
    contexts = [f"Rome {n} is warm and Rome is old" for n in range(40)]
    path = csv(tmp_path / "q.csv", question=["Where?"] * 40, context=contexts, answer=["Rome"] * 40)
    found = opened(path)
    assert found.splits.train[0].answers == (("Rome", 0),)
    assert said(found, "the answer occurs more than once and no place is given, in 40 contexts")


def test_a_folder_in_the_hubs_layout_is_used_as_it_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for split, start in (("train", 0), ("validation", 30), ("test", 40)):
        part = slice(start, start + (30 if split == "train" else 10))
        frame = pd.DataFrame({"text": TEXTS[part], "label": [int(x == "positive") for x in LABELS[part]]})
        frame.to_parquet(folder / f"{split}.parquet")
    (tmp_path / "labels.json").write_text(json.dumps({"films": {"names": ["negative", "positive"]}}))
    found = opened(folder)
    assert sizes(found) == [30, 10, 10]
    assert found.splits.train[0].label == "negative"


# --------------------------------------------------------------------------------------------------
# Cutting and leaks


def test_one_file_is_cut_in_proportion_to_its_labels(tmp_path: Path) -> None:
    labels = ["rare" if n < 10 else "common" for n in range(100)]
    found = opened(csv(tmp_path / "a.csv", text=[f"text {n}" for n in range(100)], label=labels))
    assert [sum(row.label == "rare" for row in rows) for rows in (found.splits.train, found.splits.test)] == [
        7,
        2,
    ]


def test_a_group_is_never_divided(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", text=TEXTS, label=LABELS, author=[f"a{n // 4}" for n in range(60)])
    splits = opened(path, group="author").splits
    groups = [{row.group for row in rows} for rows in (splits.train, splits.validation, splits.test)]
    assert not groups[0] & groups[2]
    assert not groups[0] & groups[1]


def test_repeated_rows_of_one_file_stay_together(tmp_path: Path) -> None:
    found = opened(csv(tmp_path / "a.csv", text=TEXTS * 2, label=LABELS * 2))
    train, test = ({row.text for row in rows} for rows in (found.splits.train, found.splits.test))
    assert not train & test
    assert said(found, "60 repeated rows stay with their twins")


@pytest.mark.parametrize("parts", [1, 2])
def test_no_text_of_a_held_out_group_stays_in_training(parts: int, tmp_path: Path) -> None:
    """Every author repeats a text of another one, so no cut by author keeps texts apart. parts: files given."""
    said_by = [(n, (n + repeated * 30) // 2 % 30) for repeated in (0, 1) for n in range(0, 60, 1 + repeated)]
    columns = {
        "text": [TEXTS[n] for n, _ in said_by],
        "label": [LABELS[n] for n, _ in said_by],
        "author": [f"a{author}" for _, author in said_by],
    }
    path = csv(tmp_path / "a.csv", **columns)
    more: dict[str, Any] = {}
    if parts == 2:
        test = csv(tmp_path / "b.csv", text=TEXTS[:8], label=LABELS[:8], author=[f"b{n}" for n in range(8)])
        more = {"test_data": str(test), "drop_duplicates": True}
    found = opened(path, group="author", **more)
    train, validation, test = (
        {row.text for row in rows}
        for rows in (found.splits.train, found.splits.validation, found.splits.test)
    )
    assert train
    assert test
    assert not train & (validation | test)
    assert not validation & test
    assert said(found, "left out of training: their text is in another group")


def test_rows_that_are_in_the_training_and_the_test_file_are_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", text=TEXTS, label=LABELS)
    test = csv(tmp_path / "b.csv", text=TEXTS[:8], label=LABELS[:8])
    with refused("leak", "8 of 60 training rows"):
        opened(path, test_data=str(test))
    found = opened(path, test_data=str(test), drop_duplicates=True)
    assert sum(sizes(found)) == 60
    assert said(found, "8 training rows left out")


def test_a_class_that_only_the_test_file_has_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", text=TEXTS, label=LABELS)
    test = csv(tmp_path / "b.csv", text=["x y z", "z y x"], label=["negative", "neutral"])
    with refused("untrained-class", "'neutral'"):
        opened(path, test_data=str(test))


# --------------------------------------------------------------------------------------------------
# Troublesome columns


def test_a_constant_label_is_refused(tmp_path: Path) -> None:
    with refused("constant-label", "'spam'"):
        opened(csv(tmp_path / "a.csv", text=TEXTS, label=["spam"] * 60))


def test_a_class_of_one_row_is_learnt_and_never_tested(tmp_path: Path) -> None:
    from bench.user_data.summary import lengths, summarise

    found = opened(csv(tmp_path / "a.csv", text=TEXTS, label=["odd", *LABELS[1:]]), adapter="classification")
    assert [row.label for row in found.splits.train].count("odd") == 1
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("no test row has class 'odd'" in line for line in lines)


def test_empty_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    texts = ["" if n % 10 == 0 else text for n, text in enumerate(TEXTS)]
    found = opened(csv(tmp_path / "a.csv", text=texts, label=LABELS))
    assert sum(sizes(found)) == 54
    assert said(found, "6 of 60 rows left out, because the text is empty")


def test_a_file_of_mostly_empty_texts_is_refused(tmp_path: Path) -> None:
    with refused("unusable-rows", "40 of 60 rows"):
        opened(csv(tmp_path / "a.csv", text=[""] * 40 + TEXTS[40:], label=LABELS))


def test_ratings_are_polarities_by_the_middle_of_their_scale(tmp_path: Path) -> None:
    found = opened(
        csv(tmp_path / "a.csv", text=TEXTS, stars=[1, 2.5, 3, 4.2, 5, 2] * 10), adapter="sentiment"
    )
    labels = {row.label for row in found.splits.train}
    assert labels == {"negative", "neutral", "positive"}
    assert said(found, "ratings from 1 to 5: below 3 is negative")


def test_fractions_are_no_classes(tmp_path: Path) -> None:
    with refused("regression"):
        opened(
            csv(tmp_path / "a.csv", text=TEXTS, label=[n / 7 for n in range(60)]), adapter="classification"
        )


def test_whole_floats_are_classes(tmp_path: Path) -> None:
    found = opened(csv(tmp_path / "a.csv", text=TEXTS, label=[1.0, 2.0] * 30))
    assert {row.label for row in found.splits.train} == {"1", "2"}
    assert said(found, "1.0 is label 1")


def test_ratings_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"text": text, "label": float("nan") if n < 6 else n % 5} for n, text in enumerate(TEXTS)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    assert said(opened(path, adapter="sentiment"), "6 of 60 rows left out, because the label is empty")


def test_latin_1_is_read_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        pd.DataFrame({"text": [f"café {n}" for n in range(60)], "label": LABELS})
        .to_csv(index=False)
        .encode("latin-1")
    )
    found = opened(path)
    assert all(row.text.startswith("café") for row in found.splits.train)
    assert said(found, "not UTF-8")


def test_a_gigantic_text_is_cut_and_said(tmp_path: Path) -> None:
    found = opened(csv(tmp_path / "a.csv", text=["word " * 30_000, *TEXTS[1:]], label=LABELS))
    assert (
        max(
            len(row.text)
            for rows in (found.splits.train, found.splits.validation, found.splits.test)
            for row in rows
        )
        == 100_000
    )
    assert said(found, "texts with more than 100,000 characters are cut there: 1")


def test_a_sample_is_bounded_repeatable_and_in_order() -> None:
    found, count = sample(iter(range(10_000)), limit=50)
    assert count == 10_000
    assert len(found) == 50
    assert found == sorted(found)
    assert found == sample(iter(range(10_000)), limit=50)[0]


def test_contradicting_labels_are_pointed_out(tmp_path: Path) -> None:
    from bench.user_data.summary import lengths, summarise

    found = opened(csv(tmp_path / "a.csv", text=TEXTS * 2, label=LABELS + LABELS[::-1]))
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("texts have rows with different labels" in line for line in lines)
