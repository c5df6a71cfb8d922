"""The changes that `make mutants` tries, and the tests that it runs for them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.support import warm
from tests.support.gate_faults import FAULTS, Fault
from tests.support.mutants import ROOT, Trial, mutants_of, stages_of, summary, taken

SOURCE = '''"""A docstring with 1 < 2."""

LIMIT: int = 5


def count(values: list[int], most: int = 3) -> int:
    """How many."""
    total = 0
    for value in values:
        if not value < most and value != 0:
            continue
        total += 1
    if total > 9:
        raise ValueError(f"{total + 1} is too many")
    return -total if "é" in str(total) else total * 2
'''


def changes() -> set[tuple[str, str]]:
    return {(mutant.old, mutant.new) for mutant in mutants_of("a.py", SOURCE)}


def test_a_change_replaces_one_operator_constant_or_statement() -> None:
    assert changes() >= {
        ("value < most", "(value <= most)"),
        ("not value < most", "(value < most)"),
        ("not value < most and value != 0", "(not value < most or value != 0)"),
        ("total += 1", "pass"),
        ("continue", "pass"),
        ("total * 2", "(total / 2)"),
        ("3", "4"),
        ('"é" in str(total)', "('é' not in str(total))"),
    }


def test_types_messages_and_docstrings_stay() -> None:
    assert not {old for old, _ in changes()} & {"1 < 2", "5", "total + 1", "int"}


def test_every_change_is_python_and_another_program() -> None:
    whole = ast.dump(ast.parse(SOURCE))
    for mutant in mutants_of("a.py", SOURCE):
        changed = mutant.applied(SOURCE.encode()).decode()
        assert ast.dump(ast.parse(changed)) != whole, mutant


def test_the_tests_that_mirror_a_module_come_first() -> None:
    first, second, *others = stages_of("bench/engine/prefix.py")
    assert first == ["tests/engine/test_prefix.py"]
    assert "tests/engine/test_prefix.py" not in second
    every = [test for stage in (first, second, *others) for test in stage]
    assert len(every) == len(set(every))
    assert any(test.startswith("tests/contract/") for test in every)
    assert all((ROOT / test).is_file() for test in every)


def test_a_module_without_a_mirror_has_the_tests_that_import_it() -> None:
    first, *_ = stages_of("bench/analysis/statistics/variance.py")
    assert first == ["tests/analysis/statistics/test_variance.py"]
    named, *_ = stages_of("bench/data/numbers.py")
    assert "tests/tasks/test_regression.py" in named


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_for_the_gate_is_still_one_place_in_the_code(fault: Fault) -> None:
    mutant = fault.mutant()
    source = (ROOT / fault.path).read_bytes()
    changed = mutant.applied(source)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))


def test_the_share_has_an_interval() -> None:
    assert summary({"found": 19, "missed": 1, "no end": 2}).startswith("found 19 of 20: 95% [7")
    assert "2 ran past" in summary({"found": 19, "missed": 1, "no end": 2})
    assert summary({"found": 0, "missed": 0, "no end": 1}) == "no change was tried to the end"


def test_tests_that_name_what_was_changed_come_before_others_that_import_its_module() -> None:
    path = "bench/analysis/groups.py"
    (change, *_) = (item for item in mutants_of(path, (ROOT / path).read_text()) if "gather" in item.within)
    named, *others = stages_of(path, within=change.within)[1:]
    assert all("gather" in (ROOT / test).read_text() for test in named)
    assert any("bench.analysis.groups" in (ROOT / test).read_text() for test in others[0])
    assert not set(named) & set(others[0])


def test_files_of_tests_are_timed_by_pytests_report(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(
        '<testsuites><testsuite><testcase classname="tests.a.test_b" name="x" time="1.5"/>'
        '<testcase classname="tests.a.test_b" name="y" time="0.25"/>'
        '<testcase classname="tests.test_c" name="z" time="0.5"/></testsuite></testsuites>'
    )
    assert taken(tmp_path / "junit.xml") == {"tests/a/test_b.py": 1.75, "tests/test_c.py": 0.5}


def test_a_trial_finds_what_a_test_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails without a change is left out, the file is as before at the end, and how long files took is
    kept."""
    monkeypatch.setattr(warm, "python", lambda: sys.executable)
    for folder in ("bench/analysis", "tests/analysis"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").touch()
        (tmp_path / folder).with_name("__init__.py").touch()
    path, code = (
        "bench/analysis/small.py",
        "def seen(x):\n    return x + x\n\n\ndef unseen(x):\n    return x * x\n",
    )
    (tmp_path / path).write_text(code)
    (tmp_path / "tests/analysis/test_small.py").write_text(
        "from bench.analysis.small import seen\n\n\n"
        "def test_red():\n    assert seen(1) == 3\n\n\n"
        "def test_seen():\n    assert seen(2) == 4\n"
    )
    trial = Trial(tmp_path, limit=60, stages=2)
    said = {item.new: trial.verdict(item) for item in mutants_of(path, code)}
    assert (said["(x - x)"], said["(x / x)"]) == ("found", "missed")
    assert (tmp_path / path).read_text() == code
    assert trial.red == {"tests/analysis/test_small.py::test_red"}
    assert list(trial.seconds) == ["tests/analysis/test_small.py"]
