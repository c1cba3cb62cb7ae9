"""A log of decisions in a file of the home, which only grows.

One writer at a time holds the file's lock. A crash can leave a torn last line: the lines before it stand, and the next writer
puts the torn bytes aside beside the log.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from mining_platform.reviews.chains import Decided, E, Form, Log, Name, chained, lines_of, missing_lines, parsed
from mining_platform.reviews.decisions import ReviewError
from mining_platform.store import durable


def read(path: Path, form: Form[E]) -> Log[E]:
    """The log at `<subject>.jsonl`; empty where there is none. ReviewError names the first bad line."""
    return parsed(_content(path), form, _name(path))


def append(path: Path, form: Form[E], decisions: Sequence[Decided], now: datetime | None = None) -> list[E]:
    """Take decisions down and bring them to the disk, all or none; waits for a writer who is at work. The new lines.

    ReviewError where the log is not sound or the disk refuses; nothing was taken down then.
    """
    with _alone(path) as handle:
        log = parsed(handle.read(), form, _name(path))
        if log.torn:
            _set_aside(handle, path, log.torn)
        entries = chained(log.entries, form, decisions, now)
        _write(handle, lines_of(entries))
    return entries


def follow(path: Path, content: bytes) -> bool:
    """Let the log have all lines of a sound one, of which it has the first ones or more; whether any came. Raises as `append`."""
    with _alone(path) as handle:
        missing = missing_lines(path, handle.read(), content)
        _write(handle, missing)
    return bool(missing)


@contextmanager
def _alone(path: Path) -> Iterator[BinaryIO]:
    """The log open at its beginning, for one writer at a time; what was written is on the disk at the end."""
    try:
        durable.make_directory(path.parent)
        with path.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            yield handle
        durable.sync(path.parent)
    except OSError as error:
        raise ReviewError(
            f"The decisions could not be written to {path}: {error.strerror or error}. Mend that, decide again."
        ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ReviewError(f"The log of decisions {path} cannot be read: {error.strerror or error}.") from error


def _name(path: Path) -> Name:
    return Name(str(path), path.stem)


def _write(handle: BinaryIO, lines: bytes) -> None:
    """Append lines and bring them to the disk; on failure the file is as long as before."""
    size = handle.seek(0, os.SEEK_END)
    try:
        if size and not _ends_a_line(handle, size):
            lines = b"\n" + lines
        handle.write(lines)
        handle.flush()
        os.fsync(handle.fileno())
    except OSError:
        os.ftruncate(handle.fileno(), size)
        raise


def _ends_a_line(handle: BinaryIO, size: int) -> bool:
    handle.seek(size - 1)
    return handle.read(1) == b"\n"


def _set_aside(handle: BinaryIO, path: Path, torn: bytes) -> None:
    """Move a torn last line to `<log>.torn`, which keeps all of them."""
    with path.with_name(f"{path.name}.torn").open("ab") as aside:
        aside.write(torn + b"\n")
        aside.flush()
        os.fsync(aside.fileno())
    handle.truncate(handle.seek(0, os.SEEK_END) - len(torn))
