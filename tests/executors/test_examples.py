"""The cluster recipes: they parse, and the commands in them are commands that this program has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bench.cli.app import app
from bench.planning.shards import Shard

FOLDER = Path(__file__).parents[2] / "bench" / "executors" / "examples"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
RUN = re.compile(r"python -m bench ((?:run|merge) .*)")


def commands(text: str) -> list[list[str]]:
    """The arguments of every call of this program, with shell variables as text."""
    return [found.replace('"', "").split() for found in RUN.findall(text)]


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What the program makes of them; typer's error where it would refuse them."""
    name, *rest = arguments
    command: Any = typer.main.get_command(app)
    return command.commands[name].make_context(name, rest).params


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_slurm_script_is_valid_shell_and_asks_slurm_first(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    lines = path.read_text().splitlines()
    asks = [number for number, line in enumerate(lines) if line.startswith("#SBATCH --")]
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert len(asks) >= 5
    assert max(asks) < first, "Slurm reads no #SBATCH line after the first command"


@pytest.mark.parametrize("path", [*SCRIPTS, FOLDER / "kuberay.yaml"], ids=lambda path: path.name)
def test_its_commands_are_understood(path: Path) -> None:
    calls = commands(path.read_text())
    assert any(arguments[0] == "run" for arguments in calls)
    for arguments in calls:
        parsed(arguments)


def test_the_ray_recipes_use_ray_and_the_array_uses_shards() -> None:
    [ray] = commands((FOLDER / "slurm-ray.sh").read_text())
    assert parsed(ray)["executor"] == "ray"
    shards = [call for call in commands((FOLDER / "slurm-array.sh").read_text()) if call[0] == "run"]
    text = parsed(shards[0])["shard"]
    assert Shard.parse(text.replace("$SLURM_ARRAY_TASK_ID", "3").replace("$SLURM_ARRAY_TASK_COUNT", "16"))


def test_the_kubernetes_file_is_a_ray_job_with_gpus() -> None:
    job = yaml.safe_load((FOLDER / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    [workers] = cluster["workerGroupSpecs"]
    [container] = workers["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "8"
    [head] = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert head["image"] == container["image"], "one version of the program on all nodes"
    mounted = {mount["name"] for mount in head["volumeMounts"]}
    assert mounted == {volume["name"] for volume in cluster["headGroupSpec"]["template"]["spec"]["volumes"]}
