"""Everything that needs a GPU, in one call: `make gpu-check`, or `python -m bench.gpu.command`.

Needs torch, transformers, numpy, scikit-learn and pandas alone. Runs the checks of equality, then four strategies
on encoders of the size of MiniLM and BERT-base against Trainer, tuned (without accelerate: a plain loop), and
writes one JSON with times, the fraction of the measured rate of matrix products, and peak memory. Exit codes: 0
good, or no GPU here; 1 a check failed.

Seconds are those of training: this engine's with the pass that fills its prefix cache, the peer's from its
constructor; validation, loading and tokenising are on neither side. The sides alternate, and medians are compared.
The grid is four strategies × 3 seeds: this engine's fill one prefix cache, the peer's are three times its medians.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from bench.contracts import Strategy
from bench.engine.machine import Device, choose_device
from bench.engine.speeds import Speeds
from bench.gpu import checks
from bench.gpu.material import MATERIALS, TINY, Material
from bench.gpu.running import HAS_TRAINER, PEER, Bed, Peer, run_engine, run_loop, run_trainer
from bench.runs.provenance import processor
from strategies.frozen import Frozen
from strategies.full import Full
from strategies.gradual import Gradual
from strategies.top_layers import TopLayers

STRATEGIES: tuple[Strategy, ...] = (Full(), TopLayers(layers=2), Gradual(), Frozen())
SEEDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; 1 where a check failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu.command", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, or cpu (to try the script)")
    parser.add_argument("--tiny", action="store_true", help="a tiny encoder and few rows: seconds on a CPU")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (3)")
    parser.add_argument("--out", type=Path, help="default: results/speed/gpu-<device>.json")
    chosen = parser.parse_args(arguments)
    if chosen.device.startswith("cuda") and not torch.cuda.is_available():
        print("gpu-check: no GPU with CUDA here; nothing was run (--device cpu --tiny tries the script)")
        return 0
    device = choose_device(chosen.device)
    materials = TINY if chosen.tiny else MATERIALS
    with tempfile.TemporaryDirectory() as cache:
        found = checks.run_all(materials[0], device, Path(cache))
        for check in found:
            word = {True: "passed", False: "FAILED", None: "skipped"}[check.passed]
            print(f"{word}: {check.name}: {check.detail}", flush=True)
        report = {
            "machine": _machine(device),
            "gemm": Speeds(device, Path(cache)).gemm(),
            "peer": PEER,
            "checks": [dataclasses.asdict(check) for check in found],
            "speed": [_speed(material, device, Path(cache), chosen.repeats) for material in materials],
        }
    path = chosen.out or Path("results/speed") / f"gpu-{_slug(report['machine']['device'])}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(path)
    return int(any(check.passed is False for check in found))


def _speed(material: Material, device: Device, cache: Path, repeats: int) -> dict[str, Any]:
    """Every strategy on one encoder, and the grid of all of them."""
    gemm = Speeds(device, cache).gemm()
    bed = Bed.make(material, material.recipe, device, cache)
    rows = [_row(strategy, material, bed, gemm, repeats) for strategy in STRATEGIES]
    grid = _grid(bed)
    peer = SEEDS * sum(row["peer_seconds"] for row in rows)
    print(f"{material.name}, grid: {grid:.2f} s, {PEER}: {peer:.2f} s, {peer / grid:.1f} times", flush=True)
    return {
        "encoder": material.name,
        "recipe": dataclasses.asdict(material.recipe),
        "rows": material.rows,
        "mean_length": float(bed.encoded["train"].lengths.mean()),
        "strategies": rows,
        "grid": {"seconds": grid, "peer_seconds": peer, "ratio": peer / grid},
    }


def _row(strategy: Strategy, material: Material, bed: Bed, gemm: float, repeats: int) -> dict[str, Any]:
    """Medians of a strategy; the first round of each side warms it and is not counted."""
    run_peer = run_trainer if HAS_TRAINER else run_loop
    ours, theirs, compiled, peaks, peer_peaks, rates = [], [], [], [], [], []
    compiles = bed.device.torch.type == "cuda" and strategy.name != "frozen"
    for _ in range(repeats + 1):
        ran = run_engine(bed.with_cache(torch.inf), strategy)
        ours.append(ran.prefix + ran.train)
        rates.append(ran.flops / ran.train)
        peaks.append(ran.peak)
        if compiles:
            ran = run_engine(bed.with_cache(torch.inf), strategy, compiled=True)
            compiled.append(ran.prefix + ran.train)
        del ran
        peer = Peer.make(material, bed, strategy)
        bed.device.reset_peak_memory()
        theirs.append(run_peer(peer, bed.device))
        peer_peaks.append(bed.device.peak_memory())
        del peer
    ratios = [b / a for a, b in zip(ours[1:], theirs[1:], strict=True)]
    own, other = median(ours[1:]), median(theirs[1:])
    aside = f" ({median(compiled[1:]):.2f} s compiled)" if compiles else ""
    print(
        f"{material.name}, {strategy.name}: {own:.2f} s{aside}, {PEER}: {other:.2f} s, {other / own:.1f} times",
        flush=True,
    )
    return {
        "strategy": strategy.name,
        "seconds": own,
        "peer_seconds": other,
        "ratio": other / own,
        "ratios": ratios,
        "utilisation": median(rates[1:]) / gemm,
        "compiled_seconds": median(compiled[1:]) if compiles else None,
        "first_seconds": ours[0],
        "peak_memory": max(peaks),
        "peer_peak_memory": max(peer_peaks),
    }


def _grid(bed: Bed) -> float:
    """Seconds of all strategies with SEEDS seeds on one prefix cache."""
    shared = bed.with_cache(torch.inf)
    ran = [run_engine(shared, strategy, seed) for strategy in STRATEGIES for seed in range(SEEDS)]
    boundaries = {boundary for one in ran for boundary in one.plan.boundaries}
    return shared.prefix.seconds("train", tuple(sorted(boundaries))) + sum(one.train for one in ran)


def _machine(device: Device) -> dict[str, Any]:
    cuda = device.torch.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device.torch) if cuda else "cpu",
        "dtype": str(device.dtype).removeprefix("torch."),
        "processor": processor(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
