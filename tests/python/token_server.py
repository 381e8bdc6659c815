"""A small server with vLLM's token endpoints and a model of transformers behind it.

``/v1/models``, ``/v1/chat/completions/render`` and ``/inference/v1/generate`` as ``vllm serve
--enable-scale-out`` has them, over real HTTP; one request at a time reaches the model.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch
from PIL import Image

__all__ = ["TokenServer", "serving"]


class TokenServer:
    """The work behind the endpoints, and what tests want to know of it."""

    def __init__(self, checkpoint) -> None:
        self.model, self.renderer = checkpoint.model, checkpoint.renderer
        self.rendered = self.forgotten = 0
        self.fail_with: int | None = None
        self.cut_answers = 0  # how many of the next answers end before their length
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._count = threading.Lock()

    def answer(self, path, record):
        if path == "/v1/models":
            return {"data": [{"id": "tiny"}]}
        if path == "/v1/chat/completions/render":
            return self._render(record)
        if path == "/reset_encoder_cache":
            self.forgotten += 1
            return {}
        if path == "/inference/v1/generate":
            with self._count:
                self._under_way += 1
                self.most_at_once = max(self.most_at_once, self._under_way)
            try:
                return self._generate(record)
            finally:
                with self._count:
                    self._under_way -= 1
        return None

    def _render(self, record):
        assert record["model"] == "tiny"
        [part] = record["messages"][0]["content"]
        data = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
        pixels = np.asarray(Image.open(io.BytesIO(data)))
        with self._lock:
            self.rendered += 1
            out = self.renderer.encoder.image_processor(images=[pixels], return_tensors="pt")
        grid = out["image_grid_thw"][0].tolist()
        values = out["pixel_values"].numpy()
        length = int(np.prod(grid)) // self.renderer.encoder.merge_length
        packed = [grid, list(values.shape), base64.b64encode(values.tobytes()).decode()]
        return {
            "features": {
                "mm_hashes": {"image": [hashlib.sha256(data).hexdigest()]},
                "mm_placeholders": {"image": [{"offset": 1, "length": length}]},
                "kwargs_data": {"image": [json.dumps(packed)]},
            }
        }

    def _generate(self, record):
        ids = torch.tensor([record["token_ids"]])
        batch = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": (ids == self.renderer.image_id).long(),
        }
        features = record["features"]
        if features:
            for place in features["mm_placeholders"]["image"]:
                run = ids[0, place["offset"] : place["offset"] + place["length"]]
                assert (run == self.renderer.image_id).all()
            packed = [json.loads(text) for text in features["kwargs_data"]["image"]]
            batch["image_grid_thw"] = torch.tensor([grid for grid, _, _ in packed])
            values = [
                np.frombuffer(base64.b64decode(data), np.float32).reshape(shape)
                for _, shape, data in packed
            ]
            batch["pixel_values"] = torch.from_numpy(np.concatenate(values))
        options = record["sampling_params"]
        greedy = options["temperature"] == 0
        sampled = {} if greedy else {"temperature": options["temperature"], "top_k": 0}
        with self._lock, torch.no_grad():
            out = self.model.eval().generate(
                **batch, max_new_tokens=options["max_tokens"], do_sample=not greedy, **sampled,
                eos_token_id=options["stop_token_ids"], pad_token_id=self.renderer.pad_id,
                suppress_tokens=[int(token) for token in options["logit_bias"]],
                return_dict_in_generate=True, output_scores=True,
            )  # fmt: skip
        new = out.sequences[0, ids.shape[1] :].tolist()
        scores = [score[0].log_softmax(-1) for score in out.scores]
        content = [
            {"token": f"token_id:{token}", "logprob": float(score[token])}
            for token, score in zip(new, scores, strict=True)
        ]
        return {"choices": [{"token_ids": new, "logprobs": {"content": content}}]}


@contextmanager
def serving(server: TokenServer):
    """Serve while the context lasts; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._send(server.answer(self.path, None))

        def do_POST(self):
            length = int(self.headers["Content-Length"])
            record = json.loads(self.rfile.read(length) or b"null")
            if server.fail_with is not None:
                self._send({"error": "as the test asked"}, server.fail_with)
            else:
                self._send(server.answer(self.path, record))

        def _send(self, record, status=200):
            body = json.dumps(record).encode()
            self.send_response(404 if record is None else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if server.cut_answers and self.command == "POST":
                server.cut_answers -= 1
                self.close_connection = True
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
