"""Low-rank updates of the directions of weights."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.peft_method import Peft


@dataclass(frozen=True)
class DoRA(Peft):
    """LoRA on the direction of every weight column, with its magnitude learnt beside it (Liu et al. 2024, arXiv
    2402.09353)."""

    name = "dora"
    summary = "the head and low-rank updates of the directions of weights, their magnitudes apart"
    paper = "arXiv 2402.09353"
    preset: ClassVar = {"r": 8, "lora_alpha": 16, "use_dora": True}
