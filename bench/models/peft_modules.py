"""Modules of the PEFT library in the layers of an encoder: whatever one of its configurations describes.

A method of that library is inserted into the layers alone, so that the embeddings stay a frozen prefix. Most
methods start as the identity; one that does not changes the encoder's output before anything has learned."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from bench.contracts import BenchError

LINEAR = (nn.Linear, Conv1D)
"""Linear maps; those of GPT-2 hold their weights transposed."""

ALL, ATTENTION = "all-linear", "attention"
"""What `targets` may be, besides a regular expression that matches whole paths within a layer: every linear map, or
those of attention."""

NORM_TUNING, SCALING = "LNTuningConfig", "IA3Config"
"""Methods whose targets are not simply linear maps: norms; and maps of which some scale their input."""


MORE = {
    "AdaLoraConfig": "ranks that are cut after each step, and a penalty on its loss",
    "PolyConfig": "the number of a task with each input",
    "ShadowConfig": "a model of its own around the layers",
    "XLoraConfig": "weights that a classifier computes for each input",
}
"""Methods that are more than what they insert into layers, and what else they need: inserted alone, each would be
another method."""

WITHOUT = {"bias": ("none", False), "modules_to_save": (None, [], ()), "use_asa": (False,)}
"""Settings by which more learns than what is inserted, or which need calls while training; values without that."""


def prefix(method: str) -> str:
    """What the names of a method's parameters begin with. BenchError where the library has no such method, or none
    that can be inserted into layers."""
    from peft import mapping

    kinds = {cls.__name__: kind for kind, cls in mapping.PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    usable = sorted(name for name, kind in kinds.items() if name not in MORE and _inserts(kind, mapping))
    if method not in usable:
        state = (
            "works on prompts, not on layers"
            if method in kinds
            else "is no configuration of the PEFT library"
        )
        if method in MORE:
            state = f"needs {MORE[method]}, which training here does not give it"
        raise BenchError(
            f"peft '{method}' {state}; choose from {', '.join(usable)}", code="unknown-peft-method"
        )
    return mapping.PEFT_TYPE_TO_PREFIX_MAPPING[kinds[method]]


def insert(
    layers: nn.ModuleList, method: str, targets: str, settings: Mapping[str, Any], inner: str = ""
) -> None:
    """Insert a method into the targets of all layers. settings: arguments of its configuration. inner: path within
    a layer of the linear map that leads out of its feed-forward sublayer, whose hidden values IA3 scales.

    BenchError where the library refuses them, or where they ask for more than what is inserted."""
    from peft import mapping

    prefix(method)
    (cls,) = (cls for cls in mapping.PEFT_TYPE_TO_CONFIG_MAPPING.values() if cls.__name__ == method)
    modules = _targets(layers, method, targets)
    given: dict[str, Any] = {"target_modules": modules, **settings}
    if method == SCALING:
        given.setdefault("feedforward_modules", [name for name in modules if name.partition(".")[2] == inner])
    valid = inspect.signature(cls).parameters
    if "fan_in_fan_out" in valid and isinstance(layers.get_submodule(modules[0]), Conv1D):
        given.setdefault("fan_in_fan_out", True)  # all linear maps of an architecture are of one kind
    if unknown := [name for name in given if name not in valid]:
        raise BenchError(
            f"peft {method} has no setting '{unknown[0]}'; it has {', '.join(sorted(valid))}",
            code="unknown-option",
        )
    for name, values in WITHOUT.items():
        if settings.get(name, values[0]) not in values:
            raise BenchError(
                f"peft {method}: {name} = {settings[name]!r} is not supported: only what the method inserts learns",
                code="wrong-option",
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library, about names of classes that it does not know
            config = cls(**given)
            tuners: dict[Any, Any] = mapping.PEFT_TYPE_TO_TUNER_MAPPING
            tuners[config.peft_type](layers, config, "default")
    except (
        ValueError,
        TypeError,
        KeyError,
        NotImplementedError,
        ImportError,
        AttributeError,
        RuntimeError,
    ) as error:
        said = " ".join(str(error).split())[:300]
        raise BenchError(f"peft {method} cannot be inserted: {said}", code="peft-refused") from error


def merge(layers: nn.ModuleList) -> None:
    """Fold every inserted method into the weights that it changes, and remove it: the same function in the
    encoder's original shape. BenchError where the library cannot."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    inserted: list[tuple[str, Any]] = [
        (name, module) for name, module in layers.named_modules() if isinstance(module, BaseTunerLayer)
    ]
    for name, module in inserted:
        try:
            module.merge(safe_merge=True)
        except (NotImplementedError, ValueError) as error:
            kind = type(module).__name__
            raise BenchError(
                f"the PEFT library cannot merge '{kind}' into the encoder's weights: {str(error)[:200]}",
                code="cannot-be-merged",
            ) from error
        layers.set_submodule(name, module.get_base_layer())


def _inserts(kind: Any, mapping: Any) -> bool:
    """Whether a method changes layers, and each layer by itself."""
    from peft.tuners.tuners_utils import BaseTuner

    tuner = mapping.PEFT_TYPE_TO_TUNER_MAPPING.get(kind)
    return inspect.isclass(tuner) and issubclass(tuner, BaseTuner)


def _targets(layers: nn.ModuleList, method: str, targets: str) -> list[str]:
    """Paths of the modules that a method changes: `<layer>.<path>`."""
    if method == NORM_TUNING:
        return [name for name, module in layers.named_modules() if "norm" in type(module).__name__.lower()]
    linear = [name for name, module in layers.named_modules() if isinstance(module, LINEAR)]
    if targets == ALL:
        found = linear
    elif targets == ATTENTION:
        found = [name for name in linear if re.search(r"attention|attn", name, re.IGNORECASE)]
    else:
        try:
            found = [name for name in linear if re.fullmatch(targets, name.partition(".")[2])]
        except re.error as error:
            raise BenchError(
                f"targets {targets!r} is no regular expression: {error}", code="wrong-option"
            ) from error
    if not found:
        some = ", ".join(dict.fromkeys(name.partition(".")[2] for name in linear))
        raise BenchError(
            f"targets {targets!r} matches no linear map of a layer; they are {some}", code="no-target"
        )
    return found
