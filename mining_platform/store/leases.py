"""A lease: one writer at a time, who says who he is, and whose death frees the place at once.

The lock is a POSIX record lock on a file: the kernel drops it when the holder dies, and, unlike
flock, a forked child does not inherit it and so cannot keep it alive. Such a lock does not part the
threads of one process, so the process also remembers what it holds. The file itself is never
removed: a lock on a removed file would exclude nobody.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_NAMING_TRIES = 20  # a holder locks first and writes its name a moment later
_NAMING_PAUSE_S = 0.01


@dataclass(frozen=True)
class Holder:
    """Who holds a lease."""

    pid: int
    host: str
    run_id: str
    since: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        """For messages, e.g. `process 12 on host a, run x, since 2026-01-01T00:00:00+00:00`."""
        run = f", run {self.run_id}" if self.run_id else ""
        return f"process {self.pid} on {self.host}{run}, since {self.since}"


_held: dict[Path, Holder] = {}
_guard = threading.Lock()


@contextmanager
def lease(path: Path, run_id: str = "") -> Iterator[Holder | None]:
    """Hold the lease at `path` for the body: yields None then, or without waiting whoever else holds it.

    Free again when the body ends or the process dies, by whatever means.
    """
    key = path.resolve()
    me = Holder(os.getpid(), socket.gethostname(), run_id, datetime.now(UTC).isoformat(timespec="seconds"))
    with _guard:
        other = _held.get(key)
        if other is None or other.pid != me.pid:
            other = None
            _held[key] = me
    if other is not None:
        yield other
        return
    try:
        yield from _locked(key, me)
    finally:
        with _guard:
            _held.pop(key, None)


def _locked(path: Path, me: Holder) -> Iterator[Holder | None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as POSIX leaves open
            yield _named(descriptor)
            return
        _write(descriptor, json.dumps(asdict(me), sort_keys=True).encode())
        try:
            yield None
        finally:
            _write(descriptor, b"")
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _named(descriptor: int) -> Holder:
    for _ in range(_NAMING_TRIES):
        try:
            return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
        except (ValueError, TypeError):
            time.sleep(_NAMING_PAUSE_S)
    return Holder(0, "an unknown host", "", "an unknown time")
