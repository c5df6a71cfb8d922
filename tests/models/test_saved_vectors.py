"""A file that gensim saved is a pickle: it is loaded where it names what gensim saves, and else never executed."""

from __future__ import annotations

import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.keyedvectors import CompatVocab

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
    with pytest.raises(
        BenchError, match=r"a pickle that would call posix\.mkdir, so it was not loaded"
    ) as error:
        load_vectors(str(path), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the pickle does no harm: nothing was shown"


def test_a_part_beside_the_file_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "vectors.kv"
    Word2Vec(TEXTS, vector_size=4, min_count=1).wv.save(str(path))
    (tmp_path / "vectors.kv.sparse").write_bytes(pickle.dumps(Harmful(tmp_path / "mark")))
    with pytest.raises(BenchError) as error:
        load_vectors(str(path), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"


@pytest.mark.parametrize("kind", [Word2Vec, FastText])
def test_whole_models_and_their_vectors_are_loaded(kind: Any, tmp_path: Path) -> None:
    model = kind(TEXTS, vector_size=4, min_count=1)
    model.save(str(tmp_path / "v.model"))
    model.wv.save(str(tmp_path / "v.kv"), sep_limit=0)
    for name in ("v.model", "v.kv"):
        table, _ = load_vectors(str(tmp_path / name), Sources(cache=tmp_path))
        assert np.array_equal(table[2:], model.wv.vectors)


def saved_kv(folder: Path) -> Path:
    path = folder / "evil.kv"
    Word2Vec(TEXTS, vector_size=4, min_count=1).wv.save(str(path))
    return path


@pytest.mark.parametrize("key", ["__scipys", "__recursive_saveloads"])
def test_a_clean_pickle_that_names_another_pickle_beside_it_runs_nothing(key: str, tmp_path: Path) -> None:
    """gensim's own loader unpickles `evil.kv.x.npy` for `__scipys = ["x"]`."""
    path, mark = saved_kv(tmp_path), tmp_path / "mark"
    vectors = pickle.loads(path.read_bytes())
    vectors.__dict__[key] = ["x"]
    path.write_bytes(pickle.dumps(vectors))
    (tmp_path / "evil.kv.x.npy").write_bytes(pickle.dumps(Harmful(mark)))
    with pytest.raises(BenchError):
        load_vectors(str(path), Sources(cache=tmp_path))
    (tmp_path / "evil.kv.x.npy").unlink()
    with pytest.raises(BenchError, match=key) as error:
        load_vectors(str(path), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"
    assert not mark.exists()


def test_gensims_loader_would_have_run_it(tmp_path: Path) -> None:
    """The exploit works, so the test above shows something."""
    path, mark = saved_kv(tmp_path), tmp_path / "mark"
    vectors = pickle.loads(path.read_bytes())
    vectors.__dict__["__scipys"] = ["x"]
    path.write_bytes(pickle.dumps(vectors))
    (tmp_path / "evil.kv.x.npy").write_bytes(pickle.dumps(Harmful(mark)))
    with suppress(Exception):  # after it has run the code
        KeyedVectors.load(str(path))
    assert mark.exists()


@pytest.mark.parametrize("attribute", ["_load_specials", "../../x", "__class__", "x.y", "get_vector"])
@pytest.mark.parametrize("key", ["__numpys", "__ignoreds"])
def test_an_array_of_a_name_that_is_none_is_refused(key: str, attribute: str, tmp_path: Path) -> None:
    path = saved_kv(tmp_path)
    vectors = pickle.loads(path.read_bytes())
    vectors.__dict__[key] = [attribute]
    path.write_bytes(pickle.dumps(vectors))
    with pytest.raises(BenchError):
        load_vectors(str(path), Sources(cache=tmp_path))


@pytest.mark.parametrize("content", [b"", b"\x93NUMPX", pickle.dumps(np.zeros(3))])
def test_a_part_that_is_no_array_is_refused(content: bytes, tmp_path: Path) -> None:
    path = saved_kv(tmp_path)
    (tmp_path / "evil.kv.vectors.npy").write_bytes(content)
    with pytest.raises(BenchError) as error:
        load_vectors(str(path), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"


def test_a_part_with_objects_is_refused_by_numpy(tmp_path: Path) -> None:
    path = tmp_path / "v.kv"
    Word2Vec(TEXTS, vector_size=4, min_count=1).wv.save(str(path), sep_limit=0)
    mark = tmp_path / "mark"
    np.save(tmp_path / "v.kv.vectors.npy", np.array([Harmful(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(BenchError):
        load_vectors(str(path), Sources(cache=tmp_path))
    assert not mark.exists()


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, None, "text"])
def test_a_pickle_of_something_else_is_refused(value: Any, tmp_path: Path) -> None:
    (tmp_path / "v.kv").write_bytes(pickle.dumps(value))
    with pytest.raises(BenchError) as error:
        load_vectors(str(tmp_path / "v.kv"), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"


def test_a_saved_file_with_another_number_of_words_is_refused(tmp_path: Path) -> None:
    path = saved_kv(tmp_path)
    vectors = pickle.loads(path.read_bytes())
    vectors.index_to_key = vectors.index_to_key[1:]
    path.write_bytes(pickle.dumps(vectors))
    with pytest.raises(BenchError) as error:
        load_vectors(str(path), Sources(cache=tmp_path))
    assert error.value.code == "cannot-read-vectors"


def test_a_file_of_an_older_version_of_gensim_is_read(tmp_path: Path) -> None:
    """As gensim 2 and 3 saved it: `syn0`, `index2word`, and a vocabulary of objects."""
    path = tmp_path / "old.kv"
    vectors = pickle.loads(saved_kv(tmp_path).read_bytes())
    old = KeyedVectors.__new__(KeyedVectors)
    words = list(vectors.index_to_key)
    vocab = {}
    for number, word in enumerate(words):
        vocab[word] = CompatVocab(index=number, count=1)
    old.__dict__ = {"syn0": vectors.vectors, "index2word": words, "vocab": vocab, "vector_size": 4}
    path.write_bytes(pickle.dumps(old))
    table, _ = load_vectors(str(path), Sources(cache=tmp_path))
    assert np.array_equal(table[2:], vectors.vectors)
