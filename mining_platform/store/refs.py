"""The words of the store: names of asset partitions, where they lie below its root, its pointer, and its errors."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mining_platform.store import digests
from mining_platform.store.remote import Remote

FACTS_NAME = "facts.json"
POINTER_NAME = "current.json"
LEASE_NAME = "lease"
RECORDS_NAME = "records"
VERSIONS_NAME = "versions"

ASSET = re.compile(r"[a-z][a-z0-9_]{0,63}(/[a-z][a-z0-9_]{0,63})*")
PARTITION = re.compile(r"([a-z0-9_-]{1,64}(\|[a-z0-9_-]{1,64}){0,2})?")  # three parts stay below the 255 bytes of a file name
DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactError(RuntimeError):
    """Something about a published version is not as it must be."""


class InvalidRef(ArtifactError):  # noqa: N818 - named by what is wrong
    """A text that names no asset partition."""


class MissingArtifact(ArtifactError):  # noqa: N818 - named by what is wrong
    """An artifact was asked for that was never published."""


class DamagedArtifact(ArtifactError):  # noqa: N818 - named by what is wrong
    """A published version is not what its digest says."""


class LeaseHeld(ArtifactError):  # noqa: N818 - named by what is wrong
    """Another writer is at work on the partition."""


class LeaseLost(ArtifactError):  # noqa: N818 - named by what is wrong
    """The lease ran out during the work, so another writer may have come."""


class StoreUnreachable(ArtifactError):  # noqa: N818 - named by what is wrong
    """The object store did not answer, or refused; what it holds is not known."""


@dataclass(frozen=True, order=True)
class Ref:
    """The name of an asset partition, e.g. `ranges/candidates@lourenco|2022`; no partition, no `@`."""

    asset: str
    """Parts of `[a-z][a-z0-9_]*` joined by `/`."""
    partition: str = ""
    """Up to three parts of `[a-z0-9_-]{1,64}` joined by `|`; empty for an asset without partitions."""

    def __post_init__(self) -> None:
        """Refuse with InvalidRef whatever could not be a directory of its own inside a store."""
        if not ASSET.fullmatch(self.asset):
            raise InvalidRef(
                f"{self.asset!r} is no asset. Use names of a-z, 0-9 and '_' joined by '/', e.g. 'ranges/candidates'."
            )
        if not PARTITION.fullmatch(self.partition):
            raise InvalidRef(
                f"{self.partition!r} is no partition of {self.asset}. Use a-z, 0-9, '_', '-' joined by '|', e.g. 'lourenco|2022'."
            )

    def __str__(self) -> str:
        return f"{self.asset}@{self.partition}" if self.partition else self.asset

    @classmethod
    def parse(cls, text: str) -> "Ref":
        """The inverse of str(ref); InvalidRef for anything else."""
        asset, at, partition = text.partition("@")
        if at and not partition:
            raise InvalidRef(f"{text!r} ends in '@'. Leave the '@' out, or name the partition, e.g. 'mosaic@lourenco|2022'.")
        return cls(asset, partition)


@dataclass(frozen=True)
class ArtifactStore:
    """Where artifacts are kept: a directory of a local file system, which may stand for an object store."""

    root: Path
    """The artifacts themselves, or where there is a `remote` the copies of what was read from it and written to it."""
    remote: Remote | None = None
    """The object store that decides what is published; None where the directory does."""
    pointers: "dict[Ref, Pointer | None] | None" = field(default=None, compare=False, repr=False)
    """Pointers as they were first read, for a look at one moment such as a plan; None reads them anew each time."""
    directories: "dict[Ref, Path] | None" = field(default=None, compare=False, repr=False)
    """Directories of partitions as they were first found, for the same looks."""
    listed: "dict[str, frozenset[str]] | None" = field(default=None, compare=False, repr=False)
    """Of an object store at one moment: folders of partitions by asset, so that what was never made is not asked for."""


@dataclass(frozen=True)
class Artifact:
    """One verified version."""

    ref: Ref
    digest: str
    path: Path
    """Directory of its files; read only."""
    facts: dict[str, Any]
    """Content facts told by its maker; `simulated` is always among them."""


@dataclass(frozen=True)
class Pointer:
    """Which version of a partition is current."""

    digest: str
    record: int
    """Number of the lineage record of its production."""
    record_hash: str


def pointer_bytes(pointer: Pointer) -> bytes:
    """The one spelling of a pointer, which is canonical JSON of its fields."""
    return b'{"digest":"%b","record":%d,"record_hash":"%b"}\n' % (
        pointer.digest.encode(),
        pointer.record,
        pointer.record_hash.encode(),
    )


def read_pointer_bytes(stored: bytes) -> Pointer:
    """The pointer of its bytes; ValueError where they are not those of one."""
    try:
        content: Mapping[str, Any] = digests.read_json(stored)
        pointer = Pointer(content["digest"], int(content["record"]), str(content["record_hash"]))
    except (TypeError, KeyError) as error:
        raise ValueError(f"no pointer: {error}") from None
    if not isinstance(pointer.digest, str) or not DIGEST.fullmatch(pointer.digest) or not DIGEST.fullmatch(pointer.record_hash):
        raise ValueError("it names no digest")
    if stored != pointer_bytes(pointer):
        raise ValueError("it was altered")
    return pointer


def partition_key(ref: Ref) -> str:
    """Where a partition lies below the root of a store, `/` between the parts."""
    return f"{ref.asset}/@{ref.partition.replace('|', '+')}"


def version_key(ref: Ref, digest: str) -> str:
    """Where a version lies below the root of a store; ArtifactError where `digest` is none."""
    if not DIGEST.fullmatch(digest):
        raise ArtifactError(f"{ref}: {digest!r} is no digest. Give the 64 hexadecimal digits of a version.")
    return f"{partition_key(ref)}/{VERSIONS_NAME}/{digest}"


def ref_of(asset: str, folder: str) -> Ref | None:
    """The partition that lies in a folder `@…` of an asset; None where no asset could have made it."""
    partition = folder.removeprefix("@").replace("+", "|")
    return Ref(asset, partition) if ASSET.fullmatch(asset) and PARTITION.fullmatch(partition) else None


def partition_directory(store: ArtifactStore, ref: Ref) -> Path:
    """Where a partition lies on the disk; the only maker of such paths. ArtifactError where links lead out of the store."""
    if store.directories is None:
        return _partition_directory(store, ref)
    try:
        return store.directories[ref]
    except KeyError:
        return store.directories.setdefault(ref, _partition_directory(store, ref))


def _partition_directory(store: ArtifactStore, ref: Ref) -> Path:
    key = partition_key(ref)
    directory = store.root / key
    if _has_link(str(store.root), key) and not directory.resolve().is_relative_to(store.root.resolve()):
        raise ArtifactError(f"{ref}: its directory leads out of the artifact store. Remove the symbolic link in {ref.asset}.")
    return directory


def _has_link(path: str, key: str) -> bool:
    """Whether a name of a key is a symbolic link below a directory; without one, all of them lie inside."""
    for part in key.split("/"):
        path = f"{path}{os.sep}{part}"
        if os.path.islink(path):  # noqa: PTH114 - Path objects of all parts are most of what a large plan takes
            return True
    return False


def at_one_moment(store: ArtifactStore) -> ArtifactStore:
    """The store as it is from here on: each pointer is read once. For looks that write nothing; never hold on to it."""
    return replace(store, pointers={}, directories={}, listed=None if store.remote is None else {})


def version_directory(store: ArtifactStore, ref: Ref, digest: str) -> Path:
    """Where a version lies on the disk, whether it exists or not; ArtifactError where `digest` is none."""
    if not DIGEST.fullmatch(digest):
        raise ArtifactError(f"{ref}: {digest!r} is no digest. Give the 64 hexadecimal digits of a version.")
    return partition_directory(store, ref).joinpath(VERSIONS_NAME, digest)


def remedy(ref: Ref) -> str:
    """How a person makes an artifact again."""
    if ref.asset.startswith("imported/"):
        return "Run `mining-platform import` on its folder again."
    *first, year = ref.partition.split("|")
    option = {"model": "--experiments", "evaluation": "--experiments"}.get(ref.asset, "--regions")
    chosen = "".join(f" {option} {name}" for name in first) + (f" --years {year}" if year else "")
    return f"Run `mining-platform materialize --assets {ref.asset}{chosen}`."
