"""Encoders and decoders of Hugging Face transformers as backbones; `cutting` says how they are cut into blocks."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError
from bench.models import attention, four_bits, inserted, local_attention, on_device, peft_modules
from bench.models.backbone import Backbone, trimmed
from bench.models.cutting import Cut, outside_of_layers
from bench.models.dropout import use_pooled_masks
from bench.models.families import family_of
from bench.models.unlisted import examined, fits, longest

VARIANTS = 64  # of a compiled layer, at most: training or not, with gradients or not, as strategies change it

RATES = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout")
"""Names of dropout rates that modules keep as numbers."""


class HuggingFaceEncoder(Backbone):
    """Any model of a listed family, and of any other that passes the checks of `unlisted`."""

    def __init__(self, model: Any, name: str) -> None:
        if getattr(model.config, "conv_kernel_size", 0):
            raise BenchError(
                f"backbone '{name}' cannot be split: a convolution joins its first two blocks",
                code="unsupported-backbone",
            )
        family = family_of(model.config.model_type)
        if family and family.part and getattr(model, "decoder", None) is not None:
            model = model.get_encoder()
        if getattr(model, "pooler", None) is not None:
            model.pooler = None
        self.family = family or examined(model, name)
        self.model = model
        self.depth = len(self._layers)
        self.width = int(model.config.hidden_size)
        self.runs = model.config.num_hidden_layers // self.depth if self.family.depth_key else 1
        self.masks = use_pooled_masks(model)
        self._views: dict[tuple[int, int], Cut] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> HuggingFaceEncoder:
        twin = copy.copy(self)
        twin.model = copy.deepcopy(self.model, memo)
        twin.masks = copy.deepcopy(self.masks, memo)
        twin._views = {}
        return twin

    def named_parameters(self) -> dict[str, nn.Parameter]:
        named = self.model.named_parameters()
        return {self._canonical(name): parameter for name, parameter in named if not self._unread(name)}

    def check_length(self, length: int) -> None:
        if family_of(self.family.name) is None and not fits(self.model, self.family, length):
            most = longest(self.model, self.family, length)
            raise BenchError(
                f"this encoder reads at most {most} tokens, and texts may have {length}: set recipe.max_length "
                f"to at most {most}",
                code="too-long-for-positions",
            )

    def _unread(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.family.unread)

    def _canonical(self, name: str) -> str:
        layers, final = self.family.layers + ".", self.family.final + "."
        shared = bool(self.family.lends) and name.endswith(".relative_attention_bias.weight")
        if name.startswith(layers) and not shared:
            return "layers." + name.removeprefix(layers)
        if self.family.final and name.startswith(final):
            return f"layers.{self.depth - 1}.{name}"
        return "embeddings." + name.removeprefix("embeddings.")

    def modules_of(self, block: int) -> list[nn.Module]:
        if block > 0:
            return [self._layers[block - 1]]
        return list(outside_of_layers(self.model, self.family))

    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        stop = self.depth + 1 if stop is None else stop
        if start >= stop:
            return inputs
        options: dict[str, Any] = {"attention_mask": mask}
        if segments is not None and self._reads_segments(start):
            options["token_type_ids"] = segments
        if (start, stop) not in self._views:
            self._views[start, stop] = Cut(self.model, self.family, start, stop)
        return self._views[start, stop].run(inputs, start == 0, options)

    def _reads_segments(self, start: int) -> bool:
        if self.family.segments == "layers":
            return True
        has_types = getattr(self.model.config, "type_vocab_size", 0) > 1
        return self.family.segments == "embeddings" and start == 0 and has_types

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
        peft_modules.insert(self._layers, method, targets, settings, self.family.outputs[-1])
        self._views = {}

    def reinitialise(self, count: int) -> None:
        for layer in self._layers[self.depth - count :]:
            for parameter in layer.parameters():
                # else the library would leave it as it was loaded
                vars(parameter).pop("_is_hf_initialized", None)
            for module in layer.modules():
                self.model._init_weights(module)

    def quantise(self) -> None:
        four_bits.quantise(self._layers)
        self._views = {}

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
            for name in RATES:
                if isinstance(getattr(module, name, None), float):
                    setattr(module, name, rate)

    def use_attention(self, name: str) -> None:
        if self.model._can_set_attn_implementation():
            attention.register()
            self.model.set_attn_implementation(self._fitting(name))
            self._views = {}

    @property
    def attention(self) -> str:
        return self.model.config._attn_implementation or ""

    def _fitting(self, name: str) -> str:
        """`name`, or the library's `eager` where the named one would leave something out."""
        config = self.model.config
        heads = getattr(config, "num_attention_heads", None)
        grouped = getattr(config, "num_key_value_heads", heads) != heads
        return "eager" if self.family.own_attention or (grouped and name == attention.PLAIN) else name

    def attend_both_ways(self) -> None:
        self.model.config.is_causal = False
        self._views = {}

    def compile(self, shapes: int = 0) -> None:
        torch._dynamo.config.recompile_limit = VARIANTS * max(shapes, 1)
        for layer in self._layers:
            layer.compile(dynamic=not shapes)
        self.compiled = True

    def keep_layers(self, count: int) -> None:
        if count > self.depth:
            raise BenchError(
                f"recipe.layers is {count}, but the encoder has {self.depth} layers", code="too-many-layers"
            )
        owner, _, last = self.family.layers.rpartition(".")
        setattr(self.model.get_submodule(owner), last, self._layers[:count])
        if self.family.depth_key:
            config = self.model.config
            setattr(config, self.family.depth_key, count)
            config.num_hidden_layers = count * self.runs
        self.depth = count
        self._views = {}

    def cast(self, dtype: torch.dtype) -> Backbone:
        for (
            parameter
        ) in self.model.parameters():  # those that nothing reads, too: models take their type from any
            if parameter.dtype != dtype and parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
        return self

    def to(self, device: torch.device) -> Backbone:
        if device.type == "cuda":
            on_device.look_at_nothing()
        if device.type != "cpu":
            local_attention.attend_locally(self.model)
            self._views = {}
        self.model.to(device)
        return self
