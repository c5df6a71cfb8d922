"""What a step is made of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.contracts import Cell
from bench.engine.group import RunContext, prepare_group
from bench.profiling import step_profile
from bench.profiling.step_ledger import lines_of

MakeCell = Callable[..., Cell]


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::bmm", "attention"),
        ("aten::native_layer_norm_backward", "layer norms"),
        ("aten::_fused_adamw_", "AdamW and gradient norm"),
        ("aten::copy_", "copies and casts"),
        ("nvjet_tst_128x64_64x9_1x2_h_bz_coopA_TNT", "matrix products"),
        ("fmha_cutlassF_bf16_aligned_64x64_rf_sm80", "attention"),
        ("void multi_tensor_apply_kernel<FusedAdamMathFunctor<float, 4>>", "AdamW and gradient norm"),
        ("Memcpy DtoD (Device -> Device)", "copies and casts"),
        ("autograd::engine::evaluate_function: AddmmBackward0", step_profile.REST),
    ],
)
def test_kernels_are_sorted_by_name(kernel: str, kind: str) -> None:
    assert step_profile.kind_of(kernel) == kind


def test_a_profile_adds_up_and_counts_what_learns(toy_cell: MakeCell, toy_context: RunContext) -> None:
    operations = []
    for name in ("top-layers", "full"):
        cell = toy_cell(name)
        group = prepare_group(cell, toy_context)
        found = step_profile.measure(lines_of(cell, group, toy_context)[0], group, cell, steps=2)
        assert sum(found.shares.values()) == pytest.approx(1)
        assert {"matrix products", "AdamW and gradient norm"} <= set(found.shares)
        table = step_profile.table([(cell, found)], rate=1e9, context=toy_context)
        assert [block.title for block in table.blocks] == [name]
        assert len(table.blocks[0].rows) == len(found.shares)
        operations.append(found.operations)
    assert 0 < operations[0] < operations[1]
