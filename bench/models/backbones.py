"""Backbones: an encoder as a row of blocks, so that a frozen prefix and a trained suffix fall out.

Block 0 is the embeddings, block i + 1 is layer i. Every parameter is named `embeddings.*` or `layers.<i>.*`.
The blocks of a Hugging Face encoder run through the model's own forward, on a view of the model whose
embeddings return given activations and whose layer list is sliced: masks, position biases and norms stay
the library's.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError, block_of
from bench.models import attention, inserted
from bench.models.dropout import Masks, use_pooled_masks


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


class Backbone(ABC):
    """An encoder of `depth` layers and `width` values a token."""

    depth: int
    width: int
    masks: Masks  # of the dropout layers
    joined: int = 1  # how many of the last blocks' outputs leave the backbone, side by side

    @property
    def output_width(self) -> int:
        """Values a token that leave the backbone."""
        return self.width * self.joined

    def join(self, count: int) -> None:
        """Let the outputs of the last `count` blocks leave the backbone side by side; all, if there are fewer."""
        self.joined = min(count, self.depth + 1)

    def encode(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        """`run`, but at the end of the backbone the joined outputs, the last one last: [B, S, output_width].
        What is joined must not lie below `start`."""
        first = self.depth + 2 - self.joined
        if self.joined == 1 or start > self.depth or stop not in (None, self.depth + 1):
            return self.run(inputs, mask, segments, start, stop)
        assert start < first, (start, first)
        outputs = [self.run(inputs, mask, segments, start, first)]
        for block in range(first, self.depth + 1):
            outputs.append(self.run(outputs[-1], mask, segments, block, block + 1))
        return torch.cat(outputs, -1)

    @abstractmethod
    def named_parameters(self) -> dict[str, nn.Parameter]:
        """All parameters by their canonical name, embeddings first."""

    @abstractmethod
    def modules_of(self, block: int) -> list[nn.Module]:
        """The modules of a block, to set them to training or evaluation mode."""

    @abstractmethod
    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        """Blocks [start, stop), by default all: token ids [B, S] (start 0) or the activations [B, S, width] that
        enter block `start` -> activations [B, S, width] that enter block `stop`, or leave the last one.
        mask: [B, S], 1 on real tokens; segments: [B, S] token types, or None."""

    @abstractmethod
    def trim(self, tokens: np.ndarray) -> np.ndarray:
        """Keep only the embedding rows of these token ids. Returns int32 [vocabulary], the new id of each old
        one (-1 where the row is gone). Exact: a row that never occurs gets no gradient, and embeddings are
        not decayed."""

    @abstractmethod
    def set_dropout(self, rate: float) -> None:
        """Drop this share of hidden values and of attention weights in blocks that learn."""

    @abstractmethod
    def use_attention(self, name: str) -> None:
        """Compute attention with this implementation (`plain`, `sdpa`) where the architecture has the choice."""

    @abstractmethod
    def compile(self) -> None:
        """Compile the layers with torch.compile, for any batch and length; copies share what is compiled."""

    @abstractmethod
    def keep_layers(self, count: int) -> None:
        """Keep the first `count` layers: a head reads what leaves the last of them. BenchError where there are
        fewer."""

    @abstractmethod
    def to(self, device: torch.device) -> Backbone:
        """Move to a device, in place."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of its activations."""
        return next(iter(self.named_parameters().values())).dtype

    def content(self) -> str:
        """A digest of all parameters."""
        found = hashlib.sha256()
        for name, parameter in self.named_parameters().items():
            found.update(
                name.encode() + parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
            )
        return found.hexdigest()

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Compute in this precision: parameters of another type become copies of it."""
        for parameter in self.named_parameters().values():
            if parameter.dtype != dtype:
                parameter.data = parameter.data.to(dtype)
        return self

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of the word-embedding table."""

    @abstractmethod
    def insert_lora(self, rank: int, alpha: int) -> None:
        """Give every linear map of every layer a low-rank update, named `layers.<i>.*.lora_A.*` and `.lora_B.*`."""

    @abstractmethod
    def insert_adapters(self, width: int) -> None:
        """Put a bottleneck adapter after both sublayers of every layer, named `layers.<i>.*.adapter.*`."""

    @abstractmethod
    def merge(self) -> None:
        """Fold inserted low-rank updates into the weights: the same function with the shape that it had before.
        BenchError where adapters are inserted: they cannot be."""

    def blocks_of(self, names: Iterable[str]) -> set[int]:
        """The blocks that hold the named parameters."""
        return {block_of(name) for name in names}

    def copy(self) -> Backbone:
        """A copy whose training does not touch this one."""
        return copy.deepcopy(self)


class HuggingFaceEncoder(Backbone):
    """Any encoder of a family in FAMILIES."""

    def __init__(self, model: Any, name: str) -> None:
        kind = model.config.model_type
        if kind not in FAMILIES:
            reason = "shares one layer" if kind == "albert" else "has a layout that is not known here"
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
                view.embeddings = _Given()
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
        smaller, ids = _trimmed(table, keep)
        smaller.padding_idx = table.padding_idx if pad is not None and pad < 16 else None
        self.model.set_input_embeddings(smaller)
        self._views = {}
        return ids

    @property
    def rows(self) -> int:
        return self.model.get_input_embeddings().num_embeddings

    def insert_lora(self, rank: int, alpha: int) -> None:
        inserted.insert_lora(self._layers, rank, alpha)
        self._views = {}

    def insert_adapters(self, width: int) -> None:
        inserted.insert_adapters(self._layers, self.family.outputs, width)
        self._views = {}

    def merge(self) -> None:
        inserted.merge_lora(self._layers)
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


class StaticVectors(Backbone):
    """Word vectors as a backbone of depth 0: the table is the embeddings block, and there is no layer."""

    depth = 0

    def __init__(self, vectors: Tensor) -> None:
        self.masks = Masks()
        self.table = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.width = vectors.shape[1]

    def named_parameters(self) -> dict[str, nn.Parameter]:
        return {f"embeddings.word_embeddings.{name}": p for name, p in self.table.named_parameters()}

    def modules_of(self, block: int) -> list[nn.Module]:
        return [self.table] if block == 0 else []

    def run(
        self, inputs: Tensor, mask: Tensor, segments: Tensor | None, start: int = 0, stop: int | None = None
    ) -> Tensor:
        return self.table(inputs) if start == 0 and stop != 0 else inputs

    def trim(self, tokens: np.ndarray) -> np.ndarray:
        self.table, ids = _trimmed(self.table, np.unique(np.append(tokens, 0)))
        return ids

    @property
    def rows(self) -> int:
        return self.table.num_embeddings

    def insert_lora(self, rank: int, alpha: int) -> None:
        raise BenchError(
            "static word vectors have no layers to insert low-rank updates into", code="no-layers"
        )

    def insert_adapters(self, width: int) -> None:
        raise BenchError("static word vectors have no layers to insert adapters into", code="no-layers")

    def merge(self) -> None:
        """Nothing: nothing is ever inserted."""

    def set_dropout(self, rate: float) -> None:
        """Nothing: word vectors have no dropout."""

    def compile(self) -> None:
        """Nothing: word vectors have no layers."""

    def keep_layers(self, count: int) -> None:
        """Nothing: word vectors have no layers."""

    def use_attention(self, name: str) -> None:
        """Nothing: word vectors have no attention."""

    def cast(self, dtype: torch.dtype) -> Backbone:
        """Nothing: looking a vector up is as fast in fp32."""
        return self

    def to(self, device: torch.device) -> Backbone:
        self.table.to(device)
        return self


class _Given(nn.Module):
    """Stands where the embeddings were and returns the activations that it is given."""

    def forward(self, *inputs: Tensor | None, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return next(given for given in (inputs_embeds, *inputs) if given is not None)


class _Reached(Exception):
    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class _End(nn.Module):
    """Stands where a layer was and ends the forward pass with the activations that the layer would get."""

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


def _trimmed(table: Any, keep: np.ndarray) -> tuple[nn.Embedding, np.ndarray]:
    rows = torch.from_numpy(keep.astype(np.int64)).to(table.weight.device)
    smaller = nn.Embedding.from_pretrained(table.weight.detach()[rows].clone(), freeze=False)
    ids = np.full(table.num_embeddings, -1, np.int32)
    ids[keep] = np.arange(len(keep), dtype=np.int32)
    return smaller, ids
