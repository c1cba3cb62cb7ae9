"""Lineage records: what one production of one artifact rested on, kept beside the data.

Each production of a partition appends one record, `records/000001.json` and on. A record carries
its own hash and the hash of the record before it, so a changed, lost or inserted record shows.
Records need nothing but the files: they outlive any database.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from mining_platform.environments import environment
from mining_platform.store import digests, durable

_RECORD_NAME = re.compile(r"[0-9]{6,}\.json")


class LineageError(RuntimeError):
    """A record is altered, unreadable or out of its chain."""


@dataclass(frozen=True, order=True)
class Input:
    """One version that a production read."""

    asset: str
    partition: str
    digest: str


@dataclass(frozen=True)
class Production:
    """What the maker of an artifact knows about it."""

    asset: str
    partition: str
    digest: str
    inputs: tuple[Input, ...]
    """All of them, sorted."""
    facts_digest: str
    """blake3 of the version's `facts.json`, where scene ids and counts are."""
    code_version: str
    configuration: Mapping[str, Any]
    run_id: str
    started: datetime
    """UTC."""
    finished: datetime
    """UTC."""


@dataclass(frozen=True)
class Record:
    """One production as it is kept."""

    number: int
    """From 1, without gaps."""
    asset: str
    partition: str
    digest: str
    inputs: tuple[Input, ...]
    facts_digest: str
    code_version: str
    configuration: Mapping[str, Any]
    run_id: str
    started: str
    """UTC, ISO 8601."""
    finished: str
    """UTC, ISO 8601."""
    git_commit: str | None
    git_dirty: bool | None
    packages: Mapping[str, str]
    python: str
    platform: str
    processor: str
    previous: str
    """Hash of the record before, empty for the first."""
    hash: str
    """blake3 of the canonical JSON of all other fields."""


def append_record(directory: Path, production: Production, commit: Callable[[str, bytes], None] = lambda *_: None) -> Record:
    """Append a record to the chain in `directory` and bring it to the disk; the caller holds the lease.

    `commit` is given its name and bytes first, and may refuse by raising. Raises LineageError where the chain so far is not
    sound. In both cases nothing is appended.
    """
    chain = read_records(directory)
    number = len(chain) + 1
    content = {
        **asdict(production),
        **asdict(environment()),
        "number": number,
        "started": production.started.isoformat(timespec="milliseconds"),
        "finished": production.finished.isoformat(timespec="milliseconds"),
        "previous": chain[-1].hash if chain else "",
    }
    content["hash"] = _hash(content, f"record {number}")
    stored, path = digests.canonical_json(content, f"record {number}"), record_path(directory, number)
    commit(path.name, stored)
    durable.make_directory(directory)
    durable.write(path, stored)
    return read_record(directory, number)


def record_path(directory: Path, number: int) -> Path:
    """Where a record of that number is kept."""
    return directory / _record_name(number)


def _record_name(number: int) -> str:
    return f"{number:06d}.json"


def has_record(directory: Path, number: int) -> bool:
    """Whether there is a record of that number."""
    return Path(f"{directory}{os.sep}{_record_name(number)}").exists()


def _is_own(stored: bytes, content: Mapping[str, Any]) -> bool:
    """Whether the bytes of a record are those that were written: they have its hash, which stands where it was put, and no other.

    The hash is of all bytes but its own, so these are as they were, in their one spelling; keys are sorted, so the next one is
    known. Only a field of the record can stand there: one further down would leave the record without a hash.
    """
    if not isinstance(content["hash"], str):
        return False
    before, own, after = stored.partition(b'"hash":' + digests.spelled(content["hash"]).rstrip() + b",")
    return bool(own) and after.startswith(_AFTER_HASH) and digests.digest_of(before + after) == content["hash"]


def _hash(content: Mapping[str, Any], what: str) -> str:
    return digests.digest_of(digests.canonical_json({key: content[key] for key in content if key != "hash"}, what))


def read_record(directory: Path, number: int) -> Record:
    """One record, checked against its own hash; LineageError names it where it is absent or altered."""
    try:
        stored = digests.read(directory, _record_name(number))
        content = digests.read_json(stored)
    except FileNotFoundError:
        raise LineageError(f"Lineage record {_place(directory, number)} is missing. {_REMEDY}") from None
    except (ValueError, OSError) as error:
        raise LineageError(f"Lineage record {_place(directory, number)} is unreadable ({error}). {_REMEDY}") from None
    if not isinstance(content, dict) or content.keys() != _FIELDS or not _is_own(stored, content):
        raise LineageError(f"Lineage record {_place(directory, number)} was altered. {_REMEDY}")
    if content["number"] != number:
        raise LineageError(f"Lineage record {_place(directory, number)} says it is number {content['number']}. {_REMEDY}")
    return Record(**{**content, "inputs": tuple(Input(**each) for each in content["inputs"])})


_FIELDS = {field.name for field in fields(Record)}
_AFTER_HASH = f'"{min(name for name in _FIELDS if name > "hash")}":'.encode()
_REMEDY = (
    "Restore the file from a backup, or move the whole `records` directory aside and materialize the partition again: "
    "its history then starts anew."
)


def _place(directory: Path, number: int) -> str:
    """The last part of a record's path that tells asset and partition apart for a reader."""
    return "/".join(record_path(directory, number).parts[-4:])


def read_records(directory: Path) -> list[Record]:
    """All records of a partition, oldest first, hashes and chain checked; LineageError names the first bad one."""
    if not directory.is_dir():
        return []
    numbers = sorted(int(path.stem) for path in directory.iterdir() if _RECORD_NAME.fullmatch(path.name))
    chain: list[Record] = []
    for number in range(1, (numbers or [0])[-1] + 1):
        record = read_record(directory, number)
        if record.previous != (chain[-1].hash if chain else ""):
            raise LineageError(f"Lineage record {_place(directory, number)} does not follow the one before. {_REMEDY}")
        chain.append(record)
    return chain


def check_anchor(directory: Path, chain: Sequence[Record], *, number: int, record_hash: str) -> None:
    """Hold a chain against the number and hash of one record known from elsewhere; LineageError where they differ."""
    place = _place(directory, number)
    if number > len(chain):
        raise LineageError(f"Lineage record {place} is missing. {_REMEDY}")
    if chain[number - 1].hash != record_hash:
        raise LineageError(f"Lineage record {place} was replaced by another. {_REMEDY}")
