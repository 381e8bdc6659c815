"""Supervised training on trajectories, through TRL's SFTTrainer.

Reads top to bottom: examples, model, batches, trainer, checkpoint. The loss is on the tokens the
teacher wrote and on nothing else; everything about tokens is `deepsport.chat`'s.

The folder of a run is described in `deepsport.tuning.run_folder`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepsport.chat import ChatRenderer, collate, load_checkpoint
from deepsport.dataset import Example, ExampleFrames
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.sft.config import SFTSettings
from deepsport.sft.order import StagedOrder, stage_numbers
from deepsport.sft.preview import fitting
from deepsport.tool import ToolSettings
from deepsport.tuning import apply_tuning, last_checkpoint, trainer_arguments
from deepsport.tuning.result import save_result
from deepsport.tuning.run_folder import open_run

__all__ = ["ExampleCollator", "train_sft"]

_log = logging.getLogger(__name__)


class ExampleCollator:
    """Decode, render and pad a batch of examples; runs in the workers of the data loader.

    Parameters
    ----------
    examples : sequence of Example
    renderer : ChatRenderer
    frames : ExampleFrames
    """

    def __init__(
        self, examples: Sequence[Example], renderer: ChatRenderer, frames: ExampleFrames
    ) -> None:
        self.examples, self.renderer, self.frames = examples, renderer, frames

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Return a batch with labels, padded on the right."""
        transcripts = [
            self.renderer.render(
                example.trajectory.turns, self.frames.of(example), trained=example.trained
            )
            for example in (self.examples[row["example"]] for row in rows)
        ]
        return collate(transcripts, self.renderer, side="right", labels=True)


def train_sft(
    examples: Sequence[Example],
    model_path: Path | str,
    media_root: Path | str,
    out: Path | str,
    settings: SFTSettings,
    *,
    resume: bool = True,
    trackers: Sequence[str] = (),
) -> Path:
    """Train a checkpoint on examples; return the folder of the result.

    Parameters
    ----------
    examples : sequence of Example
        From :func:`deepsport.dataset.sft_examples`.
    model_path : Path or str
        Checkpoint folder or hub name.
    media_root : Path or str
        Folder that the tasks' media paths are relative to.
    out : Path or str
    settings : SFTSettings
    resume : bool
        Go on from the last checkpoint in `out`; a finished run is returned as it is.
    trackers : sequence of str
        Where the curve goes beside ``curve.jsonl``: see `deepsport.tuning.trackers`.

    Raises
    ------
    SettingsError
        Without examples, or when `out` holds a run with other settings.
    VideoError
        When frames of an example cannot be decoded.
    MissingExtraError
        When torch, transformers or TRL are not installed.
    """
    out = Path(out)
    if not examples:
        raise SettingsError("no example to train on; valid is one or more")
    asked = {"model": str(model_path), **settings.to_json()}
    if open_run(out, asked, resume=resume):
        return out / "model"
    trl, datasets = _extras()
    checkpoint = load_checkpoint(model_path, form=settings.form)
    renderer = checkpoint.renderer
    model = apply_tuning(checkpoint.model, settings.tuning)

    frames = ExampleFrames(media_root)
    frames.check(examples)
    fit, lengths = fitting(examples, renderer, frames, settings.max_tokens)
    if len(fit) < len(examples):
        _log.warning("%d examples are too long and left out", len(examples) - len(fit))
    micro = settings.micro_batch_size or settings.batch_size
    rows = datasets.Dataset.from_dict({"example": list(range(len(fit)))})
    # the trainer takes a data set for one with images by the name of a column
    rows.set_transform(lambda batch: {**batch, "images": [None] * len(batch["example"])})
    arguments = trl.SFTConfig(
        output_dir=str(out / "checkpoints"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.batch_size // micro,
        max_steps=settings.steps if settings.steps is not None else -1,
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_length=None,
        loss_type=settings.loss,
        seed=settings.seed,
        data_seed=settings.seed,
        dataloader_num_workers=settings.workers,
        dataloader_prefetch_factor=4 if settings.workers else None,
        # what a worker has decoded in one epoch it finds again in the next
        dataloader_persistent_workers=settings.workers > 0,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_steps=settings.save_steps,
        **trainer_arguments(settings.tuning),
    )
    from deepsport.chat.processor import frames_processor
    from deepsport.tuning.resume import ResumesWeights
    from deepsport.tuning.watch import Watch, watched

    parts: dict[str, Any] = {}
    if settings.curriculum or settings.even_batches:
        order = StagedOrder(
            lengths,
            stage_numbers(fit, settings.curriculum),
            group=micro * arguments.world_size,
            even=settings.even_batches,
            seed=settings.seed,
        )
        parts["_get_train_sampler"] = lambda *_, **__: order
    trainer = type("Trainer", (ResumesWeights, trl.SFTTrainer), parts)(
        model,
        args=arguments,
        train_dataset=rows,
        processing_class=frames_processor(renderer),
        data_collator=ExampleCollator(fit, renderer, frames),
    )
    # Qwen-VL models of transformers decline the number of tokens in the whole batch; the loss is
    # computed by TRL, which takes it, and without it micro batches would count the same each
    trainer.model_accepts_loss_kwargs = True
    watch = Watch(
        out.name,
        out / "curve.jsonl",
        _record,
        lambda r: f"loss {r['loss']:.3f}",
        trackers=trackers,
        config=asked,
    )
    last = last_checkpoint(out / "checkpoints") if resume else None
    with watched(trainer, watch):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    tool = ToolSettings.from_json(examples[0].trajectory.settings.get("tool", {}))
    save_result(trainer, settings.tuning, renderer, model_path, out / "model", tool)
    return out / "model"


def _record(logs: Mapping[str, float]) -> dict[str, Any]:
    """Keep of the trainer's log what a learning curve needs."""
    names = {
        "loss": "loss",
        "entropy": "entropy",
        "mean_token_accuracy": "token_accuracy",
        "learning_rate": "learning_rate",
        "grad_norm": "gradient_norm",
        "epoch": "epoch",
    }
    return {name: logs[key] for key, name in names.items() if key in logs}


def _extras() -> tuple[Any, Any]:
    try:
        import datasets
        import trl
    except ImportError as error:
        raise MissingExtraError(
            "training needs torch, transformers and TRL: pip install 'deepsport[train]'"
        ) from error
    return trl, datasets
