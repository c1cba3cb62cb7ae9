"""Logs of decisions: lines that are only ever added, a line a decision, each line hashed and chained to the one before.

A line is canonical JSON of the decision, its number, its time and `previous` and `hash` (blake3 of the rest of the line). A
changed, removed or exchanged line breaks the chain and is named. Where logs lie, `log_places` says.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from mining_platform.reviews.decisions import ReviewError
from mining_platform.store import digests

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
    """The field that names the log, the same in all of its lines."""


@dataclass(frozen=True)
class Log(Generic[E]):
    """All decisions of a log, oldest first."""

    entries: tuple[E, ...] = ()
    torn: bytes = b""
    """What a crash left of a last line; it was no decision yet."""


@dataclass(frozen=True)
class Name:
    """Of a log: how messages call it, and what its decisions are on."""

    place: str
    subject: str
    """Value of the form's field `subject` in each line."""


def parsed(content: bytes, form: Form[E], name: Name) -> Log[E]:
    """The log whose bytes these are, hashes and chain checked. ReviewError names the first bad line."""
    *lines, rest = content.split(b"\n")
    entries: list[E] = []
    for line in lines:
        entries.append(_entry(line, entries[-1] if entries else None, form, name))
    if not rest:
        return Log(tuple(entries))
    try:  # where only its end of line was lost
        return Log((*entries, _entry(rest, entries[-1] if entries else None, form, name)))
    except ReviewError:
        return Log(tuple(entries), rest)


def chained(before: Sequence[E], form: Form[E], decisions: Sequence[Decided], now: datetime | None = None) -> list[E]:
    """Decisions as the next lines after `before`, taken down now."""
    time = (now or datetime.now(UTC)).isoformat(timespec="milliseconds")
    entries: list[E] = []
    last = before[-1] if before else None
    for decision in decisions:
        number, previous = (last.number + 1, last.hash) if last else (1, "")
        content = {**asdict(decision), "number": number, "time": time, "previous": previous}
        last = form.entry(**content, hash=_hash(content))
        entries.append(last)
    return entries


def lines_of(entries: Sequence[Link]) -> bytes:
    """Entries as their log keeps them."""
    return b"".join(digests.canonical_json(asdict(entry), f"Decision {entry.number}") for entry in entries)


def missing_lines(place: object, here: bytes, content: bytes) -> bytes:
    """The lines of a sound log's `content` that the log at `place` lacks, which has its first ones or all and more.

    ReviewError where it has others.
    """
    known = here if here.endswith(b"\n") or not here else here + b"\n"
    if not content.startswith(known) and not known.startswith(content):
        raise ReviewError(f"{differs(place)}.")
    return content[len(known) :]


def differs(place: object) -> str:
    """What is wrong with a copy of a log that is to follow another."""
    return (
        f"{place} has decisions that the log it is to follow lacks. Move it away, and take in with --apply what still holds of it"
    )


def _hash(content: dict[str, Any]) -> str:
    return digests.digest_of(digests.canonical_json({key: content[key] for key in content if key != "hash"}, "A decision"))


def _entry(line: bytes, before: E | None, form: Form[E], name: Name) -> E:
    number, previous = (before.number + 1, before.hash) if before else (1, "")
    try:
        content = digests.read_json(line)
    except ValueError:
        raise ReviewError(f"{name.place}, line {number} is no JSON: it was altered. {_REMEDY}") from None
    names = {field.name for field in fields(form.entry)}
    if not isinstance(content, dict) or content.keys() != names or _hash(content) != content["hash"]:
        raise ReviewError(f"{name.place}, line {number} was altered. {_REMEDY}")
    if (content["number"], content["previous"]) != (number, previous):
        told = "does not follow the line before: lines were removed or exchanged"
        raise ReviewError(f"{name.place}, line {number} {told}. {_REMEDY}")
    if content[form.subject] != name.subject:
        told = f"is a decision on {content[form.subject]}, not on {name.subject}"
        raise ReviewError(f"{name.place}, line {number} {told}. {_REMEDY}")
    return form.entry(**content)
