"""Mutation testing by sample: changes one small thing in a copy of the code, and runs the tests that are about it.

    python -m tests.support.mutants [--count 100] [--seed 0] [--room bench/engine] [--limit 600] [--stages 5]

A change that no test sees is a place where a wrong number would pass (DeMillo, Lipton & Sayward 1978, IEEE
Computer 11(4)). Tests run in stages, each only if the one before saw nothing: the file that mirrors the module,
the files that import it and name the function or class that was changed, the others that import it, those of its
folder, and outside of the analysis the contract tests. Some changes alter nothing that can be observed, such as the
size of a buffer, so not every missed one is a fault of the tests."""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as xml
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import warm

ROOT = Path(__file__).parents[2]
ROOMS = ("bench/engine", "bench/analysis", "bench/data", "tasks")
SKIPPED = (ast.Raise, ast.Assert, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.JoinedStr)
"""Messages, types and declared fields; what is within an f-string is a message in most places."""

COMPARISONS: dict[type, type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
OPERATORS: dict[type, type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One change: bytes `start` to `end` of a file, which are `old`, become `new`. within: the names of the
    functions and classes around it."""

    path: str
    line: int
    start: int
    end: int
    old: str
    new: str
    within: tuple[str, ...] = ()

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {' '.join(self.old.split())}  ->  {' '.join(self.new.split())}"


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every change that is tried in a file."""
    content = source.encode()
    begins = [0]
    for line in content.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    found = []
    for node, within in _places(ast.parse(source)):
        start = begins[node.lineno - 1] + node.col_offset
        end = begins[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = content[start:end].decode()
        found += [Mutant(path, node.lineno, start, end, old, new, within) for new in _changes(node)]
    return found


def _places(
    node: ast.AST, within: tuple[str, ...] = ()
) -> Iterator[tuple[ast.expr | ast.stmt, tuple[str, ...]]]:
    """The nodes that may be changed, from the top, with the functions and classes around them; types, messages and
    docstrings are left out."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        within = (*within, node.name)
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, SKIPPED):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield child, within
            yield from _places(child, within)


def _changes(node: ast.expr | ast.stmt) -> Iterator[str]:
    """What a node is replaced by."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield _written(ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_text(node):
        yield _written(ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _written(ast.BoolOp(other, node.values))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _written(node.operand)
    elif isinstance(node, ast.IfExp):
        yield _written(ast.IfExp(node.test, node.orelse, node.body))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield repr(node.value + 1 if isinstance(node.value, int) else node.value * 2 or 1.0)
    elif isinstance(node, ast.AugAssign | ast.Break | ast.Continue) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield "pass"


def _written(node: ast.expr) -> str:
    return f"({ast.unparse(node)})"


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in (node.left, node.right)
    )


# --------------------------------------------------------------------------------------------------
# Which tests are about a module


def stages_of(path: str, root: Path = ROOT, within: Sequence[str] = ()) -> list[list[str]]:
    """Paths of tests, the nearest first; each file is in one stage. within: as of a mutant."""
    module = Path(path)
    inner = module.relative_to("bench") if module.parts[0] == "bench" else module
    room = root / "tests" / inner.parent
    mirror = room / f"test_{module.stem}.py"
    name = ".".join(module.with_suffix("").parts)
    parent, _, last = name.rpartition(".")
    texts = {test: test.read_text(encoding="utf-8") for test in sorted((root / "tests").rglob("test_*.py"))}
    importing = [
        test
        for test, text in texts.items()
        if any(found in text for found in (name, f"from {parent} import {last}"))
    ]
    naming = [test for test in importing if any(re.search(rf"\b{found}\b", texts[test]) for found in within)]
    near = [test for test in texts if room in test.parents]
    contract = [test for test in texts if test.parent.name == "contract" and "analysis" not in module.parts]
    stages = [[mirror] if mirror.exists() else [], naming, importing, near, contract]
    seen: set[Path] = set()
    named = []
    for stage in stages:
        new = [test for test in dict.fromkeys(stage) if test not in seen]
        seen.update(new)
        if new:
            named.append([str(test.relative_to(root)) for test in new])
    return named


# --------------------------------------------------------------------------------------------------
# Running


PAST_LIMIT = [""]
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Of pytest. The warning says that a library was imported before pytest: `warm` has done so."""


@dataclass(frozen=True)
class Trial:
    """A copy of the project in which changes are tried. limit: seconds of a stage of tests. stages: how many are
    asked. red: tests that fail without any change, and so say nothing about one; green: those that then pass.
    seconds: of each file that has run, by which a stage asks the quick ones first."""

    copy: Path
    limit: int
    stages: int = 5
    red: set[str] = field(default_factory=set)
    green: set[str] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=dict)

    def verdict(self, mutant: Mutant) -> str:
        """`found`, `missed`, or `no end` where a stage ran past its limit: an endless loop, or a slow machine."""
        target = self.copy / mutant.path
        source = target.read_bytes()
        for stage in stages_of(mutant.path, self.copy, mutant.within)[: self.stages]:
            quick_first = sorted(stage, key=lambda test: self.seconds.get(test, 0.0))
            while asked := [test for test in quick_first if test not in self.red]:
                target.write_bytes(mutant.applied(source))
                try:
                    failed = self._failures(asked)
                finally:
                    target.write_bytes(source)
                if not failed:
                    break
                if failed == PAST_LIMIT:
                    return "no end"
                if self._passes_unchanged(failed):
                    return "found"
        return "missed"

    def _passes_unchanged(self, tests: Sequence[str]) -> bool:
        """Whether one of these tests is known to pass in the code as it is, or all of them do."""
        if self.green & set(tests):
            return True
        red = self._failures(tests)
        (self.red if red else self.green).update(tests if red == PAST_LIMIT else red or tests)
        return not red

    def _failures(self, tests: Sequence[str]) -> list[str]:
        """The first of these tests that fails; PAST_LIMIT where they ran for too long."""
        left_out = [option for test in sorted(self.red - set(tests)) for option in ("--deselect", test)]
        report = self.copy / "junit.xml"
        command = [warm.python(), "-m", "pytest", *OPTIONS, f"--junitxml={report}", *left_out, *tests]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.copy),
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(
                    command,
                    cwd=self.copy,
                    env=environment,
                    stdout=output,
                    stderr=output,
                    timeout=self.limit,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return PAST_LIMIT
            output.seek(0)
            said = output.read().decode(errors="replace")
        if report.exists():
            for file, took in taken(report).items():
                self.seconds[file] = max(took, self.seconds.get(file, 0.0))
            report.unlink()
        if done.returncode in (0, 5):  # 5: every test was left out
            return []
        named = re.findall(r"^(?:FAILED|ERROR) (tests/.*?)(?: - .*)?$", said, re.MULTILINE)
        return named or list(tests)  # a crash names none


def taken(report: Path) -> dict[str, float]:
    """The seconds of each file of tests, by pytest's report."""
    found: Counter[str] = Counter()
    for case in xml.parse(report).getroot().iter("testcase"):
        file = case.get("classname", "").replace(".", "/") + ".py"
        found[file] += float(case.get("time", 0))  # pyright: ignore[reportArgumentType]
    return dict(found)


def copied(folder: Path) -> Path:
    """The files that git tracks, so that nothing is ever changed in the working tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100, help="How many changes are tried.")
    parser.add_argument("--seed", type=int, default=0, help="Of the sample.")
    parser.add_argument("--room", action="append", help="A folder of code. Repeatable.")
    parser.add_argument("--limit", type=int, default=600, help="Seconds of a stage of tests.")
    parser.add_argument(
        "--stages", type=int, default=5, help="How many stages of tests are asked, nearest first."
    )
    given = parser.parse_args()
    files = sorted(file for room in given.room or ROOMS for file in (ROOT / room).rglob("*.py"))
    sources = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    every = [mutant for path, source in sources.items() for mutant in mutants_of(path, source)]
    sample = random.Random(given.seed).sample(every, min(given.count, len(every)))
    print(f"{len(sample)} of {len(every):,} changes in {len(files)} files", flush=True)
    counts = {"found": 0, "missed": 0, "no end": 0}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trial = Trial(copied(Path(folder)), given.limit, given.stages)
        for mutant in sample:
            result = trial.verdict(mutant)
            counts[result] += 1
            print(f"{result:7} {mutant}", flush=True)
    print(summary(counts))
    for test in sorted(trial.red):
        print(f"not used, since it fails without a change: {test}")


def summary(counts: dict[str, int]) -> str:
    """The share that was found, with the 95% interval of Wilson (1927)."""
    from scipy.stats import binomtest

    told = counts["found"] + counts["missed"]
    if not told:
        return "no change was tried to the end"
    low, high = binomtest(counts["found"], told).proportion_ci(method="wilson")
    more = f"; {counts['no end']} ran past the limit and are not counted" if counts["no end"] else ""
    return f"found {counts['found']} of {told}: {counts['found'] / told:.0%} [{low:.0%}, {high:.0%}]{more}"


if __name__ == "__main__":
    main()
