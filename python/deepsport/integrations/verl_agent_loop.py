"""Our episode as an agent loop of verl, for agentic reinforcement learning over Ray.

verl brings workers, engines and updates; what a turn, a budget, a fault and a reward are is ours, as
in `deepsport rl`. In the file that ``actor_rollout_ref.rollout.agent.agent_loop_config_path`` names:

    - name: deepsport
      _target_: deepsport.integrations.verl_agent_loop.EpisodeAgentLoop
      media_root: /data/videos
      reward: deepsport-v1
      tool: {max_calls: 5}

and the data from :func:`write_rows`. See docs/engines.md for what differs from `deepsport rl`.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from deepsport.chat import ChatRenderer, FrameEncoder, ShownFrame, Transcript
from deepsport.distil.first_frames import solved_at_first
from deepsport.errors import MissingExtraError, SettingsError
from deepsport.rl.rewards import rewards_of
from deepsport.rl.rollouts import played
from deepsport.rollout import Episode, Reply
from deepsport.rollout.vllm_engine import collapse_frames, sampling_parameters
from deepsport.task import Task
from deepsport.tool import FrameSource, ToolSettings

try:
    from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput
except ImportError as error:
    raise MissingExtraError(f"verl is needed for this agent loop: {error}") from error

__all__ = ["EpisodeAgentLoop", "write_rows"]


class EpisodeAgentLoop(AgentLoopBase):
    """Play one episode; verl makes one object a rollout, those of a worker share decoded frames.

    Parameters
    ----------
    media_root : str
        Folder that the tasks' media paths are relative to.
    reward : str
        Preset of `deepsport.reward`.
    tool : mapping
        See :class:`deepsport.tool.ToolSettings`.
    max_reply_tokens : int
        Longest reply.
    mask_truncated : bool
        A rollout that the response length or `max_reply_tokens` cut off carries no gradient.
    *args, **kwargs
        Of verl.
    """

    def __init__(
        self,
        *args: Any,
        media_root: str,
        reward: str = "deepsport-v1",
        tool: Mapping[str, Any] | None = None,
        max_reply_tokens: int = 1024,
        mask_truncated: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._settings = ToolSettings.from_json(dict(tool or {}))
        self._source = _source(media_root)
        self._reward, self._max_reply_tokens = reward, max_reply_tokens
        self._mask_truncated = mask_truncated
        image_processor = getattr(self.processor, "image_processor", None)
        if image_processor is None:
            raise SettingsError(
                "the agent loop needs the processor of a Qwen-VL checkpoint, verl has none; valid is a "
                "vision-language model in actor_rollout_ref.model.path"
            )
        self._renderer, self._lock = _renderer(self.tokenizer, image_processor, self._settings.form)

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput:
        """Play the task of a row; return its tokens with what earned what."""
        task = Task.from_json(json.loads(kwargs["extra_info"]["task"]))
        request = uuid4().hex
        episode = await asyncio.to_thread(
            Episode, task, self._source, self._settings, policy="verl"
        )
        room = int(self.rollout_config.response_length)
        options = self._options(sampling_params)
        transcript, read, turns = Transcript(), 0, 0
        while not episode.done:
            before = len(transcript.ids), len(transcript.frames)
            await asyncio.to_thread(self._catch_up, transcript, episode, read)
            left = transcript.prompt_length + room - len(transcript.ids)
            answers, read, turns = bool(read), len(episode.turns), turns + 2
            if left < 1:
                if answers:  # an observation that does not fit, with its frames
                    transcript.forget(*before)
                episode.observe(Reply("", truncated=True))
                break
            output = await self.server_manager.generate(
                request_id=request,
                prompt_ids=list(transcript.ids),
                sampling_params={**options, "max_tokens": min(self._max_reply_tokens, left)},
                image_data=[_picture(frame) for frame in transcript.frames],
            )
            ids = [int(token) for token in output.token_ids]
            log_probs = output.log_probs
            self._renderer.reply(transcript, ids, list(log_probs) if log_probs else None)
            cut_off = not ids or ids[-1] != self._renderer.end_id
            reply = Reply(self._renderer.reply_text(ids), truncated=cut_off)
            await asyncio.to_thread(episode.observe, reply)
        return await asyncio.to_thread(self._output, episode, transcript, turns)

    def _options(self, sampling_params: Mapping[str, Any]) -> dict[str, Any]:
        """Return verl's sampling with the end of a turn, and frame tokens ruled out."""
        from deepsport.rollout.engine import Sampling

        ours = sampling_parameters(Sampling(), self._renderer)
        kept = {"stop_token_ids": ours["stop_token_ids"]}
        if self.rollout_config.name == "vllm":
            kept["logit_bias"] = ours["logit_bias"]
        return {**sampling_params, **kept}

    def _catch_up(self, transcript: Transcript, episode: Episode, read: int) -> None:
        path = episode.task.media[0].path
        references = [frame for turn in episode.turns for frame in turn.frames]
        frames = [
            ShownFrame(pixels, (path, reference.index))
            for reference, pixels in zip(references, episode.images, strict=True)
        ]
        with self._lock:
            if not read:
                begun = self._renderer.begin(episode.turns, frames)
                transcript.append(begun.ids, trainable=False)
                transcript.frames, transcript.prompt_length = begun.frames, begun.prompt_length
                return
            begin = len(transcript.frames)
            for turn in episode.turns[read:]:
                if turn.role != "assistant":
                    end = begin + len(turn.frames)
                    self._renderer.observe(transcript, turn, frames[begin:end])
                    begin = end

    def _output(self, episode: Episode, transcript: Transcript, turns: int) -> AgentLoopOutput:
        with self._lock:
            rollout = played(episode, transcript, self._renderer, self._source)
        solved = solved_at_first(episode.task)
        parts = rewards_of(
            [rollout],
            self._reward,
            self._settings,
            {} if solved is None else {episode.task.task_id: solved},
            mask_truncated=self._mask_truncated,
        )
        masked, mask = bool(parts.masked[0]), rollout.completion_mask
        longest = self._longest(rollout.completion_ids)
        frames = _runs([*rollout.prompt_ids, *rollout.completion_ids[:longest]], self._renderer)
        log_probs = [0.0 if math.isnan(p) else p for p in rollout.log_probs]
        return AgentLoopOutput(
            prompt_ids=rollout.prompt_ids,
            response_ids=rollout.completion_ids[:longest],
            response_mask=([0] * len(mask) if masked else mask)[:longest],
            response_logprobs=log_probs[:longest],
            multi_modal_data={"images": [_picture(frame) for frame in rollout.frames[:frames]]},
            reward_score=0.0 if masked else float(parts.total[0]),
            num_turns=turns,
            metrics={},
            extra_fields={
                "turn_scores": [],
                "tool_rewards": [],
                "masked": masked,
                "calls": len(rollout.trajectory.calls),
                "accuracy": 0.0 if masked else float(parts.accuracy[0]),
            },
        )

    def _longest(self, ids: Sequence[int]) -> int:
        """Return how many tokens of a response fit, without a frame that would be cut."""
        longest = min(len(ids), int(self.rollout_config.response_length))
        vision = self._renderer.suppressed_ids
        if longest < len(ids) and ids[longest] in vision:
            while longest and ids[longest - 1] in vision:
                longest -= 1
        return longest


def write_rows(tasks: Iterable[Task], path: Path | str) -> int:
    """Write tasks as the Parquet rows that verl reads; return their number.

    Raises
    ------
    MissingExtraError
        Without pyarrow.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError("rows for verl need pyarrow: pip install pyarrow") from error
    rows = [
        {
            "data_source": f"deepsport/{task.source or 'tasks'}",
            "agent_name": "deepsport",
            # shown nowhere: the agent loop writes the conversation, verl counts its length
            "prompt": [{"role": "user", "content": task.question}],
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {
                "index": number,
                "split": task.split,
                "task": json.dumps(task.to_json(), ensure_ascii=False),
            },
        }
        for number, task in enumerate(tasks)
    ]
    if not rows:
        raise SettingsError("no task to write for verl; valid is one or more")
    pa.parquet.write_table(pa.Table.from_pylist(rows), str(path))
    return len(rows)


def _runs(ids: Sequence[int], renderer: ChatRenderer) -> int:
    """Return how many frames ids have places for."""
    return collapse_frames(ids, renderer.image_id).count(renderer.image_id)


def _picture(frame: ShownFrame) -> Any:
    from PIL import Image

    return Image.fromarray(frame.pixels)


@lru_cache(maxsize=4)
def _source(media_root: str) -> FrameSource:
    """Return the source that the rollouts of this worker share."""
    return FrameSource(media_root)


_renderers: dict[Any, tuple[Any, ChatRenderer, threading.Lock]] = {}


def _renderer(
    tokenizer: Any, image_processor: Any, form: Any
) -> tuple[ChatRenderer, threading.Lock]:
    """Return the renderer that the rollouts of this worker share, and the lock to use it under."""
    key = (id(tokenizer), id(image_processor), form)
    found = _renderers.get(key)
    if found is None or found[0] is not tokenizer:
        renderer = ChatRenderer(tokenizer, FrameEncoder(image_processor), form)
        found = _renderers[key] = (tokenizer, renderer, threading.Lock())
    return found[1], found[2]
