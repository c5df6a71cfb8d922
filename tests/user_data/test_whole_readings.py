"""Files of which a part was read as the whole: half of a pair, a span of a text, an answer that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.data.sources import Sources
from bench.user_data.summary import lengths, summarise
from tests.support.user_files import (
    LABELS,
    ROWS,
    TEXTS,
    all_rows,
    delimited,
    json_lines,
    opened,
    refused,
    said,
    written,
)

SENTENCES = ("Ann Smith lives in Oslo.", "Bob of Acme Corp met her.")
SPANS = (((0, 9, "PER"), (19, 23, "LOC")), ((0, 3, "PER"), (7, 16, "ORG")))
TAGS = (
    ("B-PER", "I-PER", "O", "O", "B-LOC", "O", "O"),
    ("B-PER", "O", "B-ORG", "I-ORG", "O", "O", "O", "O"),
)


def annotated(count: int = 30) -> list[tuple[str, Sequence[tuple[int, int, str]]]]:
    """Texts, each with its spans."""
    return [(f"{SENTENCES[n % 2]} {n}", SPANS[n % 2]) for n in range(count)]


def tags_of(rows: Sequence[Any]) -> set[tuple[str, ...]]:
    return {row.tags for row in rows}


# --------------------------------------------------------------------------------------------------
# Labels


def test_a_label_of_fasttext_in_a_cell_of_a_table_ends_where_its_cell_ends(tmp_path: Path) -> None:
    lines = [f"__label__{label},{text.replace(',', '')}" for text, label in ROWS]
    found = opened(written("\n".join(["label,text", *lines]), tmp_path))
    assert {row.label for row in all_rows(found)} == {"__label__good", "__label__bad"}
    assert all_rows(found)[0].text == "film number 0 was bad really"


@pytest.mark.parametrize("missing", ["nan", "N/A", "?"])
def test_a_missing_value_beside_whole_floats_makes_no_two_classes_of_one(
    missing: str, tmp_path: Path
) -> None:
    labels = ["0.0", "1", "1.0", missing]
    found = opened(written(delimited([(text, labels[n % 4]) for n, text in enumerate(TEXTS)]), tmp_path))
    assert {row.label for row in all_rows(found)} == {"0", "1", missing}


def test_a_missing_rating_leaves_its_row_out(tmp_path: Path) -> None:
    labels = ["1", "2", "4", "5", "5", "nan"]
    path = written(delimited([(text, labels[n % 6]) for n, text in enumerate(TEXTS)]), tmp_path)
    found = opened(path, adapter="sentiment")
    assert len(all_rows(found)) == 34
    assert {row.label for row in all_rows(found)} == {"negative", "positive"}


def test_ratings_that_are_all_one_are_refused(tmp_path: Path) -> None:
    path = written(delimited([(text, ("5", "nan")[n % 2]) for n, text in enumerate(TEXTS)]), tmp_path)
    assert refused(path, adapter="sentiment").code == "constant-label"


def test_whole_numbers_as_an_array_writes_them_are_whole(tmp_path: Path) -> None:
    labels = ["1.000000e+00", "0.000000e+00", "1.100000e+01"]
    found = opened(written(delimited([(text, labels[n % 3]) for n, text in enumerate(TEXTS)]), tmp_path))
    assert {row.label for row in all_rows(found)} == {"0", "1", "11"}


@pytest.mark.parametrize("cell", ["{'toxic': %d, 'rude': 1}", '{"label": "c%d"}', "[{'name': 'c%d'}]"])
def test_objects_written_out_in_cells_are_no_classes(cell: str, tmp_path: Path) -> None:
    path = written(delimited([(text, cell % (n % 2)) for n, text in enumerate(TEXTS)]), tmp_path)
    assert refused(path).code == "nested-column"


@pytest.mark.parametrize("cells", [("{a}", "{b,a}", "{}"), ("[a]", "[b, a]", "[]")], ids=["database", "bare"])
def test_lists_of_labels_need_no_quotes(cells: Sequence[str], tmp_path: Path) -> None:
    rows = [(text, cells[n % 3]) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, header=("text", "labels")), tmp_path))
    assert found.data.adapter == "multilabel"
    assert {row.labels for row in all_rows(found)} == {("a",), ("b", "a"), ()}


def test_a_whole_number_is_one_of_several_labels_however_it_is_written(tmp_path: Path) -> None:
    cells = ["1", "2.0", "1;2", "3;1.0"]
    rows = [(text, cells[n % 4]) for n, text in enumerate(TEXTS)]
    found = opened(written(delimited(rows, header=("text", "labels")), tmp_path), label_separator=";")
    assert {row.labels for row in all_rows(found)} == {("1",), ("2",), ("1", "2"), ("3", "1")}


def test_shares_of_labels_are_no_labels(tmp_path: Path) -> None:
    shares = [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    rows = [{"text": text, "label": shares[n % 3]} for n, text in enumerate(TEXTS)]
    assert refused(written(json_lines(rows), tmp_path, "a.jsonl")).code == "shares-of-labels"


@pytest.mark.parametrize("sign", ["/", " + ", " & ", " "])
def test_labels_whose_parts_all_stand_alone_are_pointed_out(sign: str, tmp_path: Path) -> None:
    labels = ["toxic", "rude", f"toxic{sign}rude"]
    path = written(delimited([(text, labels[n % 3]) for n, text in enumerate(TEXTS)]), tmp_path)
    assert said(opened(path), f"--label-separator '{sign.strip() or ' '}'")
    others = ["toxic", "rude", f"very{sign}rude"]
    path = written(delimited([(text, others[n % 3]) for n, text in enumerate(TEXTS)]), tmp_path)
    assert not said(opened(path), "--label-separator")


def test_a_stance_comes_before_its_target(tmp_path: Path) -> None:
    rows = [(text, ("Atheism", "Climate")[n % 2], label) for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("Tweet", "Target", "Stance")), tmp_path))
    assert {row.label for row in all_rows(found)} == set(LABELS)


@pytest.mark.parametrize(
    "words", [("trn", "dev", "tst"), ("train ", "development", "test"), ("Train", "x-val")]
)
def test_a_column_of_parts_is_pointed_out_whatever_its_words(words: Sequence[str], tmp_path: Path) -> None:
    rows = [(text, label, words[n % len(words)]) for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("text", "label", "fold")), tmp_path))
    assert said(found, "'fold' says which rows are for training") == ("x-val" not in words)


# --------------------------------------------------------------------------------------------------
# Pairs


@pytest.mark.parametrize(
    "names",
    [
        ("question", "passage"),
        ("question", "context"),
        ("question", "answer"),
        ("claim", "evidence"),
        ("context", "hypothesis"),
    ],
)
def test_both_texts_of_a_pair_are_read(names: tuple[str, str], tmp_path: Path) -> None:
    rows = [
        {names[0]: f"is it {n}?", names[1]: text * 5, "label": n % 2 == 0} for n, text in enumerate(TEXTS)
    ]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert all_rows(found)[3].text == "is it 3?"
    assert all_rows(found)[3].pair == TEXTS[3] * 5


@pytest.mark.parametrize("keys", [{}, {"text": "text"}])
def test_another_column_of_texts_is_pointed_out(keys: dict[str, str], tmp_path: Path) -> None:
    rows = [
        (text, f"what {n} says", f"Mon Apr {n} 22:19:45 PDT 2009", label)
        for n, (text, label) in enumerate(ROWS)
    ]
    found = opened(written(delimited(rows, header=("text", "headline", "date", "label")), tmp_path), **keys)
    assert said(found, "look: 'headline' holds texts, too") == (not keys)


def test_a_claim_and_its_evidence_are_not_read_for_the_text_beside_them(tmp_path: Path) -> None:
    rows = [(text, f"is it {n}?", f"it is {n}", label) for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("text", "claim", "evidence", "label")), tmp_path))
    assert all_rows(found)[3].text == TEXTS[3]
    assert not all_rows(found)[3].pair


# --------------------------------------------------------------------------------------------------
# Spans


def test_a_span_a_row_is_no_text_with_its_label(tmp_path: Path) -> None:
    rows = [(text, *span) for text, spans in annotated() for span in spans]
    path = written(delimited(rows, header=("text", "start", "end", "label")), tmp_path)
    assert refused(path).code == "span-a-row"
    assert opened(path, label="label").data.adapter == "classification"


def test_times_beside_a_text_are_no_spans_of_it(tmp_path: Path) -> None:
    rows = [(text, 10 * n, 10 * n + 7, label) for n, (text, label) in enumerate(ROWS)]
    found = opened(written(delimited(rows, header=("text", "start", "end", "label")), tmp_path))
    assert found.data.adapter == "classification"


def test_spans_of_one_text_in_several_rows_of_prodigy_are_put_together(tmp_path: Path) -> None:
    rows = [
        {"text": text, "spans": [{"start": start, "end": end, "label": label}], "answer": answer}
        for text, spans in annotated()
        for start, end, label, answer in [(*span, "accept") for span in spans] + [(0, 3, "ORG", "reject")]
    ]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert [row.tags for row in all_rows(found)] == [TAGS[n % 2] for n in range(30)]
    assert said(found, "30 texts have spans in several rows")


@pytest.mark.parametrize("column", ["label", "tags", "entities"])
@pytest.mark.parametrize("text", ["content", "Review"])
@pytest.mark.parametrize("keys", [{}, {"adapter": "ner"}, {"label": "its column"}])
def test_spans_are_read_whatever_their_text_is_called(
    keys: Mapping[str, str], text: str, column: str, tmp_path: Path
) -> None:
    rows = [{"id": n, text: sentence, column: spans} for n, (sentence, spans) in enumerate(annotated())]
    named = {role: column if role == "label" else name for role, name in keys.items()}
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"), **named)
    assert found.data.adapter == "ner"
    assert tags_of(all_rows(found)) == set(TAGS)


def objects(spans: Sequence[tuple[int, int, str]], kind: type) -> list[dict[str, Any]]:
    return [{"start": kind(start), "end": kind(end), "label": label} for start, end, label in spans]


@pytest.mark.parametrize("kind", [float, str])
@pytest.mark.parametrize("column", ["entities", "annotations", "ents"])
def test_places_of_spans_may_be_floats_or_texts(kind: type, column: str, tmp_path: Path) -> None:
    rows = [{"text": text, column: objects(spans, kind)} for text, spans in annotated()]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert tags_of(all_rows(found)) == set(TAGS)


def test_spans_of_single_words_may_have_tags_as_labels(tmp_path: Path) -> None:
    rows = []
    for text, spans in annotated():
        found = [{"start": text.rindex(" "), "end": len(text), "entity": "O"}]
        for start, end, label in spans:
            words = text[start:end].split()
            places = [text.index(word) for word in words]
            tags = [f"{'I' if n else 'B'}-{label}" for n in range(len(words))]
            found += [
                {"start": place, "end": place + len(word), "entity": tag}
                for place, word, tag in zip(places, words, tags, strict=True)
            ]
        rows.append({"text": text, "entities": found})
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert tags_of(all_rows(found)) == set(TAGS)


def test_spans_may_be_an_object_of_lists(tmp_path: Path) -> None:
    rows = annotated()
    columns = [
        dict(zip(("start", "end", "label"), map(list, zip(*spans, strict=True)), strict=True))
        for _, spans in rows
    ]
    pq.write_table(
        pa.table({"text": [text for text, _ in rows], "entities": columns}), tmp_path / "a.parquet"
    )
    assert tags_of(all_rows(opened(tmp_path / "a.parquet"))) == set(TAGS)


def test_rows_without_spans_do_not_hide_those_of_the_others(tmp_path: Path) -> None:
    rows: list[Mapping[str, Any]] = [{"text": text, "entities": spans} for text, spans in annotated()]
    rows = [row if n % 3 else {"text": row["text"]} for n, row in enumerate(rows)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert tags_of(all_rows(found)) == set(TAGS)
    assert said(found, "10 of 30 rows left out")


def test_spans_that_take_in_the_signs_after_them_are_counted_in_another_way(tmp_path: Path) -> None:
    texts, spans = ("王小明住在北京。", "李雷在阿里工作。"), (((0, 3), (5, 7)), ((0, 2), (3, 5)))

    def rows(shift: int) -> str:
        return json_lines(
            [
                {
                    "text": f"{texts[n % 2]}{n}",
                    "entities": [(a + shift, b + shift, "X") for a, b in spans[n % 2]],
                }
                for n in range(30)
            ]
        )

    assert refused(written(rows(1), tmp_path, "a.jsonl")).code == "spans-elsewhere"
    first = all_rows(opened(written(rows(0), tmp_path, "a.jsonl")))[0]
    assert first.tags[:8] == ("B-X", "I-X", "I-X", "O", "O", "B-X", "I-X", "O")


@pytest.mark.parametrize("names", [("text", "label"), ("sentence", "class")])
def test_words_with_tags_and_no_sentences_are_no_texts(names: tuple[str, str], tmp_path: Path) -> None:
    words = [pair for n in range(30) for pair in ((f"Ann{n}", "B-PER"), (f"ran{n}", "O"), (f"off{n}", "O"))]
    path = written(delimited(words, header=names), tmp_path)
    assert refused(path).code == "one-word-sentences"
    assert len(all_rows(opened(path, adapter="classification"))) == 90


def test_words_are_told_by_the_column_of_their_sentences_whatever_its_name(tmp_path: Path) -> None:
    words = [
        (n, *pair) for n in range(30) for pair in ((f"Ann{n}", "B-PER"), (f"ran{n}", "O"), (f"off{n}", "O"))
    ]
    path = written(delimited(words, header=("no", "text", "label")), tmp_path)
    assert [row.tags for row in all_rows(opened(path, sentence="no"))] == [("B-PER", "O", "O")] * 30


def test_a_type_that_no_test_sentence_has_is_pointed_out(tmp_path: Path) -> None:
    def path(name: str, types: set[str], count: range) -> Path:
        rows = [
            {"text": f"{SENTENCES[0]} {n}", "entities": [s for s in SPANS[0] if s[2] in types]} for n in count
        ]
        return written(json_lines(rows), tmp_path, name)

    train = path("a.jsonl", {"PER", "LOC"}, range(30))
    for types in ({"PER"}, {"PER", "LOC"}):
        found = opened(train, test_data=str(path("b.jsonl", types, range(30, 40))))
        lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
        assert any("no test sentence has an entity of type 'LOC'" in line for line in lines) == (
            len(types) == 1
        )


# --------------------------------------------------------------------------------------------------
# Texts that are one


def test_texts_that_differ_in_case_and_blanks_alone_stay_in_one_part(tmp_path: Path) -> None:
    rows = [
        pair for text, label in ROWS for pair in ((text, label), (text.upper().replace(" ", "  "), label))
    ]
    found = opened(written(delimited(rows), tmp_path))
    splits = found.splits
    parts = [
        {" ".join(row.text.casefold().split()) for row in part}
        for part in (splits.train, splits.validation, splits.test)
    ]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not any(row.group for row in splits.train)
    assert said(found, "40 repeated rows stay with their twins")


# --------------------------------------------------------------------------------------------------
# Questions


def questions(count: int = 30, **more: Sequence[Any]) -> list[dict[str, Any]]:
    """Questions on a context in which the answer stands twice. more: values of further columns, in turn."""
    return [
        {
            "question": f"where {n}?",
            "context": f"The finance house {n} left Oslo for Oslo - West.",
            "answer": "Oslo",
        }
        | {name: values[n % len(values)] for name, values in more.items()}
        for n in range(count)
    ]


@pytest.mark.parametrize("said_so", [(True, False, False), ("True", "False", ""), (1, 0, 0)])
def test_an_answer_to_an_impossible_question_is_only_plausible(
    said_so: Sequence[Any], tmp_path: Path
) -> None:
    rows = questions(is_impossible=said_so)
    names = tuple(rows[0])
    found = opened(written(delimited([tuple(row.values()) for row in rows], header=names), tmp_path))
    assert found.data.adapter == "unanswerable"
    assert [bool(row.answers) for row in all_rows(found)] == [n % 3 != 0 for n in range(30)]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"), adapter="qa")
    assert len(all_rows(found)) == 20


@pytest.mark.parametrize("name", ["start_position", "start_char"])
def test_the_place_of_an_answer_has_other_names(name: str, tmp_path: Path) -> None:
    rows = [{**row, name: row["context"].rindex("Oslo")} for row in questions()]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    assert all(row.answers[0][1] == row.context.rindex("Oslo") for row in all_rows(found))


def test_places_that_count_something_else_are_refused(tmp_path: Path) -> None:
    rows = [{**row, "answer_start": len(row["context"].split()) - 3} for row in questions()]  # in words
    assert refused(written(json_lines(rows), tmp_path, "a.jsonl")).code == "answers-elsewhere"


def test_a_place_below_0_is_none(tmp_path: Path) -> None:
    found = opened(written(json_lines(questions(answer_start=(-1,))), tmp_path, "a.jsonl"))
    assert said(found, "no place is given, in 30 contexts")


def test_questions_on_an_article_with_a_title_stay_in_one_part_in_a_table_too(tmp_path: Path) -> None:
    rows = [{**row, "title": f"t{n // 4}"} for n, row in enumerate(questions(80))]
    found = opened(written(json_lines(rows), tmp_path, "a.jsonl"))
    parts = [
        {row.group for row in part}
        for part in (found.splits.train, found.splits.validation, found.splits.test)
    ]
    assert set.union(*parts) == {f"t{n}" for n in range(20)}
    assert sum(map(len, parts)) == 20


@pytest.mark.parametrize("none", ["nan", "-"])
def test_what_stands_for_no_answer_is_none_within_a_word(none: str, tmp_path: Path) -> None:
    found = opened(written(json_lines(questions(answer=("Oslo", none, "Oslo"))), tmp_path, "a.jsonl"))
    assert {text for row in all_rows(found) for text, _ in row.answers} == {"Oslo"}
    assert said(found, "10 of 30 rows left out")


def test_a_context_is_one_however_its_blanks_are_written(tmp_path: Path) -> None:
    rows = [
        {**row, "question": f"{row['question']} {end!r}", "context": row["context"] + end}
        for row in questions(20)
        for end in ("", " ", "\n")
    ]
    splits = opened(written(json_lines(rows), tmp_path, "a.jsonl")).splits
    contexts = [
        {row.context.strip() for row in part} for part in (splits.train, splits.validation, splits.test)
    ]
    assert not contexts[0] & contexts[2]
    assert not contexts[0] & contexts[1]


# --------------------------------------------------------------------------------------------------
# Folders


def test_splits_may_have_folders_of_their_own(tmp_path: Path) -> None:
    for split, rows in (("train", ROWS[:24]), ("test", ROWS[24:])):
        for shard, part in enumerate((rows[::2], rows[1::2])):
            written(delimited(part), tmp_path / "default" / split, f"{shard:04}.csv")
    found = opened(tmp_path).splits
    assert {row.text for row in found.test} == {text for text, _ in ROWS[24:]}
    assert {row.text for row in (*found.train, *found.validation)} == {text for text, _ in ROWS[:24]}
