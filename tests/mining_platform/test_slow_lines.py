"""A bucket behind a slow or dead line: what takes long is sent and read as long as it moves, what stands still is given up."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
import pytest

from mining_platform import artifacts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.store import buckets
from mining_platform.store.refs import StoreUnreachable
from tests.object_stores import BUCKET, SlowLine, memory_bucket, s3_server, slow_line

MOSAIC = Ref("mosaic", "lourenco|2022")
ADDRESS = f"s3://{BUCKET}/x"
PART_BYTES = 5 * 2**20  # S3's least
FAST, SLOW = 2.0**30, 5.0 * 2**20  # bytes a second


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with s3_server(tmp_path_factory.mktemp("server")) as environment:
        yield environment


@pytest.fixture
def slow(server: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowLine]:
    """A fast line to the server, which is the only one that the platform knows."""
    with slow_line(int(server["AWS_ENDPOINT_URL"].rpartition(":")[2]), FAST) as (line, port):
        for name, value in {**server, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(buckets, "PART_BYTES", PART_BYTES)
        yield line


def patient(monkeypatch: pytest.MonkeyPatch, *, stall_s: float, request_s: float) -> None:
    """Scale down how long the platform waits for a request."""
    monkeypatch.setattr(buckets, "STALL_TIMEOUT", timedelta(seconds=stall_s))
    monkeypatch.setattr(buckets, "REQUEST_TIMEOUT", timedelta(seconds=request_s))
    monkeypatch.setattr(buckets, "RETRY_TIMEOUT", timedelta(seconds=request_s * 1.5))


def large_file(_: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    (out / "data").write_bytes(os.urandom(4 * PART_BYTES + 1))
    return {}


def test_a_version_that_takes_longer_than_a_request_may_is_published_and_read(
    slow: SlowLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    patient(monkeypatch, stall_s=2.5, request_s=2.5)
    slow.bytes_s = SLOW
    here, there = (ArtifactStore(tmp_path / name, buckets.open_bucket(ADDRESS)) for name in ("here", "there"))
    began = time.monotonic()
    made = artifacts.produce(here, MOSAIC, inputs=[], code_version="1", config={}, compute=large_file)
    published = time.monotonic()
    read = artifacts.open_artifact(there, MOSAIC)
    assert min(published - began, time.monotonic() - published) > 4
    assert (read.path / "data").read_bytes() == (made.path / "data").read_bytes()


def test_of_a_file_one_part_at_a_time_is_on_its_way(slow: SlowLine, tmp_path: Path) -> None:
    bucket = buckets.open_bucket(ADDRESS)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(6 * PART_BYTES + 1))
    bucket.put("large", large)
    assert b"".join(bucket.chunks("large", large.stat().st_size) or ()) == large.read_bytes()
    assert slow.most_connections <= 2


def test_a_request_is_tried_again_after_one_that_took_as_long_as_it_may() -> None:
    assert buckets.STALL_TIMEOUT < buckets.REQUEST_TIMEOUT < buckets.RETRY_TIMEOUT


@pytest.mark.parametrize("act", ["put", "chunks"])
def test_a_line_that_stands_still_for_a_while_is_waited_for(
    slow: SlowLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: str
) -> None:
    patient(monkeypatch, stall_s=0.5, request_s=1)
    bucket, large = buckets.open_bucket(ADDRESS), tmp_path / "large"
    large.write_bytes(os.urandom(2 * PART_BYTES))
    bucket.put("large", large)
    slow.is_dead = True
    revival = threading.Timer(1.2, setattr, (slow, "is_dead", False))
    revival.start()
    if act == "put":
        bucket.put("large", large)
    assert b"".join(bucket.chunks("large", 2 * PART_BYTES) or ()) == large.read_bytes()
    revival.join()


@pytest.mark.parametrize("act", ["get", "put_new", "put", "chunks"])
def test_a_line_that_carries_nothing_any_more_is_given_up(
    slow: SlowLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: str
) -> None:
    patient(monkeypatch, stall_s=0.3, request_s=1)
    monkeypatch.setattr(buckets, "MAX_RETRIES", 2)
    bucket = buckets.open_bucket(ADDRESS)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(3 * PART_BYTES))
    bucket.put("large", large)
    chunks = bucket.chunks("large", 3 * PART_BYTES)
    assert chunks is not None
    next(chunks)
    acts = {
        "get": lambda: bucket.get("large"),
        "put_new": lambda: bucket.put_new("small", b"content"),
        "put": lambda: bucket.put("other", large),
        "chunks": lambda: list(chunks),
    }
    slow.is_dead = True
    began = time.monotonic()
    with pytest.raises(StoreUnreachable, match=r"s3://artifacts/x cannot be reached"):
        acts[act]()
    assert time.monotonic() - began < 5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Parts that a bucket in memory is asked for; None for a whole object."""
    told: list[Any] = []
    get = obstore.get

    def noting(client: Any, key: str, *, options: Any = None) -> Any:
        told.append((options or {}).get("range"))
        return get(client, key, options=options)

    monkeypatch.setattr(obstore, "get", noting)
    monkeypatch.setattr(buckets, "PART_BYTES", 10)
    return told


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, [None]), (10, [None]), (11, [(0, 10), (10, 20)]), (20, [(0, 10), (10, 20)]), (25, [(0, 10), (10, 20), (20, 30)])],
)
def test_a_large_object_is_asked_for_by_parts_and_a_small_one_once(asked: list[Any], size: int, expected: list[Any]) -> None:
    bucket, content = memory_bucket(), os.urandom(size)
    bucket.put("a", content)
    assert b"".join(bucket.chunks("a", size) or ()) == content
    assert asked == expected


@pytest.mark.parametrize("size", [0, 5, 10, 30])
def test_an_object_of_another_size_than_it_should_have_is_read_as_it_is(asked: list[Any], size: int) -> None:
    bucket, content = memory_bucket(), os.urandom(size)
    bucket.put("a", content)
    assert b"".join(bucket.chunks("a", 25) or ()) == content
    assert len(asked) <= 3


def test_an_object_that_goes_while_it_is_read_ends_there(asked: list[Any]) -> None:
    bucket = memory_bucket()
    bucket.put("a", os.urandom(25))
    chunks = bucket.chunks("a", 25)
    assert chunks is not None
    assert len(next(chunks)) == 10
    bucket.client.delete("a")
    assert list(chunks) == []
    assert bucket.chunks("a", 25) is None
    assert asked == [(0, 10), (10, 20), (0, 10)]
