"""The program as a user types it: what runs, what is refused in one line, and what is left on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import typer.main

from bench.cli.app import app
from bench.runs.folder import Store
from tests.support import warm

ROOT = Path(__file__).parents[2]

STRATEGY = '''"""A strategy as a reader of the README writes it."""
from dataclasses import dataclass
from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class Halves(Strategy):
    name = "halves"
    summary = "the head, then the upper half of the layers"
    rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        upper = tuple((f"layers.{i}.*", self.rate) for i in range(depth // 2, depth))
        return (Phase(0.5), Phase(0.5, (*upper, ("*", FROZEN))))
'''

DATA_SET = '''"""A data set as a reader of the README writes it."""
from bench.contracts import Splits, TextExample
from tasks.classification import Classification


class Parity(Classification):
    name = "parity"
    summary = "Does a sentence name an even number?"

    def splits(self, sources):
        rows = [TextExample(str(n), f"the number {n}", "odd" if n % 2 else "even") for n in range(60)]
        return Splits(rows[:40], rows[40:50], rows[50:])
'''

SUITE = """
seeds = 1
[recipe]
epochs = 1
batch_size = 8
max_length = 32
stride = 8
[tasks.toy-sentiment]
[[grid]]
strategies = ["frozen"]
backbones = ["BACKBONE"]
"""

TASK = """
from bench.contracts import QuestionExample, Splits, TextExample, WordsExample
from tasks.{module} import {adapter} as Adapter

class Mine(Adapter):
    name = "mine"
    summary = "rows that are wrong"

    def splits(self, sources):
        good, bad = {good}, {bad}
        return Splits([good("a"), good("b")], [good("c")], {test})
"""

assert len(STRATEGY.splitlines()) <= 20
assert len(DATA_SET.splitlines()) <= 25


@pytest.fixture
def here(tmp_path: Path, tiny_encoder: Path, toy_plugin: Path) -> Path:
    """A working folder with a suite, and nothing else."""
    (tmp_path / "mine.toml").write_text(SUITE.replace("BACKBONE", str(tiny_encoder)), encoding="utf-8")
    return tmp_path


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bench(here: Path) -> Command:
    """Runs `python -m bench ...` in the working folder, with a cache of its own and no network."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TRANSFERBENCH_CACHE": str(here / ".cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [warm.python(), "-m", "bench", *map(str, arguments)]
        return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=120)

    return run


def refused(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """It was refused: exit code 2, and one last line that has the texts; no traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("transferbench: ")
    assert done.stderr.count("transferbench: ") == 1
    for text in texts:
        assert text in line
    assert done.stdout == ""


def test_every_command_teaches_with_an_example() -> None:
    commands = typer.main.get_group(app).commands
    assert {"list", "run", "status", "table"} <= set(commands)
    for name, command in commands.items():
        if command.hidden:
            continue
        assert f"Example: python -m bench {name}" in (command.help or ""), name


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["list", "tasks", "--json"],
        ["--help"],
        ["run", "--help"],
        ["status", "absent"],
        ["plan", "quick"],
        ["recommend", "--help"],
        ["profile", "--help"],
        ["power", "absent"],
        ["simulate", "absent"],
    ],
)
def test_what_only_reads_imports_no_torch(arguments: Sequence[str], here: Path) -> None:
    code = f"""
import sys
sys.argv = ["bench", *{list(arguments)!r}]
from bench.cli.app import main
try:
    main()
except SystemExit:
    pass
heavy = [name for name in ("torch", "transformers", "datasets", "gensim") if name in sys.modules]
print("imported:", heavy, file=sys.stderr)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines()[-1] == "imported: []", done.stderr


def test_ctrl_c_while_libraries_are_imported_shows_no_traceback(here: Path) -> None:
    code = """
import os, runpy, signal, sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["bench", "list"]
runpy.run_module("bench", run_name="__main__")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_list_shows_a_plug_in(bench: Command, toy_plugin: Path) -> None:
    done = bench("list", "tasks", "--plugin", toy_plugin)
    assert done.returncode == 0
    assert "toy-sentiment" in done.stdout
    assert "movie-sentiment" in done.stdout


WRONG = [
    (["run", "mine.toml", "--set", "recipe.epoch=2"], ["'epoch'", "did you mean 'epochs'?"]),
    (["run", "mine.toml", "--set", "recipe.epochs=soon"], ["epochs", "'soon'"]),
    (["run", "mine.toml", "--task", "toy-sentimental"], ["did you mean 'toy-sentiment'?"]),
    (["run", "mine.toml", "--strategy", "frozn"], ["unknown strategy 'frozn': did you mean 'frozen'?"]),
    (["run", "absent.toml"], ["suite file absent.toml: there is no such file"]),
    (["run", "smoek"], ["unknown suite 'smoek': did you mean 'smoke'?"]),
    (["run", "mine.toml", "--plugin", "absent.py"], ["--plugin", "absent.py: there is no such file"]),
    (["run", "mine.toml", "--backbone", "./absent"], ["backbone ./absent: there is no such file or folder"]),
    (["run", "mine.toml", "--backbone", "absent.kv"], ["backbone absent.kv: there is no such file"]),
    (["run", "mine.toml", "--device", "tpu"], ["--device tpu: choose auto, cpu, cuda"]),
    (["plan", "mine.toml", "--task", "toy-sentimental"], ["did you mean 'toy-sentiment'?"]),
    (["plan", "mine.toml", "--backbone", "./absent"], ["backbone ./absent: there is no such file or folder"]),
    (["table", "absent"], ["absent is not a run folder"]),
    (["status", "absent"], ["absent is not a run folder"]),
    (["table"], ["Missing argument 'RUN' (see python -m bench table --help)"]),
    (["tabel", "absent"], ["No such command 'tabel'", "'table'"]),
    (["table", "absent", "--formt", "md"], ["No such option: --formt", "--format"]),
    (["table", "absent", "--format", "pdf"], ["--format", "'pdf' is not one of"]),
    (["table", "absent", "--format"], ["--format", "requires an argument"]),
    (["run", "mine.toml", "--seeds", "many"], ["--seeds", "integer"]),
    (["run", "mine.toml", "--out", ""], ["--out is empty"]),
    (["run", "mine.toml", "--out="], ["--out is empty"]),
    (["report", "absent", "-o", ""], ["-o is empty"]),
    (["status", "absent", "--repair"], ["--repair", "--check"]),
    (["check", "absent", "--repair"], ["python -m bench status --check absent --repair"]),
]


@pytest.mark.parametrize(("arguments", "texts"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_a_wrong_request_is_refused_in_one_line(
    arguments: list[str], texts: list[str], bench: Command, here: Path, toy_plugin: Path
) -> None:
    plugin = ["--plugin", str(toy_plugin)] if arguments[0] in ("run", "plan") else []
    refused(bench(*arguments, *plugin), *texts)
    assert not (here / "results").exists()


TEXTS = (
    "sentiment",
    "Sentiment",
    'lambda i: TextExample(i, "a film " + i, "negative" if i == "b" else "positive")',
)
WORDS = ("ner", "NER", 'lambda i: WordsExample(i, ("ada", i), ("B-PER", "O"))')
SPANS = ("qa", "QA", 'lambda i: QuestionExample(i, "who " + i, "ada sleeps", (("ada", 0),))')
ROWS = {
    "empty split": (TEXTS, "None", "[]", ["split 'test'", "no examples"]),
    "label not in the set": (TEXTS, 'TextExample("x", "a film", "fine")', "[bad]", ["'x'", "'fine'"]),
    "label not in training": (
        TEXTS,
        'TextExample("x", "a film", "neutral")',
        "[bad]",
        ["'neutral'", "training"],
    ),
    "tag not IOB2": (WORDS, 'WordsExample("x", ("ada",), ("I-PER",))', "[bad]", ["'x'", "I-PER", "IOB2"]),
    "no tag": (WORDS, 'WordsExample("x", ("ada",), ("PERSON",))', "[bad]", ["'x'", "PERSON", "B-TYPE"]),
    "answer elsewhere": (
        SPANS,
        'QuestionExample("x", "who", "ada sleeps", (("bob", 0),))',
        "[bad]",
        ["'x'", "answer 'bob' is not at character 0"],
    ),
}


@pytest.mark.parametrize("case", list(ROWS))
def test_wrong_rows_are_refused_in_one_line_that_names_task_and_example(
    case: str, bench: Command, here: Path
) -> None:
    (module, adapter, good), bad, test, texts = ROWS[case]
    text = TASK.format(module=module, adapter=adapter, good=good, bad=bad, test=test)
    (here / "rows.py").write_text(text, encoding="utf-8")
    refused(bench("run", "mine.toml", "--plugin", "rows.py", "--task", "mine"), "task 'mine'", *texts)
    assert not (here / "results").exists()


def test_a_new_strategy_and_a_new_data_set_run_from_their_files(bench: Command, here: Path) -> None:
    (here / "halves.py").write_text(STRATEGY, encoding="utf-8")
    (here / "parity.py").write_text(DATA_SET, encoding="utf-8")
    plugins = ["--plugin", "halves.py", "--plugin", "parity.py"]
    done = bench("run", "mine.toml", *plugins, "--task", "parity", "--strategy", "halves", "--out", "run")
    assert done.returncode == 0, done.stderr
    (record,) = Store(here / "run").records()
    assert record.status == "done"
    assert record.cell.id.startswith("parity/halves/")
    for format in ("terminal", "md", "json"):
        shown = bench("table", "run", "--format", format)
        assert shown.returncode == 0, shown.stderr
        assert "parity" in shown.stdout
        assert "halves" in shown.stdout


def test_a_finished_cell_is_not_run_again_and_a_changed_recipe_is(
    bench: Command, here: Path, toy_plugin: Path
) -> None:
    def run(*more: str) -> str:
        plugin = ["--plugin", toy_plugin, "--executor", "inline"]
        done = bench("run", "mine.toml", *plugin, "--out", "run", *more)
        assert done.returncode == 0, done.stderr
        (record,) = Store(here / "run").records()
        return record.to_json()

    first = run()
    assert run() == first
    assert run("--set", "recipe.epochs=2") != first


def test_a_strategy_that_raises_is_a_failed_record_and_exit_code_one(
    bench: Command, here: Path, toy_plugin: Path
) -> None:
    broken = STRATEGY.replace("halves", "broken") + "\n    def adapt(self, encoder):\n        1 / 0\n"
    (here / "broken.py").write_text(broken, encoding="utf-8")
    plugins = ["--plugin", str(toy_plugin), "--plugin", "broken.py"]
    done = bench("run", "mine.toml", *plugins, "-s", "broken", "-s", "frozen", "--out", "run")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    records = {record.cell.strategy: record for record in Store(here / "run").records()}
    assert records["frozen"].status == "done"
    assert records["broken"].status == "failed"
    assert "ZeroDivisionError" in records["broken"].reason
    assert "broken" in bench("table", "run", "--format", "md").stdout
    status = bench("status", "run")
    assert "1 of 2 cells done" in status.stdout
    assert "ZeroDivisionError" in status.stdout


def test_a_device_that_is_not_there_is_refused_before_anything_is_written(
    bench: Command, here: Path, toy_plugin: Path
) -> None:
    for executor in ("process", "inline"):
        more = ["--plugin", toy_plugin, "--device", "cuda:77", "--executor", executor, "--out", "run"]
        refused(bench("run", "mine.toml", *more), "--device cuda:77: this machine has")
        assert not (here / "run").exists()
