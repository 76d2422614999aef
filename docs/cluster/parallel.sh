#!/usr/bin/env bash
# Inference in shards with GNU parallel: LIST=list.csv RUN=runs/x OUT=infer SHARDS=8 JOBS=2 docs/cluster/parallel.sh. Started again it does what is left.
set -euo pipefail
: "${LIST:?the list}" "${RUN:?the run folder}"
OUT=${OUT:-infer} SHARDS=${SHARDS:-8} GMTL=${GMTL:-npx gmtl}
mkdir -p "$OUT"
# --resume-failed with a job log: shards that ended well are not started again.
seq "$SHARDS" | parallel --jobs "${JOBS:-1}" --joblog "$OUT/parallel.log" --resume-failed --halt soon,fail=50% \
  "$GMTL" infer --manifest "$LIST" --run "$RUN" --out "$OUT" --shard "{}/$SHARDS" --resume --no-overlays ">" "$OUT/{}.jsonl"
$GMTL merge "$OUT"/shard-*-of-"$SHARDS" --out "$OUT/predictions.csv" --manifest "$LIST"
