"""The frame tool inside TRL's own GRPOTrainer: its loop calls the tool, sees the frames, and learns."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("trl", reason="trl is not installed")

pytestmark = pytest.mark.train

CALL = (
    '<tool_call>\n{"name": "choose_frames", "arguments": {"start_frame": 10, "end_frame": 60}}\n'
    "</tool_call><|im_end|>"
)
ANSWER = "It is a goal.<|im_end|>"


@pytest.mark.slow
def test_grpo_trainer_plays_and_trains_with_the_environment(tmp_path, monkeypatch):
    import datasets
    import torch
    import trl
    from trl import GRPOConfig, GRPOTrainer

    from deepsport.chat import load_checkpoint
    from deepsport.chat.processor import FramesProcessor
    from deepsport.integrations.trl_environment import frame_environment
    from tiny_world import world

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    small = world("qwen3_vl")
    checkpoint = load_checkpoint(small.model)
    # a released checkpoint has this template
    template = Path(trl.__path__[0]) / "chat_templates" / "qwen3_vl.jinja"
    checkpoint.tokenizer.chat_template = template.read_text(encoding="utf-8")

    class Processor(FramesProcessor):
        """What Qwen3VLProcessor does with images, without its videos, which need torchvision."""

        def replace_image_token(self, processed, image_idx, **_):
            places = int(processed["image_grid_thw"][image_idx].prod())
            return self.image_token * (places // self.image_processor.merge_size**2)

    tokenizer = checkpoint.tokenizer
    processor = Processor(checkpoint.image_processor, tokenizer, tokenizer.chat_template)

    seen = {}

    def reward(completions, environments, **_):
        seen["windows"] = [environment.windows for environment in environments]
        seen["messages"] = completions
        return [float(len(environment.windows)) for environment in environments]

    rows = [
        {"prompt": [{"role": "user", "content": "What happens?"}], "video": task.media[0].path}
        for task in small.tasks[:2]
    ]
    trainer = GRPOTrainer(
        model=checkpoint.model,
        processing_class=processor,
        reward_funcs=reward,
        train_dataset=datasets.Dataset.from_list(rows),
        environment_factory=frame_environment(
            small.media, frames_per_call=2, max_calls=1, max_side=56
        ),
        args=GRPOConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=2, num_generations=2, max_steps=1,
            max_completion_length=400, use_cpu=True, report_to=[], save_strategy="no",
            disable_tqdm=True, max_tool_calling_iterations=2, bf16=False,
        ),
    )  # fmt: skip
    before = {name: value.clone() for name, value in checkpoint.model.named_parameters()}
    turns = []

    def generate(prompt_ids, images, *_, **__):
        """Stand in for sampling, which random weights cannot: call once, then answer."""
        turns.append(images)
        # one of the two rollouts looks, so that their rewards differ
        texts = [CALL if len(turns) == 1 and k == 0 else ANSWER for k in range(len(prompt_ids))]
        tokens = tokenizer(texts, add_special_tokens=False)["input_ids"]
        return tokens, None

    monkeypatch.setattr(trainer, "_generate_single_turn", generate)
    trainer.train()

    assert seen["windows"] == [[(10, 60)], []]
    roles = [message["role"] for message in seen["messages"][0]]
    assert roles == ["assistant", "tool", "assistant"]
    blocks = seen["messages"][0][1]["content"]
    assert [block["type"] for block in blocks] == ["text", "image"] * 2
    assert len(turns) == 2
    assert len(turns[1][0]) == 2  # the frames that the tool showed are there for the next turn
    moved = [
        not torch.equal(before[name], value) for name, value in checkpoint.model.named_parameters()
    ]
    assert any(moved)


def test_what_broke_is_a_fault_and_what_was_asked_wrongly_is_refused(monkeypatch):
    from deepsport.errors import DecodeTimeoutError, ToolFailedError, TruncatedVideoError
    from deepsport.integrations.trl_environment import frame_environment
    from tiny_world import world

    small = world()
    environment = frame_environment(small.media, frames_per_call=2, max_calls=9)()
    row = {"video": small.tasks[0].media[0].path}
    environment.reset(**row)
    for asked in ((10**6, 10**6 + 9), (60, 10), (-5, -1)):
        [said] = environment.choose_frames(*asked)
        assert said["text"].startswith("error: ")
    environment.zoom(10**6, [0, 0, 500, 500])
    assert (environment.refused, environment.fault) == (4, "")
    for broken in (TruncatedVideoError, DecodeTimeoutError, ToolFailedError):

        def run(*_arguments, broken=broken):
            raise broken("the disk is gone")

        environment.reset(**row)
        assert (environment.refused, environment.fault) == (0, "")
        with monkeypatch.context() as patched:
            patched.setattr(environment._service, "run", run)
            [said] = environment.choose_frames(10, 60)
        assert said["text"] == "error: the disk is gone"
        assert (environment.refused, environment.fault) == (0, "the disk is gone")
        assert not environment.windows
