"""Bad input of training, one test a kind: each gets a message that says what to do."""

from __future__ import annotations

import dataclasses
import json
import logging

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

from deepsport.chat import chat_template, collate, load_checkpoint, load_renderer
from deepsport.chat.guard import (
    refuse_video_blocks,
    refuse_vision_tokens,
    template_faults,
    without_none,
)
from deepsport.dataset.examples import ExampleFrames
from deepsport.errors import RecordFormatError, SettingsError
from deepsport.sft.preview import preview
from deepsport.task import Media
from deepsport.trajectory import FrameRef, Turn
from tiny_world import world

pytestmark = pytest.mark.train

# what the released Qwen2.5-VL template does with a message, in short: no tools, no markers
QWEN_2_5_VL = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}"
)
NO_TOOLS = (
    "{% for message in messages %}{% if message.role in ('user', 'assistant') %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}"
)


def test_a_trajectory_whose_videos_are_missing_is_refused_before_training(tmp_path):
    small = world()
    with pytest.raises(
        RecordFormatError, match=r"videos of \d+ examples are missing .*--media-root"
    ):
        preview(small.examples, small.model, tmp_path, max_tokens=1000)
    example = small.examples[0]
    task = dataclasses.replace(example.task, media=(Media("gone.mp4"),))
    with pytest.raises(RecordFormatError, match=r"gone\.mp4"):
        ExampleFrames(small.media).check([dataclasses.replace(example, task=task)])


def test_a_trajectory_that_shows_a_frame_its_video_lacks_is_refused():
    small = world()
    example = small.examples[0]
    turns = list(example.trajectory.turns)
    place = next(k for k, turn in enumerate(turns) if turn.frames)
    frames = (FrameRef(10**6, 1.0), *turns[place].frames[1:])
    turns[place] = Turn(turns[place].role, turns[place].text, frames)
    damaged = dataclasses.replace(example.trajectory, turns=tuple(turns))
    with pytest.raises(RecordFormatError, match=r"shows frame 1000000 .* which has"):
        ExampleFrames(small.media).check([dataclasses.replace(example, trajectory=damaged)])


def test_a_trajectory_whose_marks_and_frames_differ_is_refused():
    record = json.loads(json.dumps(world().trajectories[0].to_json()))
    record["turns"][1]["frames"].pop()
    with pytest.raises(RecordFormatError, match="the numbers must be equal"):
        type(world().trajectories[0]).from_json(record)


def test_our_own_template_has_no_faults():
    assert template_faults(chat_template()) == []


def test_what_a_foreign_template_lacks_is_named():
    qwen = " ".join(template_faults(QWEN_2_5_VL))
    assert "whose key 'image' is None" in qwen
    assert "{% generation %}" in qwen
    text_only = " ".join(template_faults(NO_TOOLS))
    assert "leaves out tool turns" in text_only
    assert template_faults(None) == ["there is no chat template"]
    assert "cannot render" in template_faults("{{ raise_exception('no tools here') }}")[0]


def test_a_checkpoint_with_such_a_template_says_so_and_gets_ours(tmp_path, caplog):
    import shutil

    shutil.copytree(world().model, tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").write_text(QWEN_2_5_VL)
    with caplog.at_level(logging.INFO):
        renderer = load_renderer(tmp_path / "model")
    assert "its chat template is not used" in caplog.text
    assert renderer.tokenizer.chat_template == chat_template()


def test_video_blocks_are_refused_where_only_images_are_safe():
    refuse_video_blocks([{"role": "user", "content": [{"type": "image", "video": None}]}])
    refuse_video_blocks([{"role": "user", "content": "text"}])
    for block in ({"type": "video"}, {"type": "text", "video": "a.mp4"}, {"type": "video_url"}):
        with pytest.raises(SettingsError, match="message 1 holds a video block"):
            refuse_video_blocks(
                [{"role": "system", "content": "x"}, {"role": "user", "content": [block]}]
            )


@pytest.mark.parametrize("kind", ["llama", "qwen2_vl", "no such thing"])
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, kind):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(SettingsError, match=r"qwen2_5_vl|cannot be loaded"):
        load_checkpoint(tmp_path)


def test_keys_that_a_data_set_filled_with_none_change_nothing():
    clean = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "A"}]},
    ]
    filled = [
        {"role": "user", "tool_calls": None, "content": [
            {"type": "image", "text": None, "image": None},
            {"type": "text", "text": "Who?", "image": None},
        ]},
        {"role": "assistant", "tool_calls": None, "content": [
            {"type": "text", "text": "A", "image": None},
        ]},
    ]  # fmt: skip
    assert without_none(filled) == clean
    tokenizer = load_renderer(world().model).tokenizer
    texts = [tokenizer.apply_chat_template(m, tokenize=False) for m in (clean, filled)]
    assert texts[0] == texts[1]
    assert texts[0].count("<|image_pad|>") == 1


def test_a_vision_token_that_a_model_sampled_is_refused_by_name():
    renderer = load_renderer(world().model)
    transcript = renderer.begin([Turn("user", "Who?")], [])
    renderer.reply(transcript, [renderer.image_id, renderer.end_id])
    with pytest.raises(SettingsError, match=r"vision token .*suppressed_ids"):
        collate([transcript], renderer, side="left")
    refuse_vision_tokens([renderer.image_id], [False], renderer.suppressed_ids)
