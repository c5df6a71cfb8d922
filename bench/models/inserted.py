"""Modules that a strategy inserts into an encoder: low-rank updates (LoRA) and bottleneck adapters.

Both start as the identity: they change no output of the encoder until they learn.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from bench.contracts import BenchError
from bench.models import peft_modules
from bench.models.peft_modules import LINEAR


class Adapted(nn.Module):
    """A linear map followed by a bottleneck adapter with a residual connection (Houlsby et al. 2019,
    arXiv 1902.00751, figure 2): y + up(gelu(down(y)))."""

    def __init__(self, base: nn.Linear | Conv1D, width: int) -> None:
        super().__init__()
        self.base = base
        outputs = base.nf if isinstance(base, Conv1D) else base.out_features
        down, up = nn.Linear(outputs, width), nn.Linear(width, outputs)
        nn.init.normal_(down.weight, std=0.02)
        for zero in (down.bias, up.weight, up.bias):
            nn.init.zeros_(zero)
        self.adapter = nn.Sequential(down, nn.GELU(), up).to(base.weight.device)

    @property
    def weight(self) -> Tensor:
        """Of the linear map: T5 asks for its type."""
        return self.base.weight

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = self.base(hidden)
        return hidden + self.adapter(hidden)


def insert_adapters(layers: Iterable[nn.Module], paths: Collection[str], width: int) -> None:
    """Put an adapter of `width` after each linear map at `paths` of every layer: its sublayers' outputs."""
    for layer in layers:
        for path in paths:
            layer.set_submodule(path, Adapted(_linear(layer, path), width))


def insert_lora(layers: nn.ModuleList, rank: int, alpha: int) -> None:
    """Give every linear map of the layers a low-rank update, W + alpha / rank * B A (Hu et al. 2022, arXiv
    2106.09685)."""
    peft_modules.insert(layers, "LoraConfig", peft_modules.ALL, {"r": rank, "lora_alpha": alpha})


def merge(layers: nn.ModuleList) -> None:
    """Fold what was inserted into the weights that it changes, and remove it: the encoder computes the same
    function in its original shape. BenchError if there are adapters, which are not linear and cannot be
    merged."""
    if getattr(layers, "is_loaded_in_4bit", False):
        raise BenchError(
            "low-rank updates cannot be merged into weights of four bits: use strategy lora", code="four-bits"
        )
    if any(isinstance(module, Adapted) for module in layers.modules()):
        raise BenchError(
            "bottleneck adapters cannot be merged into the encoder's weights: they are not linear",
            code="not-linear",
        )
    peft_modules.merge(layers)


def _linear(layer: nn.Module, path: str) -> nn.Linear | Conv1D:
    found = layer.get_submodule(path)
    assert isinstance(found, LINEAR), path
    return found
