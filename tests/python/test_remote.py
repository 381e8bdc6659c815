"""Videos at addresses: read in ranges, not whole."""

from __future__ import annotations

import contextlib
import http.server
import os
import pickle
import re
import signal
import subprocess
import threading

import numpy as np
import pytest

import deepsport
from clips import need_ffmpeg
from deepsport.errors import DeepsportError, UnsupportedVideoError, VideoIOError, VideoNotFoundError
from deepsport.remote import BLOCK_BYTES, RangeReader

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


@contextlib.contextmanager
def web(files, *, ranges=True):
    """Serve {name: bytes}; yields the address and a list of the bytes sent a request."""
    sent = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(with_body=False)

        def do_GET(self):
            self.answer(with_body=True)

        def answer(self, *, with_body):
            data = files.get(self.path.strip("/"))
            if data is None:
                self.send_error(404)
                return
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
            first, last = 0, len(data) - 1
            if asked and ranges:
                first, last = int(asked[1]), min(int(asked[2] or last), last)
            body = data[first : last + 1]
            self.send_response(206 if asked and ranges else 200)
            self.send_header("Content-Length", str(len(body)))
            if ranges:
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.end_headers()
            if with_body:
                sent.append(len(body))
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def fat_clip(made_clip, tmp_path_factory):
    """The clip with 20 MB of silence behind its frames, as a long broadcast would be."""
    data = made_clip("h264-b-pyramid").read_bytes()
    padding = 20 << 20
    return data + (padding + 8).to_bytes(4, "big") + b"free" + bytes(padding)


def test_frames_over_http_equal_those_of_the_file(made_clip):
    clip = made_clip("h264-b-pyramid")
    expected = deepsport.open(clip).at([0, 17, 49])
    with web({"clip.mp4": clip.read_bytes()}) as (address, _):
        video = deepsport.open(f"{address}/clip.mp4", index_cache=False)
        found = video.at([0, 17, 49])
        again = pickle.loads(pickle.dumps(video))
        assert again.frame_count == 50
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.pts_seconds, expected.pts_seconds)


def test_a_big_file_is_read_by_ranges_and_not_whole(fat_clip):
    with web({"clip.mp4": fat_clip}) as (address, sent):
        video = deepsport.open(f"{address}/clip.mp4", index_cache=False)
        assert video.at([25]).data.shape == (1, 108, 192, 3)
    assert sum(sent) < 4 * BLOCK_BYTES + 100_000, sum(sent)
    assert len(fat_clip) > 20_000_000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_video_opened_from_an_address_reads_on_in_a_forked_child(tmp_path):
    clip = tmp_path / "noise.mp4"
    noise = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=6,noise=alls=80:allf=t")
    subprocess.run(
        [need_ffmpeg(), "-v", "error", *noise, "-c:v", "libx264", "-preset", "ultrafast",
         "-qp", "10", "-g", "10", clip],
        check=True, timeout=60,
    )  # fmt: skip
    expected = deepsport.open(clip).at([30]).data
    with web({"clip.mp4": clip.read_bytes()}) as (address, sent):
        video = deepsport.open(f"{address}/clip.mp4", index_cache=False)
        assert (
            sum(sent) < clip.stat().st_size - 4 * BLOCK_BYTES
        )  # so the child has something to ask
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # a hang must not outlive the test
            same = False
            try:
                same = np.array_equal(video.at([30]).data, expected)
            finally:  # never back into pytest
                os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert np.array_equal(video.at([30]).data, expected)  # and so does the parent


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_reads_leaves_a_child_that_reads():
    data = bytes(range(256)) * (3 * BLOCK_BYTES // 256)
    reading, go_on = threading.Event(), threading.Event()

    def fetch(begin, end):
        if begin == 0:
            reading.set()
            go_on.wait(30)
        return data[begin:end]

    reader = RangeReader(fetch, len(data), "slow")
    thread = threading.Thread(target=reader.read, args=(10,))
    thread.start()
    assert reading.wait(30)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a hang must not outlive the test
        same = False
        try:
            reader.seek(BLOCK_BYTES + 5)
            same = reader.read(9) == data[BLOCK_BYTES + 5 : BLOCK_BYTES + 14]
        finally:  # never back into pytest
            os._exit(0 if same else 1)
    status = os.waitpid(child, 0)[1]
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_what_is_not_there_and_what_cannot_be_reached():
    with web({}) as (address, _), pytest.raises(VideoNotFoundError, match="nothing there"):
        deepsport.open(f"{address}/absent.mp4")
    with pytest.raises(DeepsportError):
        deepsport.open("http://127.0.0.1:9/absent.mp4")
    with pytest.raises(DeepsportError, match="nosuchscheme"):
        deepsport.open("nosuchscheme://host/clip.mp4")


def test_a_server_without_ranges_is_refused_with_what_would_help(fat_clip):
    with (
        web({"clip.mp4": fat_clip}, ranges=False) as (address, sent),
        pytest.raises(UnsupportedVideoError, match="downloaded file"),
    ):
        deepsport.open(f"{address}/clip.mp4")
    assert len(sent) <= 1


def test_a_server_that_sends_too_little_is_an_input_error():
    reader = RangeReader(lambda begin, end: b"x" * (end - begin - 1), 1000, "short")
    with pytest.raises(VideoIOError, match="999 came, 1000 were asked for"):
        reader.read(10)


@pytest.mark.parametrize("seed", range(5))
def test_blocks_answer_like_one_piece_of_memory(seed):
    rng = np.random.default_rng(seed)
    data = rng.bytes(5 * BLOCK_BYTES + 123)
    reader = RangeReader(lambda begin, end: data[begin:end], len(data), "memory")
    for _ in range(200):
        begin = int(rng.integers(0, len(data) + 10))
        count = int(rng.integers(0, 2 * BLOCK_BYTES))
        reader.seek(begin)
        assert reader.read(count) == data[begin : begin + count]
    assert reader.fetched_bytes == len(data)  # every block once


def test_file_addresses_are_paths(made_clip):
    assert deepsport.open(f"file://{made_clip('h264-b-pyramid')}").frame_count == 50


def test_other_file_systems_of_fsspec(made_clip):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/videos/clip.mp4", made_clip("h264-b-pyramid").read_bytes())
    assert deepsport.open("memory://videos/clip.mp4").at([49]).indices.tolist() == [49]
