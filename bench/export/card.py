"""The README of an exported model: what it is, how to use it, and where it differs from what a user may expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.contracts import Cell, Recipe, set_values
from bench.engine.group import CellGroup
from bench.export.problem import problem_of, reads_pairs
from bench.export.scores import Request
from bench.export.standard import CLASSES
from bench.models.licences import licence_of
from bench.text import first_of

PIPELINE = {"pooled": "text-classification", "token": "token-classification", "span": "question-answering"}
PRINTED = {
    None: "their softmax is",
    "multi_label_classification": "their sigmoid is",
    "regression": "that number is",
}
"""How the outputs become what `predict.py` prints."""
PAIRS = ('"a text" "its second text"', "--file pairs.csv --text first --pair second")
MOST = 20
"""Labels whose rows are counted on the card."""
RARE = 5
"""Training rows of a label, below which the card warns of it."""
EXAMPLES = {
    "pooled": ('"a text"', "--file reviews.csv --text review"),
    "token": ('"Words are separated by blanks ."', "--file sentences.txt"),
    "span": ('"a question" "its context"', "--file questions.csv --question question --context context"),
}


def card(cell: Cell, group: CellGroup, standard: bool, request: Request, scores: str) -> str:
    """Markdown with the header of a Hugging Face model card. standard: the model is an `AutoModelFor…`. scores: of
    this very model, '' where its test rows are among those that it learnt from."""
    kind, rows = group.task.head, group.rows.train
    words, file = usage(kind, rows)
    library = "transformers" if standard else "sentence-transformers"
    lines = [
        "---",
        f"library_name: {library}",
        f"pipeline_tag: {PIPELINE[kind]}",
        "---",
        f"Trained by transferbench: strategy `{cell.strategy}` on `{_name(cell.backbone)}`, "
        f"{len(group.rows.train):,} rows, seed {cell.seed}.",
        "",
        "```",
        f"python predict.py {words}",
        f"python predict.py {file} --out predictions.csv",
        "```",
        "",
        "`predict.py` needs transformers and torch alone, reads CSV, JSON lines and plain text, writes CSV with "
        "probabilities, and predicts exactly what was measured: it was compared on all "
        f"{len(group.rows.test):,} test rows.",
        "",
        *(_standard(cell, group) if standard else _pooled(cell, rows)),
        *_twin(group),
        "",
        "## Scores",
        "",
        *_scores(request.compared, scores),
        "",
        "## Limits",
        "",
        *_limits(kind, cell.recipe),
        *_of_data(group),
        "",
        "## Data",
        "",
        *_data(group),
        "",
        "## Licences",
        "",
        f"Data: {group.task.licence}. Encoder: {_licence(cell.backbone)}. This model is derived from both.",
        "",
        "## Training",
        "",
        *_command(request.command),
        *_training(cell),
        "",
    ]
    return "\n".join(lines)


def _twin(group: CellGroup) -> list[str]:
    """That the encoder is saved as another family, where it is."""
    family = getattr(group.given, "family", None)
    if not family or not family.twin:
        return []
    return [
        "",
        f"The encoder of `{family.name}` is saved as `{family.twin}`, which computes the same: the standard "
        f"classes of `{family.name}` need its decoder.",
    ]


def usage(kind: str, rows: Sequence[Any]) -> tuple[str, str]:
    """Arguments of `predict.py`: what is predicted, and a file of it."""
    return PAIRS if kind == "pooled" and reads_pairs(rows) else EXAMPLES[kind]


def _name(backbone: str) -> str:
    """Of a local folder its own name: where it lies on one machine is of no use elsewhere."""
    return Path(backbone).resolve().name if Path(backbone).is_dir() else backbone


def _licence(backbone: str) -> str:
    found = licence_of(backbone)
    if found:
        return escaped(found)
    if Path(backbone).is_dir():
        return f"the licence of `{_name(backbone)}`, which is not stated in its folder"
    return f"the licence of `{backbone}`, which its own page states"


def _scores(compared: str, own: str) -> list[str]:
    """What the model, or its strategy, scored."""
    lines = []
    if own:
        lines += ["This model on its test rows, which it did not learn from:", "", own]
    if compared:
        lines += [*([""] if own else []), compared]
    if own:
        return lines
    return [
        *lines,
        *([""] if lines else []),
        "This very model has no score: it also learnt from the test rows, which leaves no rows to score it on."
        + ("" if compared else " `recommend` with the same data measures its strategy."),
    ]


def _command(command: str) -> list[str]:
    return ["Made by:", "", "```", command.replace("```", ""), "```", ""] if command else []


def _of_data(group: CellGroup) -> list[str]:
    """What rows like these cannot tell, or tell badly."""
    lines = ["- Scores hold for rows like these. Texts of another source, time or language were not tried."]
    counts = Counter(row.label for row in group.rows.train if isinstance(getattr(row, "label", None), str))
    rare = [label for label, count in counts.items() if count < RARE]
    if rare:
        shown = first_of(map(escaped, rare), MOST)
        lines.append(f"- Fewer than {RARE} training rows: {shown}. Expect these to be missed.")
    return lines


def _data(group: CellGroup) -> list[str]:
    """Rows, labels and what was cut."""
    sizes = group.data.sizes
    lines = [
        f"{sizes['train']:,} rows to learn from, {sizes['validation']:,} that chose the best state, and "
        f"{sizes['test']:,} on which the predictions of this folder were compared with those that were measured. "
        f"{100 * group.data.truncated:.1f}% of the training sequences were cut."
    ]
    if group.task.head == "pooled":
        counts = Counter(
            row.label for row in group.rows.train if isinstance(getattr(row, "label", None), str)
        )
        shown = [f"| {escaped(label)} | {count:,} |" for label, count in counts.most_common(MOST)]
        rest = [f"| {len(counts) - MOST} more | |"] if len(counts) > MOST else []
        lines += ["", "| label | training rows |", "|---|---:|", *shown, *rest] if shown else []
    return lines


def escaped(text: str) -> str:
    """Text as one cell of a Markdown table, without markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|@&" else c for c in " ".join(text.split()))


def _training(cell: Cell) -> list[str]:
    recipe = ", ".join(f"{name} = {value}" for name, value in set_values(cell.recipe).items())
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return [f"Recipe: {recipe}.", "", f"Packages: {packages}."]


def _standard(cell: Cell, group: CellGroup) -> list[str]:
    kind, rows = group.task.head, group.rows.train
    loaded = f"The model is a standard `{CLASSES[kind]}`."
    if kind == "pooled" and not _reads_the_start(cell.recipe):
        return [
            f"{loaded} Long texts are read by `predict.py` alone as they were in training: a `pipeline` would cut "
            "off their end."
        ]
    if kind == "pooled":
        pairs = ' It takes `{"text": …, "text_pair": …}`.' if reads_pairs(rows) else ""
        several = problem_of(rows) == "multi_label_classification"
        all_labels, same = (", top_k=None", _above(group)) if several else ("", ", with the same answers.")
        return [
            f'{loaded} It also works as `pipeline("text-classification", model="THIS FOLDER", truncation=True'
            f"{all_labels})`{same}{pairs}"
        ]
    if kind == "token":
        return [
            f"{loaded} It also works as "
            '`pipeline("token-classification", model="THIS FOLDER")`, whose answers differ in form: it tags '
            "sub-words, while `predict.py` gives a word the tag of its first sub-word, as was measured. Give it "
            "lists of words with `is_split_into_words=True`: in a plain text it finds words of its own."
        ]
    return [f"{loaded} transformers 5 has no pipeline for questions; `predict.py` holds the decoding."]


def _above(group: CellGroup) -> str:
    """How the answers follow from the probabilities of several labels."""
    threshold = group.task.chosen.get("label_threshold", 0.5)
    return (
        ", which gives the probability of every label: the answers are those whose probability is above "
        f"{threshold:g}."
    )


def _pooled(cell: Cell, rows: Sequence[Any]) -> list[str]:
    ways = {"mean": "the mean of all tokens", "cls": "the first token", "last": "the last token"}
    what = ways[cell.recipe.pooling]
    problem = problem_of(rows)
    printed = PRINTED[problem]
    answers = [
        f'- `SentenceTransformer("THIS FOLDER").encode(texts)` gives the logits, in the order of `id2label` in '
        f"`config.json`; {printed} what `predict.py` prints.",
    ]
    return [
        f"The classifier reads {what}, which no `AutoModelForSequenceClassification` of this encoder does. So:",
        "",
        "- `predict.py` works as it is, with transformers and torch.",
        *(answers if _reads_the_start(cell.recipe) and not reads_pairs(rows) else []),
        "- The folder is the encoder, of the class in its `config.json`; `1_Pooling` and `2_Dense` are the rest.",
        '- `pipeline("text-classification")` does not work: it would put a random classifier on the first token.',
    ]


def _reads_the_start(recipe: Recipe) -> bool:
    """Whether a text that is too long loses its end, as everywhere in transformers."""
    return recipe.windows == "none" and recipe.truncation == "head"


def _limits(kind: str, recipe: Recipe) -> list[str]:
    length = recipe.max_length
    if kind == "pooled" and recipe.windows != "none":
        pooled = "mean" if recipe.windows == "mean" else "maximum"
        return [
            f"- A text is read in windows of {length} tokens that share {recipe.stride}, as in training; the "
            f"{pooled} of their logits is taken."
        ]
    if kind == "pooled" and recipe.truncation != "head":
        return [f"- Of a text with more than {length} tokens only both ends are read, as in training."]
    if kind == "pooled":
        return [
            f"- Texts are cut after {length} tokens, as in training (`truncation=True`). What follows is not read."
        ]
    if kind == "token":
        return [
            f"- Sentences are cut after {length} tokens, as in training; words beyond are tagged O, unread."
        ]
    return [
        f"- A context is read in windows of {length} tokens, as in training; an answer has at most 30 tokens."
    ]
