"""`qlora`: what it declares, and the one line that it gives where weights cannot be held in four bits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.contracts import BenchError
from bench.export.checks import check_exportable
from strategies.lora import LoRA
from strategies.qlora import QLoRA
from tests.models.test_backbones import encoder_of


def test_it_learns_what_lora_learns() -> None:
    assert QLoRA().phases(6) == LoRA().phases(6)
    assert QLoRA.paper in " ".join((QLoRA.__doc__ or "").split())


def test_without_a_gpu_it_is_refused_before_anything_changes() -> None:
    encoder = encoder_of("llama")
    names = list(encoder.named_parameters())
    with pytest.raises(BenchError, match="use strategy lora") as error:
        QLoRA().adapt(encoder)
    assert error.value.code == "four-bits-need-cuda"
    assert list(encoder.named_parameters()) == names


def test_a_cell_without_a_gpu_is_refused_before_the_strategy_is_asked(
    toy_cell: Any, toy_context: Any
) -> None:
    from bench.engine.cell import run_cell
    from bench.engine.group import prepare_group

    cell = toy_cell("qlora")
    with pytest.raises(BenchError) as error:
        run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert error.value.code == "needs-cuda"


def test_it_is_not_exported(toy_cell: Any, toy_context: Any) -> None:
    with pytest.raises(BenchError) as error:
        check_exportable(toy_cell("qlora"), toy_context.registry)
    assert error.value.code == "export-four-bits"


@pytest.mark.gpu
def test_on_a_gpu_the_maps_are_packed_and_the_updates_learn(device: Any) -> None:
    if device.torch.type != "cuda":
        pytest.skip("needs CUDA")
    pytest.importorskip("bitsandbytes")
    encoder = encoder_of("llama")
    encoder.to(device.torch)
    QLoRA().adapt(encoder)
    encoder.cast(torch.bfloat16)
    tokens = torch.arange(2, 14, device=device.torch).view(2, 6)
    encoder.run(tokens, torch.ones_like(tokens), None).float().pow(3).sum().backward()
    named = encoder.named_parameters()
    packed = [p for n, p in named.items() if n.endswith("q_proj.base_layer.weight")]
    assert packed
    assert all(p.dtype == torch.uint8 for p in packed)
    assert all(p.grad is not None for n, p in named.items() if ".lora_B." in n)
