"""The names of classes that `datasets` writes beside the numbers of a column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def stored_names(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """The class names by column in the metadata of a Parquet file's schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        found = {name: class_names(feature) for name, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {name: names for name, names in found.items() if names}


def class_names(feature: Any) -> Sequence[str]:
    """The names of a feature that is a ClassLabel, or a sequence of them in any version's notation."""
    while True:
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, dict) and isinstance(feature.get("feature"), (dict, list)):
            feature = feature["feature"]
        else:
            break
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names, key=int)]
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()
