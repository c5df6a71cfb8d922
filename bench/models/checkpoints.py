"""What a checkpoint must hold for an encoder, and what else it may: parts that are left out, with a notice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.contracts import BenchError
from bench.data.cache import notice
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.pooling import unused_modules

PRETRAINING = {"cls", "lm_head", "generator_predictions", "discriminator_predictions", "mask_predictions"} | {
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector",
    "lm_predictions",
    "final_logits_bias",
    "embeddings",
    "pooler",
}
"""Where checkpoints keep the heads that they were pretrained with, and old buffers: nobody misses them."""

WRAPPERS = ("_orig_mod.", "module.", "model._orig_mod.")
"""What torch.compile and data parallelism put before the names of parameters."""


def say_what_is_left_out(name: str, config: Any, found: Any) -> None:
    """A notice where a checkpoint has the head of another task: it is not used."""
    roots = sorted({key.partition(".")[0] for key in found["unexpected_keys"]} - PRETRAINING)
    if roots and any("For" in made for made in config.architectures or ()):
        notice(f"{name} is a {config.architectures[0]}: its head ({', '.join(roots)[:80]}) is left out")
    after = unused_modules(name)
    if after:
        notice(f"{name}: what its modules.json has after the pooling ({', '.join(after)}) is left out")


def check_weights(name: str, found: Any, encoder: HuggingFaceEncoder) -> None:
    """BenchError where the library would fill a parameter with random values; poolers and decoders are not used."""
    wrong = {key for key, *_ in found["mismatched_keys"]} | set(found["missing_keys"])
    unused = ("pooler", "decoder") if encoder.family.part else ("pooler",)
    wrong = sorted(key for key in wrong if not any(f"{part}." in key for part in unused))
    if wrong:
        raise BenchError(
            f"backbone '{name}': its weights and its config.json do not belong together: "
            f"'{wrong[0]}' is missing or of another shape ({len(wrong)} in all)"
            + _wrapped(found["unexpected_keys"]),
            code="wrong-weights",
        )


def _wrapped(names: Iterable[str]) -> str:
    """A remedy where the parameters' names come from a module around the model."""
    found = next((prefix for name in names for prefix in WRAPPERS if name.startswith(prefix)), "")
    return f"; their names begin with '{found}': save the model inside, not its wrapper" if found else ""


def check_tokenizer(name: str, tokenizer: Any, rows: int) -> None:
    """BenchError where the tokenizer is slow, empty, or larger than the embedding table of `rows` rows."""
    if not tokenizer.is_fast:
        raise BenchError(f"backbone '{name}' has no fast tokenizer (tokenizer.json)", code="slow-tokenizer")
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise BenchError(
            f"backbone '{name}' has no tokenizer (tokenizer.json): save one beside its weights with "
            "tokenizer.save_pretrained(...)",
            code="no-tokenizer",
        )
    if len(tokenizer) > rows:
        raise BenchError(
            f"backbone '{name}': its tokenizer knows {len(tokenizer)} tokens but its embedding table has "
            f"{rows} rows; where tokens were added, call model.resize_token_embeddings(len(tokenizer)) and save "
            "both again",
            code="wrong-tokenizer",
        )
