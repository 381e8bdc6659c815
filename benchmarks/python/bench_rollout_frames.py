"""What does encoding each frame once save, against TRL's own loop of environments?

Both trainers play the same scripted rollouts on a tiny model: eight first frames, three looks of
eight frames, an answer. Counted is how many pictures go through the image processor in one step of
play and scoring, and timed is the processor on frames of the paper's size.

    python benchmarks/python/bench_rollout_frames.py
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import datasets
import numpy as np
import transformers
import trl
from PIL import Image

from deepsport.chat import load_checkpoint
from deepsport.integrations.trl_environment import FrameEnvironment, frame_environment
from deepsport.protocol import uniform_indices
from deepsport.recipes import shape_folder
from deepsport.rl import RLSettings
from deepsport.rl.train import make_trainer
from deepsport.rollout.engine import Sampled
from deepsport.testbed.simulate import simulate
from deepsport.testbed.tasks import make_tasks
from deepsport.testbed.tiny import TinySize, make_tiny_checkpoint
from deepsport.tool import FrameSource, ToolSettings

GROUP, PROMPTS, LOOKS = 8, 2, 3
TOOL = ToolSettings(
    first_frames=8, frames_per_call=8, max_calls=LOOKS, max_width=56, max_height=56, style="compact"
)
SIZE = TinySize(hidden=32, layers=2, heads=2, key_value_heads=1, vision_hidden=32)


class ReleasedProcessor(transformers.Qwen2_5_VLProcessor):
    """The processor of the released checkpoints, without the part for videos, which needs torchvision."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **_) -> None:
        names = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
        names |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
        for name, token in names.items():
            setattr(self, f"{name}_token", token)
            setattr(self, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
        transformers.ProcessorMixin.__init__(
            self, image_processor, tokenizer, chat_template=chat_template
        )


class Counter:
    """Counts pictures that an image processor of a class is given."""

    def __init__(self, image_processor) -> None:
        self.count, self.seconds = 0, 0.0
        kind = type(image_processor)
        plain = kind.preprocess

        def counting(processor, images, *rest, **options):
            started = time.process_time()
            out = plain(processor, images, *rest, **options)
            self.seconds += time.process_time() - started
            self.count += len(out["image_grid_thw"])
            return out

        kind.preprocess = counting

    def take(self) -> int:
        count, self.count = self.count, 0
        return count


def window(rollout: int, look: int, same: bool) -> tuple[int, int]:
    start = 20 + 60 * look + (0 if same else 3 * rollout)
    return start, start + 24


def ours(model: Path, media: Path, tasks, counter: Counter, same: bool) -> int:
    settings = RLSettings(
        steps=1, prompts_per_step=PROMPTS, group_size=GROUP, tool=TOOL, show_every=0
    )

    class Script:
        concurrent = False

        def __init__(self, renderer) -> None:
            self.renderer, self.turn = renderer, 0

        def generate(self, transcripts):
            turn, self.turn = self.turn, self.turn + 1
            replies = []
            for place, _ in enumerate(transcripts):
                if turn < LOOKS:
                    call = {
                        "action": "choose_frames",
                        "frame_range": window(place % GROUP, turn, same),
                    }
                    text = f"<think></think><tool_call>{json.dumps(call)}</tool_call>"
                else:
                    text = "<think></think><answer>A</answer>"
                replies.append(Sampled(self.renderer.reply_ids(text)))
            return replies

    with tempfile.TemporaryDirectory() as out:
        trainer = make_trainer(tasks, model, media, out, settings)
        trainer.engine = Script(trainer.renderer)
        rows = [
            {"prompt": [{"role": "user", "content": task.task_id}]}
            for task in tasks[:PROMPTS]
            for _ in range(GROUP)
        ]
        counter.take()
        trainer._generate_and_score_completions(rows)  # noqa: SLF001 - one step of play
        frames = [len(played.frames) for played in trainer.played]
        assert set(frames) == {8 + 8 * LOOKS}, frames
        return counter.take()


def stock(model: Path, media: Path, tasks, counter: Counter, same: bool) -> int:
    checkpoint = load_checkpoint(model)
    template = Path(trl.__file__).parent / "chat_templates" / "qwen3_vl.jinja"
    tokenizer = checkpoint.tokenizer
    tokenizer.chat_template = template.read_text()
    tokenizer.response_template = trl.chat_template_utils.qwen3_template
    processor = ReleasedProcessor(
        checkpoint.image_processor, tokenizer, chat_template=tokenizer.chat_template
    )
    source = FrameSource(media)
    factory = frame_environment(media, max_calls=LOOKS, max_side=56)

    class Environment(FrameEnvironment):
        """Shows the first frames as well."""

        def reset(self, **row):
            text = super().reset(**row)
            count = source.video(row["video"]).frame_count
            first = source.frames(row["video"], uniform_indices(count, 8), (56, 56))
            blocks = [{"type": "image", "image": Image.fromarray(frame)} for frame in first]
            return [*blocks, {"type": "text", "text": text}]

    class Scripted(trl.GRPOTrainer):
        turn = 0

        def _generate_single_turn(self, prompt_ids, *_, **__):
            turn, self.turn = self.turn, self.turn + 1
            replies = []
            for place, _ids in enumerate(prompt_ids):
                text = "<answer>A</answer>"
                if turn < LOOKS:
                    start, stop = window(place % GROUP, turn, same)
                    call = {
                        "name": "choose_frames",
                        "arguments": {"start_frame": start, "end_frame": stop},
                    }
                    text = f"<tool_call>\n{json.dumps(call)}\n</tool_call>"
                replies.append(tokenizer(text + "<|im_end|>")["input_ids"])
            return replies, None

    def reward(completions, **_):
        return [float(number) for number in range(len(completions))]

    with tempfile.TemporaryDirectory() as out:
        rows = [
            {"prompt": [{"role": "user", "content": task.question}], "video": task.media[0].path}
            for task in tasks
        ]
        trainer = Scripted(
            checkpoint.model,
            [reward],
            args=trl.GRPOConfig(
                out, per_device_train_batch_size=GROUP * PROMPTS, num_generations=GROUP,
                max_completion_length=4096, max_steps=1, report_to=[], use_cpu=True, bf16=False,
                max_tool_calling_iterations=LOOKS + 1,
            ),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=processor,
            environment_factory=lambda: Environment(factory()._service, 8),  # noqa: SLF001
        )  # fmt: skip
        batch = [row for row in rows[:PROMPTS] for _ in range(GROUP)]
        counter.take()
        output = trainer._generate_and_score_completions(batch)  # noqa: SLF001 - one step of play
        assert set(output["num_images"]) == {8 + 8 * LOOKS}, output["num_images"]
        return counter.take()


def cost_of_a_frame() -> float:
    """Return the processor time of one 640x360 frame in the released processor, in seconds."""
    folder = shape_folder("Qwen2.5-VL-7B-Instruct")
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    rng = np.random.default_rng(0)
    frames = list(rng.integers(0, 255, (8, 360, 640, 3), np.uint8))
    times = []
    for _ in range(7):
        started = time.process_time()
        processor(images=frames, return_tensors="pt")
        times.append((time.process_time() - started) / len(frames))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        matches = simulate(place / "media", matches=PROMPTS, seed=0, clips=1)
        by_video = {task.media[0].path: task for task in make_tasks(matches)}
        tasks = [dataclasses.replace(task, split="train") for task in by_video.values()]
        make_tiny_checkpoint(place / "model", [task.question for task in tasks], size=SIZE)
        counter = Counter(load_checkpoint(place / "model").image_processor)
        each = cost_of_a_frame()
        counter.take()
        rollouts = GROUP * PROMPTS
        print(
            f"{platform.machine()}, one thread; {PROMPTS} prompts of {GROUP} rollouts, 8 first frames, "
            f"{LOOKS} looks of 8\n{1000 * each:.1f} ms of processor time a 640x360 frame\n"
        )
        print(
            f"{'windows of a group':<20}{'trainer':<12}{'frames encoded':>15}{'a rollout':>11}{'s at 640x360':>14}"
        )
        for same in (True, False):
            for name, play in (("deepsport", ours), ("TRL 1.16", stock)):
                count = play(place / "model", place / "media", tasks, counter, same)
                print(
                    f"{'the same' if same else '3 frames apart':<20}{name:<12}{count:>15}"
                    f"{count / rollouts:>11.1f}{count * each:>14.1f}"
                )


if __name__ == "__main__":
    main()
