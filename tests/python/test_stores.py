"""Videos that lie in other people's stores: S3, WebDataset shards, Lance tables; by their packages.

Packages that are not installed skip their tests; `nox -s integrations` installs them.
"""

from __future__ import annotations

import asyncio
import io
import tarfile

import numpy as np
import pytest

import deepsport
from deepsport.errors import VideoIOError, VideoNotFoundError
from deepsport.remote import BLOCK_BYTES, open_address

FRAMES = [0, 17, 49]
PADDING = 8 << 20


@pytest.fixture(scope="module")
def clip(made_clip):
    return made_clip("h264-b-pyramid")


@pytest.fixture(scope="module")
def expected(clip):
    return deepsport.open(clip).at(FRAMES).data


@pytest.fixture
def s3(monkeypatch, clip):
    """Serve S3 in this process; yields the options that fsspec needs to find it."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    import fsspec

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket="matches")
    # what a broadcast has behind its frames, so that reading all of it would show
    padded = clip.read_bytes() + (PADDING + 8).to_bytes(4, "big") + b"free" + bytes(PADDING)
    client.put_object(Bucket="matches", Key="final/clip.mp4", Body=padded)
    yield {"endpoint_url": address}
    client.close()
    system = fsspec.filesystem("s3", endpoint_url=address)
    session = system._s3
    system.clear_instance_cache()
    if session is not None:
        from fsspec.asyn import sync

        sync(system.loop, session.close)
    server.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # botocore and moto have their own
def test_s3_objects_are_read_by_ranges(s3, expected):
    reader = open_address("s3://matches/final/clip.mp4", **s3)
    video = deepsport.open(reader, index_cache=False)
    np.testing.assert_array_equal(video.at(FRAMES).data, expected)
    assert reader.size > PADDING
    assert reader.fetched_bytes < 4 * BLOCK_BYTES, reader.fetched_bytes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3_addresses_open_by_themselves_and_say_what_is_not_there(s3, expected, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3["endpoint_url"])
    video = deepsport.open("s3://matches/final/clip.mp4", index_cache=False)
    np.testing.assert_array_equal(video.at(FRAMES).data, expected)
    with pytest.raises(VideoNotFoundError, match=r"absent\.mp4"):
        deepsport.open("s3://matches/absent.mp4")
    with pytest.raises((VideoNotFoundError, VideoIOError)):
        deepsport.open("s3://no-such-bucket/clip.mp4")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves closing to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_samples_of_a_webdataset_shard_open_from_their_bytes(tmp_path, clip, expected):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    shard = tmp_path / "shard-000000.tar"
    with webdataset.TarWriter(str(shard)) as writer:
        for number in range(3):
            writer.write({"__key__": f"rally{number}", "mp4": clip.read_bytes(), "cls": number})
    samples = webdataset.WebDataset(str(shard), shardshuffle=False).map_dict(
        mp4=deepsport.open, cls=int
    )
    seen = []
    for sample in samples:
        np.testing.assert_array_equal(sample["mp4"].at(FRAMES).data, expected)
        seen.append(sample["cls"])
    assert seen == [0, 1, 2]


def test_a_member_of_a_shard_is_read_in_place(tmp_path, clip, expected):
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        other = tarfile.TarInfo("a.txt")
        other.size = 1000
        archive.addfile(other, io.BytesIO(bytes(1000)))
        archive.add(clip, "rally.mp4")
    with tarfile.open(shard) as archive:
        video = deepsport.open(archive.extractfile("rally.mp4"))
        np.testing.assert_array_equal(video.at(FRAMES).data, expected)


def test_blobs_of_a_lance_table_are_read_lazily(tmp_path, clip, expected):
    lance = pytest.importorskip("lance", reason="lance is not installed")
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    field = arrow.field("video", arrow.large_binary(), metadata={"lance-encoding:blob": "true"})
    schema = arrow.schema([arrow.field("id", arrow.int64()), field])
    table = arrow.table({"id": [7, 8], "video": [clip.read_bytes()] * 2}, schema=schema)
    # with the version of the file format that keeps blobs apart by this mark
    data = lance.write_dataset(table, str(tmp_path / "matches.lance"), data_storage_version="2.1")
    [blob] = data.take_blobs("video", indices=[1])
    with blob:
        np.testing.assert_array_equal(deepsport.open(blob).at(FRAMES).data, expected)


@pytest.mark.asyncio
async def test_addresses_are_awaited_too(clip, expected):
    fsspec = pytest.importorskip("fsspec")
    from deepsport import aio

    fsspec.filesystem("memory").pipe("/stores/clip.mp4", clip.read_bytes())
    videos = await asyncio.gather(*(aio.open("memory://stores/clip.mp4") for _ in range(2)))
    for batch in await asyncio.gather(*(video.at(FRAMES) for video in videos)):
        np.testing.assert_array_equal(batch.data, expected)
