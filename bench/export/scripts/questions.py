"""Answers to questions with their probabilities. Needs transformers and torch, nothing else.

python predict.py "a question" "its context"
python predict.py --file questions.csv --question question --context context --out predictions.csv

transformers 5 has no pipeline for questions, so this is its decoding: windows with stride, and over all of
them the span of at most 30 tokens of the context with the largest sum of start and end logit. A model that learnt
questions without an answer gives none where the first token's sum is above that by more than its threshold."""

import os
import sys
from pathlib import Path
from unicodedata import category

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # threads that spin lose most of their speed on a shared core

import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

LONGEST = 30  # tokens of an answer


def answers(folder: str, found: list[tuple[str, float]]) -> list[str]:
    """The words of the context that answer each question."""
    return [answer for answer, _ in found]


def predict(folder: str, questions: list[tuple[str, str]]) -> list[str]:
    """One answer a (question, context)."""
    return answers(folder, probabilities(folder, questions))


def probabilities(folder: str, questions: list[tuple[str, str]]) -> list[tuple[str, float]]:
    """(answer, probability) of every (question, context): its share among all spans that may be an answer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    return [_answer(question, context, tokenizer, model) for question, context in questions]


def _answer(question: str, context: str, tokenizer, model) -> tuple[str, float]:
    length, stride = tokenizer.model_max_length, model.config.doc_stride
    free = length - tokenizer.num_special_tokens_to_add(pair=True) - stride
    windows = tokenizer(
        _cut(question, tokenizer, free * 3 // 4),
        context,
        truncation="only_second",
        max_length=length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=getattr(model.config, "type_vocab_size", 0) > 1,
        padding=True,
        return_tensors="pt",
    )
    spans = windows.pop("offset_mapping")
    windows.pop("overflow_to_sample_mapping", None)
    with torch.inference_mode():
        output = model(**windows)
    best, answer, scores = -torch.inf, "", []
    for number in range(len(spans)):
        begins = [_behind_blanks(context, int(start), int(end)) for start, end in spans[number]]
        inside = [
            sequence == 1 and begin < int(end)
            for sequence, begin, (_, end) in zip(
                windows.sequence_ids(number), begins, spans[number], strict=True
            )
        ]
        for first in range(len(inside)):
            for last in range(first, min(first + LONGEST, len(inside))):
                if inside[first] and inside[last]:
                    score = float(output.start_logits[number, first] + output.end_logits[number, last])
                    scores.append(score)
                    if score > best:
                        begin, end = begins[first], int(spans[number, last, 1])
                        best, answer = score, context[begin : _with_marks(context, end)]
    threshold = getattr(model.config, "null_threshold", None)
    if threshold is not None:
        null = float((output.start_logits[:, 0] + output.end_logits[:, 0]).min())
        scores.append(null)
        if null - best > threshold:
            best, answer = null, ""
    share = float((best - torch.tensor(scores).logsumexp(0)).exp()) if scores else 0.0
    return answer, share


def _cut(question: str, tokenizer, limit: int) -> str:
    """The question, cut after its `limit`-th token, so that windows always advance."""
    while True:
        found = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        if len(found["input_ids"]) <= limit:
            return question
        question = question[: min(found["offset_mapping"][limit - 1][1], len(question) - 1)]


def _behind_blanks(context: str, begin: int, end: int) -> int:
    """The tokens of some tokenizers begin with the blank before a word; an answer does not."""
    while begin < end and context[begin : begin + 1].isspace():
        begin += 1
    return begin


def _with_marks(context: str, end: int) -> int:
    """Marks belong to the character before them: tokenizers that strip accents leave them outside of every
    token."""
    while end < len(context) and category(context[end]) in ("Mn", "Me", "Mc"):
        end += 1
    return end


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))  # also under python -P
    from predict_files import arguments, read, stop, write

    given = arguments("Answers to questions, as CSV.", ["question", "context"])
    if given.file:
        names = [("question", given.question), ("context", given.context)]
        pairs = read(given.file, names, given.encoding)
    elif len(given.texts) == 2:
        pairs = [given.texts]
    else:
        stop("give a question and its context, both in quotes")
    found = probabilities(str(Path(__file__).parent), [(question, text) for question, text in pairs])
    rows = [[question, answer, share] for (question, _), (answer, share) in zip(pairs, found, strict=True)]
    write(given.out, ["question", "answer", "probability"], rows)


if __name__ == "__main__":
    main()
