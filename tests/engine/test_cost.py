"""The formula for floating-point operations against torch's own counter.

The counter sees padding and the products of the head; so the sequences here have one length, and the head is left
out. The formula leaves out what is not a matrix product (norms, softmax, activations, the optimizer), the head,
and the parts of an encoder that are not in a layer's matrices: ELECTRA's embedding projection (it belongs to the
embeddings), and DeBERTa's products of relative positions.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from bench.contracts import FROZEN, Phase, Recipe, Strategy
from bench.engine.cost import prefix_flops, training_flops
from bench.engine.plan import Parameters, Plan, PlannedPhase
from bench.models.backbone import values
from bench.models.hf_encoder import HuggingFaceEncoder
from strategies.bitfit import BitFit
from strategies.frozen import Frozen
from strategies.full import Full
from strategies.gradual import Gradual
from strategies.top_layers import TopLayers

DEPTH, SEQUENCES, LENGTH = 4, 6, 48
RECIPE = Recipe(epochs=1, batch_size=SEQUENCES)


@pytest.fixture(scope="module")
def encoder() -> HuggingFaceEncoder:
    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=DEPTH,
        num_attention_heads=2,
        intermediate_size=64,
        attn_implementation="eager",
    )
    return HuggingFaceEncoder(BertModel(config).eval(), "tiny")


def planned(strategy: Strategy, encoder: HuggingFaceEncoder, steps: int = 1) -> Plan:
    parameters = Parameters([*encoder.named_parameters(), "head.weight"], DEPTH)
    return Plan.of(strategy, parameters, RECIPE, steps)


def counted(phase: PlannedPhase, encoder: HuggingFaceEncoder) -> float:
    """What torch counts in one step: the suffix forward, and backward through what learns."""
    for name, parameter in encoder.named_parameters().items():
        parameter.requires_grad_(name in phase.rates)
    tokens = torch.randint(0, 100, (SEQUENCES, LENGTH))
    mask = torch.ones_like(tokens)
    start, hidden = 0, tokens
    if phase.frozen:
        with torch.no_grad():
            start, hidden = phase.frozen, encoder.run(tokens, mask, None, 0, phase.frozen)
    with FlopCounterMode(display=False) as counter:
        encoder.run(hidden, mask, None, start).sum().backward()
    return float(counter.get_total_flops())


def formula(strategy: Strategy, encoder: HuggingFaceEncoder) -> float:
    lengths = np.full(SEQUENCES, LENGTH)
    return training_flops(planned(strategy, encoder), encoder, lengths, RECIPE, steps=[1])


@pytest.mark.parametrize("strategy", [Full(), BitFit()])
def test_the_formula_is_what_torch_counts(strategy: Strategy, encoder: HuggingFaceEncoder) -> None:
    (phase,) = planned(strategy, encoder).phases
    assert formula(strategy, encoder) == pytest.approx(counted(phase, encoder), rel=0.03)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_above_a_frozen_prefix_one_gradient_too_many_is_counted(
    layers: int, encoder: HuggingFaceEncoder
) -> None:
    """The gradient of what enters the lowest learning layer, through its query, key and value matrices."""
    (phase,) = planned(TopLayers(layers=layers), encoder).phases
    skipped = 2 * 3 * encoder.width**2 * SEQUENCES * LENGTH
    assert formula(TopLayers(layers=layers), encoder) - skipped == pytest.approx(
        counted(phase, encoder), rel=0.03
    )
    assert skipped < 0.1 * formula(TopLayers(layers=1), encoder)


@pytest.mark.parametrize("strategy", [TopLayers(layers=1), TopLayers(layers=3), Frozen(), Gradual()])
def test_the_prefix_is_what_torch_counts(strategy: Strategy, encoder: HuggingFaceEncoder) -> None:
    plan = planned(strategy, encoder, steps=10)
    tokens = torch.randint(0, 100, (SEQUENCES, LENGTH))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder.run(tokens, torch.ones_like(tokens), None, 0, plan.boundaries[-1])
    found = prefix_flops(plan, encoder, np.full(SEQUENCES, LENGTH))
    assert found == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_gradual_unfreezing_is_what_torch_counts_phase_by_phase(encoder: HuggingFaceEncoder) -> None:
    """Up to the gradient that torch skips at the bottom of what learns (see above)."""
    plan = planned(Gradual(), encoder, steps=10)
    skipped = 2 * 3 * encoder.width**2 * SEQUENCES * LENGTH
    steps = [phase.steps for phase in plan.phases]
    found = training_flops(plan, encoder, np.full(SEQUENCES, LENGTH), RECIPE, steps)
    expected = 0.0
    for phase in plan.phases:
        if phase.frozen <= DEPTH:
            bottom = skipped if phase.frozen else 0
            expected += phase.steps * (counted(phase, encoder) + bottom)
    assert found == pytest.approx(expected, rel=0.03)


def test_frozen_blocks_that_were_trained_before_run_in_every_step(encoder: HuggingFaceEncoder) -> None:
    first = (("layers.0.*", 1e-4), ("*", FROZEN))
    last = (("layers.3.*", 1e-4), ("*", FROZEN))

    class FirstThenLast(Strategy):
        name = "first-then-last"
        summary = "the first layer, then the last"

        def phases(self, depth: int) -> tuple[Phase, ...]:
            return (Phase(0.5, first), Phase(0.5, last))

    plan = planned(FirstThenLast(), encoder, steps=2)
    lengths = np.full(SEQUENCES, LENGTH)
    second = training_flops(plan, encoder, lengths, RECIPE, [0, 1])
    alone = planned(TopLayers(layers=1), encoder)
    again = prefix_flops(alone, encoder, lengths)
    assert second == pytest.approx(training_flops(alone, encoder, lengths, RECIPE, [1]) + again)


def test_a_frozen_encoder_costs_no_training(encoder: HuggingFaceEncoder) -> None:
    assert formula(Frozen(), encoder) == 0


def test_steps_that_early_stopping_saved_are_not_counted(encoder: HuggingFaceEncoder) -> None:
    lengths = np.full(SEQUENCES, LENGTH)
    plan = planned(Full(), encoder, steps=10)
    half = training_flops(plan, encoder, lengths, RECIPE, steps=[5])
    assert half == pytest.approx(training_flops(plan, encoder, lengths, RECIPE, steps=[10]) / 2)


def test_each_phase_is_counted_with_what_learns_in_it(encoder: HuggingFaceEncoder) -> None:
    phases = (Phase(0.5), Phase(0.5, (("layers.3.*", 1e-4), ("*", FROZEN))))

    class Two(Strategy):
        name = "two"
        summary = "the head, then the last layer"

        def phases(self, depth: int) -> tuple[Phase, ...]:
            return phases

    lengths = np.full(SEQUENCES, LENGTH)
    two = training_flops(planned(Two(), encoder, steps=2), encoder, lengths, RECIPE, steps=[1, 1])
    assert two == pytest.approx(formula(TopLayers(layers=1), encoder))


def test_weights_that_are_packed_into_four_bits_count_as_they_were(encoder: HuggingFaceEncoder) -> None:
    """bitsandbytes keeps two of them in a byte: half as many values, in a column."""
    packed, lengths = encoder.copy(), np.full(SEQUENCES, LENGTH)
    for block in range(1, DEPTH + 1):
        for module in packed.modules_of(block)[0].modules():
            if isinstance(module, nn.Linear):
                weight = nn.Parameter(
                    torch.zeros((module.weight.numel() // 2, 1), dtype=torch.uint8), requires_grad=False
                )
                weight.quant_state = SimpleNamespace(shape=module.weight.shape)  # pyright: ignore
                module.weight = weight
    for strategy in (TopLayers(layers=1), Full()):
        plan = planned(strategy, encoder)
        assert prefix_flops(plan, packed, lengths) == prefix_flops(plan, encoder, lengths)
        learnt = [training_flops(plan, one, lengths, RECIPE, [1]) for one in (packed, encoder)]
        assert learnt[0] == learnt[1]
    sizes = [{name: values(p) for name, p in one.named_parameters().items()} for one in (packed, encoder)]
    assert sizes[0] == sizes[1]
