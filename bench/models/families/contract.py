"""What the harness has to know of an architecture of Hugging Face transformers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.models.shape import Shape

Kind = Literal["encoder", "decoder"]


@dataclass(frozen=True)
class Form:
    """The parts of an architecture's standard heads (`AutoModelFor…`), for export.

    dense, activation, classifier: of texts; '' where the standard class cannot compute a linear map of the first
    token. token, span: the linear map of tokens and of answers; '' where there is no such class."""

    dense: str = ""
    activation: Literal["tanh", "positive"] = "tanh"
    classifier: str = ""
    token: str = "classifier"
    span: str = "qa_outputs"


@dataclass(frozen=True)
class Family:
    """Where an architecture keeps its parts, and how it differs from BERT.

    name: its `model_type`. known: names of the hub that belong to it, with their sizes.
    layers: path of the layer list. final: a module after the last layer; it belongs to the last block.
    embeddings: a module that gives the first layer's input and can be replaced by known activations; '' where the
        model's own forward pass computes that input. after_embeddings: a module applied to the embeddings' output.
    outputs: in a layer, the linear maps where its sublayers end: bottleneck adapters go after them.
    pooling: of a model that names none.
    positions: rows of the table of positions that no token uses; None where there is no such table.
    segments: what reads token types: the embeddings, every layer, or nothing.
    depth_key: the number of separate layers in its configuration; '' for the usual names.
    part: `encoder` where the model is an encoder with a decoder, of which only the encoder is used.
    lends: a module of the first layer that all layers read (T5's table of relative positions).
    sequence_first: layers take [S, B, width].
    options: what its forward pass is given besides. settings: what its configuration is set to.
    unread: parameters that no forward pass of the encoder reads.
    own_attention: its attention computes more than products and a softmax, so it keeps the library's `eager`.
    gated: the feed-forward part of its layers has a gate.
    form: its standard heads; None: models are exported as an encoder with pooling and a linear map.
    twin: the family that an encoder is exported as, where its own standard classes need a decoder and this one
        computes the same; `form` is then that family's.
    small: what makes a small random model of it, for tests.
    """

    name: str
    known: Mapping[str, Shape]
    layers: str
    kind: Kind = "encoder"
    embeddings: str = "embeddings"
    after_embeddings: str = ""
    final: str = ""
    outputs: tuple[str, ...] = ("attention.output.dense", "output.dense")
    pooling: Literal["mean", "cls", "last"] = "mean"
    positions: int | None = None
    segments: Literal["embeddings", "layers", ""] = "embeddings"
    depth_key: str = ""
    part: Literal["encoder", ""] = ""
    lends: str = ""
    sequence_first: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    own_attention: bool = False
    gated: bool = False
    form: Form | None = None
    twin: str = ""
    small: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shares_layers(self) -> bool:
        """Whether one set of weights serves several layers."""
        return bool(self.depth_key)
