"""Open and decode damaged copies of a clip under limits, and count what comes of it; a script.

    python hostile.py CLIP prefixes            every prefix, in steps of 1 %
    python hostile.py CLIP flips SEED COUNT    copies with 1 to 16 changed bytes each

Prints JSON: how many gave frames, and how many gave which error, the slowest try, the largest resident memory.
Anything but a DeepsportError, a call that outlives its deadline, and memory beyond a bound end the script with
an error; so would a crash.
"""

from __future__ import annotations

import collections
import json
import re
import resource
import sys
import time
from pathlib import Path

import numpy as np

import deepsport
from deepsport.errors import DeepsportError, InternalError

SECONDS = 20.0
ADDRESS_SPACE = 3 << 30  # of the whole process, NumPy and FFmpeg included
RESIDENT_MIB = 512  # likewise; intact, these clips take less than 100


def copies(data, mode):
    if mode[0] == "prefixes":
        for percent in range(100):
            yield f"first {percent} %", data[: len(data) * percent // 100]
        return
    rng = np.random.default_rng(int(mode[1]))
    for number in range(int(mode[2])):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 17))):
            changed[place] ^= int(rng.integers(1, 256))
        yield f"change {number}", bytes(changed)


def attempt(data, limits):
    """Return what came of it: "frames", "damaged frames" or an error's name."""
    try:
        video = deepsport.open(data, deadline_seconds=SECONDS, index_cache=False, **limits)
        last = video.frame_count - 1
        batch = video.at(
            [0, last // 2, last, last // 3], (32, 32), strict=False, deadline_seconds=SECONDS
        )
    except InternalError:
        raise
    except DeepsportError as error:
        assert str(error), "an error without a message"
        return type(error).__name__
    assert video.pts_seconds.shape == (video.frame_count,)
    assert np.all(np.diff(video.pts_seconds) >= 0)
    return "frames" if set(batch.status) == {"ok"} else "damaged frames"


def main():
    clip, *mode = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    data = Path(clip).read_bytes()
    intact = deepsport.open(data, index_cache=False)
    limits = {"max_pixels": intact.width * intact.height, "max_packets": 100_000}
    outcomes = collections.Counter()
    slowest = 0.0
    for name, copy in copies(data, mode):
        started = time.monotonic()
        try:
            outcomes[attempt(copy, limits)] += 1
        except BaseException:
            Path("hostile-input").write_bytes(copy)
            print(f"{clip}, {name}: kept as ./hostile-input", file=sys.stderr)
            raise
        slowest = max(slowest, time.monotonic() - started)
    # a try is two calls, each with a deadline
    assert slowest < 2 * SECONDS + 5, f"a try took {slowest:.0f} s, its deadlines were {SECONDS} s"
    # not getrusage: what it tells is at least what the process had that started this one
    status = Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) >> 10
    assert peak < RESIDENT_MIB, f"{peak} MiB were resident, allowed are {RESIDENT_MIB}"
    counted = {"outcomes": outcomes, "slowest_seconds": round(slowest, 2), "resident_mib": peak}
    print(json.dumps(counted))


main()
