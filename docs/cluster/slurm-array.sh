#!/usr/bin/env bash
# Inference in 100 shards as a Slurm array, eight at once: sbatch docs/cluster/slurm-array.sh; then: npx gmtl merge OUT/shard-*-of-100 --manifest list.csv
#SBATCH --job-name=gmtl-infer
#SBATCH --array=1-100%8
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
set -uo pipefail
# --shard auto reads SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT; --resume leaves out what an earlier try has done.
npx gmtl infer --manifest "${LIST:-list.csv}" --run "${RUN:?the run folder}" --out "${OUT:-infer}" --shard auto --resume --no-overlays &
child=$!
# Slurm tells the batch script two minutes before the time is up: the pictures under way are finished.
trap 'kill -USR2 "$child"' USR2
wait "$child"; code=$?
# A trapped signal ends the first wait.
if kill -0 "$child" 2>/dev/null; then wait "$child"; code=$?; fi
# 140: the time was up, and a next try goes on. 4: the adapter was lost; 75: the disk was full: worth another try while Slurm has started the shard
# again less than three times, ends of its time counted (SLURM_RESTART_COUNT tells no reasons); later, mend it and submit again: --resume goes on.
# 1 and 2 are worth none (docs/commands.md).
again=no
if [ "$code" = 140 ]; then again=yes; fi
if { [ "$code" = 4 ] || [ "$code" = 75 ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt 3 ]; then again=yes; fi
if [ "$again" = yes ]; then scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"; fi
exit "$code"
