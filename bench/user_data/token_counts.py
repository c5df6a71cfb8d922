"""How many tokens a text has for a backbone, by the backbone's own tokenizer whatever files it comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.data.sources import Sources

Counter = Callable[[Sequence[str]], list[int]]
"""From texts to their numbers of tokens, special ones included."""

DENSE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]"
)
"""Characters of scripts without blanks between words, and of Korean: about a token each."""

PIECE = 4  # characters of a token, in a long run without blanks


def token_counter(backbone: str, sources: Sources) -> Counter | None:
    """The counter for a backbone on this machine; None if its tokenizer is missing, as for a model that was not
    downloaded yet. transformers is imported only where there is no tokenizer.json."""
    from bench.models import catalog

    if catalog.kind_of(backbone) != "encoder":
        return _of_words()
    folder = catalog.folder(backbone, sources)
    fast = Path(folder) / "tokenizer.json"
    try:
        return _fast(fast) if fast.is_file() else _any(folder)
    except Exception:  # third-party tokenizers may raise anything; the cell reports the reason
        return None


def estimated(texts: Sequence[str]) -> list[int]:
    """1.4 tokens a word; of scripts without blanks a token a character; of long words one in four characters."""
    return [round(sum(map(_pieces, text.split()))) + 2 for text in texts]


def _pieces(word: str) -> float:
    dense = len(DENSE.findall(word))
    rest = len(word) - dense
    return dense + (max(1.4, rest / PIECE) if rest else 0.0)


def _fast(path: Path) -> Counter:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


def _any(folder: str) -> Counter:
    """Of vocab.txt, merges, SentencePiece models and what else transformers can turn into a fast tokenizer."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, use_fast=True, trust_remote_code=False, local_files_only=True
        )
    finally:
        logging.set_verbosity(level)
    return lambda texts: [
        len(ids) for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    ]


def _of_words() -> Counter:
    """Whole words and punctuation marks, as word vectors are looked up."""
    from tokenizers.pre_tokenizers import BertPreTokenizer

    cut: Any = BertPreTokenizer()
    return lambda texts: [len(cut.pre_tokenize_str(text)) for text in texts]
