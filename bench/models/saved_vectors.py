"""Word vectors that gensim saved. Its files are pickles, which may name any function to be called: one that names
anything but what gensim itself saves is refused before it is loaded."""

from __future__ import annotations

import glob
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

NAMES = {
    "_codecs": ("encode",),
    "builtins": ("bytearray", "dict", "frozenset", "hash", "int", "list", "long", "object", "set", "tuple"),
    "collections": ("OrderedDict", "defaultdict"),
    "copyreg": ("_reconstructor",),
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
    "numpy": ("dtype", "float32", "float64", "ndarray"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.numeric": ("_frombuffer",),
    "numpy.random": ("__RandomState_ctor",),
    "numpy.random._mt19937": ("MT19937",),
    "numpy.random._pickle": ("__RandomState_ctor", "__bit_generator_ctor", "__randomstate_ctor"),
}
"""What models that gensim saved, in its versions 2 to 4, name by module; none of it does harm."""

OLD = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
"""Modules that have moved since."""


def load_saved(path: Path) -> KeyedVectors:
    """The vectors of a file that `KeyedVectors.save` wrote, or of a saved model. Raises pickle.UnpicklingError, and
    whatever gensim raises."""
    from gensim.models import KeyedVectors

    _check(path)
    for part in path.parent.glob(f"{glob.escape(path.name)}.*"):
        if part.suffix not in (".npy", ".npz"):  # numpy itself refuses pickles in these
            _check(part)
    saved = KeyedVectors.load(str(path), mmap="r")
    return getattr(saved, "wv", saved)


def _check(path: Path) -> None:
    import smart_open

    with smart_open.open(str(path), "rb") as file:
        _Names(file, encoding="latin1").load()


class _Names(pickle.Unpickler):
    """Calls nothing but what is in NAMES."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if global_name not in NAMES.get(OLD.get(module_name, module_name), ()):
            raise pickle.UnpicklingError(
                f"it is a pickle that would call {module_name}.{global_name}, so it was not loaded"
            )
        return super().find_class(module_name, global_name)
