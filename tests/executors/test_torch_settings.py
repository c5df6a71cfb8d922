"""What a plug-in sets in torch for the process does not reach the next cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from bench.executors import torch_settings


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    before = torch_settings.noted()
    yield
    torch_settings.restore(before)


@pytest.mark.parametrize(
    ("read", "change"),
    [
        (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
        (torch.get_default_device, lambda: torch.set_default_device("meta")),
        (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
        (torch.get_num_threads, lambda: torch.set_num_threads(torch.get_num_threads() + 1)),
        (torch.are_deterministic_algorithms_enabled, lambda: torch.use_deterministic_algorithms(True)),
        (torch.get_float32_matmul_precision, lambda: torch.set_float32_matmul_precision("medium")),
        (lambda: torch.backends.cudnn.benchmark, lambda: setattr(torch.backends.cudnn, "benchmark", True)),
        (lambda: torch.backends.cudnn.enabled, lambda: setattr(torch.backends.cudnn, "enabled", False)),
        (torch.backends.cuda.math_sdp_enabled, lambda: torch.backends.cuda.enable_math_sdp(False)),
    ],
)
def test_a_setting_is_what_it_was(read: Callable[[], object], change: Callable[[], None]) -> None:
    before, settings = read(), torch_settings.noted()
    change()
    assert read() != before
    torch_settings.restore(settings)
    assert read() == before


def test_what_has_not_changed_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the number of threads, if only to what it is, may choose other kernels."""

    def refused(_: object) -> None:
        raise AssertionError

    settings = tuple((read, refused) for read, _ in torch_settings._SETTINGS)
    monkeypatch.setattr(torch_settings, "_SETTINGS", settings)
    torch_settings.restore(torch_settings.noted())


def test_tf32_that_was_set_by_its_newer_names_is_set_back() -> None:
    """transformers' Trainer does; torch then refuses to tell what the older names say."""
    given = torch_settings.noted()
    torch.backends.cudnn.allow_tf32 = True  # whatever ran before
    settings = torch_settings.noted()
    try:
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(RuntimeError):
            _ = torch.backends.cudnn.allow_tf32
        assert None in torch_settings.noted()  # such a setting is left alone
        torch_settings.restore(settings)
        assert torch_settings.noted() == settings
    finally:
        torch_settings.restore(given)
