"""One partition as it lies on the disk: its pointer, the records that can still be read, and what is wrong with either.

`versions.records` stops at the first bad record, as production must. An audit goes on with what is left, so that one
edited record does not hide the rest of the chain.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref
from mining_platform.lineage import Input, LineageError, Record, read_record
from mining_platform.store import durable, versions

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RECORD_NAME = re.compile(r"[0-9]{6,}\.json")
_RESTORED = "`mining-platform reconcile` writes it again from the records."
_LEFTOVERS = (durable.TEMPORARY_PREFIX, durable.UNFINISHED_PREFIX)
_OWN_NAMES = {versions.POINTER_NAME, versions.LEASE_NAME, versions.RECORDS_NAME, versions.VERSIONS_NAME}


@dataclass(frozen=True)
class Kept:
    """What there is of a partition."""

    ref: Ref
    directory: Path
    pointer: versions.Pointer | None
    records: tuple[Record, ...]
    """Those that are sound by themselves, oldest first."""
    breaks: tuple[str, ...]
    """What is wrong with pointer and records, each naming its file."""
    notes: tuple[str, ...]
    """What is odd, but changes no version."""

    @property
    def current(self) -> str | None:
        """Digest that readers get, or, where the pointer is gone, that of the newest record."""
        if self.pointer is not None:
            return self.pointer.digest
        return self.records[-1].digest if self.records else None

    def record_of(self, digest: str) -> Record | None:
        """The newest production of a version: that of the pointer for the current one; None where no record tells of it."""
        told = [record for record in self.records if record.digest == digest]
        pointed = [record for record in told if self.pointer and record.number == self.pointer.record]
        found = pointed or told
        return found[-1] if found else None


def read_kept(store: ArtifactStore, ref: Ref) -> Kept:
    """A partition as it lies on the disk; raises ArtifactError only where links lead out of the store."""
    directory = versions.partition_directory(store, ref)
    breaks: list[str] = []
    try:
        pointer = versions.read_pointer(store, ref)
    except versions.DamagedArtifact as error:
        pointer, breaks = None, [str(error)]
    records, found = _records(directory / versions.RECORDS_NAME, ref)
    breaks += found
    if pointer is not None:
        breaks += _anchor_breaks(pointer, records)
    elif records and not breaks:
        breaks.append(f"{versions.POINTER_NAME} is missing: it was deleted, or a run was killed before it wrote it. {_RESTORED}")
    return Kept(ref, directory, pointer, tuple(records), tuple(breaks), tuple(_notes(directory, pointer, records)))


def _records(directory: Path, ref: Ref) -> tuple[list[Record], list[str]]:
    """Records that are sound by themselves, and what is wrong with the chain."""
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    last = max((int(Path(name).stem) for name in names if _RECORD_NAME.fullmatch(name)), default=0)
    sound: list[Record] = []
    breaks: list[str] = []
    for number in range(1, last + 1):
        name = f"record {number:06d}.json"
        try:
            record = read_record(directory, number)
            _check_names(record)
        except LineageError as error:
            breaks.append(str(error))
            continue
        except (ArtifactError, TypeError) as error:
            breaks.append(f"{name} names what could be no version ({error}): it was forged")
            continue
        if (record.asset, record.partition) != (ref.asset, ref.partition):
            breaks.append(f"{name} is of {Ref(record.asset, record.partition)}: it was put here from elsewhere")
            continue
        before = sound[-1] if sound and sound[-1].number == number - 1 else None
        if record.previous != (before.hash if before else "") and (before or number == 1):
            breaks.append(f"{name} does not follow the one before: one of the two was exchanged")
        sound.append(record)
    return sound, breaks


def _check_names(record: Record) -> None:
    """ArtifactError or TypeError where a record names what could not lie in a store, such as a path out of it."""
    for each in (Input(record.asset, record.partition, record.digest), *record.inputs):
        Ref(each.asset, each.partition)
        if not _DIGEST.fullmatch(each.digest):
            raise TypeError(f"{each.digest!r} is no digest")


def _anchor_breaks(pointer: versions.Pointer, records: list[Record]) -> list[str]:
    named = {record.number: record for record in records}.get(pointer.record)
    name = f"record {pointer.record:06d}.json"
    if named is None:
        return [f"{name}, which {versions.POINTER_NAME} names, is missing or cannot be trusted"]
    if named.hash != pointer.record_hash:
        return [f"{name} was replaced by another, or {versions.POINTER_NAME} was altered: their hashes differ"]
    if named.digest != pointer.digest:
        return [f"{versions.POINTER_NAME} was altered: it and {name} tell of different versions"]
    return []


def _notes(directory: Path, pointer: versions.Pointer | None, records: list[Record]) -> Iterator[str]:
    if pointer and records and records[-1].number > pointer.record:
        yield f"{versions.POINTER_NAME} is behind the newest record: a run was killed between the two; the next one moves it on"
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.name.startswith(_LEFTOVERS):
            yield f"{path.name} was left by an interrupted writer"
        elif path.name not in _OWN_NAMES:
            yield f"{path.name} is not the store's: no version holds it"
    told = {record.digest for record in records}
    kept_versions = directory / versions.VERSIONS_NAME
    for path in sorted(kept_versions.iterdir()) if kept_versions.is_dir() else ():
        if path.name not in told:
            yield f"{versions.VERSIONS_NAME}/{path.name[:12]} is told of by no record: no reader gets it"
    records_directory = directory / versions.RECORDS_NAME
    for path in sorted(records_directory.iterdir()) if records_directory.is_dir() else ():
        if not _RECORD_NAME.fullmatch(path.name):
            yield f"{versions.RECORDS_NAME}/{path.name} is not the store's: no record is in it"
