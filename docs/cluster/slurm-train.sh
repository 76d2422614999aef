#!/usr/bin/env bash
# Training on four nodes with one rank each: sbatch docs/cluster/slurm-train.sh. The result is that of one rank, bit for bit (docs/scale.md).
#SBATCH --job-name=gmtl-train
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:1
#SBATCH --time=12:00:00
#SBATCH --signal=USR2@120
set -euo pipefail
# Open MPI; MPICH and its family: --mpi=pmi2.
exec srun --mpi="${MPI_PLUGIN:-pmix}" --kill-on-bad-exit=1 --cpu-bind=none \
  npx gmtl train --data "${DATA:?the data set}" --out "${RUN:?the run folder}" --set training.accumulate="${ACCUMULATE:-4}"
