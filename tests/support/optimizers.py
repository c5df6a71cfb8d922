"""The optimizers of torch that a test makes."""

from __future__ import annotations

from typing import Any

import pytest
import torch


def noted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """The optimizers of `torch.optim.<name>` that are made from now on, in their order."""
    made: list[Any] = []
    real = getattr(torch.optim, name)

    def note(*given: Any, **options: Any) -> Any:
        made.append(real(*given, **options))
        return made[-1]

    monkeypatch.setattr(torch.optim, name, note)
    return made
