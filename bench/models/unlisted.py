"""Families that are not listed: their layout is guessed, and accepted where the parts prove to be the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.contracts import BenchError, block_of
from bench.models.cutting import Cut
from bench.models.families import Family, families

TOLERANCE = 1e-4
"""Relative to the largest activation."""


def examined(model: Any, name: str) -> Family:
    """The guessed family of a model, after all checks. BenchError that names the check that failed."""
    kind = model.config.model_type
    checks: list[tuple[str, Callable[[Any, Family], bool]]] = [
        ("a prefix and a suffix give what the whole model gives", _cuts_are_whole),
        ("gradients reach the blocks that run and no others", _gradients_stay),
        ("padding after a text does not change it", _padding_is_unread),
    ]
    family = _guessed(model)
    if family is None:
        raise _refused(name, kind, "it has one list of layers, as many as its configuration says")
    for check, holds in checks:
        try:
            passed, reason = holds(model, family), ""
        except Exception as error:  # of a model that nobody here knows
            passed, reason = False, f" ({type(error).__name__}: {str(error)[:80]})"
        finally:
            model.zero_grad()
        if not passed:
            raise _refused(name, kind, check, reason)
    return family


def _refused(name: str, kind: str, check: str, reason: str = "") -> BenchError:
    return BenchError(
        f"backbone '{name}' ({kind}) cannot be split into layers: its family is not listed, and the check "
        f"'{check}' failed{reason}; listed families: {', '.join(families())}",
        code="unsupported-backbone",
    )


def _guessed(model: Any) -> Family | None:
    """The only list with a module for each layer, and the norm after it where one is beside it."""
    count = getattr(model.config, "num_hidden_layers", None)
    paths = [
        path
        for path, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and len({*map(type, module)}) == 1
    ]
    paths = [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
    if len(paths) != 1:
        return None
    owner, _, last = paths[0].rpartition(".")
    beside = dict(model.get_submodule(owner).named_children())
    after = list(beside)[list(beside).index(last) + 1 :]
    norm = next((child for child in after if "norm" in child.lower()), "")
    return Family(
        name=model.config.model_type,
        known={},
        layers=paths[0],
        embeddings="",
        final=f"{owner}.{norm}".lstrip(".") if norm else "",
        own_attention=True,
    )


def _inputs(model: Any) -> tuple[Tensor, Tensor]:
    """Two made-up sequences, one of them padded."""
    device = model.get_input_embeddings().weight.device
    tokens = torch.arange(2, 14, device=device).view(2, 6) % model.get_input_embeddings().num_embeddings
    mask = torch.ones_like(tokens)
    mask[1, 4:] = 0
    return tokens, mask


def _cuts_are_whole(model: Any, family: Family) -> bool:
    tokens, mask = _inputs(model)
    real, depth = mask.bool(), len(model.get_submodule(family.layers))
    options = {"attention_mask": mask}
    with torch.no_grad():
        whole = model(input_ids=tokens, **options).last_hidden_state[real]
        for boundary in range(1, depth + 1):
            hidden = Cut(model, family, 0, boundary).run(tokens, True, options)
            found = Cut(model, family, boundary, depth + 1).run(hidden, False, options)[real]
            if not torch.allclose(found, whole, rtol=0, atol=TOLERANCE * float(whole.abs().max())):
                return False
    return bool(whole.isfinite().all())


def _gradients_stay(model: Any, family: Family) -> bool:
    tokens, mask = _inputs(model)
    depth = len(model.get_submodule(family.layers))
    layers = family.layers + "."
    for stop in range(1, depth + 1):
        model.zero_grad()
        Cut(model, family, 0, stop).run(tokens, True, {"attention_mask": mask}).float().pow(
            3
        ).sum().backward()
        reached = {
            block_of("layers." + name.removeprefix(layers)) if name.startswith(layers) else 0
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }
        if not reached <= set(range(stop)):
            return False
    return True


def _padding_is_unread(model: Any, family: Family) -> bool:
    tokens, mask = _inputs(model)
    short = int(mask[1].sum())
    run = Cut(model, family, 0, len(model.get_submodule(family.layers)) + 1).run
    with torch.no_grad():
        padded = run(tokens, True, {"attention_mask": mask})[1, :short]
        alone = run(tokens[1:, :short], True, {"attention_mask": mask[1:, :short]})[0]
    return torch.allclose(padded, alone, rtol=0, atol=TOLERANCE * float(alone.abs().max()))


def fits(model: Any, family: Family, length: int) -> bool:
    """Whether the embeddings, with any table of positions, take a text of `length` tokens."""
    tokens = _inputs(model)[0][:1, :1].repeat(1, length)
    try:
        with torch.no_grad():
            Cut(model, family, 0, 1).run(tokens, True, {"attention_mask": torch.ones_like(tokens)})
    except (IndexError, RuntimeError):
        return False
    return True


def longest(model: Any, family: Family, length: int) -> int:
    """The longest text that fits, below one that does not."""
    fitting, failing = 0, length
    while failing - fitting > 1:
        middle = (fitting + failing) // 2
        fitting, failing = (middle, failing) if fits(model, family, middle) else (fitting, middle)
    return fitting
