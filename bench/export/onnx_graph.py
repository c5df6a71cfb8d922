"""An exported folder's model as an ONNX graph, written by the exporter of transformers and run by ONNX Runtime.

The graph takes any number of texts of any length. What ONNX Runtime predicts with it is compared with the model of
the folder on real rows, one at a time and padded in batches, before anyone is told of it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import BenchError
from bench.export.pooled import DENSE, POOLING
from bench.export.standard import CLASSES
from bench.extras import missing
from bench.models.heads import HeadKind
from bench.models.pooling import MODES

GRAPH = "model.onnx"
"""Its weights are in `model.onnx.data` beside it."""
BATCH = 8
ALONE = 8
"""Rows that are also compared one at a time, without padding."""
CLOSE = 1e-3
"""By how much a logit may differ, of the largest one: rounding of fp32 in another order."""
ASLEEP = ("session.intra_op.allow_spinning", "0")
"""A setting of ONNX Runtime: threads sleep while they wait for each other. Its default, threads that spin, loses
most of their speed where a core is shared."""
OUTPUTS: dict[HeadKind, tuple[str, ...]] = {
    "pooled": ("logits",),
    "token": ("logits",),
    "span": ("start_logits", "end_logits"),
}


@dataclass(frozen=True)
class Graph:
    """What was written. inputs: their names. rows: those that it was compared on. cut: whether a long text is read
    otherwise than by cutting off its end, which is the caller's part. pairs: whether it reads two texts at once."""

    kind: HeadKind
    inputs: tuple[str, ...]
    rows: int
    cut: bool = False
    pairs: bool = False


def check_packages() -> None:
    """BenchError where the packages of the extra `onnx` are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise missing("--onnx", "onnx", error) from error


def add_graph(folder: Path, kind: HeadKind, inputs: Sequence[Any]) -> Graph:
    """Write the graph of an exported folder into it. inputs: of real rows, as the folder's script takes them.

    Raises BenchError where the model cannot be exported, or predicts anything else as a graph; then no graph is
    left."""
    model = _model(folder, kind)
    batches = Batches(folder, kind, inputs, _reads_segments(model.config))
    sample = dict(batches.of([0, len(inputs) - 1]))
    try:
        _save(model, sample, folder / GRAPH)
        _compare(model, batches, folder)
    except BaseException:
        for path in folder.glob(f"{GRAPH}*"):
            path.unlink()
        raise
    config = model.config
    cut = (
        bool(getattr(config, "text_windows", "") or getattr(config, "text_truncation", "")) or kind == "span"
    )
    return Graph(kind, tuple(sample), len(inputs), cut, kind == "pooled" and not isinstance(inputs[0], str))


def section(graph: Graph) -> list[str]:
    """What the model card says of the graph."""
    words = '[["Two", "words"]], is_split_into_words=True' if graph.kind == "token" else '["a text"]'
    words = '["a question"], ["its context"]' if graph.kind == "span" else words
    words = '["a text"], ["its second text"]' if graph.pairs else words
    types = ", return_token_type_ids=True" if "token_type_ids" in graph.inputs else ""
    outputs = OUTPUTS[graph.kind]
    return [
        "## ONNX",
        "",
        f"`{GRAPH}`, with its weights in `{GRAPH}.data`, is the same model for ONNX Runtime. It takes any number "
        f"of texts of any length. On all {graph.rows:,} test rows it predicts what the model predicts.",
        "",
        "```python",
        "import onnxruntime, transformers",
        "",
        'tokenizer = transformers.AutoTokenizer.from_pretrained("THIS FOLDER")',
        "options = onnxruntime.SessionOptions()",
        f'options.add_session_config_entry("{ASLEEP[0]}", "{ASLEEP[1]}")  # threads sleep while they wait',
        f'session = onnxruntime.InferenceSession("THIS FOLDER/{GRAPH}", options)',
        f'batch = tokenizer({words}, truncation=True, padding=True{types}, return_tensors="np")',
        f"{', '.join(outputs)}{',' if len(outputs) == 1 else ''} = session.run("
        f"{json.dumps(outputs)}, {{item.name: batch[item.name] for item in session.get_inputs()}})",
        "```",
        "",
        *(
            [
                "The graph reads sequences of tokens. `predict.py` shows how a long text becomes one or several.",
                "",
            ]
            if graph.cut
            else []
        ),
    ]


class Pooled(nn.Module):
    """A folder in the layout of sentence-transformers as one module: encoder, pooling, linear map."""

    def __init__(self, folder: Path) -> None:
        import transformers
        from safetensors.torch import load_file

        super().__init__()
        settings: Any = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        (name,) = settings.architectures
        self.encoder = getattr(transformers, name).from_pretrained(folder)
        self.config = self.encoder.config
        pooling = json.loads((folder / POOLING / "config.json").read_text(encoding="utf-8"))
        self.kind = next(kind for mode, kind in MODES.items() if pooling[mode])
        weights = load_file(folder / DENSE / "model.safetensors")
        width, outputs = weights["linear.weight"].shape[1], weights["linear.weight"].shape[0]
        self.linear = nn.Linear(width, outputs)
        self.load_state_dict(weights, strict=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Any:
        """The logits [B, outputs] by their name. Padding is at the end."""
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        if self.kind == "mean":
            vector = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
        elif self.kind == "lasttoken":
            last = (attention_mask.sum(1) - 1).view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])
            vector = hidden.gather(1, last).squeeze(1)
        else:
            vector = hidden[:, 0]
        return {"logits": self.linear(vector)}


@dataclass(frozen=True)
class Batches:
    """Rows as the model reads them."""

    folder: Path
    kind: HeadKind
    inputs: Sequence[Any]
    segments: bool

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Every row in padded batches, and the first few alone."""
        for start in range(0, len(self.inputs), BATCH):
            yield self.of(range(start, min(start + BATCH, len(self.inputs))))
        for number in range(min(ALONE, len(self.inputs))):
            yield self.of([number])

    @cached_property
    def tokenizer(self) -> Any:
        """The folder's own, read once for all rows."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)

    def of(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Token ids, mask and, where the model has them, token types: [B, S]."""
        rows = [self.inputs[number] for number in numbers]
        options = {"truncation": True, "padding": True, "return_tensors": "pt"}
        options["return_token_type_ids"] = self.segments
        if self.kind == "token":
            found = self.tokenizer([row or [""] for row in rows], is_split_into_words=True, **options)
        elif isinstance(rows[0], str):
            found = self.tokenizer(rows, **options)
        else:
            first, second = zip(*rows, strict=True)
            found = self.tokenizer(list(first), list(second), **options)
        names = ("input_ids", "attention_mask", "token_type_ids")
        return {name: found[name] for name in names if name in found}


def _reads_segments(config: Any) -> bool:
    return getattr(config, "type_vocab_size", 0) > 1 or config.model_type == "xlnet"


def _model(folder: Path, kind: HeadKind) -> nn.Module:
    """The folder's model, as its script reads it."""
    import transformers

    if (folder / DENSE).is_dir():
        return Pooled(folder).eval()
    return getattr(transformers, CLASSES[kind]).from_pretrained(folder).eval()


def _save(model: Any, sample: Mapping[str, Tensor], path: Path) -> None:
    """Write the graph. BenchError where the exporter cannot."""
    from transformers.exporters.configs import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter
    from transformers.utils import logging as theirs

    level, disabled = theirs.get_verbosity(), logging.root.manager.disable
    theirs.set_verbosity_error()
    logging.disable(logging.WARNING)  # torch lists the operators that other packages would bring
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: what matters is compared afterwards
            exporter = OnnxExporter()
            program, _ = exporter.export_program(model, dict(sample), OnnxConfig(dynamic=True))
            exporter.save_program(program, path)
    except Exception as error:  # the exporter and the tracer below it may raise anything
        first = next(iter(str(error).strip().splitlines()), "")
        raise BenchError(
            f"transformers cannot export this model to ONNX ({type(error).__name__}: {first[:200]})",
            "onnx-unsupported",
        ) from error
    finally:
        theirs.set_verbosity(level)
        logging.disable(disabled)


def _compare(model: Any, batches: Batches, folder: Path) -> None:
    """BenchError where ONNX Runtime decides otherwise on a row, or its logits are not close."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry(*ASLEEP)
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])
    alike, worst = True, 0.0
    for batch in batches:
        with torch.inference_mode():
            found = model(**batch)
        mask = batch["attention_mask"].bool().numpy()
        for name, theirs in _answers(session, batch, OUTPUTS[batches.kind]).items():
            ours, read = found[name].numpy(), mask if batches.kind != "pooled" else slice(None)
            far = np.abs(ours[read] - theirs[read]).max() / (1 + np.abs(ours[read]).max())
            worst = max(worst, float(far)) if np.isfinite(far) else np.inf
            if batches.kind == "span":
                ours, theirs, read = (
                    np.where(mask, ours, -np.inf),
                    np.where(mask, theirs, -np.inf),
                    slice(None),
                )
            first, second = (_decisions(item[read], model.config) for item in (ours, theirs))
            alike &= bool(np.array_equal(first, second))
    if not alike or worst > CLOSE:
        raise BenchError(
            f"the ONNX graph of this model predicts otherwise than the model (its logits differ by {worst:.2g})",
            "onnx-differs",
        )


def _answers(session: Any, batch: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, np.ndarray]:
    """What ONNX Runtime gives of a batch, by output. BenchError where the graph does not take its shape."""
    try:
        found = session.run(names, {item.name: batch[item.name].numpy() for item in session.get_inputs()})
    except Exception as error:  # ONNX Runtime's own exceptions have no common class
        first = next(iter(str(error).strip().splitlines()), "")
        rows, length = batch["input_ids"].shape
        raise BenchError(
            f"the ONNX graph of this model does not take {rows} rows of {length} tokens ({first[:200]})",
            "onnx-unsupported",
        ) from error
    return dict(zip(names, found, strict=True))


def _decisions(logits: np.ndarray, config: Any) -> np.ndarray:
    """What is predicted from logits: a label, a position, or which labels; nothing from a number."""
    if config.problem_type == "regression":
        return np.zeros(len(logits))
    if config.problem_type == "multi_label_classification":
        return 1 / (1 + np.exp(-logits)) > getattr(config, "label_threshold", 0.5)
    return logits.argmax(-1)
