"""Reinforcement learning on tasks: rollouts, rewards, advantages, step, through TRL's GRPO.

The folder of a run is described in `deepsport.tuning.run_folder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.chat import load_checkpoint
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.rl.config import RLSettings
from deepsport.rl.prompts import PromptLog, PromptSchedule, PromptSettings
from deepsport.task import Task
from deepsport.tool import FrameSource
from deepsport.tuning import apply_tuning, last_checkpoint, trainer_arguments
from deepsport.tuning.result import save_result
from deepsport.tuning.run_folder import open_run
from deepsport.tuning.settings import process_count

__all__ = ["make_trainer", "train_rl"]

_PLACES = ("vllm_url", "vllm_memory", "tool_threads", "parallel_episodes")


def train_rl(
    tasks: Sequence[Task],
    model_path: Path | str,
    media_root: Path | str,
    out: Path | str,
    settings: RLSettings,
    *,
    resume: bool = True,
    trackers: Sequence[str] = (),
) -> Path:
    """Train a checkpoint by playing tasks; return the folder of the result.

    Parameters
    ----------
    tasks : sequence of Task
        The questions to play, usually those of the training split.
    model_path : Path or str
        Checkpoint folder or hub name, usually the result of supervised training.
    media_root : Path or str
    out : Path or str
    settings : RLSettings
    resume : bool
    trackers : sequence of str
        Where the curve goes beside ``curve.jsonl``: see `deepsport.tuning.trackers`.

    Raises
    ------
    SettingsError
        Without enough tasks, or when `out` holds a run with other settings.
    MissingExtraError
        When torch, transformers or TRL are not installed.
    """
    out = Path(out)
    asked = {"model": str(model_path), **settings.to_json()}
    # where things run may change from one part of a run to the next
    comparable = {name: value for name, value in asked.items() if name not in _PLACES}
    if open_run(out, comparable, resume=resume):
        return out / "model"
    trainer = make_trainer(tasks, model_path, media_root, out, settings)
    from deepsport.tuning.watch import Watch, watched

    updates = settings.minibatches * settings.updates_per_rollout
    watch = Watch(
        out.name,
        out / "curve.jsonl",
        _record,
        _note,
        updates=updates,
        trackers=trackers,
        config=asked,
    )
    last = last_checkpoint(out / "checkpoints") if resume else None
    try:
        with watched(trainer, watch):
            trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        if trainer.judge is not None:
            trainer.judge.close()
    save_result(
        trainer, settings.tuning, trainer.renderer, model_path, out / "model", settings.tool
    )
    return out / "model"


def make_trainer(
    tasks: Sequence[Task],
    model_path: Path | str,
    media_root: Path | str,
    out: Path | str,
    settings: RLSettings,
) -> Any:
    """Return the trainer that :func:`train_rl` runs, an `EpisodeTrainer`; same arguments."""
    out = Path(out)
    if len(tasks) < settings.prompts_per_step:
        raise SettingsError(
            f"{len(tasks)} tasks for {settings.prompts_per_step} prompts a step; valid is at least "
            "as many tasks"
        )
    trl, datasets = _extras()
    checkpoint = load_checkpoint(model_path, form=settings.tool.form)
    renderer = checkpoint.renderer
    model = apply_tuning(checkpoint.model, settings.tuning)

    from deepsport.rl.engines import engine_arguments

    rollouts, update, micro = settings.divided(process_count())
    # TRL counts updates, we count steps of play
    updates = settings.minibatches * settings.updates_per_rollout
    prompts = datasets.Dataset.from_list(
        [{"prompt": [{"role": "user", "content": task.task_id}]} for task in tasks]
    )
    arguments = trl.GRPOConfig(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=update // micro,
        steps_per_generation=rollouts // micro,
        num_generations=settings.group_size,
        num_iterations=settings.updates_per_rollout,
        max_steps=settings.steps * updates,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup_steps * updates,
        max_completion_length=settings.max_context_tokens,
        loss_type=settings.loss,
        importance_sampling_level="sequence" if settings.sequence_level else "token",
        beta=settings.beta,
        epsilon=settings.clip_low,
        epsilon_high=settings.clip_high,
        scale_rewards=settings.scale_rewards,
        temperature=settings.temperature,
        seed=settings.seed,
        data_seed=settings.seed,
        save_steps=settings.save_steps * updates,
        **engine_arguments(settings),
        **trainer_arguments(settings.tuning, logging_steps=updates),
    )
    from deepsport.chat.processor import frames_processor
    from deepsport.rl.selecting import SelectingTrainer

    return SelectingTrainer(
        **_selection(tasks, out, settings),
        tasks={task.task_id: task for task in tasks},
        renderer=renderer,
        source=FrameSource(media_root),
        settings=settings,
        rollout_folder=out / "rollouts",
        model=model,
        args=arguments,
        train_dataset=prompts,
        processing_class=frames_processor(renderer),
    )


def _selection(tasks: Sequence[Task], out: Path, settings: RLSettings) -> dict[str, Any]:
    """Return the schedule of the questions, the file of what they earned, and the judge."""
    from accelerate import PartialState

    from deepsport.reward.judge import Judge

    schedule = None
    if settings.prompts != PromptSettings():  # else the parent's sampler does it
        schedule = PromptSchedule(
            tasks,
            settings.prompts,
            prompts_per_step=settings.prompts_per_step,
            steps=settings.steps,
            seed=settings.seed,
        )
    process = PartialState()
    judge = None
    if settings.judge is not None:
        out.mkdir(parents=True, exist_ok=True)
        judge = Judge(settings.judge, cache=out / f"verdicts-{process.process_index}.sqlite")
    log = PromptLog(out / "prompts.jsonl", writes=process.is_main_process)
    return {"schedule": schedule, "prompt_log": log, "judge": judge}


def _record(logs: Mapping[str, float]) -> dict[str, Any]:
    """Keep of the trainer's log what a learning curve needs."""
    dropped = {"epoch", "num_tokens", "step_time", "rewards/reward/mean", "rewards/reward/std"}
    return {
        name.replace("/", "_"): value
        for name, value in logs.items()
        if name not in dropped and not name.startswith(("profiling/", "completions/"))
    }


def _note(record: Mapping[str, Any]) -> str:
    return (
        f"reward {record.get('reward') or 0:.2f} accuracy {record.get('reward_accuracy', 0):.2f} "
        f"calls {record.get('calls', 0):.2f} hit {record.get('window_hit', 0):.2f}"
    )


def _extras() -> tuple[Any, Any]:
    try:
        import datasets
        import trl
    except ImportError as error:
        raise MissingExtraError(
            "training needs torch, transformers and TRL: pip install 'deepsport[train]'"
        ) from error
    return trl, datasets
