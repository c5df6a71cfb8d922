"""A file that gensim saved is a pickle: it is loaded where it names what gensim saves, and else never executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models.static_vectors import load_vectors

TEXTS = [["a", "good", "film"], ["a", "bad", "film"]] * 5


class Harmful:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("suffix", ["kv", "model"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(suffix: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"vectors.{suffix}"
    path.write_bytes(pickle.dumps(Harmful(mark)))
    with pytest.raises(BenchError, match=r"a pickle that would call posix\.mkdir, so it was not loaded"):
        load_vectors(str(path), Sources(cache=tmp_path))
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the pickle does no harm: nothing was shown"


def test_a_part_beside_the_file_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "vectors.kv"
    Word2Vec(TEXTS, vector_size=4, min_count=1).wv.save(str(path))
    (tmp_path / "vectors.kv.sparse").write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    with pytest.raises(BenchError, match="was not loaded"):
        load_vectors(str(path), Sources(cache=tmp_path))


@pytest.mark.parametrize("kind", [Word2Vec, FastText])
def test_whole_models_and_their_vectors_are_loaded(kind: Any, tmp_path: Path) -> None:
    model = kind(TEXTS, vector_size=4, min_count=1)
    model.save(str(tmp_path / "v.model"))
    model.wv.save(str(tmp_path / "v.kv"), sep_limit=0)
    for name in ("v.model", "v.kv"):
        table, _ = load_vectors(str(tmp_path / name), Sources(cache=tmp_path))
        assert np.array_equal(table[2:], model.wv.vectors)
