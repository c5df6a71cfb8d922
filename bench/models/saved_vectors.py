"""Word vectors that gensim saved, read without gensim's own loader. Its files are pickles, which may name any
function to be called, and its loader unpickles further files beside them.

Here a pickle may name what gensim saves and nothing else, gensim's classes are replaced by classes that only hold
values, and the arrays beside the file are read by numpy, which refuses pickles."""

from __future__ import annotations

import glob
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

VALUES = {
    "_codecs": ("encode",),
    "builtins": ("bytearray", "dict", "frozenset", "int", "list", "object", "set", "tuple"),
    "collections": ("OrderedDict", "defaultdict"),
    "copyreg": ("_reconstructor",),
    "numpy": ("dtype", "float32", "float64", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
}
"""The functions that a pickle may call, by module: they make values and do nothing else."""

HELD = {
    "builtins": ("hash",),
    "gensim.models.fasttext": ("FastText", "FastTextKeyedVectors", "FastTextTrainables", "FastTextVocab"),
    "gensim.models.keyedvectors": (
        "CompatVocab",
        "EuclideanKeyedVectors",
        "FastTextKeyedVectors",
        "KeyedVectors",
        "Vocab",
        "Word2VecKeyedVectors",
    ),
    "gensim.models.word2vec": ("Vocab", "Word2Vec", "Word2VecTrainables", "Word2VecVocab"),
    "gensim.utils": ("call_on_class_only",),
    "numpy.random": ("__RandomState_ctor",),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pickle": ("__RandomState_ctor", "__bit_generator_ctor", "__randomstate_ctor"),
}
"""Other classes in models saved by gensim 2 to 4: replaced by classes that only hold values."""

OLD = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
"""Modules that were renamed since."""


NPY = b"\x93NUMPY"
"""The first bytes of an array that numpy saved."""

PARTS = (".npy", ".npz", ".sparse")
"""Suffixes of the files that gensim saves beside a large one."""

_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]*")


class Held:
    """An object of a saved model: its stored attributes, and no code."""

    def __new__(cls, *_: Any, **__: Any) -> Held:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            vars(self).update(state)


def load_saved(path: Path) -> KeyedVectors:
    """The vectors of a file that `KeyedVectors.save` wrote, or of a saved model. Runs no code that the file names.
    Raises pickle.UnpicklingError, and what gensim and numpy raise."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*"):
        if part.suffix in PARTS:
            _check_array(part)
    with path.open("rb") as file:
        saved = _Values(file, encoding="latin1").load()
    if not isinstance(saved, Held):
        raise pickle.UnpicklingError(f"it holds a {type(saved).__name__}, not word vectors")
    model = vars(saved)
    wv = model.get("wv")
    if isinstance(wv, Held):
        return _vectors(wv, path, f"{path.name}.wv", {"bucket": model["bucket"]} if "bucket" in model else {})
    return _vectors(saved, path, path.name, {})


def _vectors(saved: Held, path: Path, name: str, more: dict[str, Any]) -> KeyedVectors:
    """A gensim object with the saved values; gensim converts those of older versions. `name` is what the
    names of the arrays beside `path` begin with."""
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import FastTextKeyedVectors

    values = {**vars(saved), **more}
    for key in ("__scipys", "__recursive_saveloads"):
        if values.pop(key, None):
            raise pickle.UnpicklingError(f"it names further pickles ({key}), so it was not loaded")
    separate = [*values.pop("__numpys", ())]
    ignored = [*values.pop("__ignoreds", ())]
    kind = FastTextKeyedVectors if "vectors_ngrams" in {*values, *separate} else KeyedVectors
    for attribute in map(str, [*values, *separate, *ignored]):
        if not _ATTRIBUTE.fullmatch(attribute.lstrip("_")) or callable(getattr(kind, attribute, None)):
            raise pickle.UnpicklingError(f"it sets '{attribute[:80]}', which word vectors do not have")
    values |= dict.fromkeys(ignored)
    values |= {attribute: _array(path.with_name(f"{name}.{attribute}.npy")) for attribute in separate}
    vectors = kind.__new__(kind)
    vars(vectors).update(values)
    vectors._load_specials(str(path), None, False, None)
    _check(vectors)
    return vectors


def _check(vectors: KeyedVectors) -> None:
    """UnpicklingError if words and vectors do not match."""
    table, words = vectors.vectors, vectors.index_to_key
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.dtype.kind != "f":
        raise pickle.UnpicklingError("its vectors are no table of numbers")
    if not isinstance(words, list) or len(words) != len(table):
        raise pickle.UnpicklingError(f"it has {len(table)} vectors for another number of words")


def _array(path: Path) -> np.ndarray:
    _check_array(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _check_array(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(NPY)) != NPY:
            raise pickle.UnpicklingError(f"{path.name} beside it is no array of numpy, so it was not loaded")


class _Values(pickle.Unpickler):
    """Calls nothing but what is in VALUES, and holds what is in HELD."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        module = OLD.get(module_name, module_name)
        if global_name in VALUES.get(module, ()):
            return super().find_class(module_name, global_name)
        if global_name in HELD.get(module, ()):
            return type(global_name, (Held,), {})
        raise pickle.UnpicklingError(
            f"it is a pickle that would call {module_name}.{global_name}, so it was not loaded"
        )
