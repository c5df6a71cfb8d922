#!/usr/bin/env bash
# A Ray cluster on Slurm: 4 nodes of 8 GPUs run one suite. Submit: sbatch slurm-ray.sh paper
# The run folder is written by the first node alone; the nodes need this project installed, and no shared folder.
#SBATCH --job-name=transferbench
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=12:00:00
set -euo pipefail

suite=${1:-paper}
port=6379
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}'):$port

srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" \
  ray start --head --port="$port" --num-gpus=8 --num-cpus="$SLURM_CPUS_PER_TASK" --block &
sleep 20
for node in "${nodes[@]:1}"; do
  srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" \
    ray start --address="$address" --num-gpus=8 --num-cpus="$SLURM_CPUS_PER_TASK" --block &
done
sleep 20

# Stopped by the time limit? Submit it again: finished cells are kept.
python -m bench run "$suite" --executor ray --address "$address" --out "results/runs/$suite"
