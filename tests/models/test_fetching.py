"""Downloads and one-time conversions: done once, mended when damaged, and part of no cell's seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.sources import Sources
from bench.engine.group import RunContext, prepare_group
from bench.models import catalog, fetching, loading, packaged_vectors
from bench.models.catalog import BACKBONES, Packaged
from bench.models.packaged_vectors import packaged_vectors as read_packaged
from bench.models.static_vectors import kept_vectors
from tests.support.packaging import provided

MEMBER = "package/vectors.json"
VALUES = {
    'a "quoted\\": [1]': [0.1, -2.5e-8, 3],
    "ünï\u2028": [1 / 3, 1e20, -0.0],
    "good": [0.25, 0.5, 1.0],
}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sources]:
    """Where `glove` is a made-up package of three words."""
    value = {
        "words": ["x"] * 9,
        "size": len(VALUES),
        "dimensions": 3,
        "vectors": {word: [*values, 1.0, number] for number, (word, values) in enumerate(VALUES.items())},
        "unkVector": [0, 0, 0, 0, -1],
    }
    cache = tmp_path / "cache"
    package = provided(cache, {MEMBER: json.dumps(value, ensure_ascii=False).encode()}, members=(MEMBER,))
    made: Packaged = replace(BACKBONES["glove"], package=package)
    monkeypatch.setitem(BACKBONES, "glove", made)
    kept_vectors.cache_clear()
    yield Sources(cache=cache)
    kept_vectors.cache_clear()


def test_converted_vectors_are_the_bits_that_the_json_module_gives(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaged_vectors, "BLOCK", 2)
    found = read_packaged("glove", sources)
    assert found.index_to_key == list(VALUES)
    expected = np.array(list(VALUES.values()), np.float32)
    assert found.vectors.tobytes() == expected.tobytes()


def test_vectors_are_converted_once_and_that_is_said(
    sources: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    fetching.fetch("glove", sources)
    assert capsys.readouterr().err == "converting the word vectors 'glove', once ...\n"
    fetching.fetch("glove", sources)
    read_packaged("glove", sources)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", ["glove.kv", "glove.kv.vectors.npy", "manifest.json"])
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "a byte changed"])
def test_a_damaged_copy_is_converted_again(
    sources: Sources, file: str, cut: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    read_packaged("glove", sources)
    [path] = (sources.cache / "vectors").rglob(file)
    content = path.read_bytes()
    path.write_bytes(content[:-7] if cut else b"#" + content[1:])
    assert read_packaged("glove", sources).index_to_key == list(VALUES)
    assert "is damaged" in capsys.readouterr().err
    read_packaged("glove", sources)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["encoder", "vectors"])
def test_a_cell_is_not_charged_for_what_is_fetched(
    kind: str, sources: Sources, toy_cell: Any, toy_context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long fetching takes, it is no part of the seconds that every cell of the group gets as `prepare`."""
    clock = time.perf_counter
    passed = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + passed[0])

    def fetch(name: str, sources: Sources) -> None:
        passed[0] += 3600.0

    monkeypatch.setattr(loading, "fetch", fetch)
    cell = toy_cell("frozen", backbone="glove") if kind == "vectors" else toy_cell("frozen")
    group = prepare_group(cell, replace(toy_context, registry=replace(toy_context.registry, sources=sources)))
    assert passed == [3600.0]
    assert 0 < group.seconds < 600


def test_a_repository_of_the_hub_is_fetched_without_its_other_files(
    sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked: dict[str, object] = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **how: asked.update(how, name=name)
    )
    assert catalog.kind_of("org/encoder") == "encoder"
    fetching.fetch("org/encoder", sources)
    assert asked["name"] == "org/encoder"
    assert "*.safetensors" in str(asked["allow_patterns"])
    assert ".bin" not in str(asked)
