"""Colours, sizes and turning of frames against pictures and formulas from elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

import clips
import deepsport
from deepsport import errors

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: deepsport[cli]")


def _picture(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


@pytest.mark.parametrize("name", clips.real_names("color_quads/"))
def test_every_encoding_of_a_picture_gives_the_picture_back(name, real_clip):
    frame = deepsport.open(real_clip(name)).at([0]).data[0]
    off = np.abs(frame - _picture(real_clip("color_quads/720p.png"))).mean()
    # oracles.json allows 0.1 and 1.5; the full-range 10-bit clip has its white at 1020, not 1023.
    assert off < (0.6 if ".pc.yuv420p10." in name else 0.05)


@pytest.mark.parametrize(
    "key", ["ref/gizmo.mp4", "ref/short.mp4 first", "ref/short.mp4 last", "ref/frame_order.mp4"]
)
def test_the_frame_beside_the_clip_is_found(key, real_clip):
    oracle = json.loads(real_clip("oracles.json").read_text())[key]
    video = deepsport.open(real_clip(key.split()[0]))
    want = _picture(real_clip("ref") / oracle["png"])
    index = oracle["frame_index"]
    off = np.abs(video.at([index]).data[0] - want).mean()
    assert off <= oracle["mean_abs_diff_measured"] + 0.01
    if "next_best" in oracle:
        others = [i for i in (index - 1, index + 1) if 0 <= i < video.frame_count]
        assert all(np.abs(frame - want).mean() > 2 * off for frame in video.at(others).data)
    if "seek_to" in oracle:
        assert video.played_at([oracle["seek_to"]]).indices.tolist() == [index]
    if "pts" in oracle:
        assert video.pts_seconds[index] == pytest.approx(oracle["pts"], abs=1e-6)


@pytest.mark.parametrize("turn", ["", "-rotate-90", "-rotate-180", "-rotate-270"])
def test_turned_clips_show_their_corners_upright(turn, real_clip):
    video = deepsport.open(real_clip(f"rotation/four-colors-h264-bt601{turn}.mp4"))
    assert (video.width, video.height) == (320, 240)
    yellow, red, blue, green = (255, 255, 0), (255, 0, 0), (0, 0, 255), (0, 255, 0)
    for size in (None, (160, 120)):
        frame = video.at([0, 30], size=size).data[1].astype(int)
        height, width, _ = frame.shape
        corners = [frame[height * y // 8, width * x // 8] for y in (1, 7) for x in (1, 7)]
        np.testing.assert_allclose(corners, [yellow, red, blue, green], atol=3)


def _planes(video, index):
    """Y, U - half and V - half of a picture in 8-bit units, chroma repeated to full size."""
    name, width, height, data, _ = video.planes_at([index])[0]
    samples = data.view(np.uint16) / 4 if "10le" in name else data.astype(float)
    repeat = 1 if "444" in name else 2
    shape = (height // repeat, width // repeat)
    chroma = shape[0] * shape[1]
    y = samples[: width * height].reshape(height, width) - 16
    u, v = (
        samples[width * height + k * chroma :][:chroma]
        .reshape(shape)
        .repeat(repeat, 0)
        .repeat(repeat, 1)
        - 128
        for k in (0, 1)
    )
    return y, u, v


def _rgb(y, u, v):
    """Rec. BT.601, limited range: what FFmpeg assumes of a stream that says nothing."""
    y = y * 255 / 219
    red = y + 1.402 * 255 / 224 * v
    green = y - (0.344136 * u + 0.714136 * v) * 255 / 224
    blue = y + 1.772 * 255 / 224 * u
    return np.clip(np.rint(np.stack([red, green, blue], -1)), 0, 255)


@pytest.mark.parametrize("name", ["h264-b-pyramid", "h264-444", "h264-10bit", "vp9"])
def test_planes_become_rgb_by_the_formula(name, made_clip):
    video = deepsport.open(made_clip(name))
    assert np.abs(video.at([5]).data[0] - _rgb(*_planes(video, 5))).max() <= 1


@pytest.mark.parametrize("name", ["h264-b-pyramid", "h264-444", "h264-10bit"])
@pytest.mark.parametrize("size", [(96, 54), (57, 31), (300, 200), (192, 50), (7, 5)])
def test_resizing_is_pillows_bicubic_on_the_planes(name, size, made_clip):
    video = deepsport.open(made_clip(name))
    small = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))
        for plane in _planes(video, 9)
    ]
    assert np.abs(video.at([9], size=size).data[0] - _rgb(*small)).max() <= 1


@pytest.mark.parametrize("name", ["sports/basketball.mp4", "sports/pose2sim_single_cam01.mp4"])
def test_resizing_real_pictures_is_close_to_pillow_on_rgb(name, real_clip):
    video = deepsport.open(real_clip(name))
    full, small = video.at([9]).data[0], video.at([9], size=(224, 224)).data[0]
    want = np.asarray(Image.fromarray(full).resize((224, 224), Image.Resampling.BICUBIC))
    # Pillow rounds to bytes before and between the axes; measured 0.17-0.19.
    assert np.abs(small - want.astype(int)).mean() < 0.25


def test_a_size_change_on_the_way_is_scaled_to_the_videos_size(real_clip):
    video = deepsport.open(real_clip("awkward/resolution-change.webm"))
    stored = {(w, h) for _, w, h, _, _ in video.planes_at(range(video.frame_count))}
    assert stored == {(30, 20), (60, 40)}
    assert video.at(range(video.frame_count)).data.shape == (197, 40, 60, 3)


def _encoded(tmp_path, name, *arguments):
    import subprocess

    path = tmp_path / name
    subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=5:duration=1",
         "-pix_fmt", "yuv420p", *arguments, path],
        check=True, timeout=60,
    )  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("arguments", "name", "shape", "size"),
    [
        ("-c:v libx264 -vf setsar=4/3", "x.mp4", (4, 3), (128, 64)),
        ("-c:v libx264 -vf setsar=3/4", "x.mkv", (3, 4), (96, 85)),
        ("-c:v libx264 -bsf:v h264_metadata=sample_aspect_ratio=2/1", "x.ts", (2, 1), (192, 64)),
        ("-c:v mpeg4 -vf setsar=8/9", "x.avi", (8, 9), (96, 72)),
        ("-c:v libx264", "x.mp4", (1, 1), (96, 64)),
    ],
)
def test_the_shape_of_pixels_is_told_and_applied_when_asked(arguments, name, shape, size, tmp_path):
    video = deepsport.open(_encoded(tmp_path, name, *arguments.split()))
    assert video.sample_aspect_ratio == shape
    assert video.square_size == size
    assert video.at([2]).data.shape[1:3] == (64, 96)
    square = video.at([2], square_pixels=True).data
    assert square.shape[1:3] == size[::-1]
    np.testing.assert_array_equal(square, video.at([2], size=size).data)
    with pytest.raises(errors.InvalidRequestError, match="square_pixels"):
        video.at([2], size=(64, 64), square_pixels=True)


def test_turned_pixels_have_the_turned_shape(tmp_path):
    import subprocess

    stored = _encoded(tmp_path, "a.mp4", "-c:v", "libx264", "-vf", "setsar=2/1")
    turned = tmp_path / "b.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", stored, "-c", "copy", "-metadata:s:v", "rotate=90", turned],
        check=True,
    )
    video = deepsport.open(turned)
    assert (video.width, video.height) == (64, 96)
    assert video.square_size == (64, 192)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(
    ("transfer", "name", "is_hdr"),
    [("16", "smpte2084", True), ("18", "arib-std-b67", True), ("1", "bt709", False)],
)
def test_the_transfer_is_told_as_the_bitstream_says(
    transfer, name, is_hdr, codec, suffix, tmp_path
):
    """Written into the headers of the stream only, so that no container says it."""
    if codec == "av1" and suffix == "ts":
        pytest.skip("this ffmpeg writes no AV1 to ts")
    encoder = {
        "h264": "-c:v libx264 -preset ultrafast",
        "hevc": "-c:v libx265 -preset ultrafast -x265-params log-level=error:pools=none",
        "av1": "-c:v libsvtav1 -preset 12",
    }[codec]
    given = (
        f"{codec}_metadata=colour_primaries=9:transfer_characteristics={transfer}"
        ":matrix_coefficients=9"
        if codec != "av1"
        else f"av1_metadata=color_primaries=9:transfer_characteristics={transfer}:matrix_coefficients=9"
    )
    path = _encoded(tmp_path, f"x.{suffix}", *encoder.split(), "-bsf:v", given)
    video = deepsport.open(path)
    if suffix != "ts":
        assert video.index_origin in {"sample table", "block headers"}
    assert (video.color_transfer, video.is_hdr) == (name, is_hdr)
    assert (video.color_primaries, video.color_matrix) == ("bt2020", "bt2020nc")


def test_the_transfer_of_a_real_clip_is_told(real_clip):
    video = deepsport.open(real_clip("awkward/vp9hdr2020.webm"))
    assert (video.color_transfer, video.is_hdr) == ("smpte2084", True)
