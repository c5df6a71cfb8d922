"""Heads of one shape as a single batched module: every parameter is stacked over the heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.models.dropout import Dropout
from bench.models.heads import Head
from bench.models.moments import without_bias_correction


class StackedHeads:
    """Parameters [heads, *shape]; a row of each is a head, and rows never mix: not in a step, in clipping, nor when
    one of them is no longer finite."""

    def __init__(self, heads: Sequence[Head], rates: Sequence[float], recipe: Recipe) -> None:
        """rates: of each head; put heads of one rate side by side, so that they share an optimizer group."""
        self._heads = heads
        self._clip = recipe.clip
        self._parameters: dict[str, nn.Parameter] = {}
        for name, _ in heads[0].named_parameters():
            stacked = nn.Parameter(torch.stack([head.get_parameter(name).detach() for head in heads]))
            stacked.grad = torch.zeros_like(stacked)
            self._parameters[name] = stacked
        self._best = {name: stacked.detach().clone() for name, stacked in self._parameters.items()}
        groups, first = [], 0
        for rate, same in groupby(rates):
            rows = slice(first, first + len(list(same)))
            first = rows.stop
            for decays in (False, True):
                members = [p for p in self._parameters.values() if (p.dim() > 2) == decays]
                decay = recipe.weight_decay if decays else 0.0
                groups.append(
                    {"params": [_rows(p, rows) for p in members], "rate": rate, "weight_decay": decay}
                )
        self._adamw = torch.optim.AdamW(groups, fused=True)
        if not recipe.bias_correction:
            without_bias_correction(self._adamw)

    def logits(self, hidden: Tensor, drop: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        """Pooled vectors [heads, B, width] -> logits [heads, B, labels], each as `Head.forward` gives it.
        drop: applied where a head has dropout."""
        first = self._heads[0]
        if first.mix:
            stacked = {n.removeprefix("mix."): p for n, p in self._parameters.items() if n.startswith("mix.")}
            mix = first.mix
            hidden = torch.func.vmap(lambda values, x: torch.func.functional_call(mix, values, (x,)))(
                stacked, hidden
            )
        for name, module in first.map.named_children():
            if isinstance(module, nn.Linear):
                weight, bias = (self._parameters[f"map.{name}.{part}"] for part in ("weight", "bias"))
                hidden = torch.baddbmm(bias.unsqueeze(1), hidden, weight.mT)
            else:
                hidden = drop(hidden) if isinstance(module, Dropout) else module(hidden)
        return hidden

    def step(self, factor: float) -> Tensor:
        """Clip each head's gradient, step with every rate times `factor`, forget the gradients; the norms before
        they were clipped, [heads]."""
        gradients = [p.grad for p in self._parameters.values() if p.grad is not None]
        norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        scale = (self._clip / (norms + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))
        for group in self._adamw.param_groups:
            group["lr"] = group["rate"] * factor
        self._adamw.step()
        for gradient in gradients:
            gradient.zero_()
        return norms

    def keep(self, head: int) -> None:
        """Remember this head as it is now."""
        for name, best in self._best.items():
            best[head] = self._parameters[name].detach()[head]

    def hand_over(self) -> None:
        """Copy the last kept parameters into every head."""
        with torch.no_grad():
            for number, head in enumerate(self._heads):
                for name, parameter in head.named_parameters():
                    parameter.copy_(self._best[name][number])


def _rows(stacked: nn.Parameter, rows: slice) -> nn.Parameter:
    """Some rows of a parameter as one that shares its values and gradient."""
    assert stacked.grad is not None
    part = nn.Parameter(stacked.detach()[rows])
    part.grad = stacked.grad[rows]
    return part
