"""What a folder of sentence-transformers (Reimers & Gurevych 2019, arXiv 1908.10084) says of itself: the modules
that a text goes through, and the prompts that it was trained with. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

MODULES, PROMPTS = "modules.json", "config_sentence_transformers.json"
LOWERING = "sentence_bert_config.json"


@dataclass(frozen=True)
class Module:
    """A module and its folder; `kind` is the name of its class."""

    kind: str
    path: str


def modules_in(values: Any) -> list[Module]:
    """The modules that `modules.json` names, without any whose folder lies elsewhere."""
    found = []
    for item in values if isinstance(values, list) else ():
        path = PurePosixPath(str(item.get("path", ""))) if isinstance(item, dict) else None
        if path is not None and not path.is_absolute() and ".." not in path.parts:
            found.append(Module(str(item.get("type")).rpartition(".")[2], str(item.get("path", ""))))
    return found


def saved_modules(folder: Path) -> list[Module]:
    """The modules of a local folder; none where it is of another kind."""
    return modules_in(read_json(folder / MODULES))


def default_prompt(values: Any) -> str:
    """The text that goes before every text by default; '' where there is none."""
    if not isinstance(values, dict) or not isinstance(values.get("prompts"), dict):
        return ""
    prompt = values["prompts"].get(values.get("default_prompt_name"))
    return prompt if isinstance(prompt, str) else ""


def lowers_texts(values: Any) -> bool:
    """Whether texts are read in lower case, whatever the tokenizer does."""
    return isinstance(values, dict) and values.get("do_lower_case") is True


def read_json(path: Path) -> Any:
    """A JSON file; None where there is none that can be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
