"""Linear maps whose weights are held in four bits (NF4: Dettmers et al. 2023, arXiv 2305.14314, section 3), through
bitsandbytes. They never learn; what is inserted beside them does."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from bench.contracts import BenchError
from bench.extras import missing


def quantise(layers: nn.ModuleList) -> None:
    """Replace every linear map of the layers by one in four bits that computes in bf16."""
    device = next(layers.parameters()).device
    if device.type != "cuda":
        raise BenchError(
            f"weights in four bits need a CUDA GPU, and this is {device.type}: use strategy lora, which learns the "
            "same updates of weights in full precision",
            code="four-bits-need-cuda",
        )
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise missing("strategy qlora", "qlora", error) from error
    maps = [(n, m) for n, m in layers.named_modules() if isinstance(m, (nn.Linear, Conv1D))]
    for name, module in maps:
        weight = module.weight.detach()
        weight = weight.T.contiguous() if isinstance(module, Conv1D) else weight
        small: Any = Linear4bit(
            weight.shape[1],
            weight.shape[0],
            bias=module.bias is not None,
            compute_dtype=torch.bfloat16,
            quant_type="nf4",
        )
        small.weight = Params4bit(weight.cpu(), requires_grad=False, quant_type="nf4")
        small.bias = module.bias
        layers.set_submodule(name, small.to(device))
    vars(layers)["is_loaded_in_4bit"] = True  # peft asks for it
