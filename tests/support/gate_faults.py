"""Ten faults in real code, and which of them the regression gate finds: on suite `gate`, or by the tests alone.

    python -m tests.support.gate_faults [--suite gate] [--fault NAME] [--tests]

Without --tests the suite runs once as the code is and once for each fault, in a copy of the code, and `compare` is
asked: two hours on two cores. With --tests the tests that are about the changed module are run instead, as
`tests.support.mutants` does. The faults leave a run plausible: nothing crashes, and most scores move by points."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.mutants import ROOT, Mutant, Trial, copied


@dataclass(frozen=True)
class Fault:
    """`old`, which occurs once in the file, becomes `new`."""

    name: str
    path: str
    old: str
    new: str

    def mutant(self, root: Path = ROOT) -> Mutant:
        source = (root / self.path).read_bytes()
        old = self.old.encode()
        if source.count(old) != 1:
            raise ValueError(f"fault '{self.name}': its code occurs {source.count(old)} times in {self.path}")
        start = source.index(old)
        line = source.count(b"\n", 0, start) + 1
        return Mutant(self.path, line, start, start + len(old), self.old, self.new)


FAULTS = (
    Fault(
        "the mask leaves out the last token",
        "bench/data/batches.py",
        "real = steps < self._lengths[index][:, None]",
        "real = steps < (self._lengths[index][:, None] - 1).clamp(min=1)",
    ),
    Fault(
        "dropout is on in evaluation",
        "bench/engine/prediction.py",
        "        module.eval()",
        "        module.train()",
    ),
    Fault(
        "a label is shifted",
        "bench/data/texts.py",
        "targets = label_index((e.id for e in examples), (e.label for e in examples), labels)",
        "targets = (label_index((e.id for e in examples), (e.label for e in examples), labels) + 1) % len(labels)",
    ),
    Fault(
        "the rate falls while it should warm up",
        "bench/engine/training.py",
        "        return (step + 1) / (rising + 1)",
        "        return (rising - step) / (rising + 1)",
    ),
    Fault(
        "two frozen layers learn",
        "strategies/top_layers.py",
        "range(depth - self.layers, depth)",
        "range(depth - self.layers - 2, depth)",
    ),
    Fault(
        "rates are halved",
        "bench/engine/plan.py",
        "rate * recipe.rate_scale for name",
        "rate / 2 * recipe.rate_scale for name",
    ),
    Fault(
        "pooling counts padding",
        "bench/models/heads.py",
        "return (hidden * weights).sum(1) / weights.sum(1)",
        "return (hidden * weights).sum(1) / weights.shape[1]",
    ),
    Fault(
        "the worst state is kept",
        "bench/engine/training.py",
        "if loss < self._loss or not self.state:",
        "if loss > self._loss or not self.state:",
    ),
    Fault(
        "gradients are clipped to a hundredth",
        "bench/engine/optimizer.py",
        "divisor = ((norm + 1e-6) / self._clip).clamp(min=1.0)",
        "divisor = ((norm + 1e-6) / self._clip * 100).clamp(min=1.0)",
    ),
    Fault(
        "half of each batch is left out",
        "bench/data/batches.py",
        "            yield batches[number]",
        "            yield batches[number][: max(1, len(batches[number]) // 2)]",
    ),
)


def gate_finds(fault: Fault, copy: Path, suite: str, base: Path) -> str:
    """What `compare` says of a run with the fault."""
    target = copy / fault.path
    source = target.read_bytes()
    target.write_bytes(fault.mutant(copy).applied(source))
    try:
        return _compared(copy, base, _run(copy, suite, fault.name.replace(" ", "-")))
    finally:
        target.write_bytes(source)


def _run(copy: Path, suite: str, name: str) -> Path:
    out = copy / "results" / "runs" / name
    _bench(copy, "run", suite, "--fresh", "--out", str(out))
    return out


def _compared(copy: Path, base: Path, run: Path) -> str:
    found = json.loads(_bench(copy, "compare", str(base), str(run), "--json", "--fail-on", "quality"))
    cells = {cell["key"]["task"] + "/" + cell["key"]["strategy"] for cell in found["cells"] if _fell(cell)}
    same = sum(cell["status"] == "identical" for cell in found["cells"])
    return f"{'found in ' + ', '.join(sorted(cells)) if cells else 'missed'} ({same} cells identical)"


def _fell(cell: dict[str, object]) -> bool:
    return cell["status"] == "regressed"


def _bench(copy: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):  # 1: a cell failed or regressed
        sys.exit(f"'bench {' '.join(arguments)}' ended with {done.returncode}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--suite", default="gate")
    parser.add_argument("--fault", action="append", help="Only this one. Repeatable.")
    parser.add_argument("--tests", action="store_true", help="Ask the tests instead of the gate.")
    parser.add_argument("--limit", type=int, default=600, help="Seconds of a stage of tests.")
    given = parser.parse_args()
    chosen = [fault for fault in FAULTS if not given.fault or fault.name in given.fault]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy = copied(Path(folder))
        trial = Trial(copy, given.limit)
        base = copy if given.tests else _run(copy, given.suite, "base")
        for fault in chosen:
            asked = (
                trial.verdict(fault.mutant(copy))
                if given.tests
                else gate_finds(fault, copy, given.suite, base)
            )
            print(f"{fault.name}: {asked}", flush=True)


if __name__ == "__main__":
    main()
