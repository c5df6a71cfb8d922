"""Plug-ins are found by being there: in the folders, through an entry point, in a user's own file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bench.contracts import BenchError, Cell, Recipe
from bench.registry import Plugins, Registry, discover

STRATEGY = """
from dataclasses import dataclass
from bench.contracts import Phase, Strategy

@dataclass(frozen=True)
class Mine(Strategy):
    name = "{name}"
    summary = "everything learns, at my rate"
    rate: float = 1e-4
    steps: int = 3
    gentle: bool = False

    def phases(self, depth):
        return (Phase(1.0, (("*", self.rate),)),)
"""

TASK = """
from bench.contracts import Splits
from tasks.sentiment import Sentiment

class Mine(Sentiment):
    name = "{name}"
    summary = "nothing to read"

    def splits(self, sources):
        return Splits([], [], [])
"""


def refusal(*files: Path) -> tuple[str, str]:
    """The code and the line of the error about plug-in files."""
    with pytest.raises(BenchError) as error:
        discover(files)
    assert "\n" not in str(error.value)
    return error.value.code, str(error.value)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Plugins:
    return discover([write(tmp_path / "mine.py", STRATEGY.format(name="mine"))])


def test_every_file_of_the_two_folders_is_found() -> None:
    root = Path(__file__).parents[1]
    found = discover()
    for folder, classes in (("strategies", found.strategies), ("tasks", found.tasks)):
        modules = {path.stem for path in (root / folder).glob("*.py")} - {"__init__"}
        adapters = {
            "classification",
            "sentiment",
            "labelled_texts",
            "regression",
            "multilabel",
            "ner",
            "qa",
            "unanswerable",
        }
        assert {cls.__module__ for cls in classes.values()} == {f"{folder}.{m}" for m in modules - adapters}


def test_what_is_found_is_in_order_of_name() -> None:
    assert list(discover().tasks) == sorted(discover().tasks)


def test_a_plug_in_file_may_hold_strategies_and_tasks(tmp_path: Path) -> None:
    text = STRATEGY.format(name="mine") + TASK.format(name="my-task").replace("class Mine", "class MyTask")
    found = discover([write(tmp_path / "mine.py", text)])
    assert "mine" in found.strategies
    assert "my-task" in found.tasks


def test_classes_that_a_plug_in_imports_are_not_its_own(tmp_path: Path) -> None:
    found = discover(
        [write(tmp_path / "mine.py", "from strategies.full import Full\nfrom tasks.qa import QA\n")]
    )
    assert found.strategies.keys() == discover().strategies.keys()


def test_an_installed_distribution_is_found_by_its_entry_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "far_away_strategy.py", STRATEGY.format(name="far-away"))
    write(tmp_path / "far_away_task.py", TASK.format(name="far-away-task"))
    declare(
        tmp_path,
        "[transferbench.strategies]\nx = far_away_strategy:Mine\n[transferbench.tasks]\ny = far_away_task\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = discover()
    assert "far-away" in found.strategies
    assert "far-away-task" in found.tasks
    for module in ("far_away_strategy", "far_away_task"):
        monkeypatch.delitem(sys.modules, module)


def test_a_broken_installed_plug_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "far_away_broken.py", "import nothing_of_this_name\n")
    declare(tmp_path, "[transferbench.tasks]\ny = far_away_broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    code, line = refusal()
    assert code == "cannot-import-plugin"
    assert "far-away: far_away_broken" in line
    assert "nothing_of_this_name" in line


def declare(folder: Path, entries: str) -> None:
    """What an installer writes for a distribution named `far-away`."""
    about = folder / "far_away-1.0.dist-info"
    write(about / "METADATA", "Metadata-Version: 2.1\nName: far-away\nVersion: 1.0\n")
    write(about / "entry_points.txt", entries)


def test_two_strategies_with_one_name_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    twins = [write(tmp_path / name, STRATEGY.format(name="twin")) for name in ("a.py", "b.py")]
    code, line = refusal(*twins)
    assert code == "duplicate-plugin"
    assert all(str(path) in line for path in twins)


def test_a_plug_in_cannot_take_the_name_of_a_task_of_the_project(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", TASK.format(name="squad"))
    code, line = refusal(path)
    assert code == "duplicate-plugin"
    assert "tasks/squad.py" in line
    assert str(path) in line


def test_two_classes_of_one_file_with_one_name_are_an_error(tmp_path: Path) -> None:
    text = STRATEGY.format(name="twin")
    path = write(tmp_path / "mine.py", text + text.replace("class Mine", "class Other"))
    assert refusal(path)[0] == "duplicate-plugin"


@pytest.mark.parametrize("name", ["strategies", "tasks"])
def test_a_module_of_the_same_name_that_was_imported_before_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ModuleType(name)
    theirs.__file__ = str(tmp_path / f"{name}.py")
    monkeypatch.setitem(sys.modules, name, theirs)
    with pytest.raises(BenchError) as error:
        discover()
    assert error.value.code == "taken-name"
    assert str(tmp_path) in str(error.value)


def test_the_same_plug_in_file_twice_is_one_plug_in(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", STRATEGY.format(name="mine"))
    assert "mine" in discover([path, tmp_path / "." / "mine.py"]).strategies


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nothing_of_this_name", "nothing_of_this_name"),
        ("class (", "SyntaxError"),
        ("raise SystemExit(3)", r"sys\.exit\(3\)"),
        ("raise SystemExit", r"sys\.exit\(None\)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseException", "BaseException"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_plug_in_file_that_cannot_be_imported_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path / "broken.py", text)
    code, line = refusal(path)
    assert code == "cannot-import-plugin"
    assert str(path) in line
    assert re.search(reason, line)


def test_a_plug_in_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "absent.py")[0] == "no-plugin"


def test_a_plug_in_file_that_is_not_python_is_named(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "notes.txt", "hello"))[0] == "not-python"


@pytest.mark.parametrize("name", ["no name", "empty"])
def test_a_strategy_without_a_name_is_an_error_that_names_file_and_class(tmp_path: Path, name: str) -> None:
    line = "" if name == "no name" else '    name = ""\n'
    text = STRATEGY.format(name="x").replace('    name = "x"\n', line)
    code, line = refusal(write(tmp_path / "mine.py", text))
    assert code == "plugin-without-name"
    assert "mine.py: class Mine" in line


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "../up"])
def test_a_name_that_cannot_be_a_folder_is_an_error(tmp_path: Path, name: str) -> None:
    assert refusal(write(tmp_path / "mine.py", STRATEGY.format(name=name)))[0] == "unsafe-name"


@pytest.mark.parametrize(
    ("text", "method"), [(STRATEGY, "phases"), (TASK, "splits")], ids=["strategy", "task"]
)
def test_a_plug_in_without_its_method_is_named(tmp_path: Path, text: str, method: str) -> None:
    """A misspelt method leaves the class abstract, and it would not be found."""
    text = text.format(name="mine").replace(f"def {method}(", f"def {method}_of(")
    code, line = refusal(write(tmp_path / "mine.py", text))
    assert code == "unfinished-plugin"
    assert f"`{method}`" in line


def test_a_base_class_without_a_name_is_no_plug_in(tmp_path: Path) -> None:
    base = STRATEGY.format(name="mine").replace('name = "mine"', "").replace("def phases(", "def phases_of(")
    assert discover([write(tmp_path / "mine.py", base)]).strategies == discover().strategies


@pytest.mark.parametrize("name", ["5", "('a', 'b')", "property(lambda self: 'x')"])
def test_a_name_that_is_no_text_is_an_error(tmp_path: Path, name: str) -> None:
    text = STRATEGY.format(name="x").replace('name = "x"', f"name = {name}")
    assert refusal(write(tmp_path / "mine.py", text))[0] == "unsafe-name"


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (STRATEGY, 'summary = "everything learns, at my rate"', "summary = 5"),
        (STRATEGY, 'summary = "everything learns, at my rate"', "paper = 'no summary'"),
        (STRATEGY, 'summary = "', 'pretrained = "no"; summary = "'),
        (STRATEGY, 'summary = "', 'needs = "tpu"; summary = "'),
        (TASK, 'summary = "', 'version = "2"; summary = "'),
        (TASK, 'summary = "', 'head = None; summary = "'),
        (TASK, 'summary = "', 'metrics = "f1"; summary = "'),
    ],
)
def test_what_a_plug_in_says_of_itself_has_the_right_type(
    tmp_path: Path, text: str, old: str, new: str
) -> None:
    code, line = refusal(write(tmp_path / "mine.py", text.format(name="mine").replace(old, new)))
    assert code == "wrong-plugin"
    assert "mine.py: class Mine" in line


@pytest.mark.parametrize(
    ("headline", "code", "words"),
    [
        ("mae", "headline-is-an-error", "spearman, pearson"),
        ("rank", "unknown-headline", "spearman, pearson, mae"),
    ],
)
def test_a_task_is_ranked_by_a_metric_of_its_own_that_is_better_the_higher_it_is(
    tmp_path: Path, headline: str, code: str, words: str
) -> None:
    """Strategies would be recommended for the largest error."""
    text = TASK.replace("Sentiment", "Regression").replace("sentiment", "regression").format(name="mine")
    text = text.replace('summary = "', f'headline = "{headline}"; summary = "')
    found, line = refusal(write(tmp_path / "mine.py", text))
    assert found == code
    assert words in line


def test_a_plug_in_whose_constructor_raises_is_one_line(tmp_path: Path) -> None:
    text = TASK.format(name="mine") + "\n    def __init__(self):\n        raise OSError('no disk')\n"
    found = discover([write(tmp_path / "mine.py", text)])
    with pytest.raises(BenchError, match="no disk") as error:
        found.task("mine")
    assert error.value.code == "plugin-raised"


def test_an_unknown_strategy_suggests_the_nearest_and_lists_all() -> None:
    with pytest.raises(
        BenchError, match=r"unknown strategy 'gradul': did you mean 'gradual'\? .*bitfit, .*full"
    ) as error:
        discover().strategy("gradul")
    assert error.value.code == "unknown-strategy"


def test_a_class_that_takes_the_name_of_another_is_used(tmp_path: Path, mine: Plugins) -> None:
    """As where a notebook defines a strategy again."""
    again = write(tmp_path / "again.py", STRATEGY.format(name="mine").replace("1e-4", "1e-5"))
    cell, registry = Cell("suite", "sst2", "mine", "minilm", 0, Recipe()), Registry(mine)
    rates = []
    for plugins in (mine, discover([again])):
        mine.strategies["mine"] = plugins.strategies["mine"]
        (phase,) = registry.phases(cell)
        rates.append(dict(phase.rates))
    assert rates == [{"*": 1e-4}, {"*": 1e-5}]


def test_an_unknown_task_suggests_the_nearest() -> None:
    with pytest.raises(BenchError, match=r"unknown task 'squat': did you mean 'squad'\?"):
        discover().task("squat")


def test_options_are_the_fields_of_a_strategy(mine: Plugins) -> None:
    assert mine.strategy("mine", [("rate", 0.5)]).phases(6)[0].rate("layers.0.x") == 0.5


def test_an_unknown_option_suggests_the_nearest(mine: Plugins) -> None:
    with pytest.raises(
        BenchError, match=r"unknown option of strategy 'mine' 'rates': did you mean 'rate'\?"
    ) as error:
        mine.strategy("mine", [("rates", 0.5)])
    assert error.value.code == "unknown-option"


@pytest.mark.parametrize(
    ("key", "value"), [("rate", "fast"), ("rate", True), ("steps", 2.5), ("steps", "2"), ("gentle", 3)]
)
def test_an_option_of_the_wrong_type_is_named(mine: Plugins, key: str, value: object) -> None:
    with pytest.raises(BenchError, match=rf"strategy 'mine': {key} is {value!r}; it must be ") as error:
        mine.strategy("mine", [(key, value)])
    assert error.value.code == "wrong-option"
