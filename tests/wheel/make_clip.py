"""Write a clip of 50 H.264 frames with B-frames; frame i has the luma 16 + 4 i."""

from __future__ import annotations

import sys

import av
import numpy as np

with av.open(sys.argv[1], "w") as file:
    stream = file.add_stream("libx264", rate=25, options={"crf": "10", "bf": "3", "g": "25"})
    stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
    for i in range(50):
        picture = np.full((96, 96), 128, np.uint8)
        picture[:64] = 16 + 4 * i
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
    file.mux(stream.encode())
