"""Use an installed wheel away from the checkout: library, command line, errors, lazy extras."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import deepsport
from deepsport.device import cuda_status
from deepsport.errors import FrameRangeError

clip = sys.argv[1]
assert "site-packages" in deepsport.__file__, deepsport.__file__
assert not {"torch", "transformers", "PIL"} & set(sys.modules), "import deepsport pulled an extra"

video = deepsport.open(clip)
assert video.frame_count == 50, video.frame_count
batch = video.at([49, 0, 10])
assert batch.data.shape == (3, 64, 96, 3), batch.data.shape
for position, index in enumerate((49, 0, 10)):
    grey = (4 * index) * 255 / 219  # limited-range luma 16 + 4 i
    assert abs(float(batch.data[position].mean()) - grey) < 3, (index, batch.data[position].mean())
try:
    video.at([50])
except FrameRangeError as error:
    assert "50" in str(error), error
else:
    raise AssertionError("frame 50 of 50 was returned")

command = Path(sys.executable).with_name("deepsport")
facts = json.loads(subprocess.check_output([command, "index", clip, "--json"], text=True))
assert (facts["frame_count"], facts["keyframe_count"], facts["width"]) == (50, 2, 96), facts
out = subprocess.check_output(
    [command, "frames", clip, "--at", "0,10,-1", "--out", "frames", "--json"], text=True
)
assert len(list(Path("frames").glob("*.png"))) == 3, out
missing = subprocess.run([command, "index", "absent.mp4"], capture_output=True, text=True)
assert missing.returncode == 1, missing
assert "absent.mp4" in missing.stderr, missing.stderr
# one small clip a container and codec; AV1 by the dav1d inside
codecs = {}
for path in sorted(Path(sys.argv[2]).iterdir()) if len(sys.argv) > 2 else []:
    other = deepsport.open(path)
    # that AVI begins with a packet that holds no picture
    sound = "damaged" if path.stem == "late-first-picture" else "ok"
    assert set(other.at([0, -1]).status) == {sound}, (path, other.at([0, -1]).status)
    codecs[path.name] = other.codec
if codecs:
    assert set(codecs.values()) == {"h264", "hevc", "av1", "vp8", "vp9", "mpeg4"}, codecs
    report = json.loads(subprocess.check_output([command, "doctor", "--json"], text=True))
    assert report["core"]["ffmpeg_license"].startswith("LGPL"), report["core"]
    assert not report["core"]["missing_decoders"], report["core"]
status = cuda_status()  # of the build: there need be no GPU here
print("CUDA kernels:", "inside" if status.kernels else status.why_no_kernels)
print("the wheel works:", deepsport.__version__, facts)
