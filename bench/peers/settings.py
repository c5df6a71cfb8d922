"""How Hugging Face's Trainer is set: as most people use it, and tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import TrainingArguments

from bench.contracts import Cell
from bench.engine.machine import Device


@dataclass(frozen=True)
class Settings:
    """What a user of Trainer chooses. bf16: only where the device really has it."""

    bf16: bool
    group_by_length: bool
    save: bool

    @classmethod
    def defaults(cls) -> Settings:
        """fp32, batches padded to their longest sequence, and the checkpoint that Trainer writes at the end."""
        return cls(bf16=False, group_by_length=False, save=True)

    @classmethod
    def tuned(cls, device: Device) -> Settings:
        """bf16 where it is real, sequences of like length in a batch, nothing saved. AdamW is fused in both."""
        return cls(bf16=device.dtype == torch.bfloat16, group_by_length=True, save=False)

    def arguments(self, output: Path, cell: Cell, device: Device, steps: int) -> TrainingArguments:
        cuda = device.torch.type == "cuda"
        return TrainingArguments(
            output_dir=str(output),
            per_device_train_batch_size=cell.recipe.batch_size,
            per_device_eval_batch_size=64,
            max_steps=steps,
            max_grad_norm=cell.recipe.clip,
            seed=cell.seed,
            bf16=self.bf16,
            tf32=True if cuda and self.group_by_length else None,
            train_sampling_strategy="group_by_length" if self.group_by_length else "random",
            save_strategy="steps" if self.save else "no",
            use_cpu=not cuda,
            dataloader_pin_memory=cuda,
            report_to="none",
            disable_tqdm=True,
        )
