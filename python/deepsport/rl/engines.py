"""The policy that plays a step: an engine with the weights that are trained now.

The weights go to vLLM through TRL's `VLLMGeneration`, which gathers them from ZeRO and FSDP and merges
LoRA; playing is ours. Not for generation itself (`deepsport.rollout`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from trl.models import unwrap_model_for_generation

from deepsport.chat import ChatRenderer
from deepsport.errors import EndpointError, MissingExtraError
from deepsport.rl.config import RLSettings
from deepsport.rollout.engine import RolloutEngine, Sampling
from deepsport.rollout.token_policy import TokenPolicy
from deepsport.rollout.transformers_engine import TransformersEngine
from deepsport.rollout.vllm_server import VllmServerEngine

__all__ = ["engine_arguments", "player", "sampling_of"]


def sampling_of(settings: RLSettings) -> Sampling:
    """Return how a run draws its replies."""
    return Sampling(
        temperature=settings.temperature,
        max_reply_tokens=settings.max_reply_tokens,
        max_context_tokens=settings.max_context_tokens,
    )


def engine_arguments(settings: RLSettings) -> dict[str, Any]:
    """Return what TRL's configuration must say about the engine.

    Raises
    ------
    MissingExtraError
        When vLLM is asked for and is not installed.
    """
    if settings.engine == "transformers":
        return {}
    from trl.import_utils import is_vllm_available

    if not is_vllm_available():
        raise MissingExtraError(
            f"the engine {settings.engine!r} needs vLLM in this environment (it also carries the "
            "weights to a server): pip install 'trl[vllm]==1.16.0', see docs/engines.md"
        )
    # what vLLM sampled with differs from the trainer's by rounding, token by token; TRL's default would
    # drop a whole rollout where the product over its tokens is above the bound
    arguments: dict[str, Any] = {
        "use_vllm": True,
        "vllm_importance_sampling_mode": "token_truncate",
    }
    if settings.engine == "vllm":
        return arguments | {
            "vllm_mode": "colocate",
            "vllm_gpu_memory_utilization": settings.vllm_memory,
            "vllm_max_model_length": settings.max_context_tokens + settings.max_reply_tokens,
            "vllm_enable_sleep_mode": True,
        }
    return arguments | {"vllm_mode": "server", "vllm_server_base_url": settings.vllm_url}


@contextmanager
def player(trainer: Any, settings: RLSettings, renderer: ChatRenderer) -> Iterator[TokenPolicy]:
    """Lend a policy with the present weights for one step of play.

    Parameters
    ----------
    trainer
        Of TRL; its attribute ``engine``, when it is not None, plays in place of the settings'.
    settings : RLSettings
    renderer : ChatRenderer
    """

    def policy(engine: RolloutEngine) -> TokenPolicy:
        limit = settings.max_context_tokens
        return TokenPolicy("rl", engine, renderer, max_context_tokens=limit)

    if trainer.engine is not None:
        yield policy(trainer.engine)
    elif settings.engine == "transformers":
        with (
            unwrap_model_for_generation(
                trainer.model_wrapped,
                trainer.accelerator,
                gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
            ) as model,
            torch.no_grad(),
        ):
            yield policy(TransformersEngine(model, renderer, sampling_of(settings)))
    else:
        sent = _send_weights(trainer)
        with _vllm_engine(trainer, settings, renderer) as engine:
            stale = sent and _trains_vision(settings) and trainer.is_world_process_zero()
            if stale and isinstance(engine, VllmServerEngine):
                # what the tower made of a frame belongs to the weights before
                engine.forget_encoded_frames()
            # nobody plays before the server has the weights
            trainer.accelerator.wait_for_everyone()
            yield policy(engine)


def _send_weights(trainer: Any) -> bool:
    """Bring vLLM's weights up to date, once an update; return whether they were sent."""
    step = trainer.state.global_step
    if step == trainer._last_loaded_step:  # noqa: SLF001 - see Note [Private seams of TRL]
        return False
    trainer.vllm_generation.sync_weights()
    trainer._last_loaded_step = step  # noqa: SLF001
    return True


def _trains_vision(settings: RLSettings) -> bool:
    return not settings.tuning.freeze_vision and not settings.tuning.lora_rank


@contextmanager
def _vllm_engine(
    trainer: Any, settings: RLSettings, renderer: ChatRenderer
) -> Iterator[RolloutEngine]:
    generation = trainer.vllm_generation
    if settings.engine == "vllm":
        from deepsport.rollout.vllm_engine import VllmEngine

        if generation.enable_sleep_mode:
            if generation._llm_weights_sleeping:  # noqa: SLF001
                generation.sync_weights()
            generation.llm.wake_up(tags=["kv_cache"])
        try:
            yield VllmEngine(generation.llm, renderer, sampling_of(settings))
        finally:
            if generation.enable_sleep_mode:
                generation.llm.sleep(level=2)
                generation._llm_weights_sleeping = True  # noqa: SLF001
        return
    if trainer.server_engine is None:
        trainer.server_engine = VllmServerEngine(
            settings.vllm_url,
            renderer,
            sampling_of(settings),
            parallel=settings.parallel_episodes,
        )
    yield trainer.server_engine


def refuse_if_gone(faults: list[str], rollouts: int) -> None:
    """Stop a run whose every rollout of a step failed for want of a server.

    Raises
    ------
    EndpointError
    """
    if rollouts and len(faults) == rollouts:
        raise EndpointError(
            f"all {rollouts} rollouts of a step failed, the last with: {faults[-1]}; give the same "
            "command again when the server is back"
        )
