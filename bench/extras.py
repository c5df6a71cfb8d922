"""Optional packages: what is said where one is missing, and which extra of pyproject.toml brings it."""

from __future__ import annotations

from bench.contracts import BenchError


def missing(need: str, extra: str, error: ImportError) -> BenchError:
    """The error for what a user asked for (`need`) whose package cannot be imported."""
    return BenchError(
        f"{need}: {error}: pip install 'transferbench[{extra}]', or pip install -e '.[{extra}]' in a checkout",
        code="no-extra",
    )
