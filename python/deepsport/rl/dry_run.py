"""What a run of reinforcement learning needs: tokens of its conversations, memory of a GPU by stage.

Loads the model's shape only, so it runs anywhere. What is measured and what is assumed is said in
Note [What is counted] of `deepsport.tuning.memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deepsport.errors import SettingsError
from deepsport.recipes import Hardware
from deepsport.rl.config import RLSettings
from deepsport.task import Task
from deepsport.tool.prompt import question_text, system_text
from deepsport.tuning.memory import GIB, Stage, activations, state_advice, states, training_stage
from deepsport.tuning.report import describe_memory, describe_model
from deepsport.tuning.shape import ModelShape, load_shape

__all__ = ["DryRun", "Tokens", "count_tokens", "dry_run"]

_CHARACTERS_A_TOKEN = 3.5  #: of English with markup, where there is no tokenizer to ask
_FRAME_LINE = 8  #: tokens of a frame's label and of the marks around it
_OBSERVATION = 64  #: tokens of an observation beside its frames
_SPARE = 2.0 * GIB  #: vLLM's own activations and graphs


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a rollout.

    Attributes
    ----------
    frame : int
        Of one frame.
    prompt : int
        Instructions, longest question, first frames.
    call : int
        That a call adds: a reply of the longest length, and the observation.
    longest : int
        Of the longest rollout the settings allow.
    calls_that_fit : int
        With replies of the longest length.
    frames : int
        Tokens of frames in the longest rollout.
    measured : bool
        Whether the texts were counted by the tokenizer.
    """

    frame: int
    prompt: int
    call: int
    longest: int
    calls_that_fit: int
    frames: int
    measured: bool


@dataclass(frozen=True, slots=True)
class DryRun:
    """What was found.

    Attributes
    ----------
    text : str
    fits : bool
    tokens : Tokens
    stages : list of Stage
    """

    text: str
    fits: bool
    tokens: Tokens
    stages: list[Stage]


def dry_run(
    model: str | Path,
    settings: RLSettings,
    hardware: Hardware,
    tasks: Sequence[Task] = (),
    count: Callable[[str], int] | None = None,
) -> DryRun:
    """Count tokens and memory of a run.

    Parameters
    ----------
    model : str or Path
    settings : RLSettings
    hardware : Hardware
    tasks : sequence of Task
        For the longest question; without them 400 characters are assumed.
    count : callable, optional
        From a text to its number of tokens.

    Raises
    ------
    SettingsError
        When the shape of the model is not known, or the rollouts do not divide among the GPUs.
    """
    shape = load_shape(model)
    tokens = count_tokens(shape, settings, tasks, count)
    rollouts, _, micro = settings.divided(hardware.gpus, "GPUs")
    stages = _stages(shape, settings, hardware, tokens, rollouts, micro)
    alone = Stage("", {**states(shape, settings.tuning, hardware.gpus), "gradients": 0.0})
    if alone.total > 0.8 * hardware.gpu_memory_gib * GIB:  # nothing else can help
        stages = [replace(stage, advice=state_advice(settings.tuning)) for stage in stages]
    table, fits = describe_memory(stages, hardware.gpu_memory_gib)
    how = "counted by the tokenizer" if tokens.measured else "text estimated by its length"
    machine = "1 GPU trains" if hardware.gpus == 1 else f"{hardware.gpus} GPUs train"
    if settings.engine == "vllm-server":
        machine += f", {hardware.server_gpus} serve"
    budget = tokens.longest - tokens.prompt
    lines = [
        describe_model(shape, settings.tuning),
        f"machine   {machine}; {rollouts} rollouts a GPU and step, {micro} a forward pass",
        (
            f"tokens    {tokens.frame} a frame of {settings.tool.max_width}x{settings.tool.max_height}; "
            f"prompt {tokens.prompt}, a call {tokens.call}; {how}"
        ),
        (
            f"          longest rollout {tokens.longest}, {budget} of it after the prompt: "
            f"{tokens.calls_that_fit} of {settings.tool.max_calls} calls fit with the longest replies"
        ),
    ]
    if tokens.prompt + settings.max_reply_tokens > settings.max_context_tokens:
        fits = False
        lines.append(
            f"          a reply does NOT fit behind the prompt: --max-context-tokens is "
            f"{settings.max_context_tokens}, valid is {tokens.prompt + settings.max_reply_tokens} or more"
        )
    total = rollouts * hardware.gpus
    frames = settings.prompts_per_step * (
        settings.tool.first_frames + settings.tool.max_calls * settings.tool.frames_per_call
    )
    lines.append(
        f"a step    {total} rollouts, at most {total * tokens.longest / 1e6:.2f} million tokens; at "
        f"least {settings.prompts_per_step * settings.tool.first_frames} and, where a group agrees on "
        f"all its windows, {frames} frames decoded"
    )
    return DryRun("\n".join([*lines, "", table]), fits, tokens, stages)


def count_tokens(
    shape: ModelShape,
    settings: RLSettings,
    tasks: Sequence[Task] = (),
    count: Callable[[str], int] | None = None,
) -> Tokens:
    """Count the tokens of the longest rollout that settings allow."""
    tool = settings.tool

    def size(text: str) -> int:
        return count(text) if count is not None else int(len(text) / _CHARACTERS_A_TOKEN) + 1

    frame = shape.frame_tokens(tool.max_width, tool.max_height)
    questions = (size(question_text(task, tool)) for task in tasks)
    question = max(questions, default=size("x" * 400))
    prompt = (
        size(system_text(tool))
        + question
        + _OBSERVATION
        + tool.first_frames * (frame + _FRAME_LINE)
    )
    observation = _OBSERVATION + tool.frames_per_call * (frame + _FRAME_LINE)
    call = settings.max_reply_tokens + observation
    room = settings.max_context_tokens - prompt
    fit = max(0, min(tool.max_calls, room // call))
    wanted = prompt + tool.max_calls * call + settings.max_reply_tokens
    # a reply may begin anywhere below the limit, so it may end a whole reply behind it
    longest = min(wanted, settings.max_context_tokens + settings.max_reply_tokens)
    most_frames = (
        tool.first_frames + min(tool.max_calls, room // observation) * tool.frames_per_call
    )
    return Tokens(
        frame=frame,
        prompt=prompt,
        call=call,
        longest=longest,
        calls_that_fit=fit,
        frames=most_frames * frame,
        measured=count is not None,
    )


def _stages(
    shape: ModelShape,
    settings: RLSettings,
    hardware: Hardware,
    tokens: Tokens,
    rollouts: int,
    micro: int,
) -> list[Stage]:
    tuning = settings.tuning
    held = states(shape, tuning, hardware.gpus)
    held["gradients"] = 0.0  # freed before the rollouts of the next step
    stages = [_play(shape, settings, hardware, tokens, rollouts, held)]
    if settings.engine == "vllm-server":
        stages.append(_serve(shape, settings, hardware, tokens))
    if settings.engine != "transformers" or settings.beta:
        # one pass without gradients: a layer's values at a time
        forward = activations(
            shape, tuning, sequences=micro, tokens=tokens.longest, frames_tokens=tokens.frames
        )
        size = 2.0 if tuning.bf16 else 4.0
        forward["activations"] = micro * tokens.longest * shape.layer_values * size
        stages.append(Stage("log-probs", held | forward, "a smaller --micro-batch-size"))
    stages.append(
        training_stage(
            shape,
            tuning,
            gpus=hardware.gpus,
            sequences=micro,
            tokens=tokens.longest,
            frames_tokens=tokens.frames,
            reference=settings.beta > 0,
        )
    )
    return stages


def _play(
    shape: ModelShape,
    settings: RLSettings,
    hardware: Hardware,
    tokens: Tokens,
    rollouts: int,
    held: dict[str, float],
) -> Stage:
    tuning = settings.tuning
    if settings.engine == "vllm-server":
        return Stage("play", held, "--zero 3")
    if settings.engine == "vllm":
        share = settings.vllm_memory * hardware.gpu_memory_gib * GIB
        cache = share - 2.0 * shape.parameters - _SPARE
        at_once = int(cache // (tokens.longest * shape.cache_bytes))
        stage = Stage(
            "play",
            held | {"vLLM": share},
            f"a smaller --vllm-memory ({at_once} of {rollouts} rollouts at once now)",
        )
        if at_once < 1:
            need = 2.0 * shape.parameters + _SPARE + tokens.longest * shape.cache_bytes
            wanted = need / GIB / hardware.gpu_memory_gib + 0.01
            stage = replace(
                stage,
                problem=f"{share / GIB:.1f} GiB of vLLM hold no rollout",
                advice=f"--vllm-memory {wanted:.2f} or more",
            )
        return stage
    size = 2.0 if tuning.bf16 else 4.0
    parts = dict(held)
    if tuning.zero_stage == 3:
        parts["gathered"] = size * shape.parameters
    parts["cache"] = rollouts * tokens.longest * shape.cache_bytes * size / 2
    # all prompts are read at once, a layer's values at a time
    parts["activations"] = rollouts * tokens.longest * shape.layer_values * size
    return Stage("play", parts, "--engine vllm or vllm-server; fewer --prompts")


def _serve(shape: ModelShape, settings: RLSettings, hardware: Hardware, tokens: Tokens) -> Stage:
    if hardware.server_gpus < 1:
        raise SettingsError(
            "the engine is vllm-server and the machine has no server_gpus; valid is one or more"
        )
    total = settings.prompts_per_step * settings.group_size
    at_once = min(settings.parallel_episodes * hardware.gpus, total) / hardware.server_gpus
    parts = {
        "weights": 2.0 * shape.parameters,
        "vLLM": _SPARE,
        "cache of one rollout": float(tokens.longest * shape.cache_bytes),
    }
    room = 0.9 * hardware.gpu_memory_gib * GIB - 2.0 * shape.parameters - _SPARE
    fit = int(room // (tokens.longest * shape.cache_bytes))
    return Stage(
        f"serve ({min(fit, int(at_once) or 1)} at once)",
        parts,
        "vllm serve --tensor-parallel-size 2",
    )
