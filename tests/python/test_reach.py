"""A file may not reach out: playlists, scripts and references in it name a local server, which nobody calls."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path

import pytest

import deepsport
from deepsport import errors


@pytest.fixture
def listener():
    """The address of a server on this machine, and how many have connected."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        calls, stop = [], threading.Event()

        def accept():
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    link, _ = server.accept()
                    calls.append(1)
                    link.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", calls
        stop.set()
        thread.join()


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def grown(data, path, old, new):
    """An mp4 (its moov last) with `old` in it replaced, and the sizes of the boxes around it corrected."""
    at = data.index(old)
    change = len(new) - len(old)
    data = bytearray(data[:at] + new + data[at + len(old) :])
    position = 0
    for kind in path:
        position = data.index(kind, position) - 4
        struct.pack_into(">I", data, position, struct.unpack_from(">I", data, position)[0] + change)
        position += 8
    return bytes(data)


def reference_movie(clip, address):
    """Its samples lie, it says, in a file on a server."""
    data = clip.read_bytes()
    here = box(b"url ", b"\0\0\0\1")
    there = box(b"url ", b"\0\0\0\0", f"http://{address}/media.mp4".encode(), b"\0")
    return grown(data, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], here, there)


SCRIPTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://{}/a.ts\n#EXT-X-ENDLIST\n",
    "hls over tcp": "#EXTM3U\n#EXTINF:10,\ntcp://{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile 'http://{}/a.mp4'\nduration 2\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\na=control:rtsp://{}/x\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4"><Representation '
    'id="0" bandwidth="1"><BaseURL>http://{}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "xspf": '<?xml version="1.0"?><playlist><trackList><track><location>http://{}/a.mp4</location>'
    "</track></trackList></playlist>",
    "rtsp reference": "rtsptext\nrtsp://{}/x\n",
    "asx": '<asx version="3.0"><entry><ref href="http://{}/a.wmv"/></entry></asx>',
}


@pytest.mark.parametrize("suffix", ["mp4", "own"])
@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_playlist_is_no_video_and_calls_nobody(listener, tmp_path, kind, suffix):
    address, calls = listener
    own = {"hls": "m3u8", "hls over tcp": "m3u8", "concat": "ffconcat", "dash": "mpd"}
    path = tmp_path / f"x.{own.get(kind, kind.split()[0]) if suffix == 'own' else suffix}"
    path.write_text(SCRIPTS[kind].format(address))
    for source in (path, path.read_bytes()):
        with pytest.raises((errors.NotAVideoError, errors.UnsupportedVideoError)):
            deepsport.open(source, deadline_seconds=10)
    assert not calls


@pytest.mark.parametrize("sample_tables", [True, False])
def test_a_movie_that_lies_elsewhere_calls_nobody(listener, made_clip, sample_tables):
    address, calls = listener
    movie = reference_movie(made_clip("h264-no-b"), address)
    assert address.encode() in movie
    with contextlib.suppress(errors.VideoError):
        video = deepsport.open(movie, sample_tables=sample_tables, deadline_seconds=10)
        video.at([0, 20], strict=False)
    assert not calls


def test_a_script_of_local_files_opens_none(made_clip, tmp_path):
    secret = made_clip("h264-no-b")
    script = tmp_path / "x.mp4"
    script.write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(script)
    script.write_text(f"#EXTM3U\n#EXTINF:2,\nfile://{Path(secret)}\n#EXT-X-ENDLIST\n")
    with pytest.raises(errors.NotAVideoError):
        deepsport.open(script)
