"""The MCP server, driven by the official clients over both transports.

Both majors of `mcp` are met where a second interpreter with the other one and deepsport is named by
DEEPSPORT_OTHER_MCP (`nox -s mcp` makes it).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

CLIENT = Path(__file__).with_name("mcp_client.py")
THIS, OTHER = sys.executable, os.environ.get("DEEPSPORT_OTHER_MCP")
PAIRS = [(THIS, THIS), (THIS, OTHER), (OTHER, THIS), (OTHER, OTHER)]
NAMES = ["this-this", "server-this-client-other", "server-other-client-this", "other-other"]


@pytest.fixture(params=PAIRS, ids=NAMES)
def pair(request):
    """Interpreters of server and client."""
    if importlib.util.find_spec("mcp") is None:
        pytest.skip("the mcp package is not installed: pip install 'deepsport[mcp]'")
    if None in request.param:
        pytest.skip("DEEPSPORT_OTHER_MCP names no interpreter with the other major of mcp")
    return request.param


@pytest.fixture
def root(tmp_path, made_clip):
    """A media folder with a clip of 50 frames, and what must not be reached beside it."""
    clip = made_clip("h264-b-pyramid")
    folder = tmp_path / "media"
    (folder / "cup").mkdir(parents=True)
    (folder / "cup" / "a.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "secret.mp4").write_bytes(clip.read_bytes())
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "up").symlink_to(tmp_path)
    return folder


def drive(client, calls, *target):
    done = subprocess.run(
        [client, "-W", "ignore", str(CLIENT), json.dumps(calls), *target],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def serve_command(server, root, *options):
    return ["--", server, "-m", "deepsport", "mcp", "--root", str(root), *options]


def test_an_agent_sees_the_frames_it_asks_for(pair, root):
    server, client = pair
    calls = [
        ["video_info", {"video": "cup/a.mp4"}],
        [
            "choose_frames",
            {"video": "cup/a.mp4", "start_frame": 10, "end_frame": 21, "num_frames": 3},
        ],
        ["frames_at", {"video": "cup/a.mp4", "frames": [0, -1]}],
        ["frames_at", {"video": "cup/a.mp4", "seconds": [1.0]}],
    ]
    found = drive(client, calls, *serve_command(server, root))
    assert set(found["tools"]) == {"video_info", "choose_frames", "frames_at", "zoom"}
    assert all(
        "description" in a for t in found["tools"].values() for a in t["properties"].values()
    )
    info, window, single, second = found["answers"]
    facts = json.loads(info["texts"][0])
    assert (facts["frame_count"], facts["width"], facts["duration_seconds"]) == (50, 192, 2.0)
    # int(linspace(11, 20, 3)) by hand
    assert [t for t in window["texts"] if t.endswith(":")][-3:] == [
        "frame 11:",
        "frame 15:",
        "frame 20:",
    ]
    assert window["images"] == [["JPEG", 192, 108]] * 3
    assert single["texts"][0].splitlines()[1:3] == ["frame 0 at 0.000 s", "frame 49 at 1.960 s"]
    assert second["texts"][0].splitlines()[1] == "frame 25 at 1.000 s"  # 25 frames a second
    assert not any(answer["failed"] for answer in found["answers"])


@pytest.mark.parametrize(
    ("video", "why"),
    [
        ("../secret.mp4", "'..'"),
        ("cup/../cup/a.mp4", "'..'"),
        ("/etc/passwd", "absolute"),
        ("C:\\clip.mp4", "absolute"),
        ("~/a.mp4", "absolute"),
        ("link.mp4", "leads out"),
        ("up/secret.mp4", "leads out"),
        ("cup", "no video"),
        ("absent.mp4", "there are 'cup/a.mp4'"),
        ("", "valid is a path"),
        ("a\0.mp4", "valid is a path"),
    ],
)
def test_nothing_outside_of_the_roots_is_opened(root, video, why):
    from deepsport.errors import DeepsportError
    from deepsport.integrations.frame_service import FrameService

    with pytest.raises(DeepsportError, match=why) as refused:
        FrameService([root]).video_info(video)
    assert str(root.parent) not in str(refused.value)


def test_a_refusal_reaches_the_agent_as_a_failed_call(pair, root):
    server, client = pair
    calls = [
        ["frames_at", {"video": "link.mp4", "frames": [0]}],
        ["frames_at", {"video": "cup/a.mp4", "frames": [50]}],
        ["choose_frames", {"video": "cup/a.mp4", "start_frame": 30, "end_frame": 20}],
        ["frames_at", {"video": "cup/a.mp4", "frames": [1], "seconds": [1.0]}],
        ["frames_at", {"video": "cup/a.mp4", "frames": [1]}],
    ]
    *refused, served = drive(client, calls, *serve_command(server, root))["answers"]
    assert [answer["failed"] for answer in refused] == [True] * 4
    assert "leads out" in refused[0]["texts"][0]
    assert "50" in refused[1]["texts"][0]
    assert len(served["images"]) == 1


def test_a_session_cannot_spend_more_than_its_budget(pair, root):
    server, client = pair
    ask = ["frames_at", {"video": "cup/a.mp4", "frames": [0, 1]}]
    calls = [["frames_at", {"video": "cup/a.mp4", "frames": [0, 1, 2]}], ask, ask, ask]
    options = ["--frames-per-call", "2", "--frames-per-session", "4"]
    too_many, *rest = drive(client, calls, *serve_command(server, root, *options))["answers"]
    assert too_many["failed"]
    assert "valid are 1..2" in too_many["texts"][0]
    assert [answer["failed"] for answer in rest] == [False, False, True]


@pytest.fixture
def detections(tmp_path):
    """What a detector found in frame 10 of the clip, in a folder that agents need not know."""
    found = [{"label": "ball", "score": 0.5, "box": [19.2, 10.8, 38.4, 21.6]}]
    record = {
        "schema": "deepsport.detections/1", "video": "cup/a.mp4", "frame": 10, "width": 192,
        "height": 108, "found": found,
    }  # fmt: skip
    path = tmp_path / "elsewhere" / "found.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(record) + "\n")
    return path


def test_an_agent_zooms_and_asks_a_detector(pair, root, detections):
    server, client = pair
    (root / "other.mp4").write_bytes((root / "cup" / "a.mp4").read_bytes())
    calls = [
        ["zoom", {"video": "cup/a.mp4", "frame": 10, "region": [125, 250, 500, 806]}],
        ["detect", {"video": "cup/a.mp4", "start_frame": 10, "end_frame": 11}],
        ["detect", {"video": "other.mp4", "start_frame": 10, "end_frame": 11}],
    ]
    command = serve_command(server, root, "--detections", str(detections))
    found = drive(client, calls, *command)
    assert {"zoom", "detect"} <= set(found["tools"])
    zoomed, told, refused = found["answers"]
    assert not zoomed["failed"]
    # 192 * 0.125 and so on: thousandths of the original, from which it is cut
    assert "pixels [24, 27, 96, 87] of 192x108" in zoomed["texts"][0]
    assert zoomed["images"] == [["JPEG", 72, 60]]
    assert not told["failed"]
    assert "ball 0.50 [100, 100, 200, 200]" in told["texts"][0]  # thousandths, by hand
    assert refused["failed"]
    assert "found.jsonl hold nothing of 'other.mp4'" in refused["texts"][0]
    assert str(detections.parent) not in refused["texts"][0]


def test_no_message_of_a_tool_tells_where_folders_lie(root, detections):
    from deepsport.errors import DeepsportError
    from deepsport.integrations.frame_service import FrameService

    service = FrameService([root], detections=detections)
    (root / "text.mp4").write_text("not a video")
    asked = [lambda: service.zoom("text.mp4", 0, [0, 0, 9, 9])]
    detections.write_text("{}\n")  # changed after the service began
    asked += [lambda: service.detect("cup/a.mp4", 10, 11), detections.unlink]
    asked += [lambda: service.detect("cup/a.mp4", 10, 11)]
    messages = []
    for ask in asked:
        try:
            ask()
        except DeepsportError as error:
            messages.append(str(error))
    assert len(messages) == 3
    assert "found.jsonl, line 1" in messages[1]
    assert not [message for message in messages if str(root.parent) in message]


@contextlib.contextmanager
def http_server(server, root, *options):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    command = serve_command(server, root, "--http", "--port", str(port), *options)[1:]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


def test_streamable_http_serves_and_keeps_the_budget(pair, root):
    server, client = pair
    ask = ["frames_at", {"video": "cup/a.mp4", "frames": [0, 1]}]
    with http_server(server, root, "--calls-per-session", "1") as address:
        first, second = drive(client, [ask, ask], address)["answers"]
    assert not first["failed"]
    assert first["images"] == [["JPEG", 192, 108]] * 2
    assert second["failed"]
    assert "used up" in second["texts"][0]


def test_large_frames_are_scaled_down_and_small_ones_left(root):
    from deepsport.integrations.budget import Budget
    from deepsport.integrations.frame_service import FrameService

    service = FrameService([root], Budget(max_side=64))
    assert service.frames_at("cup/a.mp4", [0]).images[0].shape == (36, 64, 3)
    assert FrameService([root]).frames_at("cup/a.mp4", [0]).images[0].shape == (108, 192, 3)


def test_a_session_not_heard_of_for_long_begins_anew():
    from deepsport.errors import LimitExceededError
    from deepsport.integrations.budget import Budget, Ledger

    now = [0.0]
    ledger = Ledger(Budget(calls_per_session=1, idle_seconds=10), clock=lambda: now[0])
    ledger.charge("a", 1)
    ledger.charge("b", 1)
    with pytest.raises(LimitExceededError):
        ledger.charge("a", 1)
    now[0] = 10.5
    ledger.charge("a", 1)


def test_a_call_that_cannot_be_decoded_is_not_charged(root):
    from deepsport.errors import VideoError
    from deepsport.integrations.frame_service import FrameService

    (root / "text.mp4").write_text("not a video")
    service = FrameService([root])
    with pytest.raises(VideoError):
        service.frames_at("text.mp4", [0])
    assert service.ledger.left(None) == (200, 1000)


def test_a_folder_that_is_none_is_refused_at_the_start(tmp_path):
    done = subprocess.run(
        [THIS, "-m", "deepsport", "mcp", "--root", str(tmp_path / "absent")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "absent" in done.stderr
