"""Encoders of Hugging Face transformers as backbones.

Blocks run through the model's own forward pass, on a view of the model: its embeddings return activations that are
already known, and its layer list is sliced. Masks, position biases and norms stay the library's.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError
from bench.models import attention, inserted, peft_modules
from bench.models.backbone import Backbone, trimmed
from bench.models.dropout import use_pooled_masks


@dataclass(frozen=True)
class Family:
    """Where a Hugging Face architecture keeps its parts."""

    layers: str  # path of the layer list
    after_embeddings: str = ""  # a module applied to the embeddings' output
    final: str = ""  # a module applied after the last layer; it belongs to the last block
    outputs: tuple[str, ...] = ("attention.output.dense", "output.dense")  # in a layer: where sublayers end


_BERT_LIKE = Family("encoder.layer")
FAMILIES: dict[str, Family] = {
    "bert": _BERT_LIKE,
    "roberta": _BERT_LIKE,
    "xlm-roberta": _BERT_LIKE,
    "camembert": _BERT_LIKE,
    "mpnet": Family("encoder.layer", outputs=("attention.attn.o", "output.dense")),
    "deberta-v2": _BERT_LIKE,
    "electra": Family("encoder.layer", after_embeddings="embeddings_project"),
    "distilbert": Family("transformer.layer", outputs=("attention.out_lin", "ffn.lin2")),
    "modernbert": Family("layers", final="final_norm", outputs=("attn.Wo", "mlp.Wo")),
}

VARIANTS = 64  # of a compiled layer, at most: training or not, with gradients or not, as strategies change it


class HuggingFaceEncoder(Backbone):
    """Any encoder of a family in FAMILIES."""

    def __init__(self, model: Any, name: str) -> None:
        kind = model.config.model_type
        if kind not in FAMILIES:
            reason = "shares one layer" if kind == "albert" else "has an unknown layout"
            raise BenchError(
                f"backbone '{name}' ({kind}) cannot be split into layers: it {reason}; "
                f"supported families: {', '.join(FAMILIES)}",
                code="unsupported-backbone",
            )
        if getattr(model.config, "conv_kernel_size", 0):
            raise BenchError(
                f"backbone '{name}' cannot be split: a convolution joins its first two blocks",
                code="unsupported-backbone",
            )
        self.family = FAMILIES[kind]
        self.model = model
        if getattr(model, "pooler", None) is not None:
            model.pooler = None
        self.depth = len(self._layers)
        self.width = int(model.config.hidden_size)
        self.masks = use_pooled_masks(model)
        self._views: dict[tuple[int, int], Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> HuggingFaceEncoder:
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model, memo)
        twin.masks = copy.deepcopy(self.masks, memo)
        twin._views = {}
        return twin

    def named_parameters(self) -> dict[str, nn.Parameter]:
        return {self._canonical(name): parameter for name, parameter in self.model.named_parameters()}

    def _canonical(self, name: str) -> str:
        layers, final = self.family.layers + ".", self.family.final + "."
        if name.startswith(layers):
            return "layers." + name.removeprefix(layers)
        if self.family.final and name.startswith(final):
            return f"layers.{self.depth - 1}.{name}"
        return "embeddings." + name.removeprefix("embeddings.")

    def modules_of(self, block: int) -> list[nn.Module]:
        if block > 0:
            return [self._layers[block - 1]]
        return [self.model.embeddings]

    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        stop = self.depth + 1 if stop is None else stop
        if start >= stop:
            return inputs
        view = self._view(start, stop)
        options: dict[str, Any] = {"attention_mask": mask}
        if start == 0:
            options["input_ids"] = inputs
            if segments is not None and getattr(self.model.config, "type_vocab_size", 0) > 1:
                options["token_type_ids"] = segments
        else:
            options["inputs_embeds"] = inputs
        try:
            return view(**options).last_hidden_state
        except _Reached as reached:
            return reached.hidden

    def _view(self, start: int, stop: int) -> Any:
        """The model cut to blocks [start, stop); it shares every parameter with the whole one."""
        if (start, stop) == (0, self.depth + 1):
            return self.model
        if (start, stop) not in self._views:
            view = _shallow(self.model)
            if start > 0:
                view.embeddings = _Activations()
                if self.family.after_embeddings and hasattr(view, self.family.after_embeddings):
                    setattr(view, self.family.after_embeddings, nn.Identity())
            if stop <= self.depth and self.family.final:
                setattr(view, self.family.final, nn.Identity())
            *path, last = self.family.layers.split(".")
            owner = view
            for part in path:
                setattr(owner, part, _shallow(getattr(owner, part)))
                owner = getattr(owner, part)
            layers = getattr(owner, last)
            # not every family can run without a layer: the embeddings alone end at the first layer's input
            first_only = nn.ModuleList([_End(layers[0])])
            setattr(owner, last, layers[max(start - 1, 0) : stop - 1] if stop > 1 else first_only)
            self._views[start, stop] = view
        view = self._views[start, stop]
        view.training = self.model.training
        return view

    def trim(self, tokens: np.ndarray) -> np.ndarray:
        table = self.model.get_input_embeddings()
        pad = self.model.config.pad_token_id
        # RoBERTa and MPNet count positions from ids that differ from the padding id: its id must not change
        keep = np.unique(np.concatenate([tokens, np.arange(pad + 1 if pad is not None and pad < 16 else 0)]))
        smaller, ids = trimmed(table, keep)
        smaller.padding_idx = table.padding_idx if pad is not None and pad < 16 else None
        self.model.set_input_embeddings(smaller)
        self._views = {}
        return ids

    @property
    def table(self) -> nn.Embedding:
        return self.model.get_input_embeddings()

    def insert_lora(self, rank: int, alpha: int) -> None:
        inserted.insert_lora(self._layers, rank, alpha)
        self._views = {}

    def insert_adapters(self, width: int) -> None:
        inserted.insert_adapters(self._layers, self.family.outputs, width)
        self._views = {}

    def insert_peft(self, method: str, targets: str, settings: Mapping[str, Any]) -> None:
        peft_modules.insert(self._layers, method, targets, settings)
        self._views = {}

    def reinitialise(self, count: int) -> None:
        for layer in self._layers[self.depth - count :]:
            for parameter in layer.parameters():
                parameter.__dict__.pop(
                    "_is_hf_initialized", None
                )  # else the library would leave it as it was loaded
            for module in layer.modules():
                self.model._init_weights(module)

    def merge(self) -> None:
        inserted.merge(self._layers)
        self._views = {}

    @property
    def _layers(self) -> nn.ModuleList:
        return self.model.get_submodule(self.family.layers)

    def set_dropout(self, rate: float) -> None:
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = rate
            elif isinstance(getattr(module, "attention_dropout", None), float):  # ModernBERT's attention
                module.attention_dropout = rate

    def use_attention(self, name: str) -> None:
        if self.model._can_set_attn_implementation():
            attention.register()
            self.model.set_attn_implementation(name)

    def compile(self) -> None:
        torch._dynamo.config.recompile_limit = VARIANTS
        for layer in self._layers:
            layer.compile(dynamic=True)

    def keep_layers(self, count: int) -> None:
        if count > self.depth:
            raise BenchError(
                f"recipe.layers is {count}, but the encoder has {self.depth} layers", code="too-many-layers"
            )
        owner, _, last = self.family.layers.rpartition(".")
        setattr(self.model.get_submodule(owner), last, self._layers[:count])
        self.depth = count
        self._views = {}

    def to(self, device: torch.device) -> Backbone:
        self.model.to(device)
        return self


class _Activations(nn.Module):
    """Replaces the embeddings and returns the activations that it receives."""

    def forward(self, *inputs: Tensor | None, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return next(hidden for hidden in (inputs_embeds, *inputs) if hidden is not None)


class _Reached(Exception):
    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class _End(nn.Module):
    """Replaces a layer and ends the forward pass with the activations that the layer would receive."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.attention_type = getattr(layer, "attention_type", None)

    def forward(self, hidden: Tensor, *_: Any, **__: Any) -> Tensor:
        raise _Reached(hidden)


def _shallow(module: Any) -> Any:
    """A copy of a module that shares its submodules and parameters, and whose submodules can be replaced."""
    twin = copy.copy(module)
    twin.__dict__["_modules"] = dict(module._modules)
    return twin
