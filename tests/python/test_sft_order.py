"""Supervised training in stages and in even batches: which example comes when, and that it trains so."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

pytest.importorskip("trl", reason="TRL is not installed")
pytest.importorskip("av", reason="PyAV is not installed")

from hypothesis import given
from hypothesis import strategies as st

from deepsport.chat import IGNORED, load_renderer
from deepsport.curve import read_curve
from deepsport.dataset.examples import ExampleFrames
from deepsport.errors import SettingsError
from deepsport.sft import SFTSettings
from deepsport.sft.order import StagedOrder, padding_share, stage_numbers, training_order
from deepsport.sft.train import ExampleCollator, train_sft
from deepsport.tuning import TuningSettings
from tiny_world import world

pytestmark = pytest.mark.train


def graded(*difficulties):
    example = world().examples[0]
    return [
        dataclasses.replace(example, task=dataclasses.replace(example.task, difficulty=name))
        for name in difficulties
    ]


def test_stages_follow_the_order_that_was_asked_for():
    examples = graded("hard", "easy", "medium", "easy")
    assert stage_numbers(examples, "difficulty") == [2, 0, 1, 0]
    assert stage_numbers(examples, "difficulty=medium,hard,easy") == [1, 2, 0, 2]
    assert stage_numbers(graded("10", "2", "2.5"), "difficulty") == [2, 0, 1]
    assert stage_numbers(examples, "") == [0, 0, 0, 0]
    sports = sorted({example.task.sport for example in world().examples})
    numbers = stage_numbers(world().examples, "sport=" + ",".join(sports))
    assert [sports[n] for n in numbers] == [example.task.sport for example in world().examples]


@pytest.mark.parametrize(
    ("curriculum", "message"),
    [
        ("difficulty=easy,hard", r"medium; valid names each .* easy \(1\)"),
        ("difficulty=easy,medium,hard,easy", "a name twice"),
        ("length", "valid are source, dimension"),
        ("source", "say in which order"),
    ],
)
def test_a_stage_that_would_be_left_out_in_silence_is_an_error(curriculum, message):
    with pytest.raises(SettingsError, match=message):
        stage_numbers(graded("easy", "medium", "hard"), curriculum)


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 3)), min_size=1, max_size=200),
    st.integers(1, 8),
    st.booleans(),
    st.integers(0, 5),
)
def test_every_example_comes_once_and_stages_in_order(rows, group, even, epoch):
    lengths, stages = zip(*rows, strict=True)
    options = {"group": group, "even": even, "seed": 3, "epoch": epoch}
    order = training_order(lengths, stages, **options)
    assert Counter(order) == Counter(range(len(rows)))
    seen = [stages[place] for place in order]
    assert seen == sorted(seen)
    assert order == training_order(lengths, stages, **options)


def test_even_batches_hold_less_padding_and_change_with_the_epoch():
    import random

    rng = random.Random(0)
    lengths = [rng.choice([200, 900, 3000, 9000]) + rng.randrange(100) for _ in range(640)]
    plain, even, later = (
        training_order(lengths, [0] * 640, group=8, even=even, seed=0, epoch=epoch)
        for even, epoch in ((False, 0), (True, 0), (True, 1))
    )
    assert padding_share(plain, lengths, 4) > 0.4
    assert padding_share(even, lengths, 4) < 0.06
    assert even != later
    # what ranks work on at the same time holds about as much: the worst rank against the mean
    groups = [even[i : i + 8] for i in range(0, 640, 8)]
    loads = [[max(lengths[p] for p in g[r : r + 4]) for r in (0, 4)] for g in groups]
    waits = [max(load) / (sum(load) / 2) for load in loads]
    assert sum(waits) / len(waits) < 1.1


def test_padding_is_added_up_by_hand():
    assert padding_share([0, 1, 2], [10, 5, 4], 2) == pytest.approx(1 - 19 / (10 + 10 + 4))


def test_the_sampler_goes_through_an_epoch():
    order = StagedOrder([5, 6, 7], [1, 0, 1], group=1, even=False, seed=0)
    assert len(order) == 3
    assert next(iter(order)) == 1
    order.set_epoch(1)
    assert sorted(order) == [0, 1, 2]


def test_labels_decode_to_what_the_teacher_wrote_and_nothing_else():
    small = world()
    renderer, frames = load_renderer(small.model), ExampleFrames(small.media)
    collator = ExampleCollator(small.examples, renderer, frames)
    chosen = [0, 3, 5]
    batch = collator([{"example": place} for place in chosen])
    for row, place in enumerate(chosen):
        kept = batch["labels"][row] != IGNORED
        assert (batch["labels"][row][kept] == batch["input_ids"][row][kept]).all()
        said = renderer.tokenizer.decode(batch["labels"][row][kept])
        example = small.examples[place]
        replies = zip(example.trajectory.replies, example.trained, strict=True)
        assert said == "".join(f"{text}<|im_end|>" for text, trained in replies if trained)
        shown = sum(len(turn.frames) for turn in example.trajectory.turns)
        tool = [turn for turn in example.trajectory.turns if turn.role == "tool" and turn.frames]
        assert tool, "the frames of a tool turn are what is hard"
        frame_tokens = int((batch["input_ids"][row] == renderer.image_id).sum())
        assert frame_tokens == shown * 4
    merged = batch["image_grid_thw"].prod(1).sum() // renderer.encoder.merge_length
    assert int(merged) == int((batch["input_ids"] == renderer.image_id).sum())


def test_training_sees_the_stages_in_order_also_after_a_stop(tmp_path, monkeypatch):
    from deepsport.tuning.watch import Watch

    small = world()
    sports = sorted({example.task.sport for example in small.examples})
    settings = SFTSettings(
        steps=6, batch_size=2, warmup_steps=0, workers=0, save_steps=2, learning_rate=1e-3,
        curriculum="sport=" + ",".join(reversed(sports)), even_batches=True,
        tuning=TuningSettings(bf16=True, gradient_checkpointing=True, freeze_vision=True),
    )  # fmt: skip
    seen = []
    plain = ExampleCollator.__call__

    def spy(self, rows):
        seen.append([self.examples[row["example"]].task.sport for row in rows])
        return plain(self, rows)

    monkeypatch.setattr(ExampleCollator, "__call__", spy)
    train_sft(small.examples, small.model, small.media, tmp_path / "whole", settings)
    stages = [sports.index(name) for batch in seen for name in batch]
    assert stages[:12] == sorted(stages[:12], reverse=True)
    assert len(set(stages)) == len(sports)

    end = Watch.on_step_end

    def interrupt(self, args, state, control, **rest):
        self.interrupted = state.global_step == 2
        end(self, args, state, control, **rest)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_step_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_sft(small.examples, small.model, small.media, tmp_path / "cut", settings)
    train_sft(small.examples, small.model, small.media, tmp_path / "cut", settings)
    whole, cut = (
        [record["loss"] for record in read_curve(tmp_path / name / "curve.jsonl")]
        for name in ("whole", "cut")
    )
    assert cut == pytest.approx(whole, abs=1e-3)
