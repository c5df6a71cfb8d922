"""Adam without bias correction, as BERT was published with (Devlin et al. 2019, arXiv 1810.04805).

Its first steps are three to seven times as long as corrected ones, which makes fine-tuning on few examples unstable
(Zhang et al. 2021, arXiv 2006.05987, section 4; Mosbach et al. 2021, arXiv 2006.04884).
"""

from __future__ import annotations

import torch

SETTLED = 1e6
"""A number of steps after which the corrections, 1 - 0.9^n and 1 - 0.999^n, are exactly one."""


def without_bias_correction(optimizer: torch.optim.AdamW) -> None:
    """Let a new AdamW correct nothing: it begins as after SETTLED steps, with moments of zero."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter] = {
                "step": torch.tensor(SETTLED, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter.detach()),
                "exp_avg_sq": torch.zeros_like(parameter.detach()),
            }
