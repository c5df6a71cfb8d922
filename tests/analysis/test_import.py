"""The analysis starts at once: nothing in it imports torch."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import bench.analysis

HEAVY = ("torch", "transformers", "datasets", "statsmodels", "pandas", "ruptures")


def test_importing_every_module_imports_nothing_heavy():
    modules = pkgutil.walk_packages(bench.analysis.__path__, "bench.analysis.")
    names = [module.name for module in modules]
    assert "bench.analysis.statistics.paired" in names
    code = f"import sys, {', '.join(names)}; print([n for n in {HEAVY} if n in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
