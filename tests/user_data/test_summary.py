"""What is said of user data before training: lengths by the backbone's tokenizer, and classes worth a look."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench.data.sources import Sources
from bench.user_data.summary import lengths, summarise
from bench.user_data.token_counts import estimated, token_counter
from tests.support.user_files import ROWS, delimited, opened

CHINESE = "我们去了河边的餐厅服务员很热情" * 20


def lines_of(folder: Path, rows: list[tuple[str, str]], backbone: str) -> list[str]:
    path = folder / "a.csv"
    path.write_text(delimited(rows), encoding="utf-8")
    found = opened(path, adapter="classification")
    return summarise(found, lengths(found.splits, backbone, Sources()))


def without_fast_file(encoder: Path, folder: Path) -> Path:
    """The encoder with the vocabulary of its tokenizer as vocab.txt alone, as older checkpoints have it."""
    import json

    shutil.copytree(encoder, folder)
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    return folder


def test_lengths_are_those_of_the_tokenizer_whatever_its_files(tiny_encoder: Path, tmp_path: Path) -> None:
    old = without_fast_file(tiny_encoder, tmp_path / "old")
    texts = [CHINESE, "Ann ran to Oslo.", "x" * 50]
    fast, slow = (token_counter(str(path), Sources()) for path in (tiny_encoder, old))
    assert fast is not None
    assert slow is not None
    assert slow(texts) == fast(texts)


@pytest.mark.parametrize("backbone", ["old", "not/downloaded"])
def test_texts_without_blanks_lose_their_end_and_that_is_said(
    backbone: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    name = str(without_fast_file(tiny_encoder, tmp_path / "old")) if backbone == "old" else backbone
    rows = [(f"{n}{CHINESE}", label) for n, (_, label) in enumerate(ROWS)]
    lines = lines_of(tmp_path, rows, name)
    assert any("100 of 100 texts lose their end" in line for line in lines), lines


@pytest.mark.parametrize("paired", [False, True])
def test_a_way_to_read_long_texts_is_named_where_there_is_one(paired: bool, tmp_path: Path) -> None:
    """Windows and both ends are for single texts: for pairs a run would refuse them."""
    rows = [{"a": f"long {n} " + "word " * 400, "b": f"short {n}", "label": "xy"[n % 2]} for n in range(40)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = opened(path, text="a", label="label", **({"pair": "b"} if paired else {}))
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("lose their end" in line for line in lines)
    assert any("recipe.windows=mean" in line for line in lines) == (not paired)


def test_an_estimate_counts_characters_where_there_are_no_blanks() -> None:
    assert estimated(["我们去了", "x" * 400, "one two"]) == [6, 102, 5]


def test_rare_classes_are_listed_and_warned_of(tmp_path: Path) -> None:
    rows = [(f"text number {n}", f"c{n % 12}") for n in range(240)] + [("a rare text", "odd")]
    lines = lines_of(tmp_path, rows, "words.kv")
    assert any("and 5 more, the rarest with so many" in line and line.endswith("odd 1") for line in lines)
    assert any("look: 1 class with fewer than 5 training rows ('odd' 1)" in line for line in lines)


def test_labels_that_look_wrong_are_pointed_out(tmp_path: Path) -> None:
    rows = [(f"text number {n}", ("nan", "Good", "good")[n % 3]) for n in range(120)]
    lines = lines_of(tmp_path, rows, "words.kv")
    assert any("class 'nan' looks like a missing value" in line for line in lines)
    assert any("classes 'Good' and 'good' differ in case or blanks only" in line for line in lines)


def test_one_of_a_thing_is_singular(tmp_path: Path) -> None:
    rows = [*ROWS, ("word " * 30_000, "good"), ("", "good")]
    lines = lines_of(tmp_path, rows, "words.kv")
    assert not any(f" 1 {noun}" in f" {line}" for noun in ("texts", "rows", "classes") for line in lines)


@pytest.mark.parametrize(("candidates", "keys"), [(4, {}), (4, {"group": "question"}), (1, {})])
def test_pairs_that_share_a_text_with_training_are_pointed_out(
    candidates: int, keys: dict[str, str], tmp_path: Path
) -> None:
    pairs = [(n, m) for n in range(120) for m in range(candidates)]
    rows = [(f"what is {n}?", f"it is {n} or {m}.", ("yes", "no")[(n + m) % 2]) for n, m in pairs]
    path = tmp_path / "a.csv"
    path.write_text(delimited(rows, header=("question", "answer", "label")))
    found = opened(path, **keys)
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("share their first text" in line for line in lines) == (candidates > 1 and not keys)


def test_a_second_text_that_looks_missing_is_pointed_out(tmp_path: Path) -> None:
    rows = [(text, "nan" if n % 9 == 0 else f"so {n}", label) for n, (text, label) in enumerate(ROWS)]
    path = tmp_path / "a.csv"
    path.write_text(delimited(rows, header=("premise", "hypothesis", "label")))
    found = opened(path)
    lines = summarise(found, lengths(found.splits, "words.kv", Sources()))
    assert any("is 'nan', which looks" in line for line in lines)
