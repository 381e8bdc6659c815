#!/usr/bin/env bash
# Qwen2.5-VL-7B with verl 0.9.1 over Ray, after the paper: batch 32, 8 rollouts, 300 steps, 12,800 tokens.
# Not run by deepsport's own tests on GPUs: the agent loop is tested with verl's classes, this command is not.
#
#   python -c "from deepsport.integrations.verl_agent_loop import write_rows; from deepsport.task import read_tasks
#   write_rows((t for t in read_tasks('tasks.jsonl') if t.split == 'train'), 'train.parquet')"
#   bash qwen2.5-vl-7b.sh train.parquet val.parquet agent_loop.yaml
set -euo pipefail
train=$1 validation=$2 agent_loop=$3
nodes=${NODES:-1} gpus=${GPUS:-8}

python -m verl.trainer.main_ppo \
    algorithm.adv_estimator=grpo \
    algorithm.use_kl_in_reward=false \
    data.train_files="$train" \
    data.val_files="$validation" \
    data.train_batch_size=32 \
    data.max_prompt_length=4096 \
    data.max_response_length=12800 \
    data.return_raw_chat=true \
    actor_rollout_ref.model.path=Qwen/Qwen2.5-VL-7B-Instruct \
    actor_rollout_ref.model.enable_gradient_checkpointing=true \
    actor_rollout_ref.actor.optim.lr=1e-6 \
    actor_rollout_ref.actor.ppo_mini_batch_size=32 \
    actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=1 \
    actor_rollout_ref.actor.use_kl_loss=false \
    actor_rollout_ref.actor.clip_ratio_low=0.2 \
    actor_rollout_ref.actor.clip_ratio_high=0.28 \
    actor_rollout_ref.rollout.name=vllm \
    actor_rollout_ref.rollout.mode=async \
    actor_rollout_ref.rollout.n=8 \
    actor_rollout_ref.rollout.calculate_log_probs=true \
    actor_rollout_ref.rollout.gpu_memory_utilization=0.5 \
    actor_rollout_ref.rollout.agent.default_agent_loop=deepsport \
    actor_rollout_ref.rollout.agent.agent_loop_config_path="$agent_loop" \
    trainer.n_gpus_per_node="$gpus" \
    trainer.nnodes="$nodes" \
    trainer.total_training_steps=300 \
    trainer.project_name=deepsport \
    trainer.experiment_name=qwen2.5-vl-7b
