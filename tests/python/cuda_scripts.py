"""Scripts that test_cuda.py runs on the fake driver, each in a process of its own.

Every script ends with nothing alive on the (fake) device and no rule of the driver broken.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import numpy as np

import deepsport
from deepsport import cuda
from deepsport.errors import DeviceUnavailableError, InvalidRequestError, UsedAfterForkError
from deepsport.frames import union

CLIPS = Path(os.environ["DEEPSPORT_CUDA_CLIPS"])
DRIVER = ctypes.CDLL("libcuda.so.1")
DRIVER.fake_violation.restype = ctypes.c_char_p
Pointer = ctypes.c_void_p
ALIVE = ("memory_blocks", "host_blocks", "streams", "events", "decoders", "parsers", "mapped")


class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in (*ALIVE, "launches", "injected")]


def alive() -> dict[str, int]:
    counts = Counts()
    DRIVER.fake_counts(ctypes.byref(counts))
    return {name: getattr(counts, name) for name in ALIVE}


class DeviceArray:
    """Memory on the fake device as another library would hold it: __cuda_array_interface__."""

    def __init__(self, host: np.ndarray, stream: int | None = None, **wrong) -> None:
        self.host = np.ascontiguousarray(host)
        self.address = ctypes.c_ulonglong()
        size = ctypes.c_size_t(self.host.nbytes)
        assert DRIVER.cuMemAlloc_v2(ctypes.byref(self.address), size) == 0
        assert DRIVER.cuMemcpyHtoD_v2(self.address, self.host.ctypes.data_as(Pointer), size) == 0
        self.__cuda_array_interface__ = {
            "shape": host.shape, "typestr": host.dtype.str, "version": 3, "strides": None,
            "data": (self.address.value, False), "stream": stream, **wrong,
        }  # fmt: skip

    def read(self, stream: int = 0) -> np.ndarray:
        out = np.empty_like(self.host)
        DRIVER.cuMemcpyDtoHAsync_v2(
            out.ctypes.data_as(Pointer), self.address, ctypes.c_size_t(out.nbytes), Pointer(stream)
        )
        DRIVER.cuStreamSynchronize(Pointer(stream))
        return out

    def free(self) -> None:
        DRIVER.cuMemFree_v2(self.address)


def new_stream() -> int:
    stream = Pointer()
    assert DRIVER.cuStreamCreate(ctypes.byref(stream), 1) == 0
    return int(stream.value or 0)


def use_device() -> None:
    """What a framework does first: make the device's context current on this thread."""
    assert deepsport.device.cuda_status().decodes
    context = Pointer()
    assert DRIVER.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert DRIVER.cuCtxPushCurrent_v2(context) == 0


def frames_are_those_of_the_cpu():
    video = deepsport.open(CLIPS / "hevc.mp4")
    for size in (None, (98, 70)):
        found = video.at([3, 20, 3, -1], size, device="cuda:1")
        wanted = video.at([3, 20, 3, -1], size)
        assert np.array_equal(found.data.numpy(), wanted.data)
        assert found.data.__dlpack_device__() == found.__dlpack_device__() == (2, 1)
        assert found.indices.tolist() == wanted.indices.tolist()
        assert found.status == wanted.status
    window = video.window(0.2, 0.8, 4, device="auto")
    assert np.array_equal(window.data.numpy(), video.window(0.2, 0.8, 4).data)


def frames_go_into_the_callers_memory_on_the_callers_stream():
    use_device()
    video = deepsport.open(CLIPS / "h264.mp4")
    wanted = video.at([1, 30], (64, 48)).data
    stream = new_stream()
    out = DeviceArray(np.zeros((2, 48, 64, 3), np.uint8))
    batch = video.at([1, 30], (64, 48), device="cuda", out=out, stream=stream)
    assert batch.data is out
    assert np.array_equal(out.read(stream), wanted)
    out.free()
    planar = DeviceArray(np.zeros((2, 3, 48, 64), np.float32), stream=stream)
    video.at([1, 30], (64, 48), device="cuda", out=planar, pixels=cuda.Pixels("nchw", "float32"))
    share = wanted.astype(np.float32) / np.float32(255)
    assert np.array_equal(planar.read(stream), share.transpose(0, 3, 1, 2))
    planar.free()
    DRIVER.cuStreamDestroy_v2(Pointer(stream))


def patches_are_those_of_the_cpu():
    from deepsport.frames import PatchLayout, patches

    video = deepsport.open(CLIPS / "h264.mp4")
    for layout in (PatchLayout.QWEN25_VL, PatchLayout.QWEN3_VL):
        for as_video in (True, False):
            for dtype in ("float32", "float16", "bfloat16"):
                how = {"max_pixels": 20000, "as_video": as_video, "dtype": dtype}
                found = patches(video, [0, 7, 31], layout, device="cuda", **how)
                wanted = patches(video, [0, 7, 31], layout, **how)
                assert np.array_equal(found.pixel_values.numpy(), wanted.pixel_values)
                assert found.image_grid_thw.tolist() == wanted.image_grid_thw.tolist()
                assert found.status == wanted.status


def an_export_outlives_its_maker_until_the_consumer_has_read():
    use_device()
    video = deepsport.open(CLIPS / "h264.mp4")
    wanted = video.at([9]).data
    stream = new_stream()
    batch = video.at([9], device="cuda")
    capsule = batch.__dlpack__(stream=stream, max_version=(1, 0))
    out = np.empty_like(wanted)
    address = ctypes.c_ulonglong(batch.data._memory.address)
    # The consumer's read is queued and has not run: the fake's streams are lazy.
    DRIVER.cuMemcpyDtoHAsync_v2(
        out.ctypes.data_as(Pointer), address, ctypes.c_size_t(out.nbytes), Pointer(stream)
    )
    del batch, capsule
    gc.collect()
    DRIVER.cuStreamSynchronize(Pointer(stream))
    assert np.array_equal(out, wanted)
    DRIVER.cuStreamDestroy_v2(Pointer(stream))


def the_array_protocol_is_kept():
    use_device()
    array = deepsport.open(CLIPS / "h264.mp4").at([0], device="cuda").data
    assert (array.shape, array.dtype, len(array)) == ((1, 270, 352, 3), "uint8", 1)
    for stream in (None, 1, 2, -1):
        array.__dlpack__(stream=stream, max_version=(1, 0))
    refused = [
        (ValueError, {"stream": 0, "max_version": (1, 0)}),
        (BufferError, {"max_version": (1, 0), "copy": True}),
        (BufferError, {"max_version": (1, 0), "dl_device": (1, 0)}),
    ]
    for kind, how in refused:
        try:
            array.__dlpack__(**how)
        except kind as error:
            assert "valid" in str(error)
        else:
            raise AssertionError(how)


class Tensor(ctypes.Structure):
    """DLTensor of the DLPack standard."""

    _fields_ = [("data", Pointer), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
                ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
                ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("offset", ctypes.c_uint64)]  # fmt: skip


class Versioned(ctypes.Structure):
    """DLManagedTensorVersioned, of DLPack 1."""

    _fields_ = [("version", ctypes.c_uint32 * 2), ("context", Pointer), ("deleter", Pointer),
                ("flags", ctypes.c_uint64), ("tensor", Tensor)]  # fmt: skip


class Unversioned(ctypes.Structure):
    """DLManagedTensor, of consumers from before DLPack 1."""

    _fields_ = [("tensor", Tensor), ("context", Pointer), ("deleter", Pointer)]


def both_kinds_of_consumer_see_the_same_tensor():
    use_device()
    array = deepsport.open(CLIPS / "h264.mp4").at([0, 5], (64, 48), device="cuda").data
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = Pointer, [ctypes.py_object, ctypes.c_char_p]
    rename = ctypes.pythonapi.PyCapsule_SetName
    rename.argtypes = [ctypes.py_object, ctypes.c_char_p]
    used = []  # a capsule keeps no copy of its name
    for how, name, kind in (
        ({"max_version": (1, 1)}, b"dltensor_versioned", Versioned),
        ({}, b"dltensor", Unversioned),
        ({"max_version": (0, 8)}, b"dltensor", Unversioned),
    ):
        capsule = array.__dlpack__(stream=1, **how)
        managed = kind.from_address(pointer_of(capsule, name))
        tensor = managed.tensor
        assert (tensor.data, list(tensor.device)) == (array._memory.address, [2, 0])
        assert (tensor.code, tensor.bits, tensor.lanes, tensor.ndim) == (1, 8, 1, 4)
        assert tensor.shape[:4] == [2, 48, 64, 3]
        assert tensor.strides[:4] == [48 * 64 * 3, 64 * 3, 3, 1]  # elements
        if kind is Versioned:
            assert (list(managed.version), managed.flags) == ([1, 0], 0)
        # The consumer takes it over: renames the capsule, and frees the tensor by its deleter.
        used.append(b"used_" + name)
        rename(capsule, used[-1])
        del capsule
        ctypes.CFUNCTYPE(None, Pointer)(managed.deleter)(ctypes.addressof(managed))


def pinned_memory_is_decoded_into_and_given_back():
    use_device()
    video = deepsport.open(CLIPS / "h264.mp4")
    pinned = cuda.pinned_empty((2, 48, 64, 3))
    assert alive()["host_blocks"] == 1
    batch = video.at([4, 40], (64, 48), out=pinned)
    assert batch.data is pinned
    assert np.array_equal(pinned, video.at([4, 40], (64, 48)).data)
    view = pinned[1]
    del pinned, batch
    gc.collect()
    assert alive()["host_blocks"] == 1, "a view keeps the memory"
    del view
    gc.collect()
    assert alive()["host_blocks"] == 0
    DRIVER.fake_fail(b"cuMemHostAlloc", 1, 2)  # no memory to pin: plain memory
    plain = cuda.pinned_empty((1, 48, 64, 3))
    assert alive()["host_blocks"] == 0
    video.at([4], (64, 48), out=plain)


def a_stream_that_means_another_one_on_another_thread_is_waited_for():
    import threading

    use_device()
    video = deepsport.open(CLIPS / "h264.mp4")
    wanted = video.at([9]).data
    batch = video.at([9], device="cuda")
    consumer = new_stream()
    batch.__dlpack__(stream=2, max_version=(1, 0))  # the calling thread's default stream
    out = np.empty_like(wanted)
    DRIVER.cuMemcpyDtoHAsync_v2(
        out.ctypes.data_as(Pointer), ctypes.c_ulonglong(batch.data._memory.address),
        ctypes.c_size_t(out.nbytes), Pointer(consumer),
    )  # fmt: skip
    holder = [batch]
    del batch
    dropper = threading.Thread(target=holder.clear)  # freed by another thread
    dropper.start()
    dropper.join()
    DRIVER.cuStreamSynchronize(Pointer(consumer))
    assert np.array_equal(out, wanted)
    DRIVER.cuStreamDestroy_v2(Pointer(consumer))


def tensors_of_two_devices_are_refused():
    class OnDevice:
        """As much of a torch tensor as is asked of it."""

        def __init__(self, index: int) -> None:
            self.device = type("Device", (), {"type": "cuda", "index": index})()
            self.shape, self.dtype = (4,), "torch.float32"

        def data_ptr(self) -> int:
            return 256

        def is_contiguous(self) -> bool:
            return True

    for tensors, device in (((0, 1), None), ((1, 1), "cuda:0")):
        try:
            first, second = (OnDevice(index) for index in tensors)
            cuda.group_advantages(first, second, group_size=2, device=device, stream=1)
        except InvalidRequestError as error:
            assert "valid is one device" in str(error), error
        else:
            raise AssertionError(tensors)


def the_cpu_decodes_what_nvdec_does_not_and_says_so():
    import logging

    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("deepsport").addHandler(handler)
    logging.getLogger("deepsport").setLevel(logging.INFO)
    video = deepsport.open(CLIPS / "mpeg4.avi")
    batch = video.at([1, 4], device="cuda")
    assert np.array_equal(batch.data.numpy(), video.at([1, 4]).data)
    assert batch.counts["decoded_on_cpu"] == 1
    assert any("NVDEC is not used for mpeg4" in line for line in said), said
    video = deepsport.open(CLIPS / "h264.mp4")
    DRIVER.fake_fail(b"cuvidDecodePicture", 2, 999)
    batch = video.at([1, 30], device="cuda")
    assert np.array_equal(batch.data.numpy(), video.at([1, 30]).data)
    assert "NVDEC failed at cuvidDecodePicture: CUDA_ERROR_UNKNOWN" in said[-1]


def advantages_and_spread_are_those_of_the_cpu():
    use_device()
    rewards = np.array([0, 1, 1, 0, 2, 2, 2, 2], np.float32)
    on_device, out = DeviceArray(rewards), DeviceArray(np.full(8, 9, np.float32))
    cuda.group_advantages(on_device, out, group_size=4, scheme="mean_only")
    advantages = out.read()
    assert advantages.tolist() == [-0.5, 0.5, 0.5, -0.5, 0, 0, 0, 0]
    mask = DeviceArray(np.array([[1, 1, 0]] * 8, np.int64))
    tokens = DeviceArray(np.full((8, 3), 9, np.float32))
    cuda.spread(out, mask, tokens)
    assert np.array_equal(tokens.read(), advantages[:, None] * mask.host)
    for array in (on_device, out, mask, tokens):
        array.free()


def several_decoders_share_a_request():
    video = deepsport.open(str(CLIPS / "h264.mp4"))
    order = [44, 2, 30, 2, 17]
    batch = video.at(order, device="cuda", threads=3)
    assert np.array_equal(batch.data.numpy(), video.at(order).data)
    assert batch.counts["seeks"] == 4
    try:
        union(video, [[1], [2, 1]], device="cuda")
    except InvalidRequestError as error:
        assert "has no parts; valid is out=" in str(error)
    else:
        raise AssertionError("device memory of ours was divided")


def what_does_not_fit_is_refused():
    use_device()
    video = deepsport.open(CLIPS / "h264.mp4")
    small = DeviceArray(np.zeros((1, 48, 64, 3), np.uint8))
    gaps = DeviceArray(np.zeros((1, 270, 352, 3), np.uint8), strides=(1, 2, 3, 4))
    attempts = [
        lambda: video.at([0], device="cuda", out=small),
        lambda: video.at([0], device="cuda", out=gaps),
        lambda: video.at([0], device="cuda", out=np.zeros((1, 270, 352, 3), np.uint8)),
        lambda: video.at([0], device="cuda", stream=1),
        lambda: video.at([0], device="cpu", out=small),
        lambda: video.at([0], device="gpu"),
        lambda: video.at([0], device="cuda", pixels=cuda.Pixels(dtype="int8")),
        lambda: video.at([0], device="cuda", pixels=cuda.Pixels("patches")),  # 352 is not 28 n
        lambda: cuda.group_advantages(small, small, group_size=2),
        lambda: cuda.spread(small, small, small),
    ]
    for number, attempt in enumerate(attempts):
        try:
            attempt()
        except InvalidRequestError as error:
            assert "valid" in str(error), error
        else:
            raise AssertionError(number)
    try:
        video.at([0], device="cuda:2")
    except DeviceUnavailableError as error:
        assert "valid are cuda:0..cuda:1" in str(error)
    else:
        raise AssertionError("cuda:2")
    small.free()
    gaps.free()


def a_forked_child_gets_a_typed_error():
    video = deepsport.open(CLIPS / "h264.mp4")
    batch = video.at([0], device="cuda")
    child = os.fork()
    if child == 0:
        try:
            video.at([0], device="cuda")
        except (DeviceUnavailableError, UsedAfterForkError) as error:
            del batch  # its memory is the parent's: nothing may be given back here
            gc.collect()
            ok = "fork" in str(error) and video.at([0]).data.shape[0] == 1  # the CPU goes on
            os._exit(0 if ok else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert video.at([0], device="cuda").counts["decoders_reused"] == 1


def a_build_without_kernels_says_so():
    video = deepsport.open(CLIPS / "h264.mp4")
    status = deepsport.device.cuda_status()
    assert status.driver and status.nvdec and not status.kernels and not status.decodes
    assert "no CUDA kernels" in status.why_not
    try:
        video.at([0], device="cuda")
    except DeviceUnavailableError as error:
        assert "no CUDA kernels" in str(error) and "valid here is device='cpu'" in str(error)
    else:
        raise AssertionError("cuda")
    assert isinstance(video.at([0], device="auto").data, np.ndarray)
    # What needs no kernels works: pinned memory.
    pinned = cuda.pinned_empty((1, 270, 352, 3))
    assert np.array_equal(video.at([7], out=pinned).data, video.at([7]).data)


def doctor_calls_the_fake_a_fake():
    import contextlib
    import io

    from deepsport.cli.main import main

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["doctor", "--need", "cuda"]) == 0
    assert "cuda:1: Fake GPU 1 (libavcodec on the CPU), 8.0, 1 GiB" in out.getvalue()
    assert "hevc 10 bit 4:4:4" in out.getvalue()
    assert "has been run on an NVIDIA H100" in out.getvalue()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    gc.collect()
    cuda.release_decoders()
    assert not any(alive().values()), alive()
    assert DRIVER.fake_violation() == b"", DRIVER.fake_violation()
