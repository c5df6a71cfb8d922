"""The norms that learn beside bottleneck adapters, in every family."""

from __future__ import annotations

import pytest

from bench.models.families import families
from bench.models.hf_encoder import HuggingFaceEncoder
from strategies.adapter import Adapter
from tests.support.families import small_model


@pytest.mark.parametrize("family", [family.name for family in families().values()])
def test_adapters_learn_with_the_norms_of_all_layers(family: str) -> None:
    """Whatever an architecture calls them; biases where it has some."""
    encoder = HuggingFaceEncoder(small_model(family), family)
    norms = {
        f"{name}.{part}"
        for name, module in encoder.model.get_submodule(encoder.family.layers).named_modules()
        if "norm" in type(module).__name__.lower()
        for part, _ in module.named_parameters(recurse=False)
    }
    strategy = Adapter()
    strategy.adapt(encoder)
    (phase,) = strategy.phases(encoder.depth)
    learning = {name.removeprefix("layers.") for name in encoder.named_parameters() if phase.rate(name)}
    assert norms
    others = {name for name in learning - norms if ".adapter." not in name}
    assert norms <= learning
    assert all("norm" in name.lower() or ".ln_" in name for name in others)  # that after the last layer
