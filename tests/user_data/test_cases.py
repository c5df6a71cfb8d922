"""Small files that were read wrongly once, each with what it must give: the true rows, or a line that says why."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import TextExample, WordsExample
from tests.support.user_files import (
    LABELS,
    ROWS,
    SENTENCES,
    TEXTS,
    all_rows,
    conll,
    delimited,
    json_lines,
    opened,
    refused,
    said,
)


def words_are_true(found: Any) -> bool:
    return [(row.words, row.tags) for row in all_rows(found)] == [
        tuple(zip(*sentence, strict=True)) for sentence in SENTENCES
    ]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_bare_quote_at_the_start_of_a_text_is_text(tmp_path: Path) -> None:
    """The quote of line 4 would reach to the one in line 8, and swallow four rows with their labels."""
    lines = [f"text number {n} is here\t{'neg' if n % 2 else 'pos'}" for n in range(16)]
    lines[2], lines[6] = f'"{lines[2]}', lines[6].replace("here", 'here"')
    found = opened(written(tmp_path / "a.tsv", "\n".join(["text\tlabel", *lines])))
    assert [f"{row.text}\t{row.label}" for row in all_rows(found)] == lines
    assert said(found, 'a " is read as text')


def test_a_broken_quote_in_a_file_that_needs_quotes_names_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", delimited() + '"He said "hi" loudly",good\n')
    assert refused(path).code == "malformed-rows"
    assert "line 42" in str(refused(path))


def test_a_no_break_space_is_part_of_a_word(tmp_path: Path) -> None:
    found = opened(
        written(tmp_path / "a.conll", "\n".join(f"10\u00a0000 B-AMT\nnr{n} O\n" for n in range(20)))
    )
    assert all_rows(found)[0].words == ("10\u00a0000", "nr0")


def test_a_comment_with_a_tab_is_no_word_and_a_hash_is_one(tmp_path: Path) -> None:
    content = "# id a1\tdomain=en\n" + conll(lambda word, tag: f"{word} _ _ {tag}") + "\n# _ _ O\nis _ _ O\n"
    found = opened(written(tmp_path / "a.conll", content))
    assert said(found, "1 comment line left out")
    assert {tag[2:] for row in all_rows(found) for tag in row.tags} == {"", "PER", "LOC", "ORG"}
    assert all_rows(found)[-1].words == ("#", "is")


def test_bare_places_are_entities_of_one_type(tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.conll", conll(tag=lambda tag: tag[0])))
    assert all_rows(found)[1].tags == ("B-ENTITY", "I-ENTITY", "O", "O", "B-ENTITY", "O")
    assert said(found, "tags name no type")


@pytest.mark.parametrize("header", ["token tag", "Word NER_Tag", "WORD LABEL", "mot etiquette"])
def test_a_header_line_of_columns_is_no_word(header: str, tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.conll", f"{header}\n{conll()}"))
    assert words_are_true(found)
    assert said(found, f"line 1 names the columns ({header}) and is left out")


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_counts_the_words_holds_no_words(first: int, tmp_path: Path) -> None:
    sentences = ["\n".join(f"{n}\t{w}\t{t}" for n, (w, t) in enumerate(s, first)) for s in SENTENCES]
    found = opened(written(tmp_path / "a.conll", "\n\n".join(sentences)))
    assert words_are_true(found)
    assert said(found, "column 1 counts the words, words are column 2, tags are column 3")


@pytest.mark.parametrize(
    ("keys", "header"),
    [
        ({"words": "2", "tags": "1"}, ""),
        ({"text": "2", "label": "1"}, ""),
        ({"words": "-1", "tags": "-2"}, ""),
        ({"words": "form", "tags": "tag"}, "tag form\n"),
    ],
)
def test_columns_of_words_and_tags_are_chosen_by_number_or_header(
    keys: dict[str, str], header: str, tmp_path: Path
) -> None:
    path = written(tmp_path / "a.conll", header + conll(lambda word, tag: f"{tag} {word}"))
    assert words_are_true(opened(path, **keys))
    assert refused(path, tags="7").code == "unknown-column"


def test_words_in_rows_are_gathered_into_sentences(tmp_path: Path) -> None:
    rows = [(n, word, tag) for n, sentence in enumerate(SENTENCES) for word, tag in sentence]
    path = written(tmp_path / "a.csv", delimited(rows, header=("sentence_id", "words", "labels")))
    found = opened(path)
    assert words_are_true(found)
    assert said(found, "one word a row, gathered into 30 sentences by 'sentence_id'")
    path = written(tmp_path / "b.csv", delimited([row[1:] for row in rows], header=("words", "labels")))
    assert refused(path, adapter="ner").code == "one-word-sentences"
    path = written(tmp_path / "c.csv", delimited(rows, header=("number", "words", "labels")))
    assert words_are_true(opened(path, words="words", tags="labels", sentence="number"))


def test_a_sentence_whose_number_stands_in_its_first_row_is_gathered(tmp_path: Path) -> None:
    rows = [
        ("" if place else f"Sentence: {n}", word, tag)
        for n, sentence in enumerate(SENTENCES)
        for place, (word, tag) in enumerate(sentence)
    ]
    assert words_are_true(
        opened(written(tmp_path / "a.csv", delimited(rows, header=("Sentence #", "Word", "Tag"))))
    )


def test_rows_of_a_sentence_that_are_apart_are_refused(tmp_path: Path) -> None:
    rows = sorted((word, n, tag) for n, sentence in enumerate(SENTENCES) for word, tag in sentence)
    path = written(tmp_path / "a.csv", delimited(rows, header=("words", "sent_id", "tags")))
    assert refused(path).code == "scattered-sentence"


def test_lists_as_numpy_and_python_print_them_are_read(tmp_path: Path) -> None:
    import numpy as np

    for show in (str, repr, lambda values: str(list(values)), lambda values: json.dumps(list(values))):
        rows = [
            [show(np.array(column, dtype=object)) for column in zip(*sentence, strict=True)]
            for sentence in SENTENCES
        ]
        path = written(tmp_path / "a.csv", delimited(rows, header=("tokens", "tags")))
        assert words_are_true(opened(path)), rows[0]


def test_lists_that_numpy_shortened_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv", delimited([("['a' ... 'b']", "['O' ... 'O']")] * 20, header=("tokens", "tags"))
    )
    assert refused(path).code == "not-tagged-words"
    assert refused(path, adapter="ner").code == "unusable-rows"


NAMES = ["O", "B-PER", "I-PER", "B-LOC", "B-ORG", "I-ORG"]


def numbered() -> list[dict[str, Any]]:
    return [
        {"tokens": [word for word, _ in sentence], "ner_tags": [NAMES.index(tag) for _, tag in sentence]}
        for sentence in SENTENCES
    ]


def test_tags_that_are_numbers_need_names(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", json_lines(numbered()))
    assert refused(path).code == "tags-without-names"
    assert refused(path, label_names="O,B-PER").code == "label-without-name"
    assert words_are_true(opened(path, label_names=",".join(NAMES)))
    path = written(tmp_path / "a.conll", conll(tag=lambda tag: str(NAMES.index(tag))))
    assert refused(path).code == "tags-without-names"
    assert words_are_true(opened(path, label_names=",".join(NAMES)))


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"},
        {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "List"},
        [{"names": NAMES, "_type": "ClassLabel"}],
        {"feature": {"names": {str(n): name for n, name in enumerate(NAMES)}}, "_type": "Sequence"},
    ],
)
def test_names_of_tags_come_from_parquet_in_a_folder_too(feature: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    about = json.dumps({"info": {"features": {"ner_tags": feature}}})
    table = pa.Table.from_pylist(numbered()).replace_schema_metadata({"huggingface": about})
    pq.write_table(table, tmp_path / "words.parquet")
    assert words_are_true(opened(tmp_path / "words.parquet"))
    folder = tmp_path / "best.model"  # a name decides nothing
    (folder / "data").mkdir(parents=True)
    pq.write_table(table.slice(0, 15), folder / "data" / "train-00000-of-00002.parquet")
    pq.write_table(table.slice(15), folder / "data" / "train-00001-of-00002.parquet")
    assert words_are_true(opened(folder))


@pytest.mark.parametrize(
    "answer",
    [
        "{{'text': ['Rome'], 'answer_start': [{place}]}}",
        '{{"text": ["Rome"], "answer_start": [{place}]}}',
        "{{'text': array(['Rome'], dtype=object), 'answer_start': array([{place}], dtype=int32)}}",
        "[{{'text': 'Rome', 'answer_start': {place}}}]",
    ],
)
def test_answers_in_any_notation_are_read(answer: str, tmp_path: Path) -> None:
    contexts = [f"Rome {n} is old, and Rome is warm" for n in range(30)]
    rows = [("What is warm?", text, answer.format(place=text.rindex("Rome"))) for text in contexts]
    found = opened(written(tmp_path / "a.csv", delimited(rows, header=("question", "context", "answers"))))
    assert [row.answers for row in all_rows(found)] == [(("Rome", t.rindex("Rome")),) for t in contexts]


def test_an_answer_in_brackets_is_a_text(tmp_path: Path) -> None:
    rows = [("Which?", f"It says so [sic] {n}", "[sic]") for n in range(30)]
    found = opened(written(tmp_path / "a.csv", delimited(rows, header=("question", "context", "answer"))))
    assert all_rows(found)[0].answers == (("[sic]", 11),)


@pytest.mark.parametrize("name", ["train.json", "train.jsonl", "train.txt", "train"])
def test_json_lines_are_recognised_under_any_name(name: str, tmp_path: Path) -> None:
    content = json_lines([{"text": text, "label": label} for text, label in ROWS])
    found = opened(written(tmp_path / name, content))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS


def test_texts_with_a_column_of_labels_are_classes(tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.csv", delimited(header=("text", "labels"))))
    assert found.data.adapter == "classification"
    assert said(found, "adapter guessed: classification, by the columns 'text', 'labels'")


@pytest.mark.parametrize(
    "label", [["food", "home"], "['food', 'home']", "['food' 'home']", '["food", "home"]'], ids=str
)
def test_several_labels_a_row_are_no_one_label(label: Any, tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text in TEXTS]
    path = written(tmp_path / "a.jsonl", json_lines(rows))
    assert refused(path, adapter="classification").code == "several-labels"
    assert refused(path).code == "constant-label"


def test_a_list_of_one_label_is_that_label(tmp_path: Path) -> None:
    rows = [{"text": text, "label": [label]} for text, label in ROWS]
    found = opened(written(tmp_path / "a.jsonl", json_lines(rows)))
    assert [row.label for row in all_rows(found)] == LABELS
    assert said(found, "labels are lists of one")


def cyrillic() -> bytes:
    return delimited([(f"Вечер номер {n} был добрым", "да" if n % 2 else "нет") for n in range(20)]).encode()


def test_one_bad_byte_does_not_change_the_others(tmp_path: Path) -> None:
    content = cyrillic()
    place = content.index("Вечер".encode(), content.index("номер 7".encode()) - 20) + 1
    found = opened(written(tmp_path / "a.csv", content[:place] + content[place + 1 :]))
    assert {row.label for row in all_rows(found)} == {"да", "нет"}
    assert "\ufffd" in all_rows(found)[7].text
    assert said(found, "1 byte that is not (0xD0 in line 9)")


def test_a_file_of_another_encoding_needs_its_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", cyrillic().decode().encode("cp1251"))
    assert refused(path).code == "unknown-encoding"
    assert all_rows(opened(path, encoding="cp1251"))[1].label == "да"
    assert refused(path, encoding="klingon").code == "unknown-encoding"
    assert refused(path, encoding="hex").code == "unknown-encoding"
    assert refused(path, encoding="utf-8").code == "wrong-encoding"


@pytest.mark.parametrize("start", ["sep=;\n", '"sep=;"\n', "\n", "\n \n", "\ufeffsep=;\n"])
def test_what_spreadsheets_write_above_the_header_is_understood(start: str, tmp_path: Path) -> None:
    found = opened(written(tmp_path / "a.csv", start + delimited(delimiter=";")))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ([str(n % 12 + 1) for n in range(120)], tuple(map(str, range(1, 13)))),
        ([f"{n % 3 + 9}.0" for n in range(120)], ("9", "10", "11")),
        ([("-2", "10", "9.5")[n % 3] for n in range(120)], ("-2", "9.5", "10")),
        ([("10", "2", "x")[n % 3] for n in range(120)], ("10", "2", "x")),
    ],
)
def test_labels_that_are_numbers_sort_as_numbers(
    labels: list[str], order: tuple[str, ...], tmp_path: Path
) -> None:
    from bench.registry import discover

    rows = [(f"text number {n} is here", label) for n, label in enumerate(labels)]
    found = opened(written(tmp_path / "a.csv", delimited(rows)), adapter="classification")
    task = discover([found.data]).task(found.data.name)
    assert task.labels(found.splits.train) == order


def test_codes_with_fractions_are_classes_where_the_user_says_so(tmp_path: Path) -> None:
    codes = [("1.1", "2.1", "3.2")[n % 3] for n in range(40)]
    path = written(tmp_path / "a.csv", delimited(list(zip(TEXTS, codes, strict=True))))
    found = opened(path)
    assert found.data.adapter == "regression"
    assert said(found, "for classes say --adapter classification")
    for keys in ({"adapter": "classification"}, {"label": "label"}, {"text": "text", "label": "2"}):
        assert [row.label for row in all_rows(opened(path, **keys))] == codes


def test_numbers_are_no_classes_whatever_the_user_says(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", delimited([(text, n / 7) for n, text in enumerate(TEXTS)]))
    assert refused(path, adapter="classification", label="label").code == "regression"


def test_answers_off_their_place_are_moved_and_that_is_said(tmp_path: Path) -> None:
    paragraphs = [
        {
            "context": f"Rome {n} is old, and Rome is warm",
            "qas": [{"question": "What?", "answers": [{"text": "Rome", "answer_start": 24 - n % 2}]}],
        }
        for n in range(10, 40)
    ]
    content = json.dumps({"data": [{"paragraphs": [paragraph]} for paragraph in paragraphs]})
    found = opened(written(tmp_path / "a.json", content))
    assert {row.answers for row in all_rows(found)} == {(("Rome", 20),)}
    assert said(found, "an answer is not at the place given, in 30 contexts")


SCHEMES: dict[str, Callable[[str, str], str]] = {
    "IO": lambda tag, after: f"I{tag[1:]}",
    "BILOU": lambda tag, after: f"{_place(tag, after, 'BILU')}{tag[1:]}",
    "IOBES": lambda tag, after: f"{_place(tag, after, 'BIES')}{tag[1:]}",
    "BMES": lambda tag, after: f"{_place(tag, after, 'BMES')}{tag[1:]}",
    "BMEWO": lambda tag, after: f"{_place(tag, after, 'BMEW')}{tag[1:]}",
    "IOE": lambda tag, after: f"{_place(tag, after, 'IIEE')}{tag[1:]}",
    "B_TYPE": lambda tag, after: tag.replace("-", "_"),
    "TYPE-B": lambda tag, after: f"{tag[2:]}-{tag[0]}",
    "types without B- and I-": lambda tag, after: tag[2:],
}


def _place(tag: str, after: str, letters: str) -> str:
    """The letter of a tag in a scheme of (first, inner, last, single)."""
    ends = not after.startswith("I")
    return letters[3 if tag[0] == "B" and ends else 0 if tag[0] == "B" else 2 if ends else 1]


@pytest.mark.parametrize("outside", ["O", "o", "0", "_"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_gives_the_same_entities_and_is_said(scheme: str, outside: str, tmp_path: Path) -> None:
    sentences = []
    for sentence in SENTENCES:
        tags = [*(tag for _, tag in sentence), "O"]
        new = [
            outside if tag == "O" else SCHEMES[scheme](tag, after) for tag, after in itertools.pairwise(tags)
        ]
        sentences.append("\n".join(f"{word}\t{tag}" for (word, _), tag in zip(sentence, new, strict=True)))
    found = opened(written(tmp_path / "a.conll", "\n\n".join(sentences)))
    assert words_are_true(found)
    assert said(found, scheme)
    assert outside == "O" or said(found, f"most words have '{outside}': it is read as O")


def test_types_are_examples_of_their_kind(tmp_path: Path) -> None:
    """Whatever is read is what the adapters take."""
    assert isinstance(all_rows(opened(written(tmp_path / "a.csv", delimited())))[0], TextExample)
    assert isinstance(all_rows(opened(written(tmp_path / "a.conll", conll())))[0], WordsExample)
