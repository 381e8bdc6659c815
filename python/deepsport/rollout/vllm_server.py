"""A vLLM server as a rollout engine: token ids in, token ids and log-probabilities out.

Speaks the two endpoints that ``vllm serve --enable-scale-out`` (0.30 and later) adds to the
OpenAI-compatible ones: ``/v1/chat/completions/render`` turns a frame into what the model takes, once
a frame, and ``/inference/v1/generate`` continues a conversation given as ids with those frames. A
chat endpoint would render and tokenise the conversation again, and then the tokens of the loss
are not those that were sampled. Any server that answers the two will do.
"""

from __future__ import annotations

import base64
import http.client
import io
import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from deepsport.chat import ChatRenderer, ShownFrame, Transcript
from deepsport.errors import EndpointError, SettingsError
from deepsport.rollout.engine import Sampled, Sampling
from deepsport.rollout.vllm_engine import sampling_parameters
from deepsport.trajectory import Fault

__all__ = ["VllmServerEngine"]

_FINAL_ONLY = 2  #: vLLM's RequestOutputKind: one answer a request, when it is complete


@dataclass(frozen=True, slots=True)
class _Feature:
    """One frame as the server has processed it."""

    mm_hash: str
    data: Any
    length: int


class VllmServerEngine:
    """Generate with a server; safe to share between threads.

    Parameters
    ----------
    url : str
        Address without ``/v1``.
    renderer : ChatRenderer
    sampling : Sampling
    timeout_seconds : float
        For one request.
    retries : int
        Of requests that failed for passing reasons (connection, 429, 5xx), with growing pauses.
    parallel : int
        Requests under way at once when `generate` is given several transcripts.
    cache_frames : int
        Processed frames kept, least recently used first to go.

    Raises
    ------
    EndpointError
        When the server does not answer.
    SettingsError
        When the address is none, or it serves several models.
    """

    concurrent = True

    def __init__(
        self,
        url: str,
        renderer: ChatRenderer,
        sampling: Sampling | None = None,
        *,
        timeout_seconds: float = 600.0,
        retries: int = 4,
        parallel: int = 64,
        cache_frames: int = 4096,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingsError(f"server {url!r}: valid is an address, http://HOST:PORT")
        self.url = url.rstrip("/").removesuffix("/v1")
        self.renderer = renderer
        self.sampling = sampling or Sampling()
        self._timeout, self._retries = timeout_seconds, retries
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="vllm-server")
        self._cache_frames = cache_frames
        self._features: OrderedDict[Any, Future[_Feature]] = OrderedDict()
        self._lock = threading.Lock()
        self._parameters = {
            **sampling_parameters(self.sampling, renderer),
            "output_kind": _FINAL_ONLY,
        }
        self.model = self._only_model()

    def generate(self, transcripts: Sequence[Transcript]) -> list[Sampled]:
        """Return one continuation a transcript; a request that fails is a fault."""
        if len(transcripts) == 1:
            return [self._one(transcripts[0])]
        return list(self._threads.map(self._one, transcripts))

    def forget_encoded_frames(self) -> None:
        """Have the server forget what its vision tower made of frames: the tower has new weights.

        Raises
        ------
        EndpointError
            When it does not: frames would be read with the weights before.
        """
        try:
            self._request("/reset_encoder_cache", b"")
        except OSError as error:
            raise EndpointError(
                f"the rollout server {self.url} does not forget encoded frames ({error}); valid is a "
                "server started with VLLM_SERVER_DEV_MODE=1, or --freeze-vision"
            ) from error

    def _one(self, transcript: Transcript) -> Sampled:
        try:
            features = [self._feature(frame) for frame in transcript.frames]
            record = {
                "request_id": f"deepsport-{uuid.uuid4().hex}",
                "model": self.model,
                "token_ids": transcript.ids,
                "features": self._placed(transcript, features),
                "sampling_params": self._parameters,
            }
            choice = self._post("/inference/v1/generate", record)["choices"][0]
            ids = [int(token) for token in choice["token_ids"]]
            return Sampled(ids, _log_probs(choice.get("logprobs"), ids))
        except SettingsError:
            raise
        except TimeoutError as error:
            return Sampled([], fault=_fault("timeout", self.url, error))
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            return Sampled([], fault=_fault("network", self.url, error))

    def _placed(self, transcript: Transcript, features: Sequence[_Feature]) -> Any:
        """Join frames and say where in the ids each lies."""
        if not features:
            return None
        runs = _runs(transcript.ids, self.renderer.image_id)
        found, wanted = [length for _, length in runs], [f.length for f in features]
        if found != wanted:
            raise SettingsError(
                f"the server makes {wanted} tokens of the frames, the conversation has {found}; "
                "valid is the same preprocessor_config.json on both sides: start the server from the "
                "checkpoint that is trained"
            )
        return {
            "mm_hashes": {"image": [feature.mm_hash for feature in features]},
            "mm_placeholders": {"image": [{"offset": o, "length": n} for o, n in runs]},
            "kwargs_data": {"image": [feature.data for feature in features]},
        }

    def _feature(self, frame: ShownFrame) -> _Feature:
        """Have a frame processed by the server, once for all turns and rollouts."""
        if frame.key is None:
            return self._render(frame)
        key = (frame.key, frame.pixels.shape)
        with self._lock:
            made = self._features.get(key)
            if made is not None:
                self._features.move_to_end(key)
            else:
                mine: Future[_Feature] = Future()
                self._features[key] = mine
                while len(self._features) > self._cache_frames:
                    self._features.popitem(last=False)
        if made is not None:
            return made.result()  # perhaps still under way in another thread
        try:
            mine.set_result(self._render(frame))
        except BaseException as error:  # noqa: BLE001 - who waits for this frame gets it too
            with self._lock:
                self._features.pop(key, None)
            mine.set_exception(error)
        return mine.result()

    def _render(self, frame: ShownFrame) -> _Feature:
        content = [{"type": "image_url", "image_url": {"url": _data_url(frame)}}]
        record = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": 1,
        }
        answer = self._post("/v1/chat/completions/render", record)["features"]
        # none: the server has it, by its hash
        data = answer.get("kwargs_data") or {"image": [None]}
        return _Feature(
            answer["mm_hashes"]["image"][0],
            data["image"][0],
            int(answer["mm_placeholders"]["image"][0]["length"]),
        )

    def _only_model(self) -> str:
        try:
            offered = [model["id"] for model in self._request("/v1/models")["data"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EndpointError(
                f"the rollout server {self.url} does not answer ({error}); valid is a running "
                "`vllm serve`, see docs/engines.md"
            ) from error
        if len(offered) != 1:
            raise SettingsError(
                f"the rollout server {self.url} offers {offered}; valid is one model, the one trained"
            )
        return str(offered[0])

    def _post(self, path: str, record: Any) -> Any:
        return self._request(path, json.dumps(record).encode())

    def _request(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - http and https only, checked above
            self.url + path, body, {"Content-Type": "application/json"}
        )
        for attempt in range(self._retries + 1):
            try:
                with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                    return json.loads(answer.read() or b"null")
            except urllib.error.HTTPError as error:
                with error:  # it holds the connection
                    passing = error.code == 429 or error.code >= 500
                    if not passing or attempt == self._retries:
                        raise OSError(self._explain(path, error)) from None
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException) as error:
                # the latter as when an answer ends before its length; they are no OSError
                if attempt == self._retries:
                    raise OSError(f"{path}: {type(error).__name__}: {error}") from error
            time.sleep(min(30.0, 0.5 * 2**attempt))
        raise AssertionError("unreachable")

    def _explain(self, path: str, error: urllib.error.HTTPError) -> str:
        if error.code == 404 and path not in ("/v1/models", "/reset_encoder_cache"):
            return (
                f"{path} is not served; valid is `vllm serve --enable-scale-out` of 0.30 or later"
            )
        return f"{path}: HTTP {error.code}: {error.read(400).decode(errors='replace')}"


def _runs(ids: Sequence[int], image_id: int) -> list[tuple[int, int]]:
    """Return (offset, length) of each run of frame tokens."""
    runs: list[tuple[int, int]] = []
    for place, token in enumerate(ids):
        if token != image_id:
            continue
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def _log_probs(record: Any, ids: Sequence[int]) -> list[float] | None:
    """Return the log-probability of each token, or None when the server sent none."""
    if not record:
        return None
    values = [float(entry["logprob"]) for entry in record["content"]]
    if len(values) != len(ids):
        raise ValueError(f"{len(values)} log-probabilities for {len(ids)} tokens")
    return values


def _data_url(frame: ShownFrame) -> str:
    """Encode a frame without loss."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame.pixels).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _fault(kind: Literal["timeout", "network"], url: str, error: Exception) -> Fault:
    return Fault(kind, f"{url}: {type(error).__name__}: {error}"[:500])
