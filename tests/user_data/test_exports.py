"""Files as other programs export them: spreadsheets, competitions, the hub's viewer, fastText, SQuAD."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.user_data.number_format import number_format, plain_number
from bench.user_data.questions import place_answers
from tests.support.user_files import (
    LABELS,
    ROWS,
    TEXTS,
    all_rows,
    conll,
    delimited,
    json_lines,
    opened,
    said,
    written,
)

SAME_ROWS: dict[str, tuple[str, str, str]] = {
    "a mark before each of two files put together": (
        "\ufeff" + delimited(ROWS[:20]) + "\ufeff" + delimited(ROWS[20:]),
        "a.csv",
        "1 line repeats the header",
    ),
    "a mark twice": ("\ufeff\ufeff" + delimited(), "a.csv", ""),
    "a table of Markdown": (
        "| text | label |\n|:---|---:|\n" + "".join(f"| {a} | {b} |\n" for a, b in ROWS),
        "a.md",
        "1 line of dashes left out",
    ),
    "blanks before quotes": (
        "label, text\n" + "".join(f'{b}, "{a}"\n' for a, b in ROWS),
        "a.csv",
        "blanks stand between separators and quotation marks",
    ),
    "fastText with tabs": (
        "".join(f"__label__{b}\t{a}\n" for a, b in ROWS),
        "a.txt",
        "as fastText has them",
    ),
    "fastText with labels last": (
        "".join(f"{a} __label__{b}\n" for a, b in ROWS),
        "a.txt",
        "as fastText has them",
    ),
    "labels with a zero-width blank": (
        delimited([(a, b + "\u200b" * (n % 2)) for n, (a, b) in enumerate(ROWS)]),
        "a.csv",
        "20 labels have invisible characters",
    ),
}


@pytest.mark.parametrize("case", SAME_ROWS)
def test_the_rows_are_those_that_were_exported(case: str, tmp_path: Path) -> None:
    content, name, says = SAME_ROWS[case]
    found = opened(written(content, tmp_path, name))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert not says or said(found, says), found.notes


def test_tabs_separate_where_every_text_has_one_comma_too(tmp_path: Path) -> None:
    content = "".join(f"{label}\t{text}\n" for text, label in ROWS)
    found = opened(written(content, tmp_path, "SMSSpamCollection"), text="2", label="1")
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS


def test_accents_in_two_parts_are_one_class(tmp_path: Path) -> None:
    labels = [("café", "cafe\u0301", "tea")[n % 3] for n in range(40)]
    found = opened(written(delimited(list(zip(TEXTS, labels, strict=True))), tmp_path))
    assert {row.label for row in all_rows(found)} == {"café", "tea"}
    assert said(found, "13 labels have invisible characters around it or accents in two parts")


@pytest.mark.parametrize(("test", "usual"), [(["TRUE", "FALSE"], "True"), (["true", "false"], "True")])
def test_true_and_false_have_one_spelling_in_all_files(test: list[str], usual: str, tmp_path: Path) -> None:
    rows = [(text, str(n % 2 == 0)) for n, text in enumerate(TEXTS)]
    other = [(f"another {n}", test[n % 2]) for n in range(8)]
    path = written(delimited(rows), tmp_path)
    found = opened(path, test_data=str(written(delimited(other), tmp_path, "b.csv")))
    assert found.splits.test[0].label == usual
    assert {row.label for row in found.splits.test} == {"True", "False"}


def test_true_alone_is_one_class(tmp_path: Path) -> None:
    rows = [(text, ("True", "TRUE")[n % 2]) for n, text in enumerate(TEXTS)]
    with pytest.raises(BenchError) as error:
        opened(written(delimited(rows), tmp_path))
    assert error.value.code == "constant-label"


@pytest.mark.parametrize("sign", ["|", ";", ","])
def test_labels_that_are_made_of_others_are_pointed_out(sign: str, tmp_path: Path) -> None:
    labels = ["food", f"food{sign}price", "price", "room"] * 10
    rows = list(zip(TEXTS, labels, strict=True))
    found = opened(written(delimited(rows), tmp_path))
    assert said(found, f"--label-separator '{sign}'")
    found = opened(written(delimited(rows), tmp_path), label_separator=sign)
    assert all_rows(found)[1].labels == ("food", "price")


def test_a_label_with_a_comma_of_its_own_is_not_pointed_out(tmp_path: Path) -> None:
    labels = ["Paris, France", "Rome, Italy"] * 20
    found = opened(written(delimited(list(zip(TEXTS, labels, strict=True))), tmp_path))
    assert not said(found, "--label-separator")


@pytest.mark.parametrize(
    ("values", "written_as", "numbers"),
    [
        (["1,5", "2", "10,25"], "comma", [1.5, 2, 10.25]),
        (["0,125", "0,250"], "comma", [0.125, 0.25]),
        (["1.234,5", "12,5"], "comma", [1234.5, 12.5]),
        (["1,234.5", "12.5"], "thousands", [1234.5, 12.5]),
        (["1,234,567", "1,000"], "thousands", [1_234_567, 1000]),
        (["1.5", "2"], "", [1.5, 2]),
    ],
)
def test_numbers_are_read_as_their_column_writes_them(
    values: list[str], written_as: str, numbers: list[float]
) -> None:
    assert number_format(values) == written_as
    assert [float(plain_number(value, written_as)) for value in values] == numbers


@pytest.mark.parametrize("values", [["1,5,7"], ["1,5", "two"], ["1,5", "2.5"], ["Paris, France"]])
def test_commas_in_anything_else_are_text(values: list[str]) -> None:
    assert number_format(values) == ""


def test_decimal_commas_are_numbers_and_said(tmp_path: Path) -> None:
    rows = [(text, f"{n / 7:.2f}".replace(".", ",")) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, ";", ("text", "score")), tmp_path))
    assert found.data.adapter == "regression"
    assert [row.number for row in all_rows(found)] == [round(n / 7, 2) for n in range(40)]
    assert said(found, "decimal commas")


def test_a_missing_number_does_not_hide_what_the_others_are(tmp_path: Path) -> None:
    rows = [(text, "n/a" if n < 4 else f"{n / 7:.3f}") for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, header=("text", "score")), tmp_path))
    assert found.data.adapter == "regression"
    assert said(found, "4 of 40 rows left out, because the label is no number")


def test_class_names_of_the_viewer_are_used_and_a_part_is_said(tmp_path: Path) -> None:
    features = [{"name": "label", "type": {"names": ["bad", "good"], "_type": "ClassLabel"}}]
    rows = [{"row_idx": n, "row": {"text": text, "label": n % 2}} for n, text in enumerate(TEXTS)]
    value = {"features": features, "rows": rows, "num_rows_total": 900}
    found = opened(written(json.dumps(value), tmp_path, "a.json"))
    assert [(row.text, row.label) for row in all_rows(found)] == ROWS
    assert said(found, "40 of the 900 rows")


@pytest.mark.parametrize("value", [lambda flags: flags, lambda flags: [float(f) for f in flags], str])
def test_lists_of_zeros_and_ones_are_one_for_each_label(value: Any, tmp_path: Path) -> None:
    rows = [{"text": text, "labels": value([n % 2, 1 - n % 2, n % 3 % 2])} for n, text in enumerate(TEXTS)]
    path = written(json_lines(rows), tmp_path, "a.jsonl")
    with pytest.raises(BenchError) as error:
        opened(path)
    assert error.value.code == "indicators-without-names"
    found = opened(path, label_names="food,price,room")
    assert [row.labels for row in all_rows(found)[:2]] == [("price",), ("food", "room")]


def test_sets_are_lists_of_labels(tmp_path: Path) -> None:
    rows = [(text, ("{'a', 'b'}", "{'a'}", "set()", "{'c'}")[n % 4]) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, header=("text", "labels")), tmp_path))
    assert [set(row.labels) for row in all_rows(found)[:4]] == [{"a", "b"}, {"a"}, set(), {"c"}]


def test_a_competitions_test_file_without_labels_is_left_out_and_said(tmp_path: Path) -> None:
    written(delimited(), tmp_path / "films", "train.csv")
    written(delimited([(f"new {n}",) for n in range(9)], header=("text",)), tmp_path / "films", "test.csv")
    found = opened(tmp_path / "films")
    assert sorted(row.text for row in all_rows(found)) == sorted(TEXTS)
    assert said(found, "test.csv has no labels: training rows become the test rows")


def test_a_column_of_another_case_in_the_test_file_is_refused(tmp_path: Path) -> None:
    written(delimited(ROWS[:30]), tmp_path / "films", "train.csv")
    written(delimited(ROWS[30:], header=("text", "Label")), tmp_path / "films", "test.csv")
    with pytest.raises(BenchError) as error:
        opened(tmp_path / "films")
    assert error.value.code == "different-columns"


def test_files_of_a_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name, part in (("train", ROWS[:24]), ("val", ROWS[24:30]), ("dev", ROWS[30:35]), ("test", ROWS[35:])):
        written(delimited(part), tmp_path / "films", f"{name}.csv")
    assert said(opened(tmp_path / "films"), "not read: dev.csv")


def test_a_folder_that_lacks_a_shard_is_refused(tmp_path: Path) -> None:
    written(delimited(), tmp_path / "films", "train-00000-of-00002.csv")
    with pytest.raises(BenchError, match="1 of 2 files of 'train'") as error:
        opened(tmp_path / "films")
    assert error.value.code == "missing-shards"
    written(delimited([("more", "good")]), tmp_path / "films", "train-00001-of-00002.csv")
    assert len(all_rows(opened(tmp_path / "films"))) == 41


def test_a_column_that_names_the_parts_is_pointed_out(tmp_path: Path) -> None:
    rows = [(text, label, "test" if n > 30 else "train") for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("text", "label", "split")), tmp_path))
    assert said(found, "look: 'split' says which rows are for training")
    assert said(found, "say --split 'split'")


def test_minus_one_among_classes_is_pointed_out(tmp_path: Path) -> None:
    from bench.data.sources import Sources
    from bench.user_data.summary import lengths, summarise

    found = opened(written(delimited([(text, n % 4 - 1) for n, text in enumerate(TEXTS)]), tmp_path))
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("class '-1' (7 training rows) beside 0 to 2" in line for line in lines)


def test_columns_of_zeros_and_ones_are_named_where_no_label_is_found(tmp_path: Path) -> None:
    rows = [(text, n % 2, n % 3 % 2) for n, text in enumerate(TEXTS)]
    with pytest.raises(BenchError, match=r"\(toxic, insult\) may be labels") as error:
        opened(written(delimited(rows, header=("comment_text", "toxic", "insult")), tmp_path))
    assert error.value.code == "unclear-adapter"


# --------------------------------------------------------------------------------------------------
# Words and tags


def test_the_words_are_in_the_other_column(tmp_path: Path) -> None:
    path = written(conll(lambda word, tag: f"{tag}\t{word}"), tmp_path, "a.conll")
    assert opened(path, tags="1").splits.train[0].words[0] in ("Ann", "The")
    path = written(conll(lambda word, tag: f"{tag} X {word}"), tmp_path, "b.conll")
    with pytest.raises(BenchError) as error:
        opened(path, tags="1")
    assert error.value.code == "one-column-twice"


def test_a_hashtag_with_a_tag_is_a_word(tmp_path: Path) -> None:
    sentences = [f"# id {n}\n#Oslo{n} B-LOC\nis O\nwarm O" for n in range(30)]
    found = opened(written("\n\n".join(sentences), tmp_path, "a.conll"))
    assert all_rows(found)[3].words == ("#Oslo3", "is", "warm")
    assert said(found, "30 comment lines left out")


def test_blanks_among_tabs_are_refused_by_line(tmp_path: Path) -> None:
    content = conll(lambda word, tag: f"{word}\t{tag}").replace("Ann\tB-PER", "Ann B-PER", 1)
    with pytest.raises(BenchError, match="line 7") as error:
        opened(written(content, tmp_path, "a.conll"))
    assert error.value.code == "mixed-separators"


# --------------------------------------------------------------------------------------------------
# Questions


@pytest.mark.parametrize(
    ("context", "answer", "stated", "place", "done"),
    [
        ("Romeo is in Rome", "Rome", None, 12, []),
        ("Romeo is in Rome", "Rome", 0, 0, []),
        ("Romeo is in Rome", "Rome", 2, 12, ["moved"]),
        ("Romeos", "Rome", None, 0, []),
        ("2019 or 19", "19", None, 8, []),
        ("東京都は東京", "東京", None, 0, ["twice"]),
        ("😀😀😀😀 Rom Rom 0 Rom", "Rom", 13, 9, ["units"]),
        ("Über Rom und Rom", "Rom", 6, 5, ["bytes"]),
    ],
)
def test_an_answer_is_a_whole_word_where_it_can_be(
    context: str, answer: str, stated: int | None, place: int, done: list[str]
) -> None:
    assert place_answers(context, [(answer, stated)]) == (context, ((answer, place),), done)


def _paragraph(n: int, answers: Any) -> dict[str, Any]:
    return {
        "context": f"Ann {n} lives in Rome.",
        "qas": [{"id": n, "question": "Where?", "answers": answers}],
    }


RELATIVES: dict[str, Any] = {
    "a list of articles": lambda p: [{"title": f"t{n}", "paragraphs": [one]} for n, one in enumerate(p)],
    "a list of paragraphs": lambda p: p,
    "SQuAD": lambda p: {"data": [{"title": f"t{n}", "paragraphs": [one]} for n, one in enumerate(p)]},
}


@pytest.mark.parametrize("case", RELATIVES)
def test_squads_relatives_are_read(case: str, tmp_path: Path) -> None:
    paragraphs = [
        _paragraph(n, [{"text": "Rome", "answer_start": str(f"Ann {n} lives in Rome.".index("Rome"))}])
        for n in range(30)
    ]
    found = opened(written(json.dumps(RELATIVES[case](paragraphs)), tmp_path, "a.json"))
    assert [row.answers[0][0] for row in all_rows(found)] == ["Rome"] * 30
    assert found.data.adapter == "qa"


@pytest.mark.parametrize("nothing", [None, [], [{"text": "", "answer_start": -1}]])
def test_questions_without_answers_are_unanswerable(nothing: Any, tmp_path: Path) -> None:
    paragraphs = [
        _paragraph(n, [{"text": "Rome", "answer_start": 14}] if n % 2 else nothing) for n in range(30)
    ]
    found = opened(written(json.dumps(paragraphs), tmp_path, "a.json"))
    assert found.data.adapter == "unanswerable"
    assert sum(not row.answers for row in all_rows(found)) == 15


def test_yes_and_no_are_classes(tmp_path: Path) -> None:
    rows = [{"question": text, "passage": label, "answer": True} for text, label in ROWS]
    with pytest.raises(BenchError, match="--adapter classification") as error:
        opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert error.value.code == "unusable-rows"


def test_rows_of_one_text_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="of 1 text that stay together") as error:
        opened(written(delimited([("the same", label) for label in LABELS]), tmp_path))
    assert error.value.code == "too-few-rows"
