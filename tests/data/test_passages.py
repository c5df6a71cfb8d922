"""Unlabelled text from a file: its passages, what is left out of them, and files that cannot be used."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from bench.contracts import BenchError, QuestionExample, Splits, TextExample, WordsExample
from bench.data import passages
from bench.data.passages import digest_of, read

ROWS = Splits(
    [TextExample("a", "a training text", "x")],
    [TextExample("b", "kept for\nvalidation", "x")],
    [TextExample("c", "a test text", "x", pair="its second text"), WordsExample("d", ("some", "words"), ())],
    {"far": [QuestionExample("e", "where?", "a context", ())]},
)


@pytest.mark.parametrize("packed", [False, True])
def test_it_has_one_passage_a_line(packed: bool, tmp_path: Path) -> None:
    content = "\ufeffone passage\r\n\n  \na training text\nünïcode\n".encode()
    path = tmp_path / "text"  # what is packed is known by its bytes
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    found = read(str(path), ROWS)
    assert found.texts == ("one passage", "a training text", "ünïcode")
    assert (found.empty, found.held_out, found.beyond) == (2, 0, 0)
    assert found.remarks == ("the unlabelled text: 2 empty lines skipped",)


def test_validation_and_test_texts_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(
        "a  test text\nkept for validation\nits second text\nsome words\nwhere?\na context\nanother\n"
    )
    found = read(str(path), ROWS)
    assert found.texts == ("another",)
    assert found.remarks == ("the unlabelled text: 6 passages left out: validation or test texts",)


def test_of_a_large_file_an_unbiased_sample_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "MOST", 50)
    path = tmp_path / "text.txt"
    path.write_text("\n".join(f"passage {number}" for number in range(1000)))
    found = read(str(path), ROWS)
    numbers = [int(text.split()[1]) for text in found.texts]
    order = sorted(range(1000), key=lambda n: hashlib.blake2b(str(n).encode(), digest_size=8).hexdigest())
    assert numbers == sorted(order[:50])
    assert 300 < sum(numbers) / 50 < 700
    assert found.remarks == ("the unlabelled text: 50 of 1,000 passages kept",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\n \n", "it has no line with text"),
        (b"a test text\n\n", "all of its passages are validation or test texts"),
        (b"one\n\ntwo\n\xff\n", "(line 4: "),
        (b"one\ntw\0\n", "(line 2: a NUL byte)"),
    ],
)
def test_the_reason_and_the_line_are_said(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(BenchError) as error:
        read(str(path), ROWS)
    assert reason in str(error.value)


def test_a_line_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "LONGEST", 10)
    path = tmp_path / "text.txt"
    path.write_bytes("ümläütümläütümläüt\nshort\n".encode())
    first, second = read(str(path), ROWS).texts
    assert "ümläütümläüt".startswith(first)
    assert second == "short"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no-passages"),
        (b"\n \n", "no-passages"),
        (b"a test text\n", "no-passages"),
        ("caf\xe9".encode("cp1252"), "wrong-encoding"),
        ("words".encode("utf-16"), "wrong-encoding"),
        (b"a\0b", "wrong-encoding"),
        (b"\x1f\x8bnot gzip", "cannot-read"),
        (gzip.compress(b"passage\n" * 999, mtime=0)[:-9], "cannot-read"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"text\.txt") as error:
        read(str(path), ROWS)
    assert error.value.code == code
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", ["nowhere.txt", "", "a\0b"])
def test_a_file_that_is_not_there_is_named(path: str, tmp_path: Path) -> None:
    for use in (digest_of, lambda path: read(path, ROWS)):
        with pytest.raises(BenchError) as error:
            use(str(tmp_path) if not path else str(tmp_path / path))
        assert error.value.code == "cannot-read"


def test_a_digest_is_of_the_text_and_follows_it(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.txt", tmp_path / "b.txt.gz"
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"one\ntwo\n", mtime=0))
    assert digest_of(str(plain)) == digest_of(str(packed))
    assert digest_of(str(plain)) == hashlib.sha256(b"one\ntwo\n").hexdigest()[:16]
    before = digest_of(str(plain))
    plain.write_bytes(b"one\nthree\n")
    assert digest_of(str(plain)) != before
