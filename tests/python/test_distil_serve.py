"""The engine against a server it was not written with: `transformers serve` and a tiny model.

The model is a Llava of two layers with random weights: it babbles, so every attempt ends as malformed
or truncated; what is tested is that pictures, tools, streaming and token counts are understood.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from deepsport.trajectory import Status
from test_distil_engine import QUICK, run

pytest.importorskip("openai", reason="the extra [distil] is not installed")
pytestmark = [pytest.mark.train, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.content is string %}{{ m.content }}{% elif m.content %}{% for p in m.content %}"
    "{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model(folder):
    """A checkpoint of a Llava that fits anywhere."""
    transformers = pytest.importorskip("transformers", reason="the extra [train] is not installed")
    torch = pytest.importorskip("torch", reason="the extra [train] is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="the extra [train] is not installed")
    words = tokenizers.Tokenizer(tokenizers.models.BPE(byte_fallback=False))
    words.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel()
    words.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    words.train_from_iterator(["Which side wins? frame 12"], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    size = {"height": 28, "width": 28}
    processor = transformers.LlavaProcessor(
        image_processor=transformers.CLIPImageProcessorPil(
            size={"shortest_edge": 28}, crop_size=size
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=_TEMPLATE,
    )
    processor.save_pretrained(folder)
    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            **small, intermediate_size=64, image_size=28, patch_size=14
        ),
        text_config=transformers.LlamaConfig(
            **small,
            intermediate_size=64,
            vocab_size=len(tokenizer),
            max_position_embeddings=8192,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(0)
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)


class Served:
    """Address of the server, in the place of a FakeTeacher."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason="transformers[serving] is not installed")
    folder = tmp_path_factory.mktemp("model")
    make_model(folder)
    (folder / "hub").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment["HF_HUB_CACHE"] = str(folder / "hub")
    log = (folder / "serve.log").open("wb")
    with (
        log,
        subprocess.Popen(
            [sys.executable, *words, "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        deadline = time.monotonic() + 240
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
                    break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                text = (folder / "serve.log").read_text()
                assert process.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.5)
        yield Served(port), str(folder)
        process.terminate()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"stream": True},
        {"protocol": "tools"},
    ],
    ids=["text", "streamed", "tools"],
)
def test_a_served_model_gets_the_frames_and_its_tokens_are_counted(served, tmp_path, more):
    server, model = served
    teacher = {"model": model, "max_tokens": 12, "temperature": 0.0, "timeout_seconds": 120, **more}
    summary, trajectories = run(server, tmp_path, 2, teacher=teacher, pace=QUICK)
    assert summary.totals["failed"] == 0
    for t in trajectories.values():
        assert t.status in (Status.MALFORMED, Status.TRUNCATED), t.fault
        assert t.replies[0]
        assert t.usage["completion_tokens"] >= 1
        assert t.usage["prompt_tokens"] > 8 * 4  # a picture of 28 x 28 is four tokens
