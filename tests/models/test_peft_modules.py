"""Methods of the PEFT library in the layers of an encoder, against the library's own way to use them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import peft
import pytest
import torch

from bench.contracts import BenchError
from bench.models.families import families
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.peft_modules import prefix
from strategies.peft_method import PREFIXES
from tests.support.families import small_model

TOKENS, MASK = (
    torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(0)),
    torch.ones(3, 9).long(),
)
METHODS: dict[str, dict[str, Any]] = {
    "LoraConfig": {"r": 4, "use_dora": True},
    "IA3Config": {},
    "VeraConfig": {"r": 8},
    "LoHaConfig": {"r": 4},
    "LoKrConfig": {"r": 4},
    "OFTConfig": {},
    "BOFTConfig": {},
    "HRAConfig": {},
    "LNTuningConfig": {},
    "FourierFTConfig": {"n_frequency": 50},
    "RandLoraConfig": {"r": 4},
}
IDENTITIES = METHODS.keys() - {"FourierFTConfig"}


@pytest.fixture
def encoder(tiny_encoder: Path) -> HuggingFaceEncoder:
    from transformers import AutoModel

    return HuggingFaceEncoder(AutoModel.from_pretrained(tiny_encoder).eval(), "tiny")


@pytest.fixture(autouse=True)
def fixed() -> None:
    torch.manual_seed(0)


def stir(encoder: HuggingFaceEncoder, method: str) -> None:
    """Move everything that learns away from where it started."""
    with torch.no_grad():
        for name, parameter in encoder.named_parameters().items():
            if prefix(method) in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)


@pytest.mark.parametrize("method", sorted(IDENTITIES))
def test_a_method_starts_as_the_identity(method: str, encoder: HuggingFaceEncoder) -> None:
    before = encoder.run(TOKENS, MASK, None)
    encoder.insert_peft(method, "all-linear", METHODS[method])
    assert torch.allclose(encoder.run(TOKENS, MASK, None), before, atol=1e-6)


def test_one_that_does_not_is_inserted_all_the_same(encoder: HuggingFaceEncoder) -> None:
    before = encoder.run(TOKENS, MASK, None)
    encoder.insert_peft("FourierFTConfig", "all-linear", METHODS["FourierFTConfig"])
    assert not torch.allclose(encoder.run(TOKENS, MASK, None), before, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_merged_it_computes_the_same_with_the_given_names(method: str, encoder: HuggingFaceEncoder) -> None:
    names = set(encoder.named_parameters())
    encoder.insert_peft(method, "all-linear", METHODS[method])
    stir(encoder, method)
    apart = encoder.run(TOKENS, MASK, None)
    encoder.merge()
    assert set(encoder.named_parameters()) == names
    assert torch.allclose(encoder.run(TOKENS, MASK, None), apart, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_what_learns_is_in_every_layer_and_is_the_librarys(method: str, encoder: HuggingFaceEncoder) -> None:
    """The same number of parameters as the library inserts into the whole model with the same targets."""
    from transformers import BertModel

    twin = BertModel(encoder.model.config)
    encoder.insert_peft(method, "all-linear", METHODS[method])
    learning = {n: p.numel() for n, p in encoder.named_parameters().items() if prefix(method) in n}
    assert {n.split(".")[1] for n in learning} == set("0123")
    targets = r".*encoder\.layer\..*(query|key|value|dense)"
    if method == "LNTuningConfig":
        targets = r".*encoder\.layer\..*LayerNorm"
    given: dict[str, Any] = {"target_modules": targets, **METHODS[method]}
    if method == "IA3Config":
        given["feedforward_modules"] = r".*layer\.\d+\.output\.dense"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(twin, getattr(peft, method)(**given))
    expected = sum(p.numel() for n, p in model.named_parameters() if p.requires_grad)
    assert sum(learning.values()) == expected


def test_attention_alone_is_half_of_the_maps(encoder: HuggingFaceEncoder) -> None:
    encoder.insert_peft("LoraConfig", "attention", {"r": 2})
    changed = {n.split(".lora_")[0] for n in encoder.named_parameters() if ".lora_A." in n}
    first = {name for name in changed if name.startswith("layers.0.")}
    assert first == {
        f"layers.0.attention.{m}" for m in ("self.query", "self.key", "self.value", "output.dense")
    }


@pytest.mark.parametrize("family", [family.name for family in families().values()])
def test_ia3_scales_the_hidden_values_of_every_feed_forward_sublayer(family: str) -> None:
    """The input of the map that leads out of it, and the outputs of all others."""
    encoder = HuggingFaceEncoder(small_model(family), family)
    encoder.insert_peft("IA3Config", "all-linear", {})
    inner: dict[str, int] = {}
    for name, module in encoder.model.named_modules():
        if getattr(module, "is_feedforward", False):
            layer = name.partition(encoder.family.layers)[2].split(".")[1]
            inner[layer] = inner.get(layer, 0) + 1
            assert name.endswith(encoder.family.outputs[-1])
    assert set(inner.values()) == {1}
    assert len(inner) == len(encoder.model.get_submodule(encoder.family.layers))


def test_attention_is_found_under_any_name_or_missed_in_one_line() -> None:
    encoder = HuggingFaceEncoder(small_model("t5"), "t5")
    encoder.insert_peft("LoraConfig", "attention", {"r": 2})
    changed = {n.split(".lora_")[0].split(".")[-1] for n in encoder.named_parameters() if ".lora_A." in n}
    assert changed == {"q", "k", "v", "o"}
    with pytest.raises(BenchError) as error:  # its attention has no linear maps
        HuggingFaceEncoder(small_model("xlnet"), "xlnet").insert_peft("LoraConfig", "attention", {"r": 2})
    assert error.value.code == "no-target"


def test_targets_may_be_a_pattern(encoder: HuggingFaceEncoder) -> None:
    encoder.insert_peft("LoraConfig", r"attention\.self\.(query|value)", {"r": 2})
    changed = {n.split(".lora_")[0].split(".")[-1] for n in encoder.named_parameters() if ".lora_A." in n}
    assert changed == {"query", "value"}


@pytest.mark.parametrize(
    ("method", "targets", "settings", "code"),
    [
        ("LoraConfg", "all-linear", {}, "unknown-peft-method"),
        ("PromptTuningConfig", "all-linear", {}, "unknown-peft-method"),
        ("PrefixTuningConfig", "all-linear", {}, "unknown-peft-method"),
        ("AdaLoraConfig", "all-linear", {"total_step": 10}, "unknown-peft-method"),
        ("LoraConfig", "all-linear", {"bias": "all"}, "wrong-option"),
        ("LoraConfig", "all-linear", {"modules_to_save": ["x"]}, "wrong-option"),
        ("AdamssConfig", "all-linear", {"use_asa": True}, "wrong-option"),
        ("LoraConfig", "all-linear", {"rank": 4}, "unknown-option"),
        ("LoraConfig", "all-linear", {"r": 0}, "peft-refused"),
        ("LoraConfig", "all-linear", {"r": "four"}, "peft-refused"),
        ("LoraConfig", "no-such-map", {}, "no-target"),
        ("LoraConfig", "(", {}, "wrong-option"),
    ],
)
def test_what_cannot_be_inserted_is_refused_in_one_line(
    method: str, targets: str, settings: dict[str, Any], code: str, encoder: HuggingFaceEncoder
) -> None:
    with pytest.raises(BenchError) as error:
        encoder.insert_peft(method, targets, settings)
    assert error.value.code == code
    assert "\n" not in str(error.value)


def test_the_strategy_knows_every_method_that_can_be_inserted() -> None:
    """After an upgrade of the library: add what is new to the table."""
    assert {method: prefix(method) for method in PREFIXES} == PREFIXES
    with pytest.raises(BenchError) as error:
        prefix("")
    assert set(PREFIXES) == set(str(error.value).partition("choose from ")[2].split(", "))
