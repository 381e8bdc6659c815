"""Memory of one GPU in each stage of training, by formula.

Note [What is counted]
----------------------
Bytes a parameter (P all, T trained), as ZeRO (arXiv 1910.02054) and mixed precision have it:

    plain, float32       4 P weights, 4 T gradients, 8 T Adam's moments
    plain, bf16          the same, and 2 T of weights cast for the forward pass; with LoRA the
                         weights that stay are in bf16: 2 P, and the adapters in float32
    DeepSpeed, bf16      2 P weights, 2 T gradients, 12 T master weights and moments
    FSDP2                as plain, all of it divided by the GPUs, one layer gathered at a time

ZeRO divides the optimizer by the GPUs from stage 1, the gradients from stage 2, the weights in stage
3. Over several GPUs, DDP copies gradients into buckets (4 T); ZeRO has buckets of fixed size.

Activations a token: see `ModelShape.layer_values`; with checkpointing one input a layer and one layer
in full. TRL projects onto the vocabulary in tiles, so logits do not count. A frozen vision tower keeps
nothing. 6 % is added for fragments, and 1.5 GiB for CUDA itself. The formulas have not been compared
with a GPU here; they are for telling what cannot fit, not for filling the last gigabyte.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deepsport.tuning.settings import TuningSettings
from deepsport.tuning.shape import ModelShape

__all__ = [
    "GIB",
    "Stage",
    "activations",
    "state_advice",
    "states",
    "trained_parameters",
    "training_stage",
]

GIB = 2**30
_FRAGMENTS = 0.06
_CONTEXT = 1.5 * GIB  #: of CUDA, cuBLAS and NCCL
_LOGITS = 1.0 * GIB  #: tiles of the fused projection
_BUCKETS = 2 * 5e8 * 2  #: DeepSpeed's reduce buckets, two with overlap, in 16 bits
_GATHERED = 1e9 * 2  #: DeepSpeed's stage3_max_live_parameters, in 16 bits


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage on one GPU.

    Attributes
    ----------
    name : str
    parts : mapping of str to float
        Bytes by what they are for.
    advice : str
        What to change when it does not fit.
    problem : str
        Why it does not fit although its total might.
    """

    name: str
    parts: dict[str, float] = field(default_factory=dict)
    advice: str = ""
    problem: str = ""

    @property
    def total(self) -> float:
        """Bytes in all, fragments and CUDA's own included."""
        return sum(self.parts.values()) * (1 + _FRAGMENTS) + _CONTEXT


def trained_parameters(shape: ModelShape, tuning: TuningSettings) -> int:
    """Return how many parameters are trained."""
    if tuning.lora_rank:
        return tuning.lora_rank * shape.lora_width
    return shape.parameters - (shape.vision_parameters if tuning.freeze_vision else 0)


def states(shape: ModelShape, tuning: TuningSettings, gpus: int) -> dict[str, float]:
    """Return bytes of weights, gradients, optimizer and buffers on one of `gpus` GPUs."""
    every, trained = shape.parameters, trained_parameters(shape, tuning)
    zero = tuning.zero_stage
    if zero and tuning.bf16:
        weights, gradients, optimizer = 2.0 * every, 2.0 * trained, 12.0 * trained
    elif tuning.bf16 and tuning.lora_rank:
        weights, gradients, optimizer = 2.0 * every + 4.0 * trained, 4.0 * trained, 8.0 * trained
    else:
        weights, gradients, optimizer = 4.0 * every, 4.0 * trained, 8.0 * trained
    buffers = 0.0
    if tuning.fsdp:
        weights, gradients, optimizer = weights / gpus, gradients / gpus, optimizer / gpus
        buffers = 2 * 2.0 * every / shape.layers  # this layer and the next
    elif zero:
        optimizer /= gpus
        gradients /= gpus if zero >= 2 else 1
        weights /= gpus if zero == 3 else 1
        buffers = min(_BUCKETS, 4.0 * trained)
        if zero == 3:
            buffers += min(_GATHERED, 2.0 * every)
    else:
        buffers = 4.0 * trained if gpus > 1 else 0.0
        if tuning.bf16 and not tuning.lora_rank:
            buffers += 2.0 * trained
    return {
        "weights": weights,
        "gradients": gradients,
        "optimizer": optimizer,
        "buffers": buffers,
    }


def activations(
    shape: ModelShape, tuning: TuningSettings, *, sequences: int, tokens: int, frames_tokens: int
) -> dict[str, float]:
    """Return bytes kept to go backwards through `sequences` of `tokens` tokens each.

    Parameters
    ----------
    shape, tuning
    sequences, tokens : int
    frames_tokens : int
        Tokens of frames in each sequence.
    """
    size = 2.0 if tuning.bf16 else 4.0
    rows = float(sequences * tokens)
    patches = float(sequences * frames_tokens * shape.merge**2)
    layer, vision_layer = shape.layer_values * size, shape.vision_layer_values * size
    text = rows * (
        shape.layers * shape.hidden * size + layer
        if tuning.gradient_checkpointing
        else shape.layers * layer
    )
    if tuning.freeze_vision or tuning.lora_rank:
        vision = patches * vision_layer
    elif tuning.gradient_checkpointing:
        vision = patches * (shape.vision_layers * shape.vision_hidden * size + vision_layer)
    else:
        vision = patches * shape.vision_layers * vision_layer
    pixels = patches * 3 * shape.temporal_patch * shape.patch**2 * 4.0
    return {"activations": text, "vision": vision, "pixels": pixels, "logits": _LOGITS}


def training_stage(
    shape: ModelShape,
    tuning: TuningSettings,
    *,
    gpus: int,
    sequences: int,
    tokens: int,
    frames_tokens: int,
    reference: bool = False,
) -> Stage:
    """Return the stage that goes forwards and backwards.

    Parameters
    ----------
    shape, tuning
    gpus : int
    sequences : int
        A forward pass and GPU.
    tokens, frames_tokens : int
        Of the longest sequence, and how many of them are frames'.
    reference : bool
        Whether the starting policy is kept beside the one that is trained.
    """
    parts = states(shape, tuning, gpus) | activations(
        shape, tuning, sequences=sequences, tokens=tokens, frames_tokens=frames_tokens
    )
    if reference and not tuning.lora_rank:  # LoRA switches its adapters off instead
        bytes_a_weight = 2.0 if tuning.bf16 and tuning.zero_stage else 4.0
        shards = gpus if tuning.zero_stage == 3 or tuning.fsdp else 1
        parts["reference"] = bytes_a_weight * shape.parameters / shards
    return Stage("train", parts, _training_advice(tuning, sequences))


def state_advice(tuning: TuningSettings) -> str:
    """Return what makes weights, gradients and optimizer smaller."""
    options = ["more GPUs"]
    if not tuning.lora_rank and not tuning.divides_weights:
        options.insert(0, "--lora 64")
    highest = 2 if tuning.lora_rank else 3
    if not tuning.fsdp and tuning.zero_stage < highest:
        options.insert(0, f"--zero {min(highest, tuning.zero_stage + 2)} over several GPUs")
    return "; ".join(options)


def _training_advice(tuning: TuningSettings, sequences: int) -> str:
    options = []
    if not tuning.gradient_checkpointing:
        options.append("--gradient-checkpointing")
    if sequences > 1:
        options.append("a smaller --micro-batch-size")
    if not tuning.bf16:
        options.append("--bf16")
    return "; ".join([*options, state_advice(tuning), "shorter conversations"])
