#!/bin/bash
# sbatch examples/cluster/slurm_ray.sh table_top 1000 /shared/data/table_top
# One Ray cluster over all nodes of the allocation; clips go to whichever core is free.
#SBATCH --job-name=simvid-ray
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
set -euo pipefail
scene=$1 count=$2 out=$3
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
port=6379
srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --node-ip-address="$head" --port=$port --num-cpus="$SLURM_CPUS_PER_TASK" --block &
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
  srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" \
    ray start --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi
sleep 20
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
  simvid generate "$scene" --count "$count" --out "$out" --ray "$head:$port" --timeout 1800
