#!/usr/bin/env bash
# Shards as a Slurm job array, without Ray: 16 jobs of one GPU each. Submit: sbatch slurm-array.sh paper
# When all have ended: python -m bench merge results/runs/paper-shard-*
#SBATCH --job-name=transferbench
#SBATCH --array=1-16
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail

suite=${1:-paper}
python -m bench run "$suite" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
