"""A log of decisions as an object of the store in which the artifacts lie, so that people decide in any of its installations.

The object is replaced by itself with more lines, under the condition that nobody replaced it meanwhile; who lost reads again.
What was decided in this home before its artifacts lay in a bucket counts there too: it goes up with the next decision, unless
the object has another beginning by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mining_platform.reviews import log_files
from mining_platform.reviews.chains import Decided, E, Form, Log, Name, chained, differs, lines_of, missing_lines, parsed
from mining_platform.reviews.decisions import ReviewError
from mining_platform.store.remote import Kept, Remote

_TRIES = 10  # of writers who come at the same moment


@dataclass(frozen=True)
class LogObject:
    """Where a log lies in an object store."""

    remote: Remote
    key: str
    subject: str
    """What its decisions are on."""
    earlier: Path | None = None
    """The log of this home, from when its artifacts lay in a directory."""

    def __str__(self) -> str:
        """As messages call it."""
        return f"{self.remote.place}/{self.key}"


def read(place: LogObject, form: Form[E]) -> Log[E]:
    """The log; empty where nobody decided yet. ReviewError names the first bad line, and where this home's own differs.

    StoreUnreachable where the store does not answer.
    """
    return _read(place, form, place.remote.get(place.key))


def append(place: LogObject, form: Form[E], decisions: Sequence[Decided], now: datetime | None = None) -> list[E]:
    """Take decisions down, all or none, after those of whoever was faster. The new lines. Raises as `read`."""
    for _ in range(_TRIES):
        kept = place.remote.get(place.key)
        before = _read(place, form, kept).entries
        entries = chained(before, form, decisions, now)
        if _replaced(place, kept, lines_of((*before, *entries))):
            return entries
    raise ReviewError(_busy(place))


def _read(place: LogObject, form: Form[E], kept: Kept | None) -> Log[E]:
    """What counts: the object, or where there is none yet the decisions that this home has."""
    earlier = log_files.read(place.earlier, form).entries if place.earlier is not None else ()
    if kept is None:
        return Log(earlier)
    log = parsed(kept.content, form, Name(str(place), place.subject))
    if log.torn:
        raise ReviewError(f"{place} ends in the middle of a line, which no writer of it leaves. Restore it from a backup.")
    if log.entries[: len(earlier)] != earlier:
        raise ReviewError(f"{differs(place.earlier)}: it is {place}, in which others decided meanwhile.")
    return log


def follow(place: LogObject, content: bytes) -> bool:
    """Let the log have all lines of a sound one, of which it has the first ones or more; whether any came. Raises as `append`."""
    for _ in range(_TRIES):
        kept = place.remote.get(place.key)
        missing = missing_lines(place, kept.content if kept else b"", content)
        if not missing or _replaced(place, kept, content):
            return bool(missing)
    raise ReviewError(_busy(place))


def _replaced(place: LogObject, kept: Kept | None, content: bytes) -> bool:
    """Whether the log is `content` now; not where somebody wrote to it since it was `kept`."""
    remote = place.remote
    token = remote.put_new(place.key, content) if kept is None else remote.swap(place.key, content, kept.token)
    return token is not None


def _busy(place: LogObject) -> str:
    return f"Others write to {place} all the time. Nothing was taken down; try again."
