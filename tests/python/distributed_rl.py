"""One rank of reinforcement learning on scripted rollouts, started by torchrun from its test.

    torchrun ... distributed_rl.py MODEL TASKS MEDIA OUT SETTINGS_JSON

The rollouts are the same however many ranks there are, so that curves can be compared.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from deepsport.rl import RLSettings, engines, train
from deepsport.rollout.engine import Sampled
from deepsport.rollout.transformers_engine import TransformersEngine
from deepsport.task import read_tasks
from deepsport.tool import ToolSettings
from deepsport.tuning import TuningSettings
from divided_small import divide_small_parameters

LOOKS = ([100, 140], [60, 72])


class Script:
    """Of the rollouts of a prompt one answers at once, and two look in different places first."""

    concurrent = False

    def __init__(self, renderer):
        self.renderer = renderer

    def generate(self, transcripts):
        seen = {}
        replies = []
        for transcript in transcripts:
            prompt = tuple(transcript.ids)
            place = seen.get(prompt, 0)
            seen[prompt] = place + 1
            begun = self.renderer.tokenizer.decode(transcript.completion_ids)
            # two questions may have the same words: each group of 4 plays the same scripts
            replies.append(Sampled(self.renderer.reply_ids(self._text(place % 4, begun))))
        return replies

    def _text(self, place, begun):
        if begun:
            return f"<think></think><answer>{'A' if '100' in begun else 'B'}</answer>"
        if place % 3 == 2:
            return "<think></think><answer>C</answer>"
        call = json.dumps({"action": "choose_frames", "frame_range": LOOKS[place % 3]})
        return f"<think></think><tool_call>{call}</tool_call>"


class Unequal(TransformersEngine):
    """The engine itself, whose replies are replaced so that the first rank has fewer turns."""

    def generate(self, transcripts):
        super().generate(transcripts)
        first = torch.distributed.get_rank() == 0
        call = json.dumps({"action": "choose_frames", "frame_range": LOOKS[0]})
        look, answer = (
            self.renderer.reply_ids(f"<think></think>{said}")
            for said in (f"<tool_call>{call}</tool_call>", "<answer>A</answer>")
        )
        return [
            Sampled(answer if first or any(transcript.trainable) else look)
            for transcript in transcripts
        ]


def main() -> None:
    model, tasks, media, out, text = sys.argv[1:]
    record = json.loads(text)
    interrupt = record.pop("interrupt_after", None)
    unequal = record.pop("unequal_turns", False)
    settings = RLSettings(
        **record
        | {
            "tool": ToolSettings.from_json(record["tool"]),
            "tuning": TuningSettings(**record["tuning"]),
        }
    )
    plain = train.make_trainer

    def scripted(*arguments):
        trainer = plain(*arguments)
        if not unequal:
            trainer.engine = Script(trainer.renderer)
        if interrupt is not None:
            from transformers import TrainerCallback

            class Stop(TrainerCallback):
                def on_step_end(self, args, state, control, **_):
                    control.should_training_stop = state.global_step >= interrupt

            trainer.add_callback(Stop())
        return trainer

    train.make_trainer = scripted
    engines.TransformersEngine = Unequal
    divide_small_parameters()
    train.train_rl(list(read_tasks(tasks)), model, media, Path(out), settings)


if __name__ == "__main__":
    main()
