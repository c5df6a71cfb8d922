"""One AdamW for a cell, on flat buffers.

Parameters with the same rates in all phases, decay and type form a group. The fp32 values of a group, the masters,
are one vector; its parameters are views of it, or of a copy in lower precision (a shadow) in which the model
computes (mixed precision training: Micikevicius et al., arXiv 1710.03740). So a step is a handful of long
operations whatever the number of parameters, and equals torch's AdamW on the parameters themselves.

Nothing of a step comes from the host, and nothing that it reads or writes moves: a step can be captured, and the
buffers can serve one cell after another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bench.contracts import Recipe, block_of
from bench.engine.plan import Plan
from bench.models.moments import SETTLED

ALIGNED = 32  # values; every parameter starts on a cache line
LONGEST = 2**30  # values of a dot product: cuBLAS counts them in 31 bits, and a group may have more


@dataclass(frozen=True)
class Group:
    """Parameters that share rates, decay, type and anchor.

    active: the phases in which they learn. master: fp32; shadow: what the parameters are views of, master itself
    where the model computes in fp32; gradient: of the master; parts: a parameter, its part of `gradient`. anchor:
    of the penalty anchor / 2 * |master - initial|^2, and the initial values of the master (None: no penalty).
    block: that all of it belongs to, where blocks freeze while a phase runs, else -1. total: the sum of the
    gradients since it was last read, of a group with a block."""

    names: tuple[str, ...]
    active: tuple[bool, ...]
    decay: float
    master: nn.Parameter
    shadow: Tensor
    gradient: Tensor
    parts: tuple[tuple[nn.Parameter, Tensor], ...]
    anchor: float = 0.0
    initial: Tensor | None = None
    block: int = -1
    total: Tensor | None = None

    def gather(self) -> Tensor:
        """Move the gradients of a backward pass from the parameters to `gradient`, and add the penalty's."""
        given = [(part, p.grad) for p, part in self.parts if p.grad is not None]
        into, gradients = [part for part, _ in given], [gradient for _, gradient in given]
        if given:
            torch._foreach_copy_(into, gradients)  # pyright: ignore[reportPrivateImportUsage]
        for parameter, part in self.parts:
            if parameter.grad is None:
                part.zero_()
            parameter.grad = None
        if self.initial is not None:
            self.gradient.add_(self.master.detach() - self.initial, alpha=self.anchor)
        if self.total is not None:
            self.total.add_(self.gradient)
        return self.gradient

    def places(self, prefix: str) -> Iterator[slice]:
        """Where the parameters whose names begin so are in the buffers."""
        for name, (_, part) in zip(self.names, self.parts, strict=True):
            if name.startswith(prefix):
                start = int(part.storage_offset())
                yield slice(start, start + part.numel())

    def drop_anchor(self) -> None:
        """Make the present values of the master the initial ones."""
        if self.initial is not None:
            self.initial.copy_(self.master.detach())


@dataclass(frozen=True)
class Membership:
    """What makes parameters a group, before there are any buffers."""

    names: tuple[str, ...]
    rates: tuple[float, ...]
    decay: float
    dtype: torch.dtype
    anchor: float = 0.0
    block: int = -1

    @property
    def active(self) -> tuple[bool, ...]:
        """The phases in which the group learns."""
        return tuple(rate > 0 for rate in self.rates)


NO_DECAY = re.compile(r"^embeddings\.|\.ia3_|bias$|\.seg_embed$")
"""Parameters that are no weights, though some have two dimensions: IA3's scales, which start at 1; the biases and
embeddings in XLNet's attention."""


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies: to weight matrices, never to biases, norms, learnt scales and embeddings."""
    return parameter.dim() > 1 and not NO_DECAY.search(name)


def memberships(
    parameters: Mapping[str, nn.Parameter], plan: Plan, recipe: Recipe, dtype: torch.dtype
) -> list[Membership]:
    """The groups of a plan. dtype: of the encoder; the head is fp32, and has no given weights to stay close to."""
    members: dict[tuple[tuple[float, ...], float, torch.dtype, float, int], list[str]] = {}
    for name, rates in plan.learning.items():
        of_head = name.startswith("head.")
        kind, anchor = (torch.float32, 0.0) if of_head else (dtype, plan.anchor)
        decay = recipe.weight_decay if decays(name, parameters[name]) else 0.0
        block = block_of(name) if plan.grows and not of_head else -1
        members.setdefault((rates, decay, kind, anchor, block), []).append(name)
    return [Membership(tuple(names), *key) for key, names in members.items()]


class FlatAdamW:
    """AdamW on flat groups. A group counts its steps from the phase in which it thaws, and keeps its moments. A
    parameter that never learns is in none."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], plan: Plan, recipe: Recipe, dtype: torch.dtype
    ) -> None:
        """parameters: fp32, by canonical name; those that learn become views of type `dtype`, the head's of fp32;
        the others take no gradient."""
        self._clip = recipe.clip
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in plan.learning)
        members = memberships(parameters, plan, recipe, dtype)
        self.groups = [_flat(parameters, member) for member in members]
        self._active: list[Group] = []
        device = self.groups[0].master.device
        cuda = device.type == "cuda"
        # torch's fused kernel reads fp32 rates on a GPU, and Python's numbers on a CPU
        self.rate_type = torch.float32 if cuda else torch.float64
        self._table = torch.zeros((len(plan.phases), len(members)), dtype=self.rate_type, device=device)
        self._rates = torch.zeros(len(members), dtype=self.rate_type, device=device)
        self._now = torch.zeros_like(self._rates)
        entries = [
            {"params": [group.master], "weight_decay": group.decay, "lr": rate, "active": group.active}
            for group, rate in zip(self.groups, self._now, strict=True)
        ]
        self._first = 0.0 if recipe.bias_correction else SETTLED
        self._adamw = torch.optim.AdamW(entries, fused=True, capturable=cuda)
        self._adamw._warned_capturable_if_run_uncaptured = True  # pyright: ignore[reportAttributeAccessIssue]
        for group in self.groups:
            zero = torch.full((), self._first, device=device)
            moments = {name: torch.zeros_like(group.master.detach()) for name in ("exp_avg", "exp_avg_sq")}
            self._adamw.state[group.master] = {"step": zero, **moments}
        self._set_rates(members)

    def restart(self, values: Mapping[str, Tensor], members: list[Membership]) -> None:
        """Begin anew, in the same buffers: with these initial values of the parameters and these rates, and with
        neither moments nor steps."""
        with torch.no_grad():
            for group in self.groups:
                for name, (_, part), start in zip(group.names, group.parts, _starts(group), strict=True):
                    group.master[start : start + part.numel()].copy_(values[name].flatten())
            for held in self._held():
                held.fill_(self._first if held.dim() == 0 else 0.0)
        for group in self.groups:
            group.drop_anchor()
        self._refresh(self.groups)
        self._set_rates(members)

    def _set_rates(self, members: list[Membership]) -> None:
        rates = [member.rates for member in members]
        self._table.copy_(torch.tensor(rates, dtype=torch.float64).T)

    def enter(self, phase: int, frozen: int = 0) -> None:
        """Let the groups that learn in this phase take gradients, and no others. frozen: leading blocks that froze
        while it ran; they keep their moments."""
        self._active = [g for g in self.groups if g.active[phase] and not 0 <= g.block < frozen]
        active = {id(group) for group in self._active}
        for group in self.groups:
            learns = id(group) in active
            group.master.grad = group.gradient if learns else None
            for parameter, _ in group.parts:
                parameter.requires_grad_(learns)
                parameter.grad = None
        self._rates.copy_(self._table[phase])

    def take_totals(self) -> dict[int, float]:
        """The L1 norm of the sum of each learning block's gradients, before clipping, since they were last taken.
        Reads from the device once."""
        found: dict[int, Tensor] = {}
        for group in self._active:
            if group.total is not None:
                norm = group.total.abs().sum()
                found[group.block] = found[group.block] + norm if group.block in found else norm
                group.total.zero_()
        values = torch.stack(list(found.values())).tolist() if found else []
        return dict(zip(found, values, strict=True))

    def step(self, factor: Tensor | float) -> Tensor:
        """Clip the gradient's norm, step with every rate times `factor`, and clear the gradients. Returns the
        norm before clipping."""
        gradients = [group.gather() for group in self._active]
        parts = [part for gradient in gradients for part in _countable(gradient)]
        norm = torch.stack([torch.dot(p, p) for p in parts]).sum().sqrt()  # vector_norm uses one thread
        divisor = ((norm + 1e-6) / self._clip).clamp(min=1.0)
        torch.mul(self._rates, factor, out=self._now)
        self._adamw.grad_scale = divisor  # the fused step divides by it  # pyright: ignore[reportAttributeAccessIssue]
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

    @contextmanager
    def preserved(self) -> Iterator[None]:
        """Undo the steps that are taken in the block, also one that fails half-way."""
        masters, held = self.state(), [tensor.clone() for tensor in self._held()]
        try:
            yield
        finally:
            for group in self.groups:
                for parameter, _ in group.parts:
                    parameter.grad = None
            self.restore(masters)
            for tensor, before in zip(self._held(), held, strict=True):
                tensor.copy_(before)

    def _held(self) -> list[Tensor]:
        """The moments and numbers of steps of all groups, and sums of gradients."""
        totals = [group.total for group in self.groups if group.total is not None]
        return [t for group in self.groups for t in self._adamw.state[group.master].values()] + totals

    @staticmethod
    def _refresh(groups: list[Group]) -> None:
        with torch.no_grad():
            for group in groups:
                if group.shadow.dtype != torch.float32:
                    group.shadow.copy_(group.master)


def _countable(values: Tensor) -> tuple[Tensor, ...]:
    """A vector in parts of at most LONGEST values."""
    return values.split(LONGEST) if len(values) > LONGEST else (values,)


def _starts(group: Group) -> list[int]:
    """Where each parameter of a group begins in its buffers."""
    return [int(part.storage_offset()) for _, part in group.parts]


def _flat(parameters: Mapping[str, nn.Parameter], member: Membership) -> Group:
    starts, size = [], 0
    for name in member.names:
        starts.append(size)
        size += -(-parameters[name].numel() // ALIGNED) * ALIGNED
    device = parameters[member.names[0]].device
    master = nn.Parameter(torch.zeros(size, device=device))
    for name, start in zip(member.names, starts, strict=True):
        values = parameters[name].detach().flatten()
        master.detach()[start : start + len(values)] = values
    shadow = master.detach() if member.dtype == torch.float32 else master.detach().to(member.dtype)
    gradient = torch.zeros_like(master, requires_grad=False)
    parts = []
    for name, start in zip(member.names, starts, strict=True):
        parameter = parameters[name]
        part = slice(start, start + parameter.numel())
        parameter.grad = None
        parameter.data = shadow[part].view(parameter.shape)
        parts.append((parameter, gradient[part].view(parameter.shape)))
    group = Group(member.names, member.active, member.decay, master, shadow, gradient, tuple(parts))
    if member.block >= 0:
        group = replace(group, block=member.block, total=torch.zeros_like(gradient))
    if not member.anchor:
        return group
    return replace(group, anchor=member.anchor, initial=master.detach().clone())
