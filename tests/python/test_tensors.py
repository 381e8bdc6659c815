"""Frames as tensors of other libraries, in workers of a DataLoader, and awaited."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import pickle
import subprocess
import sys

import numpy as np
import pytest

import deepsport
from clip_dataset import Clips
from deepsport import aio
from deepsport.errors import FrameRangeError
from deepsport.frames import patches
from deepsport.pixels import Pixels


@pytest.fixture
def clip(made_clip):
    return made_clip("h264-b-pyramid")


def test_dlpack_shares_memory_with_numpy_and_torch(clip):
    torch = pytest.importorskip("torch")
    batch = deepsport.open(clip).at([3, 1])
    tensor = torch.from_dlpack(batch)
    assert tensor.data_ptr() == batch.data.ctypes.data
    assert np.shares_memory(np.from_dlpack(batch), batch.data)
    tensor[0, 0, 0, 0] = 77
    assert batch.data[0, 0, 0, 0] == 77


def test_a_tensor_outlives_its_batch(clip):
    torch = pytest.importorskip("torch")
    video = deepsport.open(clip)
    expected = video.at([7]).data.copy()
    tensor = torch.from_dlpack(video.at([7]))
    gc.collect()
    video.at(range(10))  # would write over memory that was let go
    np.testing.assert_array_equal(tensor.numpy(), expected)


def test_frames_lie_where_every_library_takes_them(clip):
    video = deepsport.open(clip)
    for count in (1, 2, 7):
        frames = range(count)
        found = [video.at(frames).data, video.at(frames, pixels=Pixels("nchw", "float32")).data]
        found.append(patches(video, frames).pixel_values)
        for data in found:
            assert data.ctypes.data % 64 == 0  # JAX copies what lies elsewhere
            assert data.flags.c_contiguous
            assert data.flags.writeable


def test_jax_takes_frames(clip):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    # in a process of its own: JAX's threads and the fork() of other tests do not go together
    code = (
        "import sys, deepsport, jax, numpy as np\n"
        "for count in (1, 2, 3):\n"
        "    batch = deepsport.open(sys.argv[1]).at(range(count))\n"
        "    array = jax.dlpack.from_dlpack(batch)\n"
        "    np.testing.assert_array_equal(np.asarray(array), batch.data)\n"
        "    print(array.unsafe_buffer_pointer() == batch.data.ctypes.data)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(clip)], capture_output=True, text=True,
                          timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 3  # no copy


def test_a_pickled_video_gives_the_same_frames(clip):
    video = deepsport.open(clip)
    again = pickle.loads(pickle.dumps(video))
    np.testing.assert_array_equal(again.at([30]).data, video.at([30]).data)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_decode_the_right_frames(clip, method):
    data = pytest.importorskip("torch.utils.data")
    video = deepsport.open(clip)
    expected = video.at([4 * i for i in range(12)], size=(24, 16)).data
    loader = data.DataLoader(
        Clips(video), batch_size=3, num_workers=2, multiprocessing_context=method
    )
    seen = 0
    for indices, frames in loader:
        np.testing.assert_array_equal(frames.numpy(), expected[indices.numpy()])
        seen += len(indices)
    assert seen == 12


@pytest.mark.asyncio
async def test_awaited_frames_are_those_of_blocking_calls(clip):
    video = await aio.open(clip)
    whole, at_second, window = await asyncio.gather(
        video.at([5, 0]), video.played_at([1.0]), video.window(0.4, 1.2, 4)
    )
    np.testing.assert_array_equal(whole.data, video.video.at([5, 0]).data)
    assert at_second.indices.tolist() == [25]
    assert window.indices.tolist() == [10, 15, 20, 25]
    with pytest.raises(FrameRangeError):
        await video.at([50])


@pytest.mark.asyncio
async def test_the_loop_stays_free_while_frames_are_decoded(clip):
    video = await aio.open(clip)
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await video.at(list(range(50)) * 4)
    counting.cancel()
    assert turns > 10
