"""Open, decode, fail and forget many videos in one process, and print how its memory goes; a script.

    python opens.py COUNT CLIP...

Prints JSON: resident KiB and open descriptors after each tenth of the opens. A third of them are of a damaged
copy, so that the ways out through errors are taken as often.
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
import time
from pathlib import Path

import deepsport
from deepsport.errors import DeepsportError


def resident_kib():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def main():
    count, clips = int(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    damaged = [clip.read_bytes()[: clip.stat().st_size * 2 // 3] for clip in clips]
    curve = []
    started = time.process_time()
    for number in range(count):
        clip = clips[number % len(clips)]
        source = damaged[number % len(clips)] if number % 3 == 2 else clip
        with contextlib.suppress(DeepsportError):
            video = deepsport.open(source, index_cache=False)
            if number % 10 == 0:
                video.at([0, video.frame_count - 1], (32, 32), strict=False)
        if (number + 1) % max(1, count // 10) == 0:
            gc.collect()
            curve.append(
                {
                    "opens": number + 1,
                    "resident_kib": resident_kib(),
                    "descriptors": len(list(Path("/proc/self/fd").iterdir())),
                }
            )
    print(json.dumps({"curve": curve, "cpu_seconds": round(time.process_time() - started, 1)}))


main()
