"""What other programs on the machine cost: training seconds of `full` on three tasks of suite `quick`, alone and
beside one and two busy loops, with OpenMP's threads that sleep (the default), and with threads that spin. It prints
a Markdown table of medians:

python -P tests/support/in_company.py [--train 200] [--repeats 3]

Loops are processes in sessions of their own, as programs of another terminal are. Conditions take turns. Run it on
an idle machine."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TASKS = ("movie-sentiment", "reuters-r8", "financial-ner")
LOOPS = (0, 1, 2)
TOO_LONG = 2  # loops beside threads that spin: cells of seconds take minutes
DEFAULT, SPINNING = "sleep (default)", "spin"
POLICIES = (DEFAULT, SPINNING)


@contextmanager
def company(loops: int) -> Iterator[None]:
    """So many single-threaded busy loops, while the block runs."""
    loop = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    command = [sys.executable, "-c", loop]
    started = [subprocess.Popen(command, start_new_session=True) for _ in range(loops)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def train_seconds(train: int, policy: str, folder: Path) -> dict[str, float]:
    """Training seconds of one cell of each task, one after another in one worker."""
    command = [sys.executable, "-m", "bench", "run", "quick", "--fresh", "--out", str(folder)]
    for task in TASKS:
        command += ["-t", task, "--set", f"tasks.{task}.train={train}", "--set", f"tasks.{task}.epochs=1"]
    command += ["-s", "full", "-b", "minilm", "--seeds", "1", "--set", "recipe.evaluations=1"]
    kept = {
        name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    environment = kept | ({} if policy == DEFAULT else {"OMP_WAIT_POLICY": "active"})
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    records = (json.loads(path.read_text()) for path in (folder / "records").rglob("seed*.json"))
    return {record["cell"]["task"]: record["seconds"]["train"] for record in records}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--train", type=int, default=200, help="training rows of each task")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    found: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for _ in range(given.repeats):
        for loops in LOOPS:
            for policy in POLICIES if loops < TOO_LONG else (DEFAULT,):
                with tempfile.TemporaryDirectory() as folder, company(loops):
                    for task, seconds in train_seconds(given.train, policy, Path(folder, "run")).items():
                        found[task, loops, policy].append(seconds)
                        print(f"{task}, {policy}, {loops} loops: {seconds:.1f} s", file=sys.stderr)
    print("| task | threads | alone, s | beside one loop, s | beside two, s |\n|---|---|---:|---:|---:|")
    for task in TASKS:
        for policy in POLICIES:
            several = (found[task, loops, policy] for loops in LOOPS)
            cells = [f"{statistics.median(seconds):.1f}" if seconds else "–" for seconds in several]
            print(f"| {task} | {policy} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
