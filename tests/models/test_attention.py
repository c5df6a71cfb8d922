"""The mask that is added to scores is transformers' own, made on the device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.masking_utils import bidirectional_mask_function, causal_mask_function, eager_mask

from bench.models.attention import added_mask
from tests.support.capture import Capture


def shown(seen: torch.Tensor | None, function: Any, dtype: torch.dtype) -> dict[str, Any]:
    """What a model says of the mask that it wants."""
    sizes = {"batch_size": 3, "q_length": 6, "kv_length": 6, "q_offset": 0, "kv_offset": 0}
    device = torch.device("cpu") if seen is None else seen.device
    return {**sizes, "mask_function": function, "attention_mask": seen, "dtype": dtype, "device": device}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("function", [causal_mask_function, bidirectional_mask_function])
@pytest.mark.parametrize("padded", [True, False])
def test_it_has_the_values_of_the_librarys(dtype: torch.dtype, function: Any, padded: bool) -> None:
    seen = torch.ones(3, 6, dtype=torch.bool)
    if padded:
        seen[1, 4:] = False
    given = shown(seen, function, dtype)
    found = added_mask(**given)
    assert found is not None
    assert found.dtype == dtype
    assert torch.equal(found, eager_mask(**given))


def test_where_every_token_is_seen_there_may_be_no_mask() -> None:
    given = shown(torch.ones(3, 6, dtype=torch.bool), bidirectional_mask_function, torch.float32)
    assert added_mask(**given, allow_is_bidirectional_skip=True) is None
    assert added_mask(**given) is not None


def test_nothing_of_it_comes_from_the_host() -> None:
    """Older versions of the library take a number from the CPU."""
    seen = torch.ones(3, 6, dtype=torch.bool, device="meta")
    with Capture():
        found = added_mask(**shown(seen, bidirectional_mask_function, torch.bfloat16))
    assert found is not None
    assert found.is_meta
