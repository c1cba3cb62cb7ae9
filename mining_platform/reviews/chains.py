"""Logs of decisions: a file that only grows, a line a decision, each line hashed and chained to the one before.

A line is canonical JSON of the decision, its number, its time and `previous` and `hash` (blake3 of the rest of the line). One
writer at a time holds the file's lock. A crash can leave a torn last line: the lines before it stand, and the next writer puts
the torn bytes aside beside the log. A changed, removed or exchanged line breaks the chain and is named.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, TypeVar

from mining_platform.reviews.decisions import ReviewError
from mining_platform.store import digests, durable

FOLDER = "reviews"
_REMEDY = "Restore the file from a backup; decisions are not taken down or used while it is like this."


@dataclass(frozen=True)
class Link:
    """What a log adds to a decision."""

    number: int
    """Of the line in the log, from 1."""
    time: str
    """UTC, ISO 8601."""
    previous: str
    """Hash of the line before; empty for the first."""
    hash: str


class Decided(Protocol):
    """A decision of people: a dataclass of JSON values."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


E = TypeVar("E", bound=Link)


@dataclass(frozen=True)
class Form(Generic[E]):
    """What lines a kind of log has."""

    entry: type[E]
    """The decision with its Link."""
    subject: str
    """The field that names the log: its files are called `<subject>.jsonl`."""


@dataclass(frozen=True)
class Log(Generic[E]):
    """All decisions of a log, oldest first."""

    entries: tuple[E, ...] = ()
    torn: bytes = b""
    """What a crash left of a last line; it was no decision yet."""


def read(path: Path, form: Form[E]) -> Log[E]:
    """The log at `path`, hashes and chain checked; empty where there is none. ReviewError names the first bad line."""
    try:
        return _parsed(path.read_bytes(), path, form)
    except FileNotFoundError:
        return Log()
    except OSError as error:
        raise ReviewError(f"The log of decisions {path} cannot be read: {error.strerror or error}.") from error


def append(path: Path, form: Form[E], decisions: Sequence[Decided], now: datetime | None = None) -> list[E]:
    """Take decisions down and bring them to the disk, all or none; waits for a writer who is at work. The new lines.

    ReviewError where the log is not sound or the disk refuses; nothing was taken down then.
    """
    time = (now or datetime.now(UTC)).isoformat(timespec="milliseconds")
    try:
        durable.make_directory(path.parent)
        with path.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            log = _parsed(handle.read(), path, form)
            if log.torn:
                _set_aside(handle, path, log.torn)
            entries = _chained(log.entries, form, decisions, time)
            _write(handle, b"".join(_line(entry) for entry in entries))
        durable.sync(path.parent)
    except OSError as error:
        raise ReviewError(
            f"The decisions could not be written to {path}: {error.strerror or error}. Mend that, decide again."
        ) from error
    return entries


def _chained(before: Sequence[E], form: Form[E], decisions: Sequence[Decided], time: str) -> list[E]:
    entries: list[E] = []
    last = before[-1] if before else None
    for decision in decisions:
        number, previous = (last.number + 1, last.hash) if last else (1, "")
        content = {**asdict(decision), "number": number, "time": time, "previous": previous}
        last = form.entry(**content, hash=_hash(content))
        entries.append(last)
    return entries


def _line(entry: Link) -> bytes:
    return digests.canonical_json(asdict(entry), f"Decision {entry.number}")


def _hash(content: dict[str, Any]) -> str:
    return digests.digest_of(digests.canonical_json({key: content[key] for key in content if key != "hash"}, "A decision"))


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


def _parsed(content: bytes, path: Path, form: Form[E]) -> Log[E]:
    *lines, rest = content.split(b"\n")
    entries: list[E] = []
    for line in lines:
        entries.append(_entry(line, entries[-1] if entries else None, path, form))
    if not rest:
        return Log(tuple(entries))
    try:  # where only its end of line was lost
        return Log((*entries, _entry(rest, entries[-1] if entries else None, path, form)))
    except ReviewError:
        return Log(tuple(entries), rest)


def _entry(line: bytes, before: E | None, path: Path, form: Form[E]) -> E:
    number, previous = (before.number + 1, before.hash) if before else (1, "")
    try:
        content = digests.read_json(line)
    except ValueError:
        raise ReviewError(f"{path}, line {number} is no JSON: it was altered. {_REMEDY}") from None
    names = {field.name for field in fields(form.entry)}
    if not isinstance(content, dict) or content.keys() != names or _hash(content) != content["hash"]:
        raise ReviewError(f"{path}, line {number} was altered. {_REMEDY}")
    if (content["number"], content["previous"]) != (number, previous):
        raise ReviewError(f"{path}, line {number} does not follow the line before: lines were removed or exchanged. {_REMEDY}")
    if content[form.subject] != path.stem:
        raise ReviewError(f"{path}, line {number} is a decision on {content[form.subject]}, not on {path.stem}. {_REMEDY}")
    return form.entry(**content)
