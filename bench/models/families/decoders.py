"""Decoders: language models that read from left to right. A text is read at its last token; with
`recipe.attention = "bidirectional"` they attend in both directions (LLM2Vec: BehnamGhader et al. 2024, arXiv
2404.05961)."""

from __future__ import annotations

from dataclasses import replace

from bench.models.families.contract import Family, Form

SCORE = Form(token="score")

LLAMA = Family(
    name="llama",
    known=("meta-llama/Llama-3.2-1B", "HuggingFaceTB/SmolLM2-135M", "TinyLlama/TinyLlama_v1.1"),
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
MISTRAL = replace(LLAMA, name="mistral", known=("mistralai/Mistral-7B-v0.3",), small={"sliding_window": 8})
QWEN2 = replace(LLAMA, name="qwen2", known=("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-1.5B"))
QWEN3 = replace(LLAMA, name="qwen3", known=("Qwen/Qwen3-0.6B-Base", "Qwen/Qwen3-1.7B-Base"))
SMOLLM3 = replace(LLAMA, name="smollm3", known=("HuggingFaceTB/SmolLM3-3B-Base",))
GEMMA = replace(LLAMA, name="gemma", known=("google/gemma-2b",), form=Form(token="score", span=""))
GEMMA2 = replace(GEMMA, name="gemma2", known=("google/gemma-2-2b",), own_attention=True)
GEMMA3 = replace(GEMMA, name="gemma3_text", known=("google/gemma-3-270m", "google/gemma-3-1b-pt"), form=None)
GPT_NEOX = replace(
    LLAMA,
    name="gpt_neox",
    known=("EleutherAI/pythia-70m", "EleutherAI/pythia-410m", "EleutherAI/pythia-1b"),
    final="final_layer_norm",
    outputs=("attention.dense", "mlp.dense_4h_to_h"),
    form=Form(),
)
GPT2 = replace(
    LLAMA,
    name="gpt2",
    known=("gpt2", "gpt2-medium", "distilgpt2"),
    layers="h",
    final="ln_f",
    outputs=("attn.c_proj", "mlp.c_proj"),
    positions=0,
    form=Form(),
)
MODERNBERT_DECODER = replace(
    LLAMA,
    name="modernbert-decoder",
    known=("jhu-clsp/ettin-decoder-17m", "jhu-clsp/ettin-decoder-150m"),
    embeddings="embeddings",
    final="final_norm",
    outputs=("attn.Wo", "mlp.Wo"),
    form=None,
    small={"local_attention": 4, "global_attn_every_n_layers": 2},
)
