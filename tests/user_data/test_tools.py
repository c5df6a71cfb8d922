"""What other tools write that is easily read for something else: other units, several questions, marks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import user_files
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


def written(content: str | bytes, folder: Path, name: str = "a.json") -> Path:
    return user_files.written(content, folder, name)


def tagged(found: Any) -> list[list[tuple[str, str]]]:
    return [list(zip(row.words, row.tags, strict=True)) for row in all_rows(found)]


COUNTED: dict[str, tuple[Callable[[str], int], str]] = {
    "characters": (len, ""),
    "UTF-16": (lambda text: len(text.encode("utf-16-le")) // 2, "counted in units of UTF-16"),
    "bytes": (lambda text: len(text.encode()), "counted in bytes"),
}
EMOJI = [f"😀 Ann {n} lives in Oslo" for n in range(30)]
PLACES = [("😀 ", "😀 Ann", "PER"), ("😀 Ann {} lives in ", "😀 Ann {} lives in Oslo", "LOC")]


@pytest.mark.parametrize("quoted", [True, False], ids=["with their texts", "without"])
@pytest.mark.parametrize("case", COUNTED)
def test_places_of_spans_are_read_in_what_they_count(case: str, quoted: bool, tmp_path: Path) -> None:
    count, says = COUNTED[case]
    rows = []
    for n, text in enumerate(EMOJI):
        spans = [(count(a.format(n)), count(b.format(n)), label) for a, b, label in PLACES]
        words = ("Ann", "Oslo")
        keys = [
            {"start": a, "end": b, "label": c, **({"text": word} if quoted else {})}
            for (a, b, c), word in zip(spans, words, strict=True)
        ]
        rows.append({"text": text, "entities": keys})
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert tagged(found) == [
        list(zip(text.split(), ("O", "B-PER", "O", "O", "O", "B-LOC"), strict=True)) for text in EMOJI
    ]
    assert said(found, "places of spans are") == bool(says)
    assert said(found, says)


def choice(name: str, value: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": [value]}}


def tasks(results: Callable[[int], list[Any]]) -> str:
    return json.dumps(
        [{"data": {"text": text}, "annotations": [{"result": results(n)}]} for n, text in enumerate(TEXTS)]
    )


def test_several_questions_on_a_text_are_several_columns(tmp_path: Path) -> None:
    path = written(tasks(lambda n: [choice("feeling", LABELS[n]), choice("kind", "ab"[n % 2])]), tmp_path)
    assert refused(path).code in ("unclear-adapter", "unclear-column")
    found = opened(path, text="text", label="feeling")
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert said(found, "annotators answered several questions: feeling, kind")


def test_a_rating_is_a_label(tmp_path: Path) -> None:
    results: Callable[[int], list[Any]] = lambda n: [  # noqa: E731
        {"from_name": "stars", "type": "rating", "value": {"rating": n % 5 + 1}}
    ]
    found = opened(written(tasks(results), tmp_path))
    assert [row.label for row in all_rows(found)] == [str(n % 5 + 1) for n in range(40)]


def test_spans_and_choices_need_an_adapter(tmp_path: Path) -> None:
    span = {"from_name": "e", "type": "labels", "value": {"start": 0, "end": 4, "labels": ["WORK"]}}
    path = written(tasks(lambda n: [span, choice("feeling", LABELS[n])]), tmp_path)
    assert refused(path).code == "spans-and-labels"
    assert [(row.text, row.label) for row in all_rows(opened(path, adapter="classification"))] == ROWS
    assert {row.tags[0] for row in all_rows(opened(path, adapter="ner"))} == {"B-WORK"}


def spacy(paragraph: Callable[[int], dict[str, Any]], count: int) -> str:
    return json.dumps([{"id": n, "paragraphs": [{"raw": "", **paragraph(n)}]} for n in range(count)])


def test_spacys_training_format_is_read_by_sentence(tmp_path: Path) -> None:
    def paragraph(n: int) -> dict[str, Any]:
        tokens = [{"id": k, "orth": word, "ner": tag} for k, (word, tag) in enumerate(SENTENCES[n])]
        return {
            "sentences": [
                {"tokens": [*tokens, {"orth": "\n", "ner": "O"}]},
                {"tokens": [{"orth": "x", "ner": "-"}]},
            ]
        }

    found = opened(written(spacy(paragraph, len(SENTENCES)), tmp_path))
    assert tagged(found) == SENTENCES
    assert said(found, "30 sentences left out, because not all tokens have a tag")


def test_categories_of_spacys_training_format_are_labels(tmp_path: Path) -> None:
    def paragraph(n: int) -> dict[str, Any]:
        cats = [{"label": label, "value": float(label == LABELS[n])} for label in ("good", "bad")]
        return {"raw": TEXTS[n], "sentences": [{"tokens": [{"orth": "x"}]}], "cats": cats}

    found = opened(written(spacy(paragraph, 40), tmp_path))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS


def test_the_language_before_every_word_is_no_part_of_it(tmp_path: Path) -> None:
    path = written(conll(lambda word, tag: f"en:{word}\t{tag}"), tmp_path, "train")
    other = written("en:Ann\tB-PER\nen:en:x\tO\n\n" * 3, tmp_path, "test")
    found = opened(path, test_data=str(other))
    assert {row.words for row in found.splits.test} == {("Ann", "en:x")}
    assert said(found, "every word begins with 'en:'")
    assert tagged(opened(path)) == SENTENCES


def test_words_that_begin_alike_now_and_then_are_whole(tmp_path: Path) -> None:
    path = written(
        conll(lambda word, tag: f"{word if word == 'Oslo' else 'en:' + word}\t{tag}"), tmp_path, "train"
    )
    assert all_rows(opened(path))[1].words[0] == "en:Ann"


def test_a_second_column_of_tags_is_pointed_out(tmp_path: Path) -> None:
    """Entities within others, as of GermEval, and chunks, as of CoNLL-2003."""
    inner: Callable[[str, str], str] = lambda word, tag: (  # noqa: E731
        f"{word}\t{tag}\t{'B-LOCderiv' if word == 'Oslo' else 'O'}"
    )
    path = written(conll(inner), tmp_path, "a.conll")
    found = opened(path)
    assert said(found, "look: column 2 holds tags, too (B-LOC, B-ORG, B-PER): --tags 2 reads it")
    assert tagged(opened(path, tags="2")) == SENTENCES
    assert not said(opened(path, tags="2"), "look: column")
    assert not said(opened(written(conll(lambda w, t: f"{w}\tNN\t{t}"), tmp_path, "b.conll")), "look: column")


@pytest.mark.parametrize("suffix", [".conllu", ".iob2", ".bmes", ".conll2003"])
def test_a_folder_takes_every_suffix_of_columns(suffix: str, tmp_path: Path) -> None:
    half = len(SENTENCES) // 2
    lines = ["\n".join(f"{w}\t{t}" for w, t in sentence) for sentence in SENTENCES]
    written("\n\n".join(lines[:half]), tmp_path, f"train{suffix}")
    written("\n\n".join(lines[half:]), tmp_path, f"dev{suffix}")
    splits = opened(tmp_path).splits
    assert len(splits.validation) == half
    assert len(splits.train) + len(splits.test) == half


def test_splits_in_a_format_that_is_not_read_are_named(tmp_path: Path) -> None:
    written(delimited(), tmp_path, "train.csv")
    for name in ("test.xlsx", "test.csv.zip", "train.py", "README.md"):
        written("x", tmp_path, name)
    assert said(opened(tmp_path), "files of the folder that are not read: test.csv.zip, test.xlsx")


@pytest.mark.parametrize("answer", ["[12]", "{x}"])
def test_an_answer_in_brackets_that_stands_so_in_the_context_is_a_text(answer: str, tmp_path: Path) -> None:
    contexts = [f"As {n} of 12 said in {answer}, it is so." for n in range(30)]
    rows = [
        {"question": f"Where, {n}?", "context": context, "answer": answer}
        for n, context in enumerate(contexts)
    ]
    for name, content in (
        ("a.jsonl", json_lines(rows)),
        ("a.csv", delimited([tuple(row.values()) for row in rows], header=tuple(rows[0]))),
    ):
        found = all_rows(opened(written(content, tmp_path, name)))
        assert [row.answers for row in found] == [((answer, text.index(answer)),) for text in contexts]


GERMAN = [(f"Straße {n} ist schön, größer, café naïve", label) for n, label in enumerate(LABELS)]


@pytest.mark.parametrize("utf_8", [2, 5, 8])
def test_a_file_in_two_encodings_is_refused(utf_8: int, tmp_path: Path) -> None:
    """utf_8: of ten lines."""
    lines = [
        delimited([row], header=()).encode("utf-8" if n % 10 < utf_8 else "cp1252")
        for n, row in enumerate(GERMAN)
    ]
    error = refused(written(b"text,label\n" + b"".join(lines), tmp_path, "a.csv"))
    assert error.code == "mixed-encodings"
    assert "line 4" in str(error) or "line 7" in str(error) or "line 10" in str(error)


def test_files_in_two_encodings_are_each_read_in_its_own(tmp_path: Path) -> None:
    path = written(delimited(GERMAN[:30]).encode(), tmp_path, "a.csv")
    test = written(delimited(GERMAN[30:]).encode("cp1252"), tmp_path, "b.csv")
    found = opened(path, test_data=str(test))
    assert [(row.text, row.label) for row in found.splits.test] == GERMAN[30:]


def test_arff_below_comments_is_named(tmp_path: Path) -> None:
    content = "% 1. Title: reviews\n%\n@RELATION reviews\n@ATTRIBUTE text string\n@DATA\n'a, b',good\n"
    assert refused(written(content, tmp_path, "a.arff")).code == "not-text"


def test_columns_that_conll_u_plus_names_are_read(tmp_path: Path) -> None:
    lines = [
        "\n".join(f"{n}\t{word}\t{tag}\tSpaceAfter=No" for n, (word, tag) in enumerate(sentence, 1))
        for sentence in SENTENCES
    ]
    content = "# global.columns = ID FORM UNER:NER MISC\n# text = a\n" + "\n\n".join(lines) + "\n"
    path = written(content, tmp_path, "train.conllup")
    assert tagged(opened(path)) == SENTENCES
    assert tagged(opened(path, words="FORM", tags="UNER:NER")) == SENTENCES


def test_lines_of_fasttext_may_lack_a_label(tmp_path: Path) -> None:
    lines = [f"__label__{label} {text}" for text, label in ROWS]
    lines[3] = lines[3].removeprefix(f"__label__{LABELS[3]} ")
    found = opened(written("\n".join(lines), tmp_path, "a.txt"))
    assert [(row.text, row.label) for row in all_rows(found)] == [row for n, row in enumerate(ROWS) if n != 3]
    assert said(found, "1 of 40 rows left out, because the label is empty")


def test_a_comma_between_blanks_after_a_label_of_fasttext_makes_no_table(tmp_path: Path) -> None:
    """As the scripts of fastText turn CSV into lines; a line of names above them makes it one."""
    rows = [(f"the house {n}{' , in a park' * (n % 3)} .", f"{n % 2}") for n in range(40)]
    content = "".join(f"__label__{label} , {text}\n" for text, label in rows)
    found = opened(written(content, tmp_path, "a.train"))
    assert [(row.text, row.label) for row in all_rows(found)] == rows
    assert said(found, "the sign between a label and its text is left out")
    assert refused(written("label , text\n" + content, tmp_path, "b.train")).code == "malformed-rows"


def test_blanks_around_the_separator_of_a_table_make_no_lines_of_fasttext(tmp_path: Path) -> None:
    content = "".join(f"__label__{label} , {text.replace(',', '')}\n" for text, label in ROWS)
    found = opened(written(content, tmp_path, "a.txt"), text="2", label="1")
    assert [row.label for row in all_rows(found)] == [f"__label__{label}" for label in LABELS]


def test_a_text_called_data_is_read_with_its_spans_or_its_label(tmp_path: Path) -> None:
    spans = [{"id": n, "data": f"Ann {n} ran", "label": [[0, 3, "PER"]]} for n in range(30)]
    found = opened(written(json_lines(spans), tmp_path, "a.jsonl"))
    assert tagged(found) == [[("Ann", "B-PER"), (str(n), "O"), ("ran", "O")] for n in range(30)]
    labels = [{"id": n, "data": text, "label": label} for n, (text, label) in enumerate(ROWS)]
    found = opened(written(json_lines(labels), tmp_path, "b.jsonl"))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS


def test_a_file_with_rare_quotation_marks_around_texts_is_read_as_it_stands(tmp_path: Path) -> None:
    """As a collection of short messages has them: a few texts are in marks, and one mark does not close."""
    rows = [(label, text) for text, label in ROWS]
    rows[3], rows[8], rows[9] = ("good", '"fine"'), ("bad", '"it" was'), ("good", '"also fine"')
    content = "".join(f"{label}\t{text}\n" for label, text in rows)
    found = opened(written(content, tmp_path, "sms.tsv"), text="2", label="1")
    assert [(row.label, row.text) for row in all_rows(found)] == rows


def test_a_tab_at_the_end_of_some_lines_is_no_column(tmp_path: Path) -> None:
    content = conll(lambda word, tag: f"{word}\t{tag}\t\t" if word == "ran" else f"{word}\t{tag}")
    assert tagged(opened(written(content, tmp_path, "a.conll"))) == SENTENCES


def test_types_without_places_in_a_table_are_tags_where_the_adapter_says_so(tmp_path: Path) -> None:
    """As the corpora of GUM are: a table by its name, where most words are in entities."""
    lines = ["\n".join(f"{word}\t{tag[2:] or 'O'}" for word, tag in sentence) for sentence in SENTENCES]
    path = written("\n\n".join(lines) + "\n", tmp_path, "news.tsv")
    assert tagged(opened(path, adapter="ner")) == SENTENCES
    assert said(opened(path, text="1", label="2"), "look: blank lines divide the rows")


def test_folders_of_data_sets_are_no_folders_of_texts(tmp_path: Path) -> None:
    for topic in ("climate", "atheism"):
        (tmp_path / topic).mkdir()
        for part in ("train_text", "train_labels", "test_text"):
            written("0\n1\n", tmp_path / topic, f"{part}.txt")
    assert refused(tmp_path).code == "no-train-split"
