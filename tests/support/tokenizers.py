"""Small tokenizers of every kind that encoders of the hub come with, trained on a few sentences."""

from __future__ import annotations

from functools import cache
from typing import Any

SENTENCES = [
    "the quick brown fox doesn't jump over 12 lazy dogs, e.g. in Rome.",
    "Anna lives in Rome, where the sky is blue and naïve café owners see it.",
    "東京 is a big city 🙂 and مرحبا is a greeting; שלום too.",
    "what is the name of the city? The name of the city is Paris.",
] * 20
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
"""How Llama 3 and Qwen split a text before they see bytes."""

NAMES = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}


def _byte_level(pre: Any, brackets: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _fast(tokenizer, brackets)


def _fast(tokenizer: Any, brackets: bool) -> Any:
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    if not brackets:  # as decoders do: no token at the end, none for padding
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
    ids = [(name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=ids
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="<mask>", **NAMES)


def gpt2() -> Any:
    """Byte-level BPE, as of GPT-2 and GPT-NeoX: without special tokens around a text."""
    from tokenizers import pre_tokenizers

    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), brackets=False)


def roberta() -> Any:
    """The same with special tokens, as of RoBERTa, BART, Longformer and ModernBERT."""
    from tokenizers import pre_tokenizers

    return _byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), brackets=True)


def llama3() -> Any:
    """Byte-level BPE on words that a pattern has split, as of Llama 3, Qwen and SmolLM3."""
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return _byte_level(pre_tokenizers.Sequence([split, bytes_]), brackets=False)


def smollm() -> Any:
    """Byte-level BPE on single digits, as of SmolLM 2."""
    from tokenizers import pre_tokenizers

    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    return _byte_level(pre_tokenizers.Sequence(parts), brackets=False)


def _visible_blanks(first: bool) -> Any:
    """BPE that sees a blank as "▁". first: also before the first word."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    tokenizer.normalizer = normalizers.Sequence(steps[0 if first else 1 :])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    extra = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=[*SPECIAL, *extra], show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _fast(tokenizer, brackets=False)


def llama2() -> Any:
    """BPE on visible blanks that a normalizer writes, as of Llama 2 and Mistral."""
    return _visible_blanks(first=True)


def gemma() -> Any:
    """BPE on visible blanks, of which none is before the first word, as of Gemma."""
    return _visible_blanks(first=False)


def unigram() -> Any:
    """SentencePiece's unigram model, as of XLM-R, T5, ALBERT, XLNet and DeBERTa v3."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("​", "")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return _fast(tokenizer, brackets=True)


def word_piece() -> Any:
    """WordPiece, as of BERT, DistilBERT, ELECTRA and MPNet."""
    from tests.conftest import word_piece_tokenizer

    return word_piece_tokenizer()


KINDS = {made.__name__: made for made in (gpt2, roberta, llama3, smollm, llama2, gemma, unigram, word_piece)}

OF_FAMILY = {
    **dict.fromkeys(("gpt2", "gpt_neox", "modernbert-decoder"), "gpt2"),
    **dict.fromkeys(("roberta", "longformer", "bart", "modernbert"), "roberta"),
    **dict.fromkeys(("qwen2", "qwen3", "smollm3", "eurobert", "llama"), "llama3"),
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text"), "gemma"),
    "mistral": "llama2",
    **dict.fromkeys(("xlm-roberta", "camembert", "deberta-v2", "t5", "mt5", "albert", "xlnet"), "unigram"),
    "big_bird": "unigram",
}
"""The kind of tokenizer that a family comes with; WordPiece for all others."""


@cache
def tokenizer(kind: str) -> Any:
    """A tokenizer of KINDS, made once."""
    return KINDS[kind]()


def of_family(name: str) -> Any:
    """A tokenizer of the kind that this family comes with."""
    return tokenizer(OF_FAMILY.get(name, "word_piece"))
