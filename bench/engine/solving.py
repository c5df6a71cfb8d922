"""The best head on frozen features, by L-BFGS: (multinomial) logistic regression, where a head is linear.

Full-batch, without dropout, to convergence or for ITERATIONS. The L2 penalty is chosen on validation data from a
grid, each solution the start of the next (after Kornblith et al. 2019, arXiv 1805.08974, appendix A). Where the
largest penalty is the best, as with few rows, larger ones are tried until one is worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bench.contracts import Recipe
from bench.data.batches import Split
from bench.engine.divergence import Diverged, check_finite, check_sound
from bench.engine.machine import whole_fp32
from bench.engine.model import Model
from bench.engine.plan import Plan, PlannedPhase
from bench.engine.prediction import predict
from bench.engine.prefix import Stopwatch
from bench.engine.training import Fit, Score, Watch
from bench.models.heads import count_terms, loss_terms
from bench.runs.curve import Point

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)  # times half the weights' squared norm, on the mean loss
LARGEST = 1e3
ITERATIONS = 100  # at most, for each penalty


def solve(
    model: Model, plan: Plan, splits: dict[str, Split], recipe: Recipe, seed: int, score: Score, watch: Watch
) -> Fit:
    """What `fit` does, for a plan whose solver is L-BFGS. The recipe's budget and the seed's order play no part.

    In the learning curve an epoch is a pass over the training split, a step an iteration. Raises Diverged."""
    (phase,) = plan.phases
    training, evaluating = Stopwatch(model.device), Stopwatch(model.device)
    result = Fit(phase_steps=[0])
    for name, parameter in model.parameters().items():
        parameter.requires_grad_(name in phase.rates)
    model.backbone.cast(model.device.dtype)
    head = list(model.head.parameters())
    best: list[Tensor] = []
    passes = 0
    with training:
        objective = _Objective(model, splits["train"], phase)
    grid, losses = list(PENALTIES), {}
    while grid:
        penalty = grid.pop(0)
        with training:
            objective.penalty = penalty
            optimizer = torch.optim.LBFGS(head, max_iter=ITERATIONS, line_search_fn="strong_wolfe")
            with whole_fp32():  # a line search cannot see small steps through rounded products
                optimizer.step(objective)
            state = optimizer.state[head[0]]
        result.phase_steps[0] += state["n_iter"]
        passes += state["func_evals"]
        with evaluating:
            check_finite(objective.mean.repeat(1, 2), result.steps)
            logits, loss = predict(model, "validation", splits["validation"], phase)
            try:
                check_sound(logits, loss, result.steps)
            except Diverged:  # so large a penalty leaves nothing of the weights
                if penalty <= PENALTIES[0]:
                    raise
                break
            if not best or loss < result.loss:
                best = [parameter.detach().clone() for parameter in head]
            point = Point(
                step=result.steps,
                epoch=passes,
                seconds=training.seconds + evaluating.seconds,
                phase=1,
                train_loss=float(objective.mean),
                loss=loss,
                score=score(logits),
            )
        result.curve.append(point)
        watch(point)
        losses[penalty] = loss
        if not grid and (larger := _larger(losses)):
            grid.append(larger)
            _restore(head, best)
    _restore(head, best)
    result.train_seconds, result.evaluate_seconds = training.seconds, evaluating.seconds
    return result


def _larger(losses: Mapping[float, float]) -> float:
    """The penalty to try next, by the validation losses of those that were tried: a larger one where the largest is
    the best; 0 where no other is."""
    largest = max(losses)
    at_edge = min(losses, key=losses.__getitem__) == largest
    return 10 * largest if at_edge and largest < LARGEST else 0.0


@torch.no_grad()
def _restore(head: Sequence[nn.Parameter], state: Sequence[Tensor]) -> None:
    for parameter, value in zip(head, state, strict=True):
        parameter.copy_(value)


class _Objective:
    """The mean loss over the training split plus the penalty, with its gradient; `mean` is the loss alone."""

    def __init__(self, model: Model, split: Split, phase: PlannedPhase) -> None:
        self._model, self._phase = model, phase
        self._batches = list(split.in_order())
        counts = [count_terms(model.head.kind, batch.targets) for batch in self._batches]
        self._terms = torch.stack(counts).sum()
        self.penalty = 0.0
        self.mean = torch.tensor(torch.nan)

    def __call__(self) -> Tensor:
        head = self._model.head
        head.eval()
        head.zero_grad()
        losses = []
        for batch in self._batches:
            total, _ = loss_terms(head.kind, self._model.logits("train", batch, self._phase), batch.targets)
            loss = total / self._terms
            loss.backward()
            losses.append(loss.detach())
        self.mean = torch.stack(losses).sum()
        if self.mean.isnan():  # the line search would follow it until a step is no float
            raise Diverged(f"the training loss is nan with penalty {self.penalty:g}: features are not finite")
        weights = [parameter.square().sum() for parameter in head.parameters() if parameter.dim() > 1]
        penalty = self.penalty / 2 * torch.stack(weights).sum()
        penalty.backward()
        return self.mean + penalty.detach()
