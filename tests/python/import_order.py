"""Import video libraries in one order, decode one clip with each; a script.

    python import_order.py CLIP deepsport,av,cv2

Each holds an FFmpeg of its own; they must not find each other's symbols.
"""

from __future__ import annotations

import importlib
import sys


def by_deepsport(module, clip):
    return module.open(clip).at([0, 10, 49]).data


def by_av(module, clip):
    with module.open(clip) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [frames[i] for i in (0, 10, 49)]


def by_cv2(module, clip):
    capture = module.VideoCapture(clip)
    frames = [capture.read()[1][:, :, ::-1] for _ in range(50)]
    return [frames[i] for i in (0, 10, 49)]


def by_decord(module, clip):
    return module.VideoReader(clip).get_batch([0, 10, 49]).asnumpy()


def by_torchcodec(module, clip):
    decoders = importlib.import_module("torchcodec.decoders")
    return (
        decoders.VideoDecoder(clip, dimension_order="NHWC").get_frames_at([0, 10, 49]).data.numpy()
    )


def main():
    clip, names = sys.argv[1], sys.argv[2].split(",")
    modules = {name: importlib.import_module(name) for name in names}
    decoders = {name: globals()[f"by_{name}"] for name in names if name != "torch"}
    for _ in range(2):  # again after the others have decoded
        for name, decode in decoders.items():
            means = [float(frame.mean()) for frame in decode(modules[name], clip)]
            for index, mean in zip((0, 10, 49), means, strict=True):
                assert abs(mean - min(255, 4 * index * 255 / 219)) < 3, (name, index, mean)
    print("as expected:", ", ".join(names))


main()
