"""A trained backbone and linear head as the standard `AutoModelFor…` class of its architecture.

Tags and answer spans come from one linear map of every token, in ours and in theirs. For a text, theirs put
a dense map and an activation between the first token and the last linear map. A linear head on the first
token is folded into it: the dense map becomes a multiple of the identity (for tanh, near zero where it is
linear: off by less than one part in a hundred thousand), or the identity with a shift that makes every value
positive (for ReLU and GELU), and the last map takes it back. What cannot be folded is refused with the reason."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.contracts import BenchError, Recipe
from bench.models.families import Form, family_of
from bench.models.heads import HeadKind
from bench.models.hf_encoder import HuggingFaceEncoder

SMALL = 2.0**-10  # scale at which tanh is linear
SHIFT = 64.0  # above the activations that leave a layer norm


CLASSES: dict[HeadKind, str] = {
    "pooled": "AutoModelForSequenceClassification",
    "token": "AutoModelForTokenClassification",
    "span": "AutoModelForQuestionAnswering",
}


def is_standard(backbone: HuggingFaceEncoder, kind: HeadKind, recipe: Recipe) -> bool:
    """Whether the standard class computes what was measured: always on tokens and spans; on a text where the head
    reads its first token and folds into the class's own."""
    form = backbone.family.form
    return kind != "pooled" or (recipe.pooling == "cls" and form is not None and bool(form.dense))


def why_not(name: str, kind: HeadKind, recipe: Recipe) -> str | None:
    """Why a model of this architecture (`model_type`) cannot be exported, or None."""
    family = family_of(name)
    if kind != "pooled" and not _place(family.form if family else None, kind):
        return f"no standard class of {name} computes a linear map of every token"
    if recipe.head != "linear":
        return f"the head is '{recipe.head}', and the exported model has no such part: use recipe.head=linear"
    if recipe.features != "last":
        return f"the head reads several layers ({recipe.features}), and a model one: use recipe.features=last"
    return None


def clean_config(encoder: HuggingFaceEncoder, labels: tuple[str, ...]) -> Any:
    """The encoder's configuration with these labels, and without what a checkpoint says of another task: its
    labels, their number, the kind of its loss."""
    import copy

    from transformers import PretrainedConfig

    config = copy.deepcopy(encoder.model.config)
    fresh = PretrainedConfig()
    for name in ("problem_type", "finetuning_task", "task_specific_params", "architectures"):
        if hasattr(config, name):
            setattr(config, name, getattr(fresh, name, None))
    names = dict(enumerate(labels)) if labels else dict(fresh.id2label or {})  # two: start and end
    config.id2label = names
    config.label2id = {label: number for number, label in names.items()}
    return config


def with_weights(model: Any, encoder: HuggingFaceEncoder) -> None:
    """Give the model the encoder's weights, in place. BenchError where one has no place; a pooler is not used."""
    base = model.base_model.get_encoder() if encoder.family.part else model.base_model
    found = base.load_state_dict(encoder.model.state_dict(), strict=False)
    missing = [name for name in found.missing_keys if not name.startswith("pooler.")]
    if missing or found.unexpected_keys:
        name = [*missing, *found.unexpected_keys][0]
        raise BenchError(
            f"cannot export: '{name}' of the encoder has no place in {type(model).__name__}", "export-weights"
        )


def standard_model(
    encoder: HuggingFaceEncoder, head: nn.Linear, kind: HeadKind, labels: tuple[str, ...]
) -> Any:
    """The standard model with the encoder's weights (its whole embedding table) and the head's, in evaluation mode.
    Raises BenchError where the encoder's parameters are not all there."""
    import transformers

    config = clean_config(encoder, labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, CLASSES[kind]).from_config(config).float().eval()
    with_weights(model, encoder)
    form = encoder.family.form
    assert form is not None, config.model_type
    with torch.no_grad():
        if kind == "pooled":
            _fold(model, form, head.weight, head.bias)
        else:
            _copy(model.get_submodule(_place(form, kind)), head.weight, head.bias)
    return model


def _place(form: Form | None, kind: HeadKind) -> str:
    """Where the standard class keeps the linear map of tokens or spans; '' where there is none."""
    if form is None:
        return ""
    return form.token if kind == "token" else form.span


def _fold(model: Any, form: Form, weight: Tensor, bias: Tensor) -> None:
    """classifier(activation(dense(x))) = weight x + bias."""
    identity = torch.eye(weight.shape[1])
    last = model.get_submodule(form.classifier)
    if form.activation == "tanh":
        _copy(model.get_submodule(form.dense), SMALL * identity, torch.zeros(weight.shape[1]))
        _copy(last, weight / SMALL, bias)
    else:
        _copy(model.get_submodule(form.dense), identity, torch.full((weight.shape[1],), SHIFT))
        _copy(last, weight, (bias.double() - SHIFT * weight.double().sum(1)).float())


def _copy(linear: Any, weight: Tensor, bias: Tensor) -> None:
    linear.weight.copy_(weight)
    linear.bias.copy_(bias)
