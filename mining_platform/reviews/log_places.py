"""Where the logs of decisions lie: with the artifacts, in the home's folder `reviews` or in the object store under that name."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mining_platform.pipeline import Platform
from mining_platform.reviews import log_files, log_objects
from mining_platform.reviews.chains import Decided, E, Form, Log
from mining_platform.reviews.log_objects import LogObject

FOLDER, SUFFIX = "reviews", ".jsonl"

Place = Path | LogObject
"""A log: `<subject>.jsonl` on the disk, or an object."""


def place_of(platform: Platform, folder: str, subject: str) -> Place:
    """The log of decisions on `subject`, in a folder below FOLDER (empty: in FOLDER itself)."""
    key = "/".join(filter(None, (FOLDER, folder, f"{subject}{SUFFIX}")))
    path, remote = platform.home / key, platform.artifacts.remote
    return path if remote is None else LogObject(remote, key, subject, path)


def read(place: Place, form: Form[E]) -> Log[E]:
    """The log, hashes and chain checked; empty where there is none. ReviewError names the first bad line."""
    return log_files.read(place, form) if isinstance(place, Path) else log_objects.read(place, form)


def append(place: Place, form: Form[E], decisions: Sequence[Decided], now: datetime | None = None) -> list[E]:
    """Take decisions down for good, all or none, after those of writers who are at work. The new lines.

    ReviewError where the log is not sound or cannot be written, StoreUnreachable where the store does not answer.
    """
    if isinstance(place, Path):
        return log_files.append(place, form, decisions, now)
    return log_objects.append(place, form, decisions, now)
