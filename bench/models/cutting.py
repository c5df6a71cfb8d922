"""Cuts a model of transformers into a row of blocks, without a line of its mathematics.

Blocks run through the model's own forward pass, on a view of the model: its layer list is sliced, what lies below
is replaced by known activations, and the pass ends where a layer would receive its input. Masks, position biases
and norms stay the library's. A view shares every parameter with the whole model."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from bench.models.families import Family


class Cut:
    """Blocks [start, stop) of a model, as a function of what enters them."""

    def __init__(self, model: Any, family: Family, start: int, stop: int) -> None:
        self._model = model
        self._family = family
        self._begin: _Begin | None = None
        self.view = model
        if (start, stop) != (0, len(model.get_submodule(family.layers)) + 1):
            self.view = self._sliced(start, stop)

    def _sliced(self, start: int, stop: int) -> Any:
        """The model with the layers of blocks [start, stop), and an end where block `stop` begins."""
        layers = self._model.get_submodule(self._family.layers)
        first, end = max(start - 1, 0), stop - 1
        kept: list[nn.Module] = list(layers[first:end])
        view = shallow(self._model)
        if start > 0 and self._family.embeddings:
            _put(view, self._family.embeddings, _Activations())
            if self._family.after_embeddings and hasattr(view, self._family.after_embeddings):
                _put(view, self._family.after_embeddings, nn.Identity())
        elif start > 0 and kept:
            kept[0] = self._begin = _Begin(_with_loan(kept[0], layers[0], self._family))
        if end < len(layers):
            kept.append(_End(layers[end]))
        owner = _put(view, self._family.layers, nn.ModuleList(kept))
        view.config = _sliced_config(view.config, first, len(kept))
        if self._family.depth_key:
            owner.config = _resized(owner.config, self._family.depth_key, len(kept))
        return view

    def run(self, inputs: Tensor, from_ids: bool, options: dict[str, Any]) -> Tensor:
        """Token ids [B, S] (from_ids) or activations [B, S, width] -> activations [B, S, width]."""
        options = {**self._family.options, **options}
        if from_ids:
            options["input_ids"] = inputs
        elif self._begin is None:
            options["inputs_embeds"] = inputs
        else:
            self._begin.hidden = inputs.transpose(0, 1) if self._family.sequence_first else inputs
            embedded = self._model.get_input_embeddings().embedding_dim
            options["inputs_embeds"] = inputs.new_zeros(*inputs.shape[:2], embedded)
        self.view.training = self._model.training
        try:
            return self.view(**options).last_hidden_state
        except _Reached as reached:
            hidden = reached.hidden.transpose(0, 1) if self._family.sequence_first else reached.hidden
            return hidden[:, : inputs.shape[1]]  # Longformer pads to its window


def outside_of_layers(model: nn.Module, family: Family) -> Iterator[nn.Module]:
    """The modules that are neither a layer nor the final norm: the embeddings, and what all layers read."""
    owner, path = model, ""
    for part in family.layers.split("."):
        for name, child in owner.named_children():
            if name != part and f"{path}{name}" != family.final:
                yield child
        owner, path = owner.get_submodule(part), f"{path}{part}."


def shallow(module: Any) -> Any:
    """A copy of a module that shares its submodules and parameters, and whose submodules can be replaced."""
    twin = copy.copy(module)
    twin.__dict__["_modules"] = dict(module._modules)
    return twin


def _put(view: Any, path: str, module: nn.Module) -> Any:
    """Replace a submodule of a view; the modules on the way become shallow copies. Returns its owner."""
    *way, last = path.split(".")
    for part in way:
        setattr(view, part, shallow(getattr(view, part)))
        view = getattr(view, part)
    setattr(view, last, module)
    return view


def _with_loan(layer: nn.Module, lender: nn.Module, family: Family) -> nn.Module:
    """The layer, with the table that the first one computes position biases from and hands on."""
    if not family.lends or layer is lender:
        return layer
    layer = shallow(layer)
    found = shallow(layer.get_submodule(family.lends))
    found.has_relative_attention_bias = True
    found.relative_attention_bias = lender.get_submodule(family.lends).relative_attention_bias
    _put(layer, family.lends, found)
    return layer


def _sliced_config(config: Any, first: int, count: int) -> Any:
    """The configuration of a view: models look up the kind of attention by the number of the layer."""
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        return config
    config = copy.copy(config)
    config.__dict__["layer_types"] = ([*list(kinds), kinds[-1]])[first : first + count]
    return config


def _resized(config: Any, key: str, count: int) -> Any:
    """A configuration with so many groups of layers, each of which runs as often as before."""
    runs = config.num_hidden_layers // getattr(config, key)
    config = copy.copy(config)
    setattr(config, key, count)
    config.num_hidden_layers = count * runs
    return config


class _Activations(nn.Module):
    """Replaces the embeddings and returns the activations that it receives."""

    def forward(self, *inputs: Tensor | None, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return next(hidden for hidden in (inputs_embeds, *inputs) if hidden is not None)


class _Stand(nn.Module):
    """Stands where a layer was, and has its attributes: some models ask a layer for its kind of attention."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.__dict__["_layer"] = layer

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_layer"], name)


class _Begin(_Stand):
    """Gives a layer known activations once; what the model computed in their place is dropped."""

    hidden: Tensor | None = None

    def forward(self, given: Tensor, *others: Any, **named: Any) -> Any:
        hidden, self.hidden = self.hidden, None
        if hidden is not None:  # a shared layer runs several times
            along = 0 if hidden.shape[0] != given.shape[0] else 1
            padding = given.narrow(along, hidden.shape[along], given.shape[along] - hidden.shape[along])
            given = torch.cat([hidden, padding], along) if padding.numel() else hidden
        return self.__dict__["_layer"](given, *others, **named)


class _Reached(Exception):
    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class _End(_Stand):
    """Ends the forward pass with the activations that the layer would receive."""

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        raise _Reached(hidden)
