"""Plants classic bugs of GPU host code, one at a time, and demands that the tests catch each.

    python tests/fake_driver/planted_bugs.py build/core [NAME ...]

BUILD is a finished build of the core with its tests (``nox -s core``). A bug is a replacement in one
source file, compiled from a copy: the sources themselves are never touched. Exit 1 when one survives.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Bug(NamedTuple):
    file: str  # under cpp/
    old: str
    new: str
    test: str  # the executable that must notice
    only: str = "*"  # the tests of it that are enough


BUGS = {
    "a surface is unmapped before its reader has run": Bug(
        "cuda/surface_ring.cpp",
        "CUresult waited = oldest.is_recorded ? driver.event_synchronise(oldest.read.get())\n"
        "                                       : driver.stream_synchronise(stream_);",
        "CUresult waited = CUDA_SUCCESS;",
        "cuda_decode_test",
        "CudaDecode.*",
    ),
    "a surface is mapped on another stream than its reader's": Bug(
        "cuda/surface_ring.cpp",
        "parameters.output_stream = stream_;",
        "static device::Stream other; parameters.output_stream = other.get();",
        "cuda_decode_test",
        "CudaDecode.*",
    ),
    "the last surface stays mapped": Bug(
        "cuda/surface_ring.cpp",
        "while (!mapped_.empty()) {",
        "while (mapped_.size() > 1) {",
        "cuda_decode_test",
        "CudaDecode.AnyOrder*",
    ),
    "more surfaces are mapped than there are": Bug(
        "cuda/surface_ring.cpp",
        "if (mapped_.size() >= places_) unmap_oldest();",
        "",
        "cuda_decode_test",
        "*EveryFrame*h264_mp4",
    ),
    "no context is made current": Bug(
        "cuda/decode.cpp",
        "const device::ContextGuard context(request.target.ordinal);",
        "",
        "cuda_decode_test",
        "CudaDecode.AThreadWithoutAContext*",
    ),
    "a decoder's thread makes no context current": Bug(
        "cuda/decode.cpp",
        "const device::ContextGuard own(request.target.ordinal);",
        "",
        "cuda_decode_test",
        "CudaDecode.SeveralDecoders*",
    ),
    "what refers to a damaged picture is called whole": Bug(
        "cuda/decode.cpp",
        "                  damage_.mark(packet);\n",
        "",
        "cuda_decode_test",
        "CudaDecode.APictureTheEngineCalls*",
    ),
    "a surface is reused before the engine was asked about it": Bug(
        "cuda/nvdec.cpp",
        "  ask_status(picture->CurrPicIdx, true);  // of the picture that was in it\n",
        "",
        "cuda_decode_test",
        "CudaDecode.DamageOfAPictureNobody*",
    ),
    "two decoders take the same pieces": Bug(
        "cuda/decode.cpp",
        "run.segment(segments[*piece], deadline);",
        "run.segment(segments[*piece / 2], deadline);",
        "cuda_decode_test",
        "CudaDecode.SeveralDecoders*",
    ),
    "chroma is looked for behind the displayed rows instead of the coded ones": Bug(
        "cuda/nvdec.cpp",
        "picture.rows = (key_.height + 1) & ~1u;",
        "picture.rows = static_cast<unsigned>(format_.display_area.bottom);",
        "cuda_decode_test",
        "*EveryFrame*h264_mp4",
    ),
    "the times of VP9 pictures are believed": Bug(
        "cuda/nvdec.cpp",
        "const std::uint32_t packet = to_show_.front();",
        "const std::uint32_t packet = index_.display_order[shown.timestamp];",
        "cuda_decode_test",
        "CudaDecode.WrongTimes*",
    ),
    "the time of a picture is believed where its surface is known": Bug(
        "cuda/nvdec.cpp",
        "if (!parser_is_late_) {",
        "if (shown_ < 0) {",
        "cuda_decode_test",
        "CudaDecode.PicturesAreToldApart*",
    ),
    "pictures are numbered for the parser in decoding order": Bug(
        "cuda/nvdec.cpp",
        "packet.timestamp = frame;",
        "packet.timestamp = number;",
        "cuda_decode_test",
        "CudaDecode.PicturesAreToldApart*",
    ),
    "a parser that decodes one packet late goes unnoticed": Bug(
        "cuda/nvdec.cpp",
        "if (starts && decoded_ == 0) parser_is_late_ = true;",
        "static_cast<void>(starts);",
        "cuda_decode_test",
        "CudaDecode.PicturesAreToldApart*",
    ),
    "headers are not repeated behind a flush": Bug(
        "cuda/parser_input.cpp",
        "if ((starts || changed) && out.extradata_size > 0) {",
        "if (changed && out.extradata_size > 0) {",
        "cuda_decode_test",
        "CudaDecode.HeadersAreRepeated*",
    ),
    "an odd size is made even for the engine's target alone": Bug(
        "cuda/nvdec.cpp",
        "key.width = (format->coded_width + 1) & ~1u;",
        "key.width = format->coded_width;",
        "cuda_decode_test",
        "*EveryFrame*odd_webm",
    ),
    "VP9 that grows between key pictures swaps its decoder": Bug(
        "cuda/nvdec.cpp",
        "!index_.packets[current_].is(Packet::kKey)",
        "shown_ < 0",
        "cuda_decode_test",
        "CudaDecode.Vp9ThatGrows*",
    ),
    "a decoder that saw an error is kept": Bug(
        "cuda/nvdec.cpp",
        "if (failed_ || failure_ || ring_.is_broken()) {",
        "if (shown_ < 0) {",
        "cuda_decode_test",
        "CudaDecode.WhatNvdecFailsAt*",
    ),
    "a decoder is destroyed under another device's context": Bug(
        "cuda/decoder_pool.cpp",
        "const device::ContextGuard context(one.first.ordinal);",
        "const device::ContextGuard context(0);",
        "cuda_decode_test",
        "CudaDecode.TheSecondDevice*",
    ),
    "a decoder of another size is taken from the pool": Bug(
        "cuda/decoder_pool.cpp",
        "if (one->first == key) {",
        "if (one->first.codec == key.codec) {",
        "cuda_decode_test",
        "CudaDecode.*",
    ),
    "a change of size keeps the resampling weights": Bug(
        "cuda/convert.cpp",
        "tables_[{width, height, subsampling}]",
        "tables_[{0, 0, subsampling}]",
        "cuda_decode_test",
        "CudaDecode.*",
    ),
    "the engine's word that a picture is damaged is dropped": Bug(
        "cuda/nvdec.cpp",
        "callbacks_.damaged(*packet);",
        ";",
        "cuda_decode_test",
        "CudaDecode.APictureTheEngineCalls*",
    ),
    "the parser is promised too few surfaces": Bug(
        "cuda/nvdec.cpp",
        "return static_cast<int>(key.decode_surfaces);",
        "return 2;",
        "cuda_decode_test",
        "*EveryFrame*h264_mp4",
    ),
    "a change of size keeps the old decoder": Bug(
        "cuda/nvdec.cpp",
        "if (decoder_ != nullptr && !(key == key_)) {",
        "if (decoder_ == reinterpret_cast<void*>(1)) {",
        "cuda_decode_test",
        "CudaDecode.AChangeOfSize*",
    ),
    "the low bits of 10-bit samples are taken for high ones": Bug(
        "cuda/convert.cpp",
        "planes.padding_bits = 16 - planes.depth;",
        "planes.padding_bits = 0;",
        "cuda_decode_test",
        "*EveryFrame*hevc_mp4",
    ),
    "memory is freed without waiting for its readers": Bug(
        "cuda/memory.cpp",
        "driver->stream_wait(stream.get(), ready.get(), 0);",
        "",
        "cuda_decode_test",
        "CudaDecode.OwnMemory*",
    ),
    "a reader does not wait for memory to be filled": Bug(
        "cuda/memory.cpp",
        'device::check(device::cuda().stream_wait(reader, state_->ready.get(), 0), "cuStreamWaitEvent");',
        "",
        "cuda_decode_test",
        "CudaDecode.OwnMemory*",
    ),
    "a forked child goes on with its parent's handles": Bug(
        "src/device/driver.cpp",
        "return loaded().status.driver && loaded().process != ::getpid();",
        "return false;",
        "cuda_decode_test",
        "CudaDecode.AForkedChild*",
    ),
    "a masked member counts in its group's mean": Bug(
        "cuda/advantage.hpp",
        "total += reward;",
        "total += reward + (p.masked != nullptr ? 0.125 : 0.0);",
        "cuda_reward_test",
    ),
}


def main() -> int:
    build = Path(sys.argv[1]).resolve()
    chosen = sys.argv[2:] or list(BUGS)
    commands = {
        entry["file"]: entry for entry in json.loads((build / "compile_commands.json").read_text())
    }
    survivors = [name for name in chosen if not caught(BUGS[name], build, commands, name)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} planted bugs were caught")
    return 1 if survivors else 0


def caught(bug: Bug, build: Path, commands: dict[str, dict[str, str]], name: str) -> bool:
    source = ROOT / "cpp" / bug.file
    text = source.read_text()
    if text.count(bug.old) != 1:
        raise SystemExit(
            f"{bug.file} has changed: the place for {name!r} is not there exactly once"
        )
    folder = build / "tests" / "fake_driver"
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / bug.file
        place.parent.mkdir(parents=True)
        place.write_text(text.replace(bug.old, bug.new))
        environment = {
            **os.environ,
            "FAKE_CUDA_DEVICES": "2",
            "DEEPSPORT_CUDA_CLIPS": str(folder / "clips"),
            "LD_LIBRARY_PATH": str(folder),
        }
        if source.suffix == ".hpp":  # part of the kernels: the fake driver runs them
            unit, target = ROOT / "tests/fake_driver/libcuda.cpp", Path(scratch) / "libcuda.so.1"
            environment["LD_LIBRARY_PATH"] = f"{scratch}:{folder}"
            link = ["-shared", "-Wl,-soname,libcuda.so.1", "-pthread"]
            executable = folder / bug.test
        else:
            unit, target = place, Path(scratch) / bug.test
            objects = folder / "CMakeFiles" / f"{bug.test}.dir"
            link = [str(p) for p in objects.rglob("*.o")]
            link += [str(build / "cpp" / "libdeepsport.a"), "-lgtest_main", "-lgtest", "-ldl"]
            link += subprocess.run(
                ["pkg-config", "--libs", "libavformat", "libavcodec", "libavutil", "libswscale"],
                check=True, capture_output=True, text=True,
            ).stdout.split()  # fmt: skip
            link.append("-pthread")
            executable = target
        command = commands[str(source if source.suffix != ".hpp" else unit)]
        words = shlex.split(command["command"])
        where = words.index("-o")
        words[where + 1] = str(Path(scratch) / "bug.o")
        words = [str(unit) if word == command["file"] else word for word in words]
        words[1:1] = [f"-I{scratch}", f"-I{source.parent}", "-w"]
        subprocess.run(words, check=True, cwd=command["directory"])
        subprocess.run(
            [words[0], str(Path(scratch) / "bug.o"), *link, "-o", str(target)], check=True
        )
        try:
            run = subprocess.run(
                [str(executable), f"--gtest_filter={bug.only}"],
                env=environment, capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            ran = "[ RUN " in run.stdout
            survived = run.returncode == 0 or not ran
        except subprocess.TimeoutExpired:
            survived = False  # a hang is noticed
    print(f"{'SURVIVED' if survived else 'caught  '} {name}", flush=True)
    return not survived


if __name__ == "__main__":
    sys.exit(main())
