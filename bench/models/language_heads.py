"""The language-modelling head that a checkpoint was pretrained with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bench.data.sources import Sources
from bench.models.catalog import folder, hub_name
from bench.models.families import family_of
from bench.models.loading import config_of

NONE = "no LM head: the checkpoint has none"


@dataclass(frozen=True)
class LanguageHead:
    """A head in fp32 on the CPU, with the weights of the checkpoint, also those that it shares with the embeddings.

    kind: `masked` predicts the token behind a mask, `causal` the next one. model: the whole model of the library's
    class, whose encoder does not run."""

    kind: Literal["masked", "causal"]
    model: Any

    def logits(self, hidden: Tensor) -> Tensor:
        """Of the outputs [n, width] of an encoder at n tokens: [n, vocabulary]."""
        with _encoder_gives(self.model.base_model, hidden[None]):
            output = self.model(input_ids=torch.zeros(1, len(hidden), dtype=torch.long))
        return output.logits[0]


def language_head(name: str, sources: Sources) -> LanguageHead | str:
    """The head of the checkpoint called `name`, an encoder or a decoder; where there is none, why not."""
    import transformers
    from safetensors import SafetensorError
    from transformers.utils import logging

    path = folder(name, sources)
    where, revision = (path, None) if Path(path).is_dir() else hub_name(path)
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        config = config_of(name, where, revision)
        family = family_of(config.model_type)
        if family and family.part:
            return f"no LM head: that of {config.model_type} reads its decoder, and only the encoder is used"
        causal = family is not None and family.kind == "decoder"
        kind = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForMaskedLM
        loaded: Any = kind.from_pretrained(
            where,
            revision=revision or "main",
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        model, found = loaded
    except (OSError, ValueError, ImportError, KeyError, SafetensorError):
        return "no LM head: the library has no such class for this encoder"
    finally:
        logging.set_verbosity(level)
    encoder = f"{model.base_model_prefix}."
    missing = {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}
    if any(not key.startswith(encoder) for key in missing):
        return NONE
    return LanguageHead("causal" if causal else "masked", model.eval())


@contextmanager
def _encoder_gives(encoder: Any, hidden: Tensor) -> Iterator[None]:
    """In the block the encoder returns this, whatever it is given."""
    from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions as Output

    encoder.forward = lambda *_, **__: Output(last_hidden_state=hidden)  # pyright: ignore
    try:
        yield
    finally:
        del encoder.forward
