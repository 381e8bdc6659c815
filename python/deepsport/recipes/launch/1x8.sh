#!/usr/bin/env bash
# One machine of eight GPUs: imitate, then play. bash 1x8.sh RECIPE TASKS TRAJECTORIES MEDIA OUT
set -euo pipefail
recipe=$1 tasks=$2 trajectories=$3 media=$4 out=$5
gpus=${GPUS:-8}
common=(--recipe "$recipe" --tasks "$tasks" --media-root "$media" --track tensorboard)

torchrun --standalone --nproc-per-node "$gpus" -m deepsport sft "${common[@]}" \
    --trajectories "$trajectories" --out "$out/sft"
torchrun --standalone --nproc-per-node "$gpus" -m deepsport rl "${common[@]}" \
    --model "$out/sft/model" --out "$out/rl"
