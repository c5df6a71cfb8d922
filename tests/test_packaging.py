"""Installed, not only cloned: the wheel has all that it needs, and says which extra is missing where one is."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, cast

import pytest

import bench
from bench.contracts import BenchError
from bench.registry import discover
from bench.runs.folder import Store
from tests.support.made_runs import TOYS

ROOT = Path(__file__).parents[1]
PACKAGES = ("bench", "strategies", "tasks")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HOSTILE = "raise RuntimeError('this file is the user\\'s own')\n"

Program = Callable[..., subprocess.CompletedProcess[str]]

# --------------------------------------------------------------------------------------------------
# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source, built from a copy: what a build leaves behind would get into the next one."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built), str(source))
    [found] = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, which sees the libraries of this one but not its transferbench."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", str(folder / "bin" / "python"), "install", "--no-deps", "--no-compile", str(wheel))
    return folder


@pytest.fixture
def installed(environment: Path, tiny_encoder: Path, tmp_path: Path) -> Program:
    """`transferbench ...` of the wheel, in a folder with files of a user that have the names of its packages."""
    (tmp_path / "bench.py").write_text(HOSTILE)
    (tmp_path / "tasks.py").write_text(HOSTILE)
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "__init__.py").write_text(HOSTILE)
    (tmp_path / "tiny-bert").symlink_to(tiny_encoder)
    return lambda *arguments: started([str(environment / "bin" / "transferbench"), *arguments], tmp_path)


def started(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A program as a user starts it: no checkout on the import path, no network, an empty cache."""
    known = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    settings = {
        "TRANSFERBENCH_CACHE": str(folder / ".cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
    }
    return subprocess.run(
        command, cwd=folder, env=known | settings, capture_output=True, text=True, timeout=120, check=False
    )


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [*command, *arguments], env=os.environ | {"PIP_NO_INDEX": "1"}, text=True, check=False
    )
    assert done.returncode == 0


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    expected = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_the_version_comes_from_one_place(wheel: Path, installed: Program) -> None:
    assert wheel.name.split("-")[1] == bench.__version__
    assert installed("--version").stdout == f"transferbench {bench.__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", bench.__version__)


def test_the_changelog_has_a_section_on_this_version() -> None:
    """So that a release is its tag and nothing else."""
    assert re.search(rf"^## \[?{re.escape(bench.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_an_installed_program_lists_and_plans_in_any_folder(installed: Program) -> None:
    listed = installed("list")
    assert listed.returncode == 0, listed.stderr
    for name in (*discover().tasks, *discover().strategies, "quick", "minilm"):
        assert name in listed.stdout
    planned = installed("plan", "smoke")
    assert planned.returncode == 0, planned.stderr
    assert "movie-sentiment" in planned.stdout


def test_an_installed_program_runs_and_reports_in_any_folder(installed: Program, tmp_path: Path) -> None:
    """In worker processes, with a plug-in that imports an adapter; the page needs the templates."""
    suite = """
    name = "mine"
    seeds = 1
    [recipe]
    epochs = 1
    max_length = 32
    stride = 8
    [tasks.toy-sentiment]
    [[grid]]
    strategies = ["frozen"]
    backbones = ["tiny-bert"]
    """
    (tmp_path / "mine.toml").write_text(suite)
    ran = installed("run", "mine.toml", "--plugin", str(TOYS), "--device", "cpu", "--threads", "1")
    assert ran.returncode == 0, ran.stderr
    [record] = Store(tmp_path / "results/runs/mine").records()
    assert record.status == "done"
    assert record.machine is not None
    assert record.machine.commit == ""
    assert record.machine.versions["transferbench"] == bench.__version__
    reported = installed("report", "mine")
    assert reported.returncode == 0, reported.stderr
    page = (tmp_path / "results/runs/mine/report.html").read_text()
    assert f"pip install 'transferbench[report]=={bench.__version__}'" in page.replace("&#39;", "'")


def test_a_module_is_not_hidden_by_a_users_files(
    environment: Path, installed: Program, tmp_path: Path
) -> None:
    """`python -m` puts the current folder first; a user's `bench.py` is theirs to start."""
    (tmp_path / "bench.py").unlink()
    done = started([str(environment / "bin" / "python"), "-m", "bench", "list", "tasks"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "movie-sentiment" in done.stdout


# --------------------------------------------------------------------------------------------------
# make

PYTHON = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/../log"
"""
"""Stands for an environment's Python: it writes down what it is called with, and installs nothing."""


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], list[str]]:
    """`make(target)`: what it installs into an environment that is there, the extras of each installation."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(PYTHON)
    (tmp_path / "bin/python").chmod(0o755)

    def run(target: str) -> list[str]:
        (tmp_path / "log").write_text("")
        command = ["make", "--no-print-directory", f"VENV={tmp_path}", target]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        lines = (tmp_path / "log").read_text().splitlines()
        return [line.partition("--editable .")[2].strip("[]") for line in lines if "pip install" in line]

    return run


def test_a_level_is_installed_once(make: Callable[[str], list[str]]) -> None:
    assert make("setup") == [""]
    assert make("setup") == []
    assert make("setup-report") == ["report"]
    [extras] = make("setup-test")
    left_out = {"docs", "mlflow", "qlora", "wandb"}  # mlflow-server has mlflow
    assert set(extras.split(",")) == set(EXTRAS) - left_out
    assert [make(level) for level in ("setup-peers", "setup-report", "setup", "setup-test")] == [[]] * 4


def test_tests_first_and_then_a_run_installs_once(make: Callable[[str], list[str]]) -> None:
    assert len(make("setup-test")) == 1
    assert make("bench") == []


# --------------------------------------------------------------------------------------------------
# Dependencies and extras


def distributions(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", text)[0].lower().replace("_", "-") for text in requirements}


CORE = distributions(PROJECT["dependencies"])
EXTRAS = {name: distributions(needs) for name, needs in PROJECT["optional-dependencies"].items()}


def third_party(path: Path) -> Iterator[str]:
    """What a file imports that is neither Python's, nor this program's, nor a script beside it."""
    tree = ast.parse(path.read_text())
    beside = {other.stem for other in path.parent.glob("*.py")} if path.parent.name == "scripts" else set()
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in (name.partition(".")[0] for name in names):
            if name not in (*PACKAGES, *beside, *sys.stdlib_module_names):
                yield name


def test_every_library_that_is_imported_is_declared() -> None:
    """Also those that another library happens to bring."""
    provided = packages_distributions()
    declared = CORE.union(*EXTRAS.values())
    for path in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        for name in third_party(path):
            names = {item.lower().replace("_", "-") for item in provided.get(name, [name])}
            assert names & declared, f"{path}: {name} is not a dependency"


def jinja2() -> None:
    from bench.report import html

    html._environment.__wrapped__()


def vl_convert() -> None:
    from bench.report import vega

    vega.script.__wrapped__()


def matplotlib() -> None:
    from bench.report import figures

    figures.save(cast(Any, None), "pareto", Path("figure.pdf"))


def ray() -> None:
    from bench.executors import ray_cluster

    ray_cluster.library()


def mlflow() -> None:
    from bench.trackers.contract import tracker

    tracker("mlflow", Store(Path("run")))


def tensorboard() -> None:
    from bench.trackers.contract import tracker

    tracker("tensorboard", Store(Path("run")))


def wandb() -> None:
    from bench.trackers.contract import tracker

    tracker("wandb", Store(Path("run")))


def onnxruntime() -> None:
    from bench.export.onnx_graph import check_packages

    check_packages()


def onnx() -> None:
    onnxruntime()


def onnxscript() -> None:
    onnxruntime()


def sentence_transformers() -> None:
    from bench.peers import classifiers

    classifiers.sentence_transformers("model", cast(Any, None), cast(Any, None))


def setfit() -> None:
    from bench.peers import few_shot

    few_shot._library()


def accelerate() -> None:
    from bench.peers import measuring

    measuring.check([], ["trainer"])


NEEDS = {
    jinja2: ("report", "jinja2"),
    vl_convert: ("report", "vl-convert-python"),
    matplotlib: ("report", "matplotlib"),
    ray: ("ray", "ray"),
    mlflow: ("mlflow", "mlflow-skinny"),
    tensorboard: ("tensorboard", "tensorboard"),
    wandb: ("wandb", "wandb"),
    onnx: ("onnx", "onnx"),
    onnxruntime: ("onnx", "onnxruntime"),
    onnxscript: ("onnx", "onnxscript"),
    sentence_transformers: ("peers", "sentence-transformers"),
    setfit: ("peers", "setfit"),
    accelerate: ("peers", "accelerate"),
}
"""What needs an optional module, named as that module is: the extra, and the package in it."""


@pytest.mark.parametrize("use", NEEDS)
def test_a_missing_package_is_one_line_that_names_its_extra(
    use: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    extra, package = NEEDS[use]
    for name in [name for name in sys.modules if name.partition(".")[0] == use.__name__]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"bench.trackers.{use.__name__}", raising=False)
    monkeypatch.setitem(sys.modules, use.__name__, None)  # so that it cannot be imported
    with pytest.raises(BenchError) as error:
        use()
    assert error.value.code == "no-extra"
    assert f"'transferbench[{extra}]'" in str(error.value)
    assert "\n" not in str(error.value)
    assert package in EXTRAS[extra]


def test_every_optional_package_that_is_imported_is_in_the_list_above() -> None:
    provided = packages_distributions()
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    names = {name for path in files for name in third_party(path)}
    optional = {
        name
        for name in names
        if not {item.lower().replace("_", "-") for item in provided.get(name, [name])} & CORE
    }
    # bitsandbytes is asked for on a CUDA GPU alone (tests/models/test_four_bits.py)
    assert optional - {"markupsafe", "bitsandbytes"} == {use.__name__ for use in NEEDS} - {"accelerate"}
