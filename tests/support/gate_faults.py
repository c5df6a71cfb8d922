"""Ten faults in real code, and which of them the regression gate finds: on suite `gate`, or by the tests alone.

    python -m tests.support.gate_faults [--suite gate] [--fault NAME] [--tests] [--out FILE] [options of `run`]

Without --tests the suite runs twice as the code is, to see that the gate raises no alarm, and once for each fault,
in a copy of the code, and `compare` is asked: two hours on two cores, less with options such as --task. With
--tests the tests that are about the changed module are run instead, as `tests.support.mutants` does. --out adds
each answer to a file of JSON lines at once, such as results/statistics/faults.jsonl, of which docs/statistics.md
shows the `table`. The faults leave a run plausible: nothing crashes, and most scores move by points."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.text import counted
from tests.support.mutants import ROOT, Mutant, Trial, copied

NO_FAULT = "none: the same code again"


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
        "bench/engine/schedule.py",
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
        "if (rate := phase.rate(name))}",
        "if (rate := phase.rate(name) / 2)}",
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
        "if loss < self._loss:",
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


@dataclass(frozen=True)
class Answer:
    """What was said of one fault. asked: the part of the suite that ran, or `tests`. found: whether a gate did not
    hold, or a test failed. where: the cells and strategies that regressed or failed. identical: of how many cells
    every prediction is the same as without the fault. refused: why cells could not be compared."""

    fault: str
    asked: str
    found: bool
    where: tuple[str, ...] = ()
    identical: int = 0
    cells: int = 0
    refused: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Gate:
    """A suite that runs in a copy of the code. options: of `run`, such as --task; none: the whole suite."""

    copy: Path
    suite: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join((self.suite, *self.options))

    def run(self, name: str) -> Path:
        out = self.copy / "results" / "runs" / name
        _bench(self.copy, "run", self.suite, *self.options, "--fresh", "--out", str(out))
        return out

    def asked(self, fault: Fault, base: Path) -> Answer:
        """What `compare` says of a run with the fault."""
        target = self.copy / fault.path
        source = target.read_bytes()
        target.write_bytes(fault.mutant(self.copy).applied(source))
        try:
            return self.compared(fault.name, base, self.run(fault.name.replace(" ", "-")))
        finally:
            target.write_bytes(source)

    def compared(self, fault: str, base: Path, run: Path) -> Answer:
        text = _bench(self.copy, "compare", str(base), str(run), "--json", "--fail-on", "quality,missing")
        return answer(fault, self.name, text)


def answer(fault: str, asked: str, compared: str) -> Answer:
    """The answer in what `compare --json` printed."""
    found = json.loads(compared)
    both = [*found["strategies"], *found["cells"]]
    where = tuple(sorted(_key(item) for item in both if item["status"] in ("regressed", "failed", "missing")))
    refused = [item["reason"] for item in found["cells"] if item["status"] == "incomparable"]
    same = sum(item["status"] == "identical" for item in found["cells"])
    cells = len(found["cells"])
    return Answer(fault, asked, bool(where), where, same, cells, tuple(dict.fromkeys(refused)))


def _key(item: dict[str, dict[str, str]]) -> str:
    return "/".join(item["key"].values())


def table(answers: Sequence[Answer]) -> str:
    """The answers in Markdown, a row for each fault."""
    asked = list(dict.fromkeys(item.asked for item in answers))
    lines = [f"| fault | {' | '.join(map(_heading, asked))} |", f"|---|{'---|' * len(asked)}"]
    found = {(item.fault, item.asked): item for item in answers}
    for fault in dict.fromkeys(item.fault for item in answers):
        cells = [_shown(found.get((fault, name))) for name in asked]
        lines.append(f"| {fault} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _heading(asked: str) -> str:
    return asked if asked == "tests" else f"`run {asked}`"


def _shown(item: Answer | None) -> str:
    if item is None:
        return "not asked"
    verdict = "found" if item.found else item.detail or "missed"
    if item.fault == NO_FAULT:
        verdict = "a false alarm" if item.found else "no alarm"
    if not item.cells:
        return verdict
    changed = item.cells - item.identical
    if not changed:
        return f"{verdict}: no prediction of {counted(item.cells, 'cell')} changed"
    cells = sum(not name.startswith("all tasks/") for name in item.where)
    return f"{verdict}: {cells} of {counted(item.cells, 'cell')} regressed, {changed} changed"


def read(path: Path) -> list[Answer]:
    """The answers of a file, the last of each fault and part."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [
        Answer(**{**line, "where": tuple(line["where"]), "refused": tuple(line["refused"])}) for line in lines
    ]
    return list({(item.fault, item.asked): item for item in found}.values())


def _bench(copy: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "bench", *arguments]
    done = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) and not (arguments[0] == "compare" and done.stdout):
        # 1: a cell failed or regressed; 2 of `compare`: cells cannot be compared
        sys.exit(f"'bench {' '.join(arguments)}' ended with {done.returncode}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--suite", default="gate")
    parser.add_argument("--fault", action="append", help="Only this one. Repeatable.")
    parser.add_argument("--tests", action="store_true", help="Ask the tests instead of the gate.")
    parser.add_argument("--limit", type=int, default=600, help="Seconds of a stage of tests.")
    parser.add_argument("--out", type=Path, help="Add the answers to this file of JSON lines.")
    given, options = parser.parse_known_args()
    chosen = [fault for fault in FAULTS if not given.fault or fault.name in given.fault]
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        copy = copied(Path(folder))
        if given.tests:
            trial = Trial(copy, given.limit)
            for fault in chosen:
                verdict = trial.verdict(fault.mutant(copy))
                _tell(Answer(fault.name, "tests", verdict == "found", detail=verdict), given.out)
            return
        gate = Gate(copy, given.suite, tuple(options))
        base = gate.run("base")
        _tell(gate.compared(NO_FAULT, base, gate.run("again")), given.out)
        for fault in chosen:
            _tell(gate.asked(fault, base), given.out)


def _tell(found: Answer, out: Path | None) -> None:
    print(f"{found.fault}: {_shown(found)} {', '.join((*found.where, *found.refused))}", flush=True)
    if out:
        with out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(found)) + "\n")


if __name__ == "__main__":
    main()
