"""Files of named entities as people's tools write them: each read truly, or refused with the way out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.user_data.brat import brat_tables
from bench.user_data.span_ends import ends_of
from bench.user_data.spans import words_in
from tests.support.user_files import (
    LABELS,
    SENTENCES,
    TEXTS,
    all_rows,
    conll,
    delimited,
    json_lines,
    opened,
    refused,
    said,
    written,
)


def tagged(found: Any) -> list[list[tuple[str, str]]]:
    return [list(zip(row.words, row.tags, strict=True)) for row in all_rows(found)]


def entities(found: Any) -> list[list[str]]:
    """The words of each row that are in an entity."""
    return [in_entities(row) for row in all_rows(found)]


def in_entities(row: Any) -> list[str]:
    return [word for word, tag in zip(row.words, row.tags, strict=True) if tag != "O"]


# --------------------------------------------------------------------------------------------------
# Ends of spans


CHINESE = "第{}天王小明住在北京市。"
PLACES = [("王小明", "PER"), ("北京市", "LOC")]


def chinese(inclusive: bool, count: int = 30, quoted: bool = False, text: str = CHINESE) -> str:
    rows = []
    for n in range(10, 10 + count):
        full = text.format(n)
        spans = [(full.index(w), full.index(w) + len(w) - inclusive, w, label) for w, label in PLACES]
        keys = [{"start": a, "end": b, "label": c, **({"text": w} if quoted else {})} for a, b, w, c in spans]
        rows.append({"text": full, "entities": keys})
    return json_lines(rows)


@pytest.mark.parametrize("quoted", [True, False], ids=["with their texts", "without"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_ends_of_spans_are_told_where_every_letter_is_a_word(
    inclusive: bool, quoted: bool, tmp_path: Path
) -> None:
    found = opened(written(chinese(inclusive, quoted=quoted), tmp_path, "a.jsonl"))
    assert entities(found) == [list("王小明北京市")] * 30
    assert (
        said(found, "the end of a span is its last character, not the one after it, as in '王小明'")
        == inclusive
    )
    assert not said(found, "look: nothing tells")


def test_a_span_of_one_character_tells_that_its_end_is_its_last(tmp_path: Path) -> None:
    row = {"text": "王小明在家里说话", "entities": [[0, 2, "PER"], [3, 3, "X"], [4, 5, "LOC"]]}
    rows = [row | {"text": f"{row['text']}{n}"} for n in range(30)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert entities(found) == [list("王小明在家里")] * 30


@pytest.mark.parametrize("inclusive", [True, False])
def test_ends_of_which_nothing_tells_are_pointed_out(inclusive: bool, tmp_path: Path) -> None:
    content = chinese(inclusive, text="王小明说北京市很大{}")
    found = opened(written(content, tmp_path, "a.jsonl"))
    assert said(found, "look: nothing tells whether the end of a span of 'entities' is its last character")
    assert said(found, "as in '王小'" if inclusive else "as in '王小明'")


def test_ends_of_a_test_file_that_do_not_tell_are_read_as_those_of_training(tmp_path: Path) -> None:
    train = written(chinese(True), tmp_path, "a.jsonl")
    test = written(chinese(True, count=5, text="王小明说北京市很大{}"), tmp_path, "b.jsonl")
    found = opened(train, test_data=str(test))
    assert [in_entities(row) for row in found.splits.test] == [list("王小明北京市")] * 5
    assert not said(found, "look: nothing tells")


@pytest.mark.parametrize(
    ("text", "spans", "ends"),
    [
        ("《红楼梦》很好", [(0, 4, "")], "unclear"),
        ("在北京，在东京。", [(1, 3, ""), (5, 7, "")], "after"),
        ("北京", [(0, 2, "")], "after"),
        ("(Ann) ran", [(1, 4, "")], "after"),
        ("Ann ran", [(0, 2, "")], "last"),
        ("Ann ran", [(9, 2, "x"), (-3, 99, ""), (99, 1, " ")], "after"),
        ("😀 Ann", [(3, 5, "Ann")], "last"),
        ("😀 Ann", [(5, 7, "Ann")], "last"),
        ("", [], "after"),
    ],
)
def test_what_tells_where_a_span_ends(text: str, spans: list[tuple[int, int, str]], ends: str) -> None:
    assert ends_of([(text, spans, words_in(text))]) == ends


# --------------------------------------------------------------------------------------------------
# Documents


def documents(start: str, each: int = 3, count: int = 12) -> str:
    lines = []
    for document in range(count):
        lines.append(start.format(document))
        lines += [f"Ann\tB-PER\nran{document}x{n}\tO\n" for n in range(each)]
    return "\n".join(lines)


STARTS = ["# newdoc id = d{}", "# newdoc", "#begin document (d{}); part 000", "-DOCSTART-\tO\n"]


@pytest.mark.parametrize("start", STARTS)
def test_documents_of_columns_are_not_divided(start: str, tmp_path: Path) -> None:
    found = opened(written(documents(start), tmp_path, "a.conll"))
    groups = [{row.group for row in part} for part in (found.splits.train, found.splits.test)]
    assert len(groups[0] | groups[1]) > 8
    assert not groups[0] & groups[1]
    assert {len({row.group for row in all_rows(found)[n : n + 3]}) for n in range(0, 36, 3)} == {1}
    few = opened(written(documents(start, count=4), tmp_path, "b.conll"))
    assert said(few, "only 4 documents: sentences of one document may be in different parts")


def test_parts_of_a_document_are_one(tmp_path: Path) -> None:
    start = "#begin document (d); part 00{}"
    found = opened(written(documents(start, count=10), tmp_path, "a.conll"))
    assert said(found, "only 1 document:")


def test_a_sentence_before_a_document_belongs_to_the_one_before(tmp_path: Path) -> None:
    content = documents("# newdoc").replace("O\n\n", "O\n")
    groups = [row.group for row in all_rows(opened(written(content, tmp_path, "a.conll")))]
    assert groups == [f"train-document-{n}" for n in range(1, 13)]


def test_documents_of_spacys_json_are_not_divided(tmp_path: Path) -> None:
    def document(number: int) -> Mapping[str, Any]:
        words = [[("Ann", "B-PER"), (f"ran{number}x{n}", "O")] for n in range(3)]
        sentences = [{"tokens": [{"orth": w, "ner": t} for w, t in sentence]} for sentence in words]
        return {"id": number, "paragraphs": [{"sentences": [one]} for one in sentences]}

    path = written(json.dumps([document(n) for n in range(12)]), tmp_path, "a.json")
    found = opened(path)
    assert [row.group for row in all_rows(found)] == [f"train-document-{n // 3 + 1}" for n in range(36)]
    groups = [{row.group for row in part} for part in (found.splits.train, found.splits.test)]
    assert not groups[0] & groups[1]
    assert dict(found.data.columns) == {"words": "words", "tags": "tags"}
    fewer = written(json.dumps([document(n) for n in range(90, 94)]), tmp_path, "b.json")
    few = opened(fewer, test_data=str(path))
    assert said(few, "only 4 documents: sentences of one document may be in different parts")


# --------------------------------------------------------------------------------------------------
# brat


def brat(folder: Path, documents: Sequence[tuple[str, Sequence[str]]]) -> Path:
    for number, (text, lines) in enumerate(documents):
        written(text, folder, f"{number}.txt")
        written("\n".join(lines), folder, f"{number}.ann")
    return folder


def spanned(folder: Path) -> list[list[str]]:
    rows = brat_tables(folder, "")["train"].rows()
    return [[row["text"][s["start"] : s["end"]] for s in row["entities"]] for row in rows]


@pytest.mark.parametrize(
    ("sign", "encoding", "says"), [("😀", "utf-16-le", "units of UTF-16"), ("é", "utf-8", "bytes")]
)
@pytest.mark.parametrize("quoted", [True, False])
def test_places_of_brat_are_counted_over_the_whole_text(
    sign: str, encoding: str, says: str, quoted: bool, tmp_path: Path
) -> None:
    """What tells is on another line than the entity."""
    size = 2 if encoding == "utf-16-le" else 1

    def lines(text: str) -> list[str]:
        start = len(text[: text.index("Lee")].encode(encoding)) // size
        return [f"T1\tPER {start} {start + 3}" + ("\tLee" if quoted else "")]

    texts = [f"Nice {sign if n % 2 else 'x'} {n}\nMs. Lee came." for n in range(6)]
    folder = brat(tmp_path, [(text, lines(text)) for text in texts])
    assert spanned(folder) == [[], ["Lee"]] * 6
    assert any(
        f"the places of entities are counted in {says}" in note
        for note in brat_tables(folder, "")["train"].notes
    )


def test_an_entity_of_brat_that_is_not_where_its_text_is_is_named(tmp_path: Path) -> None:
    sound = ("Ms. Lee came.", ["T1\tPER 4 7\tLee"])
    folder = brat(tmp_path, [sound, sound, ("Ms. Lee came.", ["T1\tPER 4 7\tLee", "T2\tX 8 12\tcome"])])
    notes = brat_tables(folder, "")["train"].notes
    assert spanned(folder) == [["Lee"]] * 3
    assert any(
        "1 entity left out: their text is another" in note and "2.ann, line 2" in note for note in notes
    )


def test_texts_of_brat_that_are_not_those_annotated_are_refused(tmp_path: Path) -> None:
    places = ["T1\tPER 4 7\tLee"]
    error = refused(brat(tmp_path, [("Dear Ms. Lee", places), ("Ms. Lee", places), ("Ms. Ann", places)]))
    assert error.code == "spans-elsewhere"
    assert "2 of 3 entities are not where their text is, as in 0.ann, line 1" in str(error)


# --------------------------------------------------------------------------------------------------
# Columns


@pytest.mark.parametrize("tag", ["I-ORG|B-LOC", "O|B-LOC", "B-ORG;B-LOC", "i-org|b-loc"])
def test_several_tags_of_a_word_are_refused(tag: str, tmp_path: Path) -> None:
    content = conll() + f"\nBank {tag}\nran O\n"
    error = refused(written(content, tmp_path, "a.conll"))
    assert error.code == "nested-tags"
    assert f"1 word has several tags, such as '{tag}': keep one of them" in str(error)


@pytest.mark.parametrize("kind", ["A|B", "PER|LOC", "x|y-z", "A;I"])
def test_a_type_may_hold_a_sign_between_tags(kind: str, tmp_path: Path) -> None:
    found = opened(written(conll().replace("-PER", f"-{kind}"), tmp_path, "a.conll"))
    assert all_rows(found)[1].tags[:2] == (f"B-{kind}", f"I-{kind}")


@pytest.mark.parametrize("line", ["{}\t{}\t", "{}\t{}\t\t", "\t{}\t{}\t", "{}\tNN\t{}\t"])
def test_a_column_that_holds_nothing_is_no_column(line: str, tmp_path: Path) -> None:
    path = written(conll(lambda word, tag: line.format(word, tag)), tmp_path, "a.tsv")
    assert tagged(opened(path)) == SENTENCES
    assert tagged(opened(path, tags="-1")) == SENTENCES


def test_the_last_tab_may_be_missing_in_some_lines(tmp_path: Path) -> None:
    content = conll(lambda word, tag: f"{word}\t{tag}" if word == "ran" else f"{word}\t{tag}\t")
    assert tagged(opened(written(content, tmp_path, "a.conll"))) == SENTENCES


ONE = "".join(f"Ann\tB-PER\nran{n}\tO\nOslo\tB-LOC\n\n" for n in range(30))
LONG = "".join(f"Bob\tB-PER\nsaw{n}\tO\nNew\tB-LOC\nYork\tI-LOC\n\n" for n in range(10))


def test_a_type_that_training_has_in_one_word_alone_is_learnt(tmp_path: Path) -> None:
    path, test = written(ONE, tmp_path, "a.conll"), written(LONG, tmp_path, "b.conll")
    found = opened(path, test_data=str(test))
    assert {row.tags for row in found.splits.test} == {("B-PER", "O", "B-LOC", "I-LOC")}


def test_a_type_that_training_lacks_is_refused(tmp_path: Path) -> None:
    path = written(ONE, tmp_path, "a.conll")
    test = written(LONG.replace("LOC", "GPE"), tmp_path, "b.conll")
    error = refused(path, test_data=str(test))
    assert error.code == "untrained-class"
    assert "the test file has class 'GPE'" in str(error)


# --------------------------------------------------------------------------------------------------
# Tables


SIGNS = ["( Reuters )", "[ 1 , 2 ]", "[ sic ]", "( 3 4 )", "[ ... ]", "( ' Hi ' )", "("]


@pytest.mark.parametrize("start", SIGNS)
def test_a_sentence_that_begins_with_a_bracket_is_cut_at_blanks(start: str, tmp_path: Path) -> None:
    sentences = [[*start.split(), "Ann", f"ran{n}"] if n % 3 == 0 else ["Ann", f"ran{n}"] for n in range(30)]
    tags = [[*("O" for _ in words[:-2]), "B-PER", "O"] for words in sentences]
    rows = [(" ".join(words), " ".join(said)) for words, said in zip(sentences, tags, strict=True)]
    found = opened(written(delimited(rows, header=("sentence", "tags")), tmp_path))
    assert [list(row.words) for row in all_rows(found)] == sentences
    assert [list(row.tags) for row in all_rows(found)] == tags


@pytest.mark.parametrize("start", ["[ 1 , 2 ]", "[...]", "( 1 )"])
def test_a_sentence_that_is_all_in_brackets_is_cut_at_blanks(start: str, tmp_path: Path) -> None:
    sentences = [start.split() if n == 7 else ["Ann", f"ran{n}"] for n in range(30)]
    tags = [["O"] * len(words) if n == 7 else ["B-PER", "O"] for n, words in enumerate(sentences)]
    rows = [(" ".join(words), " ".join(said)) for words, said in zip(sentences, tags, strict=True)]
    found = opened(written(delimited(rows, header=("sentence", "tags")), tmp_path))
    assert [list(row.words) for row in all_rows(found)] == sentences


def test_a_list_that_was_cut_off_is_no_sentence(tmp_path: Path) -> None:
    rows = [(f"['Ann', 'ran{n}']", "['B-PER', 'O']") for n in range(30)]
    rows[3] = ("['Ann', 'ran", "['B-PER', 'O']")
    found = opened(written(delimited(rows, header=("tokens", "tags")), tmp_path))
    assert len(all_rows(found)) == 29
    assert said(found, "1 of 30 rows left out, because the words are no list")


def both(n: int, **more: Any) -> dict[str, Any]:
    spans = [{"start": 0, "end": 3, "label": "PER"}]
    return {"text": f"Ann's {n} dogs", "entities": spans, **more}


def test_words_with_tags_come_before_spans(tmp_path: Path) -> None:
    rows = [
        both(n, tokens=["Ann", "'s", str(n), "dogs"], ner_tags=["B-PER", "O", "O", "O"]) for n in range(30)
    ]
    path = written(json_lines(rows), tmp_path, "a.jsonl")
    expected = [[("Ann", "B-PER"), ("'s", "O"), (str(n), "O"), ("dogs", "O")] for n in range(30)]
    for keys in ({}, {"adapter": "ner"}, {"words": "tokens", "tags": "ner_tags"}):
        assert tagged(opened(path, **keys)) == expected
    assert said(
        opened(path),
        "'tokens' and 'ner_tags' hold words and their tags: the spans of 'entities' are not read",
    )
    cut = [("Ann", "B-PER"), ("'", "O"), ("s", "O"), ("3", "O"), ("dogs", "O")]
    assert tagged(opened(path, adapter="ner", text="text", tags="entities"))[3] == cut


@pytest.mark.parametrize(
    "more", [{"ner_tags": ["O"]}, {"tokens": ["a"]}, {"tags": ["news"], "tokens": ["a", "b"]}]
)
def test_words_without_as_many_tags_leave_the_spans(more: dict[str, Any], tmp_path: Path) -> None:
    path = written(json_lines([both(n, **more) for n in range(30)]), tmp_path, "a.jsonl")
    assert tagged(opened(path))[3] == [("Ann", "B-PER"), ("'", "O"), ("s", "O"), ("3", "O"), ("dogs", "O")]


def decision(n: int, answer: str = "accept") -> dict[str, Any]:
    if n % 2:
        return {"text": f"Ann {n} ran", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": answer}
    return {"text": f"nothing {n} here", "answer": answer}


def test_a_task_that_was_accepted_without_spans_has_no_entity(tmp_path: Path) -> None:
    rows = [decision(n, ("accept", "accept", "reject", "ignore", "accept")[n % 5]) for n in range(40)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    kept = [n for n in range(40) if n % 5 in (0, 1, 4)]
    assert entities(found) == [["Ann"] if n % 2 else [] for n in kept]
    assert said(found, "16 rows left out, because 'answer' is not accept")


def test_words_in_rows_need_the_number_of_their_sentence_in_every_file(tmp_path: Path) -> None:
    rows = [(f"Sentence: {n}", word, tag) for n in range(30) for word, tag in SENTENCES[n]]
    path = written(delimited(rows, header=("Sentence #", "Word", "Tag")), tmp_path)
    other = delimited([(n, f"{w}x", t) for n, w, t in rows], header=("sentence_id", "Word", "Tag"))
    error = refused(path, test_data=str(written(other, tmp_path, "b.csv")))
    assert error.code == "different-columns"
    assert "b.csv has no column 'Sentence #', which a.csv has" in str(error)
    folder = tmp_path / "folder"
    path.rename(written("", folder, "train.csv"))
    written(other, folder, "test.csv")
    assert refused(folder).code == "different-columns"


# --------------------------------------------------------------------------------------------------
# Label Studio


def studio(n: int, data: Mapping[str, Any], quoted: bool = True) -> dict[str, Any]:
    value = {"start": 0, "end": 3, "labels": ["PER"], **({"text": "Ann"} if quoted else {})}
    return {"id": n, "data": data, "annotations": [{"result": [{"type": "labels", "value": value}]}]}


def exported(folder: Path, quoted: bool = True, **more: Any) -> Path:
    tasks = [studio(n, {"speaker": "A", "utterance": f"Ann {n} ran", **more}, quoted) for n in range(30)]
    return written(json.dumps(tasks), folder, "a.json")


@pytest.mark.parametrize("more", [{}, {"text": "a title"}], ids=["no usual name", "a usual name"])
def test_the_text_of_a_task_is_the_one_that_holds_the_spans(more: dict[str, str], tmp_path: Path) -> None:
    found = opened(exported(tmp_path, quoted=True, **more))
    assert tagged(found) == [[("Ann", "B-PER"), (str(n), "O"), ("ran", "O")] for n in range(30)]
    assert said(found, "the text of a task is data.utterance")


@pytest.mark.parametrize(
    "keys", [{"text": "data.utterance"}, {"words": "data.utterance", "adapter": "ner"}], ids=["text", "words"]
)
def test_the_text_of_a_task_may_be_named(keys: dict[str, str], tmp_path: Path) -> None:
    path = exported(tmp_path, quoted=False)
    error = refused(path)
    assert error.code == "unclear-column"
    assert "say --text data.KEY, such as --text data.speaker ('speaker', 'utterance')" in str(error)
    assert entities(opened(path, **keys)) == [["Ann"]] * 30


def test_the_text_and_the_group_of_a_choice_may_be_named(tmp_path: Path) -> None:
    tasks = [
        {
            "id": n,
            "data": {"author": f"a{n % 20}", "said": text},
            "annotations": [{"result": [{"type": "choices", "value": {"choices": [LABELS[n]]}}]}],
        }
        for n, text in enumerate(TEXTS)
    ]
    path = written(json.dumps(tasks), tmp_path, "a.json")
    assert refused(path).code == "unclear-column"
    found = opened(path, text="data.said", group="data.author")
    rows = [(row.text, row.label, row.group) for row in all_rows(found)]
    assert rows == [(text, LABELS[n], f"a{n % 20}") for n, text in enumerate(TEXTS)]
