"""The rooms and who may import whom, read from the source code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRONT_ENDS = {"cli", "api", "__init__", "__main__"}
"""Where a user comes in. Nothing below them imports them."""

ADAPTERS = {
    "classification",
    "sentiment",
    "labelled_texts",
    "regression",
    "multilabel",
    "ner",
    "qa",
    "unanswerable",
}
"""Files of tasks/ that are shared by several data sets."""

WITHOUT_TORCH = ("analysis", "cli", "planning", "report", "runs")
FLAT = 8  # modules that may lie directly in bench/

BESIDE_ROOMS = {"contract", "docs", "faults", "fixtures", "golden", "support", "tasks"}
"""Folders of tests/ that belong to no room of bench/."""


def modules(package: str) -> dict[str, Path]:
    """The files of a package by dotted name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


BENCH = modules("bench")


@cache
def imports(path: Path, typing: bool = True) -> frozenset[str]:
    """The modules that a file imports, inside functions too. typing: those under `if TYPE_CHECKING` as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(name for node in _nodes(tree, typing) for name in _names(node))


def _nodes(node: ast.AST, typing: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING" and not typing:
            continue
        yield child
        yield from _nodes(child, typing)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide which room is meant"
        module = node.module or ""
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            yield inner if inner in BENCH else module


def room(module: str) -> str:
    """`engine` of `bench.engine.plan`; a flat module is a room of its own; `__init__` of `bench` itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def rooms(typing: bool = True) -> dict[str, set[str]]:
    """Which rooms each room imports. The package's own `__init__` is left out: every import runs it."""
    found: dict[str, set[str]] = {}
    for module, path in BENCH.items():
        used = {room(name) for name in imports(path, typing) if name.split(".")[0] == "bench"}
        found.setdefault(room(module), set()).update(used - {room(module), "__init__"})
    return found


def test_the_reading_of_imports_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "example.py"
    path.write_text(
        "import os.path\nfrom bench.cli import app\nfrom bench.contracts import Cell\n"
        "if TYPE_CHECKING:\n    import numpy\ndef f():\n    from bench.report import page\n"
    )
    seen = {"os.path", "bench.cli.app", "bench.contracts", "bench.report.page"}
    assert imports(path, typing=False) == seen
    assert imports(path) == seen | {"numpy"}


def test_nothing_below_the_front_ends_imports_them() -> None:
    wrong = {
        (module, name)
        for module, path in BENCH.items()
        if room(module) not in FRONT_ENDS
        for name in imports(path)
        if name.startswith("bench.") and room(name) in FRONT_ENDS
    }
    assert not wrong


def test_bench_imports_no_strategy_and_no_task() -> None:
    wrong = {
        (module, name)
        for module, path in BENCH.items()
        for name in imports(path)
        if name.split(".")[0] in ("strategies", "tasks")
    }
    assert not wrong


@pytest.mark.parametrize("path", modules("strategies").values(), ids=lambda path: path.stem)
def test_a_strategy_imports_the_contract_alone(path: Path) -> None:
    """Or the strategy that it is a case of."""
    others = {name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if not name.startswith("strategies.")} <= {"bench.contracts"}


DATA_SETS = [path for path in modules("tasks").values() if path.stem not in ADAPTERS]


@pytest.mark.parametrize("path", DATA_SETS, ids=lambda path: path.stem)
def test_a_data_set_imports_its_adapter_the_contract_and_how_to_read_data(path: Path) -> None:
    allowed = {f"tasks.{adapter}" for adapter in ADAPTERS} | {"bench.contracts"}
    for name in imports(path):
        ours = name.split(".")[0] in ("bench", "tasks", "strategies")
        assert not ours or name in allowed or name.startswith("bench.data"), name


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_room_starts_without_torch(name: str) -> None:
    """Every module of it is imported in a new process."""
    wanted = sorted(module for module in BENCH if room(module) == name)
    program = (
        f"import importlib, sys\nfor name in {wanted!r}:\n    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-500:]


def test_no_circle_between_rooms() -> None:
    """Rooms are removed while there is one that imports none of those left; what remains is a circle."""
    left = rooms(typing=False)
    while free := {name for name, used in left.items() if not used & left.keys()}:
        left = {name: used for name, used in left.items() if name not in free}
    assert not left, {name: sorted(used & left.keys()) for name, used in left.items()}


def test_few_modules_lie_flat() -> None:
    assert len(list((ROOT / "bench").glob("*.py"))) <= FLAT


def test_tests_mirror_the_rooms() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    for folder in folders:
        if folder.parts and folder.parts[0] not in BESIDE_ROOMS:
            assert (ROOT / "bench" / folder).is_dir(), f"tests/{folder} has no bench/{folder}"


def _errors() -> Iterator[tuple[str, ast.Call]]:
    """Where a BenchError is made, and the call that makes it. Subclasses set the code in their constructors."""
    for module, path in {**BENCH, **modules("tasks"), **modules("strategies")}.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        classes = {node: node.bases for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        subclasses = [node for node, bases in classes.items() if "BenchError" in map(ast.unparse, bases)]
        inherited = {
            call for node in subclasses for call in ast.walk(node) if _calls(call, "super().__init__")
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (_calls(node, "BenchError") or node in inherited):
                yield f"{module}:{node.lineno}", node


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == name


def test_every_error_has_a_code() -> None:
    found = list(_errors())
    assert len(found) > 200
    for where, call in found:
        codes = call.args[1:] + [word.value for word in call.keywords if word.arg == "code"]
        assert len(codes) == 1, f"{where} has no code"
        literal = codes[0].value if isinstance(codes[0], ast.Constant) else "a-variable"
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", str(literal)), f"{where}: {literal}"
