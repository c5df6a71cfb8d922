"""Every call of this project that may run code from a file: it is on a list with the reason why it does not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_RUN_CODE = {
    "pickle": ("load", "loads", "Unpickler"),
    "cPickle": ("load", "loads", "Unpickler"),
    "dill": ("load", "loads"),
    "cloudpickle": ("load", "loads"),
    "joblib": ("load",),
    "torch": ("load",),
    "np": ("load", "fromfile", "memmap"),
    "numpy": ("load", "fromfile", "memmap"),
    "yaml": ("load", "full_load", "unsafe_load"),
    "shelve": ("open",),
    "marshal": ("load", "loads"),
    "pandas": ("read_pickle",),
    "KeyedVectors": ("load",),
    "Word2Vec": ("load",),
    "FastText": ("load",),
    "SaveLoad": ("load", "unpickle"),
    "datasets": ("load_dataset",),
}
ANYWHERE = ("from_pretrained", "unpickle", "allow_pickle", "exec_module", "run_path", "run_module")

LISTED = {
    (
        "bench/models/saved_vectors.py",
        "pickle.Unpickler",
    ): "a subclass that calls nothing but what makes values",
    ("bench/models/saved_vectors.py", "np.load"): "with allow_pickle=False, after a look at the first bytes",
    ("bench/models/saved_vectors.py", "allow_pickle"): "False",
    ("bench/models/loading.py", "from_pretrained"): "safetensors, and trust_remote_code=False",
    ("bench/models/language_heads.py", "from_pretrained"): "safetensors, and trust_remote_code=False",
    ("bench/export/onnx_graph.py", "from_pretrained"): "a folder that `export` wrote, in safetensors",
    ("bench/models/vector_backbone.py", "from_pretrained"): "torch's Embedding, from a tensor in memory",
    ("bench/peers/classifiers.py", "from_pretrained"): "safetensors, and trust_remote_code=False",
    ("bench/peers/trainer.py", "from_pretrained"): "safetensors, and trust_remote_code=False",
    ("bench/export/scripts/text.py", "from_pretrained"): "a folder that `export` wrote, in safetensors",
    ("bench/export/scripts/questions.py", "from_pretrained"): "a folder that `export` wrote, in safetensors",
    ("bench/data/hub.py", "datasets.load_dataset"): "version 4 of datasets has no loading scripts",
    ("bench/user_data/token_counts.py", "from_pretrained"): "a tokenizer, and trust_remote_code=False",
    ("bench/export/folder.py", "exec_module"): "the script that `export` has just written",
    ("bench/registry.py", "exec_module"): "a plug-in that the user names with --plugin",
}
"""What is called where, and why a stranger's file cannot run code by it."""


def calls(tree: ast.AST) -> Iterator[str]:
    """The names of MAY_RUN_CODE and ANYWHERE that a file calls, inherits from or passes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ANYWHERE:
            yield node.arg
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).rpartition(".")[2]
            if node.attr in MAY_RUN_CODE.get(owner, ()):
                yield f"{owner}.{node.attr}"
            elif node.attr in ANYWHERE:
                yield node.attr
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("eval", "exec")
        ):
            yield node.func.id
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in MAY_RUN_CODE.get(node.module or "", ()):
                    yield f"{node.module}.{alias.name}"


def found() -> set[tuple[str, str]]:
    files = [path for room in ("bench", "strategies", "tasks") for path in (ROOT / room).rglob("*.py")]
    return {
        (path.relative_to(ROOT).as_posix(), name)
        for path in files
        for name in calls(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_every_loader_that_may_run_code_is_listed() -> None:
    assert found() == set(LISTED)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import torch\ntorch.load(path)", "torch.load"),
        ("from joblib import load", "joblib.load"),
        ("gensim.models.KeyedVectors.load(path)", "KeyedVectors.load"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
        ("yaml.load(text)", "yaml.load"),
        ("eval(text)", "eval"),
    ],
)
def test_a_loader_would_be_found(text: str, name: str) -> None:
    assert name in set(calls(ast.parse(text)))


def test_every_from_pretrained_refuses_code_and_pickled_weights() -> None:
    """Of files that a user names; the exported script reads what `export` wrote."""
    files = [file for file, name in LISTED if name == "from_pretrained" and "scripts" not in file]
    for file in files:
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.fullmatch(
                r"Auto\w+\.from_pretrained", ast.unparse(node.func)
            ):
                passed = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert passed.get("trust_remote_code") == "False", ast.unparse(node)
                if ast.unparse(node.func).startswith("AutoModel"):
                    assert passed.get("use_safetensors") == "True", ast.unparse(node)
