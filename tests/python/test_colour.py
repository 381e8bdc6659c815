"""Colours, sizes and turning of frames against pictures and formulas from elsewhere."""

from __future__ import annotations

import json
import struct
import subprocess

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


HDR_MATRIX = {"bt709": (0.2126, 0.0722), "bt2020nc": (0.2627, 0.0593), "smpte170m": (0.299, 0.114)}


def _defined(data, name, size, matrix, full):
    """RGB before rounding of planes of any depth, by the definition in docs/frames.md."""
    width, height = size
    depth = int(name[-4:-2])
    samples = data.view(np.uint16).astype(float)
    if name.startswith("gray"):
        grey = samples.reshape(height, width) * 255 / (2**depth - 1)
        return np.stack([grey] * 3, -1)
    if name.startswith("gbrp"):
        green, blue, red = samples.reshape(3, height, width) * 255 / (2**depth - 1)
        return np.stack([red, green, blue], -1)
    across, down = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[name[3:6]]
    few = (width // across) * (height // down)
    y = samples[: width * height].reshape(height, width)
    u, v = (
        samples[width * height + k * few :][:few]
        .reshape(height // down, width // across)
        .repeat(down, 0)
        .repeat(across, 1)
        - 2 ** (depth - 1)
        for k in (0, 1)
    )
    if full:
        y, u, v = (plane * 255 / (2**depth - 1) for plane in (y, u, v))
    else:
        y = (y / 2 ** (depth - 8) - 16) * 255 / 219
        u, v = (plane / 2 ** (depth - 8) * 255 / 224 for plane in (u, v))
    red, blue = HDR_MATRIX[matrix]
    green = 1 - red - blue
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    return np.stack([r, (y - red * r - blue * b) / green, b], -1)


@pytest.mark.parametrize(
    ("pixels", "codec", "suffix", "matrix", "full"),
    [
        ("yuv420p10le", "libx264 -qp 1", "mp4", "bt709", False),
        ("yuv420p12le", "libx265 -x265-params lossless=1:log-level=error:pools=none", "mp4", "bt2020nc", False),
        ("yuv422p12le", "libx265 -x265-params crf=4:log-level=error:pools=none", "mkv", "bt709", True),
        ("yuv420p12le", "libvpx-vp9 -cpu-used 8 -deadline realtime", "webm", "smpte170m", False),
        ("yuv444p12le", "ffv1", "mkv", "bt709", False),
        ("yuv420p12le", "ffv1", "mkv", "smpte170m", True),
        ("gbrp12le", "ffv1", "mkv", "", True),
        ("gray12le", "ffv1", "mkv", "", True),
    ],
)  # fmt: skip
def test_more_than_8_bits_become_8_as_defined(pixels, codec, suffix, matrix, full, tmp_path):
    path = tmp_path / f"deep.{suffix}"
    width, height = size = (64, 48)
    depth = int(pixels[-4:-2])
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 2**depth, 3 * 3 * width * height).astype("<u2").tobytes()
    told = ["-color_range", "pc" if full else "tv"]
    told += ["-colorspace", matrix] if matrix else []
    done = subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}",
         *told, "-i", "-", *told, "-frames:v", "2", "-pix_fmt", pixels, "-c:v", *codec.split(), path],
        input=noise, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"this ffmpeg cannot make {pixels} of {codec}: {done.stderr[-200:]!r}")
    video = deepsport.open(path)
    [(name, _, _, data, _)] = video.planes_at([1])
    assert name == pixels
    if matrix:
        assert (video.color_matrix, video.color_range) == (matrix, "full" if full else "limited")
    want = _defined(data, name, size, matrix, full)
    found = video.at([1]).data[0]
    assert len(np.unique(found)) > 200
    # fixed point is 0.03 off at most: what lies nearer to a half may go either way
    certain = np.abs(want % 1 - 0.5) > 0.03
    assert certain.mean() > 0.9
    np.testing.assert_array_equal(found[certain], np.clip(np.floor(want + 0.5), 0, 255)[certain])
    assert np.abs(found - np.clip(want, 0, 255)).max() < 0.54


# A stored pixel (x, y) is shown at (a x + c y, b x + d y), moved so that nothing is negative.
@pytest.mark.parametrize("sample_tables", [True, False])
@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
     (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)],
)  # fmt: skip
def test_every_turn_and_mirror_of_an_mp4_is_applied(a, b, c, d, sample_tables, made_clip):
    path = made_clip("h264-no-b")
    stored = deepsport.open(path).at([3]).data[0]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version and flags, times, layer, volume
    assert struct.unpack_from(">9i", data, at) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    one = 65536
    struct.pack_into(">9i", data, at, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    video = deepsport.open(bytes(data), sample_tables=sample_tables)
    height, width, _ = stored.shape
    y, x = np.mgrid[:height, :width]
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    want = np.zeros((to_y.max() + 1, to_x.max() + 1, 3), np.uint8)
    want[to_y, to_x] = stored
    assert (video.height, video.width) == want.shape[:2]
    np.testing.assert_array_equal(video.at([3]).data[0], want)
    planar = video.at([3], pixels=deepsport.Pixels("nchw")).data[0]
    np.testing.assert_array_equal(planar, want.transpose(2, 0, 1))


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
