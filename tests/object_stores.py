"""Object stores for tests: one in memory with the real client, and a real S3 server on loopback, also behind a slow line."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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


@dataclass
class SlowLine:
    """What all connections to a server share."""

    bytes_s: float
    """What the line carries, in both directions together."""
    is_dead: bool = False
    """Whether it carries nothing at all, with every connection left open."""
    connections: int = 0
    """Open at this moment."""
    most_connections: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _free_from: float = 0.0

    def carry(self, size: int) -> None:
        """Wait until as many bytes are through."""
        with self._turn:
            self._free_from = max(self._free_from, time.monotonic()) + size / self.bytes_s
            wait = self._free_from - time.monotonic()
        time.sleep(max(0.0, wait))
        deadline = time.monotonic() + PATIENCE_S
        while self.is_dead and time.monotonic() < deadline:
            time.sleep(0.02)

    def count(self, change: int) -> None:
        """A connection was opened (1) or closed (-1)."""
        with self._turn:
            self.connections += change
            self.most_connections = max(self.most_connections, self.connections)


@contextmanager
def slow_line(port: int, bytes_s: float) -> Iterator[tuple[SlowLine, int]]:
    """A line to a port of this machine, and the port where it begins."""
    line, door = SlowLine(bytes_s), socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    door.bind(("127.0.0.1", 0))
    door.listen(64)
    threading.Thread(target=_accept, args=(door, port, line), daemon=True).start()
    try:
        yield line, door.getsockname()[1]
    finally:
        line.is_dead = False
        door.shutdown(socket.SHUT_RDWR)
        door.close()


def _accept(door: socket.socket, port: int, line: SlowLine) -> None:
    with suppress(OSError):
        while True:
            near = door.accept()[0]
            line.count(1)
            threading.Thread(target=_connect, args=(near, port, line), daemon=True).start()


def _connect(near: socket.socket, port: int, line: SlowLine) -> None:
    with suppress(OSError), near, socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=_carry, args=(far, near, line), daemon=True)
        back.start()
        _carry(near, far, line)
        back.join()
    line.count(-1)


def _carry(source: socket.socket, target: socket.socket, line: SlowLine) -> None:
    with suppress(OSError):
        while piece := source.recv(32_768):
            line.carry(len(piece))
            target.sendall(piece)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
