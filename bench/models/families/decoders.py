"""Decoders: language models that read from left to right. A text is read at its last token; with
`recipe.attention = "bidirectional"` they attend in both directions (LLM2Vec: BehnamGhader et al. 2024, arXiv
2404.05961)."""

from __future__ import annotations

from dataclasses import replace

from bench.models.families.contract import Family, Form
from bench.models.shape import Shape

SCORE = Form(token="score")

LLAMA = Family(
    name="llama",
    known={
        "meta-llama/Llama-3.2-1B": Shape(16, 2048, 8192, 128256, 3),
        "meta-llama/Llama-3.1-8B": Shape(32, 4096, 14336, 128256, 3),
        "HuggingFaceTB/SmolLM2-135M": Shape(30, 576, 1536, 49152, 3),
        "HuggingFaceTB/SmolLM2-360M": Shape(32, 960, 2560, 49152, 3),
        "TinyLlama/TinyLlama_v1.1": Shape(22, 2048, 5632, 32000, 3),
    },
    gated=True,
    layers="layers",
    kind="decoder",
    embeddings="",
    final="norm",
    outputs=("self_attn.o_proj", "mlp.down_proj"),
    pooling="last",
    segments="",
    options={"use_cache": False},
    form=SCORE,
)
MISTRAL = replace(
    LLAMA,
    name="mistral",
    known={
        "mistralai/Mistral-7B-v0.3": Shape(32, 4096, 14336, 32768, 3),
    },
    small={"sliding_window": 8},
)
QWEN2 = replace(
    LLAMA,
    name="qwen2",
    known={
        "Qwen/Qwen2.5-0.5B": Shape(24, 896, 4864, 151936, 3),
        "Qwen/Qwen2.5-1.5B": Shape(28, 1536, 8960, 151936, 3),
    },
)
QWEN3 = replace(
    LLAMA,
    name="qwen3",
    known={
        "Qwen/Qwen3-0.6B-Base": Shape(28, 1024, 3072, 151936, 3),
        "Qwen/Qwen3-1.7B-Base": Shape(28, 2048, 6144, 151936, 3),
    },
)
SMOLLM3 = replace(
    LLAMA,
    name="smollm3",
    known={"HuggingFaceTB/SmolLM3-3B-Base": Shape(36, 2048, 11008, 128256, 3)},
)
GEMMA = replace(
    LLAMA,
    name="gemma",
    known={"google/gemma-2b": Shape(18, 2048, 16384, 256000, 3)},
    form=Form(token="score", span=""),
)
GEMMA2 = replace(
    GEMMA,
    name="gemma2",
    known={
        "google/gemma-2-2b": Shape(26, 2304, 9216, 256000, 3),
    },
    own_attention=True,
)
GEMMA3 = replace(
    GEMMA,
    name="gemma3_text",
    known={
        "google/gemma-3-270m": Shape(18, 640, 2048, 262144, 3),
        "google/gemma-3-1b-pt": Shape(26, 1152, 6912, 262144, 3),
    },
    form=None,
)
GPT_NEOX = replace(
    LLAMA,
    name="gpt_neox",
    known={
        "EleutherAI/pythia-70m": Shape(6, 512, 2048, 50304),
        "EleutherAI/pythia-160m": Shape(12, 768, 3072, 50304),
        "EleutherAI/pythia-410m": Shape(24, 1024, 4096, 50304),
        "EleutherAI/pythia-1b": Shape(16, 2048, 8192, 50304),
    },
    gated=False,
    final="final_layer_norm",
    outputs=("attention.dense", "mlp.dense_4h_to_h"),
    form=Form(),
)
GPT2 = replace(
    LLAMA,
    name="gpt2",
    known={
        "gpt2": Shape(12, 768, 3072, 50257),
        "gpt2-medium": Shape(24, 1024, 4096, 50257),
        "distilgpt2": Shape(6, 768, 3072, 50257),
    },
    gated=False,
    layers="h",
    final="ln_f",
    outputs=("attn.c_proj", "mlp.c_proj"),
    positions=0,
    form=Form(),
)
MODERNBERT_DECODER = replace(
    LLAMA,
    name="modernbert-decoder",
    known={
        "jhu-clsp/ettin-decoder-17m": Shape(7, 256, 384, 50368, 3),
        "jhu-clsp/ettin-decoder-150m": Shape(22, 768, 1152, 50368, 3),
    },
    embeddings="embeddings",
    final="final_norm",
    outputs=("attn.Wo", "mlp.Wo"),
    form=None,
    small={"local_attention": 4, "global_attn_every_n_layers": 2},
)
