"""Learnt scales of activations."""

from dataclasses import dataclass

from strategies.peft_method import Peft


@dataclass(frozen=True)
class IA3(Peft):
    """Every linear map's output is scaled by a learnt vector, and the feed-forward sublayer's hidden values are
    (Liu et al. 2022, arXiv 2205.05638). The paper scales keys, values and hidden values; `targets` chooses
    among the maps."""

    name = "ia3"
    summary = "the head and learnt scales of activations"
    paper = "arXiv 2205.05638"
    peft: str = "IA3Config"
    rate: float = 1e-2
