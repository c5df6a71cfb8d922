"""One AdamW for a cell, on flat buffers.

Parameters with the same rates in all phases, decay and type form a group. The fp32 values of a group, the masters,
are one vector; its parameters are views of it, or of a copy in lower precision (a shadow) in which the model
computes (mixed precision training: Micikevicius et al., arXiv 1710.03740). So a step is a handful of long
operations whatever the number of parameters, and equals torch's AdamW on the parameters themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.engine.plan import Plan

ALIGNED = 32  # values; every parameter starts on a cache line


@dataclass(frozen=True)
class Group:
    """Parameters that share rates, decay and type. master: fp32; shadow: what the parameters are views of, master
    itself where the model computes in fp32; gradient: of the master; parts: a parameter, its part of `gradient`."""

    names: tuple[str, ...]
    rates: tuple[float, ...]
    decay: float
    master: nn.Parameter
    shadow: Tensor
    gradient: Tensor
    parts: tuple[tuple[nn.Parameter, Tensor], ...]

    def gather(self) -> Tensor:
        """Move the gradients of a backward pass from the parameters to `gradient`, which it returns."""
        given = [(part, p.grad) for p, part in self.parts if p.grad is not None]
        into, gradients = [part for part, _ in given], [gradient for _, gradient in given]
        torch._foreach_copy_(into, gradients)  # pyright: ignore[reportPrivateImportUsage]
        for parameter, part in self.parts:
            if parameter.grad is None:
                part.zero_()
            parameter.grad = None
        return self.gradient


class FlatAdamW:
    """AdamW on flat groups. A group joins in the phase in which it thaws, and keeps its moments. A parameter
    that never learns never joins."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], plan: Plan, recipe: Recipe, dtype: torch.dtype
    ) -> None:
        """parameters: fp32, by canonical name; those that learn become views of type `dtype`, the head's of fp32;
        the others take no gradient."""
        self._clip = recipe.clip
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in plan.learning)
        members: dict[tuple[tuple[float, ...], float, torch.dtype], list[str]] = {}
        for name, rates in plan.learning.items():
            decays = parameters[name].dim() > 1 and not name.startswith("embeddings.")
            kind = torch.float32 if name.startswith("head.") else dtype
            members.setdefault((rates, recipe.weight_decay if decays else 0.0, kind), []).append(name)
        self.groups = [_flat(parameters, names, *key) for key, names in members.items()]
        self._active: list[Group] = []
        self._adamw: torch.optim.AdamW | None = None

    def enter(self, phase: int) -> None:
        """Let the groups that learn in this phase take gradients, and no others; add those that are new."""
        self._active = [group for group in self.groups if group.rates[phase]]
        for group in self.groups:
            active = group.rates[phase] > 0
            group.master.grad = group.gradient if active else None
            for parameter, _ in group.parts:
                parameter.requires_grad_(active)
                parameter.grad = None
            if active and not any(group.rates[:phase]):
                joining = {"params": [group.master], "weight_decay": group.decay, "rates": group.rates}
                if self._adamw is None:
                    self._adamw = torch.optim.AdamW([joining], fused=True)
                else:
                    self._adamw.add_param_group(joining)
        assert self._adamw is not None
        for entry in self._adamw.param_groups:
            entry["rate"] = entry["rates"][phase]

    def step(self, factor: float) -> Tensor:
        """Clip the gradient's norm, step with every rate times `factor`, and clear the gradients. Returns the
        norm before clipping."""
        assert self._adamw is not None
        gradients = [group.gather() for group in self._active]
        norm = torch.stack([torch.dot(g, g) for g in gradients]).sum().sqrt()  # vector_norm uses one thread
        divisor = ((norm + 1e-6) / self._clip).clamp(min=1.0)
        self._adamw.grad_scale = divisor  # the fused step divides by it  # pyright: ignore[reportAttributeAccessIssue]
        for entry in self._adamw.param_groups:
            entry["lr"] = entry["rate"] * factor
        self._adamw.step()
        self._refresh(self._active)
        return norm

    def state(self) -> list[Tensor]:
        """A copy of the masters."""
        return [group.master.detach().clone() for group in self.groups]

    def restore(self, state: list[Tensor]) -> None:
        """Return to masters that `state` gave."""
        with torch.no_grad():
            for group, master in zip(self.groups, state, strict=True):
                group.master.copy_(master)
        self._refresh(self.groups)

    @staticmethod
    def _refresh(groups: list[Group]) -> None:
        with torch.no_grad():
            for group in groups:
                if group.shadow.dtype != torch.float32:
                    group.shadow.copy_(group.master)


def _flat(
    parameters: Mapping[str, nn.Parameter],
    names: list[str],
    rates: tuple[float, ...],
    decay: float,
    dtype: torch.dtype,
) -> Group:
    starts, size = [], 0
    for name in names:
        starts.append(size)
        size += -(-parameters[name].numel() // ALIGNED) * ALIGNED
    device = parameters[names[0]].device
    master = nn.Parameter(torch.zeros(size, device=device))
    for name, start in zip(names, starts, strict=True):
        values = parameters[name].detach().flatten()
        master.detach()[start : start + len(values)] = values
    shadow = master.detach() if dtype == torch.float32 else master.detach().to(dtype)
    gradient = torch.zeros_like(master, requires_grad=False)
    parts = []
    for name, start in zip(names, starts, strict=True):
        parameter = parameters[name]
        part = slice(start, start + parameter.numel())
        parameter.grad = None
        parameter.data = shadow[part].view(parameter.shape)
        parts.append((parameter, gradient[part].view(parameter.shape)))
    return Group(tuple(names), rates, decay, master, shadow, gradient, tuple(parts))
