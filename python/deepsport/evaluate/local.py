"""A checkpoint folder as a policy, from the arguments of a command."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from deepsport.errors import MissingExtraError
from deepsport.rollout import Policy
from deepsport.tool import ToolSettings

__all__ = ["local_policy", "weights_hash"]


def local_policy(
    args: argparse.Namespace, settings: ToolSettings, seed: int
) -> tuple[Policy, dict[str, Any]]:
    """Load ``args.model`` and return it as a policy with what belongs into its fingerprint.

    Raises
    ------
    MissingExtraError
        When torch or transformers are not installed.
    SettingsError
        When it is no checkpoint of a family that can be loaded.
    """
    try:
        import torch

        from deepsport.chat.checkpoint import load_checkpoint
        from deepsport.rollout.transformers_policy import Sampling, TransformersPolicy
    except ImportError as error:
        if isinstance(error, MissingExtraError):
            raise
        raise MissingExtraError(f"deepsport[train] is needed for --model ({error})") from error
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours is shown
    checkpoint = load_checkpoint(args.model, form=settings.form, dtype=args.dtype)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    checkpoint.model.to(device)
    sampling = Sampling(
        temperature=args.temperature,
        top_p=args.top_p,
        max_reply_tokens=args.max_reply_tokens,
        seed=seed,
    )
    name = Path(args.model).resolve().name or str(args.model)
    extra = {
        "model": weights_hash(Path(args.model)),
        "sampling": {
            "temperature": args.temperature,
            "top_p": args.top_p,
            "max_reply_tokens": args.max_reply_tokens,
            "dtype": args.dtype,
        },
    }
    return TransformersPolicy(name, checkpoint.model, checkpoint.renderer, sampling), extra


def weights_hash(folder: Path) -> str:
    """Return 12 hex digits that stand for the weights: names, sizes and first megabyte of files."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("config.json")]):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
    return digest.hexdigest()[:12]
