"""Object stores for tests: one in memory with the real client, and a real S3 server on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mining_platform.store.buckets import Bucket

PATIENCE_S = 60
BUCKET = "artifacts"


def memory_bucket() -> Bucket:
    """obstore's own store in memory, which heeds conditions on writes as a service does."""
    from obstore.store import MemoryStore

    return Bucket("s3://in-memory/tests", MemoryStore())


@contextmanager
def s3_server(folder: Path) -> Iterator[Mapping[str, str]]:
    """A moto server of its own process with an empty bucket: the variables by which the platform finds it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "of-the-tests",
        "AWS_SECRET_ACCESS_KEY": "known-to-nobody-else",
        "AWS_REGION": "us-east-1",
    }
    with (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(port, server)
        client(environment).create_bucket(Bucket=BUCKET)
        yield environment
    finally:
        server.kill()
        server.wait()


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert server.poll() is None, "the S3 server ended by itself"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def client(environment: Mapping[str, str]) -> Any:
    """Amazon's own client of the server, to look at what the platform did by other means than its own."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_REGION"],
    )


def keys(environment: Mapping[str, str], prefix: str = "") -> dict[str, bytes]:
    """All objects of the bucket below a prefix."""
    s3 = client(environment)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    names = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return {name: s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}


def without_secrets() -> dict[str, str]:
    """This environment without variables that name an object store."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINING_PLATFORM_STORE"))}
