#!/bin/bash
# sbatch examples/cluster/slurm_array.sh table_top 1000 /shared/data/table_top
# Sixteen jobs of four cores each; job i makes every 16th clip, from the i-th. Failed or cut short: sbatch it again.
#SBATCH --job-name=simvid
#SBATCH --array=0-15
#SBATCH --cpus-per-task=4
#SBATCH --mem=12G
#SBATCH --time=08:00:00
#SBATCH --requeue
set -euo pipefail
scene=$1 count=$2 out=$3
srun simvid generate "$scene" --count "$count" --out "$out" \
  --shard "${SLURM_ARRAY_TASK_ID}/${SLURM_ARRAY_TASK_COUNT}" --workers "${SLURM_CPUS_PER_TASK}" --timeout 1800
