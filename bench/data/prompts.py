"""What a sentence encoder was trained to read: a prompt before every text, or texts in lower case."""

from __future__ import annotations

import copy
import functools
from typing import Any


@functools.lru_cache(maxsize=8)
def with_prompt(tokenizer: Any, prompt: str) -> Any:
    """A copy of a fast tokenizer that puts the prompt before every text; saved with it."""
    from tokenizers import normalizers

    twin = copy.deepcopy(tokenizer)
    own = twin.backend_tokenizer.normalizer
    first = normalizers.Prepend(prompt)
    twin.backend_tokenizer.normalizer = normalizers.Sequence([first, own]) if own else first
    return twin


def lower(tokenizer: Any) -> None:
    """Let a fast tokenizer read texts in lower case, in place."""
    from tokenizers import normalizers

    own = tokenizer.backend_tokenizer.normalizer
    first = normalizers.Lowercase()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([first, own]) if own else first
