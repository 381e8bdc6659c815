#!/usr/bin/env bash
# Two machines of eight GPUs. On the one that serves:  bash 2x8.sh serve CHECKPOINT
#                             On the one that trains:  bash 2x8.sh train RECIPE TASKS CHECKPOINT MEDIA OUT SERVER
# CHECKPOINT is the same folder on both; SERVER is the address of the one that serves. The weights go from rank 0
# to the server over NCCL after every update, on the ports below.
set -euo pipefail
role=$1; shift
gpus=${GPUS:-8}

case $role in
serve)
    checkpoint=$1
    VLLM_SERVER_DEV_MODE=1 exec vllm serve "$checkpoint" --host 0.0.0.0 --port 8000 \
        --data-parallel-size "$gpus" --enable-scale-out --logprobs-mode processed_logprobs \
        --weight-transfer-config '{"backend": "nccl"}' --limit-mm-per-prompt '{"image": 64, "video": 0}'
    ;;
train)
    recipe=$1 tasks=$2 checkpoint=$3 media=$4 out=$5 server=$6
    exec torchrun --standalone --nproc-per-node "$gpus" -m deepsport rl --recipe "$recipe" --tasks "$tasks" \
        --model "$checkpoint" --media-root "$media" --out "$out" --vllm-url "http://$server:8000" --track tensorboard
    ;;
*)
    echo "role is $role, valid are serve and train" >&2
    exit 2
    ;;
esac
