"""Whatever a user's file holds, it is read by a documented rule or refused in one line (BenchError)."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.user_data import description
from bench.user_data.description import from_values, read
from tests.data import test_hostile_files as hostile
from tests.data.test_hostile_files import DEEP, JSON, edited

fuzz = settings(hostile.fuzz, max_examples=30)

STARTS = {
    ".csv": b"text,label\ngood film,positive\n",
    ".tsv": b"text\tlabel\ngood film\tpositive\n",
    ".jsonl": b'{"text": "good film", "label": "positive"}\n',
    ".json": b'{"data": [{"title": "t", "paragraphs": [',
    ".conll": b"Ann B-PER\nran O\n\n",
    ".parquet": b"PAR1",
}
KEYS: dict[str, dict[str, str]] = {
    ".csv": {"text": "text", "label": "label", "adapter": "classification"},
    ".tsv": {"text": "text", "label": "label", "adapter": "sentiment"},
    ".jsonl": {"text": "text", "label": "label", "adapter": "classification"},
}


def reads_or_refuses(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    description._read.cache_clear()  # it may be rewritten within one tick of the clock
    with suppress(BenchError):
        read(from_values("mine", {"data": str(path), **KEYS.get(path.suffix, {})}, path.parent), Sources())


@pytest.mark.parametrize("suffix", STARTS)
@fuzz
@given(tail=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_read_or_refused(suffix: str, tail: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    reads_or_refuses(path, tail)
    reads_or_refuses(path, STARTS[suffix] + tail)


@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf",
        "é,ü\n1,2".encode("latin-1"),
        "text,label\nfilm,a\n".encode("utf-16"),
        DEEP.encode(),
        b"\x00" * 100,
        b'text,label\n"unclosed,1\n' * 3,
        b"a,b,a\n1,2,3,4,5\n",
        b"text,label\n" + b"x" * 300_000 + b",a\n",
        b'{"text": 1e999, "label": NaN}\n' * 30,
        b'{"text": "\\ud800 x", "label": "a"}\n{"text": "y", "label": "b"}\n' * 20,
    ],
)
def test_known_troublemakers_are_read_or_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    reads_or_refuses(tmp_path / f"file{suffix}", content)


SQUAD: dict[str, Any] = {
    "data": [
        {
            "title": "T",
            "paragraphs": [
                {
                    "context": f"Ann ran {n}",
                    "qas": [{"id": "q", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}],
                }
                for n in range(12)
            ],
        }
    ]
}


@fuzz
@example(value={"data": [{"": []}]})
@given(value=edited(SQUAD))
def test_any_squad_json_is_read_or_refused(value: Any, tmp_path: Path) -> None:
    reads_or_refuses(tmp_path / "squad.json", json.dumps(value).encode())


@fuzz
@given(rows=st.lists(st.fixed_dictionaries({"text": JSON, "label": JSON}), min_size=8, max_size=12))
def test_any_values_of_rows_are_read_or_refused(rows: list[Any], tmp_path: Path) -> None:
    sound = [{"text": f"film {n}", "label": str(n % 2)} for n in range(12)]
    lines = [json.dumps(row) for row in [*sound, *rows]]
    reads_or_refuses(tmp_path / "rows.jsonl", "\n".join(lines).encode())


@fuzz
@given(rows=st.lists(st.fixed_dictionaries({"tokens": JSON, "ner_tags": JSON}), max_size=6))
def test_any_words_and_tags_are_read_or_refused(rows: list[Any], tmp_path: Path) -> None:
    sound = [{"tokens": ["Ann", f"ran{n}"], "ner_tags": ["B-PER", "O"]} for n in range(12)]
    path = tmp_path / "words.jsonl"
    reads_or_refuses(path, "\n".join(json.dumps(row) for row in [*sound, *rows]).encode())


@fuzz
@given(answer=JSON | st.lists(st.tuples(st.text(max_size=5), JSON), max_size=2))
def test_any_answer_is_read_or_refused(answer: Any, tmp_path: Path) -> None:
    sound = [{"question": "Who?", "context": f"Ann {n}", "answers": "Ann"} for n in range(12)]
    odd = {"question": "Who?", "context": "Ann", "answers": answer}
    path = tmp_path / "questions.jsonl"
    reads_or_refuses(path, "\n".join(json.dumps(row) for row in [*sound, odd]).encode())


@fuzz
@given(
    tags=st.lists(
        st.sampled_from(["O", "B-X", "I-X", "I-Y", "S-X", "E-Y", "L-X", "X", "B-", "-", "B-X Y"]), max_size=8
    )
)
def test_any_tags_of_conll_columns_are_read_or_refused(tags: list[str], tmp_path: Path) -> None:
    sentence = "\n".join(f"w{n}\t{tag}" for n, tag in enumerate(tags))
    reads_or_refuses(tmp_path / "a.conll", f"{sentence}\n\nAnn\tB-X\n\n".encode() * 15)
