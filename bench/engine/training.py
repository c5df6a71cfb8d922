"""The training loop, and prediction with the same model on the same data."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.data.batches import Batch, Split, epoch_steps, shuffled
from bench.engine.divergence import check_finite, check_sound
from bench.engine.machine import Device
from bench.engine.optimizer import FlatAdamW
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prefix import Prefix, Stopwatch
from bench.models.backbone import Backbone
from bench.models.heads import Head, count_terms, loss_terms
from bench.runs.curve import Point


def derived_seed(seed: int, purpose: str) -> int:
    """A separate seed for each purpose (initialisation, order, dropout), so that one never shifts another."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{purpose}".encode()).digest()[:4])


@dataclass(frozen=True)
class Model:
    """A backbone with a head, and the activations that its frozen prefix can be read from."""

    backbone: Backbone
    head: Head
    device: Device
    prefix: Prefix | None  # None: frozen blocks are run again in every step
    micro_batch: int = 0  # sequences that run forward and backward at once; 0: the whole batch

    def parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by canonical name."""
        head = {f"head.{name}": parameter for name, parameter in self.head.named_parameters()}
        return {**self.backbone.named_parameters(), **head}

    def renew_masks(self) -> None:
        """Let dropout depend on the state of torch's generator alone, not on what was drawn before."""
        self.backbone.masks.renew()
        self.head.masks.renew()

    def logits(self, split: str, batch: Batch, phase: PlannedPhase) -> Tensor:
        """Logits of a batch of the named split; the phase's frozen blocks without gradients."""
        start, hidden = 0, batch.tokens
        if phase.frozen:
            start, hidden = phase.frozen, self._frozen(split, batch, phase)
        if hidden.dim() == 3 or start == 0:
            hidden = self.backbone.encode(hidden, batch.mask, batch.segments, start)
        return self.head(hidden, batch.mask)

    def _frozen(self, split: str, batch: Batch, phase: PlannedPhase) -> Tensor:
        """Activations that leave the frozen blocks: [B, S, width], or [B, width] where pooled ones are kept."""
        kept = self.prefix.gather(split, phase.frozen, batch) if self.prefix and phase.shared else None
        if kept is not None:
            return kept
        with torch.no_grad():
            return self.backbone.encode(batch.tokens, batch.mask, batch.segments, 0, phase.frozen)


@dataclass
class Fit:
    """What training left behind besides the model, which holds the best validation state."""

    curve: list[Point] = field(default_factory=list)
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    compile_seconds: float = 0.0
    padding: float = 0.0  # share of the tokens of the training batches
    phase_steps: list[int] = field(default_factory=list)  # steps taken in each phase

    @property
    def steps(self) -> int:
        return sum(self.phase_steps)

    @property
    def loss(self) -> float:
        """The lowest validation loss: that of the state in the model."""
        return min(point.loss for point in self.curve)


Score = Callable[[np.ndarray], float]
Watch = Callable[[Point], None]


def fit(
    model: Model, plan: Plan, splits: dict[str, Split], recipe: Recipe, seed: int, score: Score, watch: Watch
) -> Fit:
    """Train through the plan's phases; leave the best validation state in the model.

    splits: `train` and `validation`. score: the headline metric from packed validation logits. watch: called
    with every point of the learning curve. Raises Diverged."""
    result = Fit()
    parameters = model.parameters()
    optimizer = FlatAdamW(parameters, plan, recipe, model.device.dtype)
    model.backbone.cast(model.device.dtype)
    batches = shuffled(splits["train"].lengths, recipe.batch_size, derived_seed(seed, "order"))
    epoch = epoch_steps(len(splits["train"]), recipe.batch_size)
    every = math.ceil(epoch / recipe.evaluations)
    training, evaluating = Stopwatch(model.device), Stopwatch(model.device)
    best = _Best(optimizer)
    tokens = padded = 0
    torch.manual_seed(derived_seed(seed, "dropout"))
    model.renew_masks()
    for number, phase in enumerate(plan.phases):
        with training:
            optimizer.enter(number)
            set_modes(model, parameters)
        losses: list[Tensor] = []
        best.waited = 0
        result.phase_steps.append(0)
        for stop in _stops(phase.steps, result.steps, every):
            with training:  # the clock waits for the device: not once a step
                for step in range(result.phase_steps[-1], stop):
                    index = next(batches)
                    factor = rate_factor(step, phase.steps, recipe.warmup)
                    losses.append(_step(model, splits["train"], index, phase, optimizer, factor))
                    if model.device.torch.type == "cpu":  # elsewhere this would wait for the device
                        check_finite(losses[-1:], result.steps + 1)
                    lengths = splits["train"].lengths[index]
                    tokens, padded = tokens + int(lengths.sum()), padded + len(lengths) * int(lengths.max())
                    result.phase_steps[-1] += 1
            last = number == len(plan.phases) - 1 and stop == phase.steps
            if result.steps % every and not last:
                continue
            with evaluating:
                check_finite(losses, result.steps)
                logits, loss = predict(model, "validation", splits["validation"], phase)
                check_sound(logits, loss, result.steps)
                point = Point(
                    step=result.steps,
                    epoch=result.steps / epoch,
                    seconds=training.seconds + evaluating.seconds,
                    phase=number + 1,
                    train_loss=float(torch.stack(losses)[:, 0].mean()),
                    loss=loss,
                    score=score(logits),
                )
                best.offer(loss)
                set_modes(model, parameters)
            losses = []
            result.curve.append(point)
            watch(point)
            if phase.patience and best.waited >= phase.patience:
                break
        with evaluating:
            check_finite(losses, result.steps)
    with evaluating:
        best.restore()
    result.train_seconds, result.evaluate_seconds = training.seconds, evaluating.seconds
    result.compile_seconds = training.compiling + evaluating.compiling
    result.padding = 1 - tokens / padded
    return result


def _stops(steps: int, taken: int, every: int) -> list[int]:
    """The steps of a phase after which it pauses: where the steps of all phases together are a multiple of
    `every`, and at its end. taken: steps of the phases before it."""
    first = every - taken % every
    return sorted({*range(first, steps, every), steps})


def predict(model: Model, name: str, split: Split, phase: PlannedPhase) -> tuple[np.ndarray, float]:
    """(logits packed as the split is, float32; mean loss), in evaluation mode, in batches of at most
    `model.micro_batch` sequences."""
    for module in (*_encoder_modules(model), model.head):
        module.eval()
    packed: np.ndarray | None = None
    total = terms = 0.0
    kind = model.head.kind
    with torch.inference_mode():
        for index in split.in_order_of_length(model.micro_batch):
            batch = split.batch(index)
            logits = model.logits(name, batch, phase)
            batch_loss, count = loss_terms(kind, logits, batch.targets)
            total, terms = total + float(batch_loss), terms + float(count)
            if packed is None:
                rows = len(split) if kind == "pooled" else split.tokens
                packed = np.empty((rows, logits.shape[-1]), np.float32)
            if kind == "pooled":
                packed[index] = logits.cpu().numpy()
            else:
                real = batch.mask.bool()
                packed[batch.positions[real].cpu().numpy()] = logits[real].cpu().numpy()
    assert packed is not None
    return packed, total / max(terms, 1.0)


def _encoder_modules(model: Model) -> Iterator[nn.Module]:
    for block in range(model.backbone.depth + 1):
        yield from model.backbone.modules_of(block)


def set_modes(model: Model, parameters: dict[str, nn.Parameter]) -> None:
    """Blocks and head that learn run with dropout; frozen ones run in evaluation mode."""
    learning = {name for name, parameter in parameters.items() if parameter.requires_grad}
    for block in range(model.backbone.depth + 1):
        prefix = f"layers.{block - 1}." if block else "embeddings."
        for module in model.backbone.modules_of(block):
            module.train(any(name.startswith(prefix) for name in learning))
    model.head.train(any(name.startswith("head.") for name in learning))


def _step(
    model: Model, split: Split, index: np.ndarray, phase: PlannedPhase, optimizer: FlatAdamW, factor: float
) -> Tensor:
    """One optimizer step on the sequences `index`: (loss, norm of its gradient before clipping), on the device."""
    loss = accumulate(model, split, index, phase)
    return torch.stack([loss, optimizer.step(factor)])


def accumulate(model: Model, split: Split, index: np.ndarray, phase: PlannedPhase) -> Tensor:
    """Add the gradients of the mean loss over all terms of the batch; that loss, detached. The batch runs in parts
    of `model.micro_batch` sequences, each divided by the terms of the whole: the sum is the batch's own."""
    size = model.micro_batch or len(index)
    batches = [split.batch(index[start : start + size]) for start in range(0, len(index), size)]
    counts = [count_terms(model.head.kind, batch.targets) for batch in batches]
    terms = torch.stack(counts).sum().clamp(min=1)
    losses = []
    for batch in batches:
        total, _ = loss_terms(model.head.kind, model.logits("train", batch, phase), batch.targets)
        loss = total / terms
        loss.backward()
        losses.append(loss.detach())
    return torch.stack(losses).sum()


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Learning-rate factor: linear warm-up over the first `warmup` of a phase, then linear decay to zero."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return (steps - step) / (steps - rising)


class _Best:
    """The state at the lowest validation loss, and how many evaluations have passed since."""

    def __init__(self, optimizer: FlatAdamW) -> None:
        self._optimizer = optimizer
        self._state: list[Tensor] = []
        self._loss = math.inf
        self.waited = 0

    def offer(self, loss: float) -> None:
        """Keep the state if it is the best so far; else count one more evaluation without a better one."""
        if loss < self._loss or not self._state:
            self._loss = loss
            self._state = self._optimizer.state()
            self.waited = 0
        else:
            self.waited += 1

    def restore(self) -> None:
        self._optimizer.restore(self._state)
