"""What a newcomer waits for: set-up in a fresh clone, the first score, the first whole table of one task, and the
commands that only look. It needs Linux, Python and git alone, and prints a Markdown table:

python3 tests/support/first_minutes.py FOLDER

FOLDER must not exist. It gets the clone, its virtual environment, and a cache of its own, so that rows and weights
are fetched anew; pip uses its usual cache unless --no-pip-cache is given. The run is ended once the first table
stands, unless --whole is given."""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

LOOK = 0.2  # seconds between looks at the run folder
REPEATS = 5  # of a command that only looks; the median counts


@dataclass(frozen=True)
class Waited:
    """Seconds on the clock, and of all cores, that a part took."""

    part: str
    wall: float
    cpu: float

    @property
    def line(self) -> str:
        return f"| {self.part} | {self.wall:.1f} | {self.cpu:.1f} |"


@dataclass(frozen=True)
class Clone:
    """A fresh clone, the variables of what runs in it, and the suite that is run."""

    path: Path
    environment: dict[str, str]
    suite: str

    @property
    def run(self) -> Path:
        return self.path / "results" / "runs" / self.suite

    def make(self, target: str) -> subprocess.Popen[bytes]:
        """Start `make` in a process group of its own."""
        command = ["make", target, f"PYTHON={sys.executable}", f"SUITE={self.suite}"]
        return subprocess.Popen(command, cwd=self.path, env=self.environment, start_new_session=True)

    def bench(self, *arguments: str) -> None:
        command = [str(self.path / ".venv/bin/python"), "-m", "bench", *arguments]
        subprocess.run(command, cwd=self.path, env=self.environment, stdout=subprocess.DEVNULL, check=True)

    def finished(self) -> set[str]:
        """The ids of the cells that have a record."""
        records = self.run / "records"
        return {path.relative_to(records).with_suffix("").as_posix() for path in records.rglob("seed*.json")}

    def table(self) -> str:
        """The first task of which every strategy has a score of one seed; '' where there is none yet."""
        if not (self.run / "run.json").is_file():
            return ""
        cells = json.loads((self.run / "run.json").read_text())["cells"]
        wanted, scored = _strategies(cells), _strategies(self.finished())
        return next((task for task, names in wanted.items() if names <= scored.get(task, set())), "")


def _strategies(cells: Iterable[str]) -> dict[str, set[str]]:
    """The strategies of each task among the ids of cells."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        task, strategy, *_ = cell.split("/")
        found.setdefault(task, set()).add(strategy)
    return found


def cloned(folder: Path, suite: str, pip_cache: bool) -> Clone:
    folder.mkdir(parents=True)
    source, path = Path(__file__).resolve().parents[2], folder.resolve() / "clone"
    subprocess.run(["git", "clone", "--quiet", str(source), str(path)], check=True)
    ours = ("PYTHON", "OMP_", "VIRTUAL_ENV", "TRANSFERBENCH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {"TRANSFERBENCH_CACHE": str(folder.resolve() / "cache")}
    return Clone(path, kept | own | ({} if pip_cache else {"PIP_NO_CACHE_DIR": "1"}), suite)


def timed(part: str, action: Callable[[], object]) -> Waited:
    """An action whose work is done by processes that have ended with it."""
    began, before = time.monotonic(), _ended()
    action()
    return Waited(part, time.monotonic() - began, _ended() - before)


def set_up(clone: Clone) -> Waited:
    def make() -> None:
        if clone.make("setup").wait():
            sys.exit("make setup failed")

    return timed("set-up, `make setup`", make)


def running(clone: Clone, whole: bool) -> list[Waited]:
    """`make bench`, from the command on: until the first score, until the first table, and until its end."""
    began = time.monotonic()
    process = clone.make("bench")
    found: list[Waited] = []
    used = 0.0
    while process.poll() is None:
        time.sleep(LOOK)
        used = max(used, _used(process.pid))
        now = time.monotonic() - began
        if not found and clone.finished():
            found.append(Waited(f"`make bench` ({clone.suite}) to its first score", now, used))
        task = clone.table() if len(found) == 1 else ""
        if task:
            found.append(Waited(f"to one seed of every strategy on `{task}`", now, used))
            if not whole:
                os.killpg(process.pid, signal.SIGINT)
                break
    process.wait()
    if whole:
        found.append(Waited("to its end", time.monotonic() - began, used))
    return found


def looking(clone: Clone) -> list[Waited]:
    """The median of the commands that only look."""
    found = []
    for arguments in (("--help",), ("list",), ("table", str(clone.run))):
        part = f"`python -m bench {arguments[0]}`"
        runs = [timed(part, lambda given=arguments: clone.bench(*given)) for _ in range(REPEATS)]
        found.append(sorted(runs, key=lambda run: run.cpu)[REPEATS // 2])
    return found


def _ended() -> float:
    """Seconds that ended processes which this one started have computed, and those below them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _used(process: int) -> float:
    """Seconds that a process and the living ones below it have computed, ended children of each included."""
    below: dict[int, list[int]] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else []
        except OSError:  # it has ended
            continue
        if fields:
            below.setdefault(int(fields[1]), []).append(int(entry.name))
            seconds[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    found, left = 0.0, [process]
    while left:
        one = left.pop()
        found += seconds.get(one, 0.0)
        left += below.get(one, [])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", default="quick")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--no-pip-cache", action="store_true")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    clone = cloned(given.folder, given.suite, not given.no_pip_cache)
    found = [set_up(clone), *running(clone, given.whole), *looking(clone)]
    print("\n| what | seconds | CPU seconds |\n|---|---:|---:|")
    for item in found:
        print(item.line)
    load = f"{before:.1f} before and {os.getloadavg()[0]:.1f} after"
    print(f"\n{os.cpu_count()} cores; load average of the last minute {load}")


if __name__ == "__main__":
    main()
