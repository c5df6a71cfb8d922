"""Longformer's encoder without a look at values (Beltagy et al. 2020, arXiv 2004.05150).

The library looks whether any token has global attention, which waits for the device and cannot be part of a
captured graph. Here no token ever has: masks only tell real tokens from padding."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import torch
from torch import Tensor

MODULE = "transformers.models.longformer.modeling_longformer"


def attend_locally(model: Any) -> None:
    """Let this model, if it is a Longformer, take for granted that no token has global attention. Other models of
    its class stay as they are."""
    library: Any = sys.modules.get(MODULE)
    encoder = getattr(model, "encoder", None)
    if library is not None and type(encoder) is library.LongformerEncoder:
        encoder.__class__ = _local(library.LongformerEncoder, library.LongformerBaseModelOutput)


@cache
def _local(base: Any, output: Any) -> type:
    class LocalEncoder(base):
        """The library's encoder, with the same values where no token has global attention."""

        def forward(
            self, hidden_states: Tensor, attention_mask: Tensor, padding_len: int = 0, **_: object
        ) -> Any:
            masked = attention_mask < 0
            for layer in self.layer:
                hidden_states = layer(
                    hidden_states,
                    attention_mask=attention_mask,
                    is_index_masked=masked,
                    is_index_global_attn=torch.zeros_like(masked),
                    is_global_attn=False,
                    output_attentions=False,
                )[0]
            return output(last_hidden_state=hidden_states[:, : hidden_states.shape[1] - padding_len])

    return LocalEncoder
