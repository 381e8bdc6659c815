"""# Frames in five lines

Open a video, ask for a window, get exactly those frames with their true times.

    python frames_in_five_lines.py rally.mp4
"""

from __future__ import annotations

import sys

import deepsport

# How many frames there really are, and when each appears.
video = deepsport.open(sys.argv[1])
print(video, f"{video.duration_seconds:.2f} s at {video.average_fps:.2f} frames a second")

# Eight frames spread over the first second, made smaller while they are decoded.
batch = video.window(video.first_pts_seconds, video.first_pts_seconds + 1.0, num=8, size=(160, 90))
print(batch.data.shape, batch.data.dtype, batch.indices.tolist())

# By index, negative ones from the end, in any order; by second.
ends = video.at([-1, 0])
middle = video.played_at([video.first_pts_seconds + video.duration_seconds / 2])
print("last", ends.pts_seconds[0], "first", ends.pts_seconds[1], "middle", middle.pts_seconds[0])

# Every frame says what is known of it: "ok", "damaged" or "missing".
assert set(batch.status) == {"ok"}
