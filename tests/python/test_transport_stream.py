"""Transport streams read without a demuxer: the same index as a packet scan, or left to it."""

from __future__ import annotations

import io
import random
import subprocess
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import clips
import deepsport
import transport
from deepsport import errors
from test_containers import remux

DIRECT = "transport stream"


def compare(source):
    """Open directly and by a scan, compare all that both tell and show; return the direct one."""
    direct, scan = deepsport.open(source), deepsport.open(source, sample_tables=False)
    assert direct.index_origin == DIRECT
    assert scan.index_origin == "packet scan"
    for fact in ("width", "height", "rotation", "codec", "container", "frame_count", "keyframe_count",
                 "variable_frame_rate", "sample_aspect_ratio", "signature", "end_seconds", "truncated",
                 "color_range", "color_primaries", "color_transfer", "color_matrix"):  # fmt: skip
        assert getattr(direct, fact) == getattr(scan, fact), fact
    ours, theirs = direct.packets(), scan.packets()
    for column in ("pts", "dts", "frame", "is_key", "is_droppable", "is_hidden"):
        np.testing.assert_array_equal(ours[column], theirs[column], err_msg=column)
    # Small packets lie in the file as they are; the scan says where behind the headers.
    scattered = ~theirs["is_direct"]
    np.testing.assert_array_equal(ours["offset"][scattered], theirs["offset"][scattered])
    # FFmpeg counts the first zero of an HEVC unit to the unit before.
    slack = 1 if direct.codec == "hevc" else 0
    assert np.max(np.abs(ours["size"].astype(int) - theirs["size"].astype(int))) <= slack
    assert int(ours["size"].sum()) == int(theirs["size"].sum())
    assert planes(direct) == planes(scan)
    return direct


def planes(video):
    """Return a sum of each frame's planes, or what keeps it from being one."""
    found = []
    for index in range(video.frame_count):
        try:
            found += [(clips.md5(data), status) for *_, data, status in video.planes_at([index])]
        except errors.VideoError as refused:
            found.append(type(refused).__name__)
    return found


def left_to_the_scan(data):
    """Is it opened otherwise, or refused as the scan refuses it?"""
    try:
        video = deepsport.open(data)
    except errors.VideoError as refused:
        with pytest.raises(type(refused)):
            deepsport.open(data, sample_tables=False)
        return True
    return video.index_origin != DIRECT


def encode(path, size, options):
    source = f"testsrc2=size={size}:rate=25:duration=1.5,noise=alls=12:allf=t"
    subprocess.run(
        [clips.need_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p",
         *options.split(), path],
        check=True, timeout=60,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def pictures(made_clip):
    """The PES of a clip with B-frames, one a picture."""
    return transport.read(made_clip("h264-ts").read_bytes())


@pytest.mark.parametrize("name", ["h264-ts", "h264-open-ts", "h264-long-ts", "hevc-ts"])
def test_transport_streams_tell_what_a_packet_scan_finds(name, made_clip):
    path = made_clip(name)
    video = compare(path)
    oracle = clips.ffmpeg_frames(path)
    assert [md5 for md5, _ in planes(video)] == [frame.md5 for frame in oracle]
    np.testing.assert_allclose(video.pts_seconds, [f.pts_seconds for f in oracle], atol=1e-6)


WRITTEN = {  # options of ffmpeg's writer
    "lengths": "-omit_video_pes_length 0",
    "stuffed": "-muxrate 4M",
    "192 bytes": "-c:a ac3 -mpegts_m2ts_mode 1",  # it does not say what aac is
    "tables again and again": "-pat_period 0.05 -mpegts_flags +resend_headers",
    "other places": "-streamid 0:700 -mpegts_pmt_start_pid 500 -mpegts_service_id 77",
    "a network": "-mpegts_flags +nit",
    "late": "-output_ts_offset 90000",
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("name", ["h264-slices", "hevc-layers"])
def test_however_ffmpeg_writes_them(name, how, made_clip, tmp_path):
    path = remux(
        made_clip(name), tmp_path / "x.ts", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "copy",
        "-c:a", "aac", "-f", "mpegts", *WRITTEN[how].split(),
    )  # fmt: skip
    compare(path)


ENCODED = {
    "pic_struct": "-c:v libx264 -x264-params pic-struct=1",
    "hrd": "-c:v libx264 -x264-params nal-hrd=cbr:bitrate=300:vbv-maxrate=300:vbv-bufsize=300",
    "gradual refresh": "-c:v libx264 -x264-params intra-refresh=1",
    "one B-frame": "-c:v libx264 -bf 1 -x264-params b-adapt=2",
    "no delay": "-c:v libx264 -tune zerolatency",
    "large pictures": "-c:v libx264 -preset ultrafast -crf 0 -s 1280x720 -frames:v 4",
    "24000/1001": "-r 24000/1001 -c:v libx264",
    "shape and colours": "-aspect 4:3 -colorspace bt709 -color_trc bt709 -color_primaries bt709 -c:v libx264",
    "hevc 10 bits": "-pix_fmt yuv420p10le -c:v libx265 -x265-params aud=1:repeat-headers=1:log-level=error:pools=none",
}


@pytest.mark.parametrize("how", ENCODED)
def test_however_they_are_encoded(how, tmp_path):
    compare(encode(tmp_path / "x.ts", "192x108", ENCODED[how]))


def test_a_stream_that_begins_within_a_picture(made_clip):
    packets = transport.split(made_clip("h264-ts").read_bytes())
    for cut in (1, 5, 20, len(packets) // 2):
        data = b"".join(bytes(packet) for packet in packets[cut:])
        tables = [transport.pid_of(packet) for packet in packets[cut:]]
        if 0 in tables:
            compare(data)


def test_streams_of_our_own_writing(pictures):
    compare(transport.write(pictures))
    compare(transport.write(pictures, with_length=True))
    compare(transport.write(list(transport.moved(pictures, 1 << 32))))


def test_units_without_delimiters_or_with_short_start_codes(pictures):
    def bare(pes):
        assert pes.payload[:6] == b"\0\0\0\1\x09\xf0"
        return replace(pes, payload=pes.payload[6:])

    assert bare(pictures[1]).payload[:3] in {b"\0\0\0", b"\0\0\1"}
    compare(transport.write([bare(pes) for pes in pictures]))
    compare(transport.write([replace(pes, payload=pes.payload[1:]) for pes in pictures]))
    short = [replace(pes, payload=pes.payload.replace(b"\0\0\0\1", b"\0\0\1")) for pes in pictures]
    assert short[1].payload[:8] == b"\0\0\1\x09\xf0\0\0\1"
    compare(transport.write(short))


def test_a_zero_that_might_belong_to_either_unit_is_left_to_the_scan(pictures):
    zero = [replace(pes, payload=pes.payload + b"\0") for pes in pictures]
    compare(transport.write(zero))
    assert left_to_the_scan(transport.write([replace(p, payload=p.payload[1:]) for p in zero]))


def _merged(pictures):
    pairs = zip(pictures[::2], pictures[1::2], strict=True)
    return [replace(a, payload=a.payload + b.payload) for a, b in pairs]


def _halved(pictures):
    for pes in pictures:
        middle = len(pes.payload) // 2
        yield replace(pes, payload=pes.payload[:middle])
        yield transport.Pes(None, None, pes.payload[middle:])


ODD = {
    "two pictures a PES": _merged,
    "a picture in two PES": lambda p: list(_halved(p)),
    "a PES without times": lambda p: [*p[:9], transport.Pes(None, None, p[9].payload), *p[10:]],
    "a time twice": lambda p: [*p[:9], replace(p[9], pts=p[8].pts, dts=p[9].dts), *p[10:]],
    "times that go back": lambda p: [*p, *p],
    "a PES of nothing": lambda p: [*p[:9], replace(p[9], payload=b""), *p[9:]],
    "no picture in a PES": lambda p: [*p[:9], replace(p[9], payload=p[9].payload[:6]), *p[9:]],
    "bytes before a unit": lambda p: [*p[:9], replace(p[9], payload=b"\1" + p[9].payload), *p[10:]],
    "a delimiter within": lambda p: [
        *p[:9], replace(p[9], payload=p[9].payload + p[9].payload[:6]), *p[10:]
    ],
    "the end of a sequence": lambda p: [
        *p[:9], replace(p[9], payload=p[9].payload + b"\0\0\1\x0a\x80\0"), *p[10:]
    ],
    "the clock's end": lambda p: list(transport.moved(p, (1 << 33) - 90000 * 3)),
    "near the clock's end": lambda p: list(transport.moved(p, (1 << 33) - 90000 * 30)),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_what_is_not_certain_is_left_to_the_scan(odd, pictures):
    assert left_to_the_scan(transport.write(ODD[odd](pictures)))


def test_parameter_sets_that_change_are_left_to_the_scan(pictures, tmp_path):
    other = transport.read(encode(tmp_path / "x.ts", "96x64", "-c:v libx264").read_bytes())
    later = transport.moved(other, 90000 * 10)
    assert left_to_the_scan(transport.write([*pictures, *later]))


@pytest.mark.parametrize(
    "streams",
    [
        transport.stream() + transport.stream(pid=0x101),  # two of H.264
        transport.stream() + transport.stream(0x24, 0x101),
        transport.stream() + transport.stream(0x02, 0x101),  # MPEG-2
        transport.stream() + transport.stream(0x20, 0x101),  # another view
        transport.stream() + transport.stream(0x06, 0x101),  # private, of an unknown kind
        transport.stream() + transport.stream(0x06, 0x101, b"\x05\4HEVC"),
        transport.stream(0x02),
    ],
)
def test_streams_that_might_be_video_are_left_to_the_scan(streams, pictures):
    assert left_to_the_scan(transport.write(pictures, streams))


@pytest.mark.parametrize(
    "streams",
    [
        transport.stream() + transport.stream(0x0F, 0x101),
        transport.stream() + transport.stream(0x06, 0x101, b"\x6a\1\0"),  # AC-3
        transport.stream() + transport.stream(0x86, 0x101),  # cues
    ],
)
def test_streams_that_are_no_video_do_not_matter(streams, pictures):
    compare(transport.write(pictures, streams))


def _with(packets, change):
    change(packets)
    return b"".join(bytes(packet) for packet in packets)


def _video(packets, nth):
    return [n for n, packet in enumerate(packets) if transport.pid_of(packet) == 0x100][nth]


def _set(place, byte, change):
    def apply(packets):
        packet = packets[_video(packets, place)]
        packet[byte] = change(packet[byte])

    return apply


def _new_table(packets):
    writer = transport.Writer()
    writer.tables(transport.stream() + transport.stream(0x0F, 0x101), version=1)
    packets[30:30] = writer.packets


def _unnamed_stream(packets):
    for packet in [bytearray(p) for p in packets if transport.pid_of(p) == 0x100]:
        packet[1] = packet[1] & 0xE0 | 0x01
        packet[2] = 0x55
        packets.append(packet)


DAMAGED = {
    "a packet lost": lambda p: p.pop(_video(p, 9)),
    "a packet twice": lambda p: p.insert(9, bytearray(p[_video(p, 9)])),
    "an error told of": _set(9, 1, lambda byte: byte | 0x80),
    "scrambled": _set(9, 3, lambda byte: byte | 0x80),
    "a reserved field": _set(9, 3, lambda byte: byte & ~0x30),
    "a counter that jumps": _set(9, 3, lambda byte: byte & 0xF0 | (byte + 5) & 15),
    "no sync byte": _set(9, 0, lambda byte: 0),
    "bytes between packets": lambda p: p.insert(9, bytearray(7)),
    "bytes before": lambda p: p.insert(0, bytearray(100)),
    "an end within a packet": lambda p: p.append(p[-1][:100]),
    "a new table": _new_table,
    "a stream that no table names": _unnamed_stream,
}


@pytest.mark.parametrize("how", DAMAGED)
def test_damage_is_left_to_the_scan(how, made_clip):
    packets = transport.split(made_clip("h264-ts").read_bytes())
    assert left_to_the_scan(_with(packets, DAMAGED[how]))


def test_lengths_that_do_not_fit_are_left_to_the_scan(pictures):
    data = bytearray(transport.write(pictures, with_length=True))
    at = data.index(b"\0\0\1\xe0", 4000) + 4
    data[at + 1] ^= 1
    assert left_to_the_scan(bytes(data))


@pytest.mark.parametrize("name", ["h264-interlaced", "mpeg2-ts"])
def test_other_codecs_and_fields_are_left_to_the_scan(name, made_clip, tmp_path):
    path = remux(made_clip(name), tmp_path / "x.ts", "-c", "copy")
    assert deepsport.open(path).index_origin == "decoding"


def _changed(packets, random_):
    """One change somewhere: bits, packets, order, length."""
    at = random_.randrange(len(packets))
    kind = random_.randrange(9)
    if kind == 0:
        packets[at][random_.randrange(188)] ^= 1 << random_.randrange(8)
    elif kind == 1:
        packets[at][random_.randrange(24)] = random_.randrange(256)
    elif kind == 2:
        del packets[at]
    elif kind == 3:
        packets.insert(at, bytearray(packets[at]))
    elif kind == 4:
        del packets[max(at, 20) :]
    elif kind == 5:
        del packets[: min(at, len(packets) - 20)]
    elif kind == 6:
        place = random_.randrange(8, 180)
        packets[at][place : place + 4] = random_.choice(
            [b"\0\0\1\x65", b"\0\0\1\x09", b"\0\0\1\x41", b"\0\0\1\x06", b"\0\0\1\x26", b"\0\0\0\1"]
        )
    elif kind == 7:
        other = random_.randrange(len(packets))
        packets[at], packets[other] = packets[other], packets[at]
    else:
        starts = [packet for packet in packets if packet[1] & 0x40]
        random_.choice(starts)[random_.randrange(60)] ^= 1 << random_.randrange(8)


@pytest.mark.parametrize("name", ["h264-ts", "hevc-ts"])
@pytest.mark.parametrize("seed", range(4))
def test_changed_streams_are_read_as_the_scan_reads_them_or_left_to_it(name, seed, made_clip):
    data = made_clip(name).read_bytes()
    direct = 0
    for n in range(25):
        packets = transport.split(data)
        _changed(packets, random.Random(100 * seed + n))
        changed = b"".join(bytes(packet) for packet in packets)
        try:
            origin = deepsport.open(changed, deadline_seconds=20).index_origin
        except errors.VideoError:
            continue
        if origin == DIRECT:
            compare(changed)
            direct += 1
    assert direct > 0


def test_bytes_and_file_objects_are_read_alike(made_clip):
    path = made_clip("h264-ts")
    want = deepsport.open(path).at([3, 30, -1]).data
    with path.open("rb") as file:
        for source in (path.read_bytes(), io.BytesIO(path.read_bytes()), file):
            video = deepsport.open(source)
            assert video.index_origin == DIRECT
            np.testing.assert_array_equal(video.at([3, 30, -1]).data, want)


def test_a_child_process_reads_them_alike(made_clip):
    path = made_clip("h264-ts")
    video = deepsport.open(path, isolate=True)
    assert video.index_origin == DIRECT
    np.testing.assert_array_equal(video.at([30]).data, deepsport.open(path).at([30]).data)


def test_their_indexes_are_kept_and_serve_no_scan(made_clip, tmp_path):
    path = made_clip("h264-ts")
    how = {"index_cache": tmp_path, "keep_after_seconds": 0}
    first, again = deepsport.open(path, **how), deepsport.open(path, **how)
    assert [v.index_from_cache for v in (first, again)] == [False, True]
    assert again.index_origin == DIRECT
    np.testing.assert_array_equal(first.at([3, 30]).data, again.at([3, 30]).data)
    scan = deepsport.open(path, sample_tables=False, **how)
    assert scan.index_origin == "packet scan"
    assert not scan.index_from_cache


def test_a_file_that_changes_under_its_index_is_a_typed_error(made_clip, tmp_path):
    path = tmp_path / "x.ts"
    data = made_clip("h264-ts").read_bytes()
    path.write_bytes(data)
    for change in (b"\0" * len(data), data[188:] + data[:188], data[: len(data) // 3]):
        video = deepsport.open(path)
        assert video.index_origin == DIRECT
        with path.open("r+b") as file:
            file.write(change)
            file.truncate(len(change))
        with pytest.raises((errors.CorruptVideoError, errors.TruncatedVideoError)):
            video.at([30])
        path.write_bytes(data)


def test_other_times_or_lengths_in_its_place_are_a_typed_error(pictures, tmp_path):
    path = tmp_path / "x.ts"
    later = [
        replace(pictures[9], pts=pictures[9].pts + 1),
        replace(pictures[9], payload=pictures[9].payload + bytes(184)),
    ]
    for change in later:
        path.write_bytes(transport.write(pictures))
        video = deepsport.open(path)
        assert video.index_origin == DIRECT
        path.write_bytes(transport.write([*pictures[:9], change, *pictures[10:]]))
        with pytest.raises(errors.CorruptVideoError, match="is not what the index was made from"):
            video.at([9, 10])


def test_a_packet_without_payload_begins_nothing(pictures):
    writer = transport.Writer()
    writer.tables(transport.stream())
    for pes in pictures:
        writer.pes(pes)
    packets = [bytes(packet) for packet in writer.packets]
    inside = next(
        i for i in range(4, len(packets))
        if not packets[i][1] & 0x40 and transport.pid_of(packets[i]) == transport.VIDEO_PID
    )  # fmt: skip
    counter = packets[inside - 1][3] & 15  # such packets are not counted
    empty = bytes([0x47, 0x41, 0x00, 0x20 | counter, 183, 0]) + b"\xff" * 182
    compare(b"".join([*packets[:inside], empty, *packets[inside:]]))


def test_limits_hold(made_clip):
    path = made_clip("h264-ts")
    for limit in ({"max_packets": 49}, {"max_pixels": 192 * 108 - 1}):
        with pytest.raises(errors.LimitExceededError):
            deepsport.open(path, **limit)
    assert deepsport.open(path, max_packets=50).index_origin == DIRECT


class _Stopping(io.BytesIO):
    """A stream that sets an event on its way, and is slow from then on: events are asked for now and then."""

    def __init__(self, data, stop):
        super().__init__(data)
        self.stop = stop

    def read(self, size=-1):
        if self.tell() > 4 << 20:
            self.stop.set()
            time.sleep(0.06)
        return super().read(size)


def test_reading_is_cancelled_and_ends_with_its_deadline(made_clip):
    stop = threading.Event()
    stuffing = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 60000
    data = made_clip("h264-ts").read_bytes() + stuffing
    assert deepsport.open(data).index_origin == DIRECT
    with pytest.raises(errors.DecodeCancelledError):
        deepsport.open(_Stopping(data, stop), cancel=stop)
    with pytest.raises(errors.DecodeTimeoutError):
        deepsport.open(data, deadline_seconds=1e-6)
