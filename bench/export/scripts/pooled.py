"""Labels of texts with their probabilities. Needs transformers and torch, nothing else.

python predict.py "a text" "another one"
python predict.py --file reviews.csv --text review --out predictions.csv

The encoder is a standard one; a linear map reads the mean of its tokens, or the first of them, as
1_Pooling/config.json says. No class of transformers pools so, hence these lines."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer


def probabilities(folder: str, texts: list[str]) -> list[dict[str, float]]:
    """The labels of every text with their probabilities; texts are cut where they were cut in training."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder).eval()
    pooling = json.loads((Path(folder) / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    head = load_file(Path(folder) / "2_Dense" / "model.safetensors")
    labels = encoder.config.id2label
    segments = getattr(encoder.config, "type_vocab_size", 0) > 1
    found = []
    for text in texts:
        tokens = tokenizer(text, truncation=True, return_token_type_ids=segments, return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder(**tokens).last_hidden_state[0]
            vector = hidden[0] if pooling["pooling_mode_cls_token"] else hidden.mean(0)
            logits = head["linear.weight"] @ vector + head["linear.bias"]
        found.append({labels[number]: float(share) for number, share in enumerate(logits.softmax(0))})
    return found


def predict(folder: str, texts: list[str]) -> list[str]:
    """One label a text, the most probable one."""
    return [max(found, key=found.__getitem__) for found in probabilities(folder, texts)]


def main() -> None:
    from predict_files import label_texts

    label_texts(lambda texts: probabilities(str(Path(__file__).parent), texts))


if __name__ == "__main__":
    main()
