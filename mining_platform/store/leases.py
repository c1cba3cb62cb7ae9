"""A lease: one writer at a time, who says who he is, and whose death frees the place at once.

The lock is a POSIX record lock on a file: the kernel drops it when the holder dies, and, unlike
flock, a forked child does not inherit it and so cannot keep it alive. Such a lock does not part the
threads of one process, so the process also remembers what it holds. The file itself is never
removed: a lock on a removed file would exclude nobody.

A whole store is used by many, or had by one alone (`shared`, `alone`). There it is flock, which parts threads too: a forked
child that outlives its parent then goes on using the store, so that its garbage stays until the child is gone.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
def lease(path: Path, run_id: str = "", *, named: bool = True) -> Iterator[Holder | None]:
    """Hold the lease at `path` for the body: yields None then, or without waiting whoever else holds it.

    Free again when the body ends or the process dies, by whatever means. Without a name others wait a moment for it.
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
        yield from _locked(key, me if named else None)
    finally:
        with _guard:
            _held.pop(key, None)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lease at `path` at this moment; keeps nobody from it."""
    with lease(path, named=False) as other:
        return other is None


def _locked(path: Path, me: Holder | None) -> Iterator[Holder | None]:
    with _opened(path) as descriptor:
        other = _other(descriptor)
        if other is not None:
            yield other
            return
        _write(descriptor, json.dumps(asdict(me), sort_keys=True).encode() if me else b"")
        try:
            yield None
        finally:
            _write(descriptor, b"")


def _other(descriptor: int) -> Holder | None:
    """None once the lock is ours, else who has it. A holder without a name has just come, or only looks: it is tried again."""
    for _ in range(_NAMING_TRIES):
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as POSIX leaves open
            with suppress(ValueError, TypeError):
                return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
        time.sleep(_NAMING_PAUSE_S)
    return Holder(0, "an unknown host", "", "an unknown time")


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Be one of those who use a place, for the body; waits while somebody has it alone."""
    with _opened(path) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Have a place alone for the body, where nobody uses it: yields whether that is so, without waiting."""
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)
