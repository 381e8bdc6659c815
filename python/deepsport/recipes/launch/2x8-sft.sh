#!/usr/bin/env bash
# Supervised training over two machines of eight GPUs; the same command on both, RANK 0 and 1.
#   NODE_RANK=0 MASTER=first-machine bash 2x8-sft.sh RECIPE TASKS TRAJECTORIES MEDIA OUT
# The batch of a recipe is per GPU: halve it here to keep the batch of the paper. OUT is on a shared file system.
# With accelerate in place of torchrun: accelerate launch --num_machines 2 --machine_rank "$NODE_RANK"
#   --num_processes 16 --main_process_ip "$MASTER" --main_process_port 29500 -m deepsport sft ...
set -euo pipefail
recipe=$1 tasks=$2 trajectories=$3 media=$4 out=$5
exec torchrun --nnodes 2 --node-rank "$NODE_RANK" --nproc-per-node "${GPUS:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "$MASTER:29500" -m deepsport sft --recipe "$recipe" --tasks "$tasks" \
    --trajectories "$trajectories" --media-root "$media" --out "$out" --batch-size 2 --track tensorboard
