"""Versions of asset partitions on disk: how they are named, found, opened and verified.

A partition lies at `<root>/<asset>/@<partition>/`: immutable `versions/<digest>/`, lineage `records/`,
the pointer `current.json` and the `lease`. Readers follow the pointer and verify what they find.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mining_platform import lineage
from mining_platform.store import digests, durable

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

FACTS_NAME = "facts.json"
POINTER_NAME = "current.json"
LEASE_NAME = "lease"
RECORDS_NAME = "records"
VERSIONS_NAME = "versions"

_ASSET = re.compile(r"[a-z][a-z0-9_]{0,63}(/[a-z][a-z0-9_]{0,63})*")
_PARTITION = re.compile(r"([a-z0-9_-]{1,64}(\|[a-z0-9_-]{1,64}){0,2})?")  # three parts stay below the 255 bytes of a file name
_DIGEST = re.compile(r"[0-9a-f]{64}")


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


@dataclass(frozen=True, order=True)
class Ref:
    """The name of an asset partition, e.g. `ranges/candidates@lourenco|2022`; no partition, no `@`."""

    asset: str
    """Parts of `[a-z][a-z0-9_]*` joined by `/`."""
    partition: str = ""
    """Up to three parts of `[a-z0-9_-]{1,64}` joined by `|`; empty for an asset without partitions."""

    def __post_init__(self) -> None:
        """Refuse with InvalidRef whatever could not be a directory of its own inside a store."""
        if not _ASSET.fullmatch(self.asset):
            raise InvalidRef(
                f"{self.asset!r} is no asset. Use names of a-z, 0-9 and '_' joined by '/', e.g. 'ranges/candidates'."
            )
        if not _PARTITION.fullmatch(self.partition):
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
    """Where artifacts are kept: a directory of a local file system."""

    root: Path


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


def partition_directory(store: ArtifactStore, ref: Ref) -> Path:
    """Where a partition lies; the only maker of such paths. ArtifactError where links lead out of the store."""
    directory = store.root.joinpath(*ref.asset.split("/"), "@" + ref.partition.replace("|", "+"))
    if not directory.resolve().is_relative_to(store.root.resolve()):
        raise ArtifactError(f"{ref}: its directory leads out of the artifact store. Remove the symbolic link in {ref.asset}.")
    return directory


def version_directory(store: ArtifactStore, ref: Ref, digest: str) -> Path:
    """Where a version lies, whether it exists or not; ArtifactError where `digest` is none."""
    if not _DIGEST.fullmatch(digest):
        raise ArtifactError(f"{ref}: {digest!r} is no digest. Give the 64 hexadecimal digits of a version.")
    return partition_directory(store, ref) / VERSIONS_NAME / digest


def remedy(ref: Ref) -> str:
    """How a person makes an artifact again."""
    if ref.asset.startswith("imported/"):
        return "Run `mining-platform import` on its folder again."
    *first, year = ref.partition.split("|")
    option = {"model": "--experiments", "evaluation": "--experiments"}.get(ref.asset, "--regions")
    chosen = "".join(f" {option} {name}" for name in first) + (f" --years {year}" if year else "")
    return f"Run `mining-platform materialize --assets {ref.asset}{chosen}`."


def read_pointer(store: ArtifactStore, ref: Ref) -> Pointer | None:
    """The pointer of a partition, None where nothing was published; DamagedArtifact where it is unreadable."""
    path = partition_directory(store, ref) / POINTER_NAME
    try:
        stored = path.read_bytes()
        content = digests.read_json(stored)
        pointer = Pointer(content["digest"], int(content["record"]), str(content["record_hash"]))
        if not _DIGEST.fullmatch(pointer.digest):
            raise ValueError("it names no digest")
        if stored != _pointer_bytes(pointer):
            raise ValueError("it was altered")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DamagedArtifact(f"{ref}: {POINTER_NAME} is unreadable ({error}). {remedy(ref)}") from None
    return pointer


def require_pointer(store: ArtifactStore, ref: Ref) -> Pointer:
    """The pointer of a partition; MissingArtifact where nothing was published."""
    pointer = read_pointer(store, ref)
    if pointer is None:
        raise MissingArtifact(f"{ref} was never made. {remedy(ref)}")
    return pointer


def points_to(store: ArtifactStore, ref: Ref, record: lineage.Record) -> bool:
    """Whether the pointer of a partition is that of a record; an unreadable pointer is not."""
    try:
        pointer = read_pointer(store, ref)
    except DamagedArtifact:
        return False
    return pointer == Pointer(record.digest, record.number, record.hash)


def write_pointer(store: ArtifactStore, ref: Ref, record: lineage.Record) -> None:
    """Make the version of a record the current one, at once and durably."""
    content = _pointer_bytes(Pointer(record.digest, record.number, record.hash))
    durable.write(partition_directory(store, ref) / POINTER_NAME, content)


def _pointer_bytes(pointer: Pointer) -> bytes:
    return digests.canonical_json(asdict(pointer), POINTER_NAME)


def current_digest(store: ArtifactStore, ref: Ref) -> str | None:
    """Digest of the current version, not verified; None where nothing was published."""
    pointer = read_pointer(store, ref)
    return pointer.digest if pointer else None


def partitions(store: ArtifactStore, asset: str) -> list[str]:
    """Partitions of an asset that have a current version, sorted; `""` stands for an asset without partitions."""
    parent = partition_directory(store, Ref(asset)).parent
    found = [path.parent.name for path in parent.glob(f"@*/{POINTER_NAME}")]
    return sorted(name.removeprefix("@").replace("+", "|") for name in found)


def all_refs(store: ArtifactStore) -> list[Ref]:
    """Every partition that has a directory, published or not, sorted; folders that no asset could have made are left out."""
    found, waiting = [], [(store.root, "")] if store.root.is_dir() else []
    while waiting:
        directory, asset = waiting.pop()
        for path in directory.iterdir():
            if path.is_symlink() or not path.is_dir():
                continue
            if not path.name.startswith("@"):
                waiting.append((path, f"{asset}/{path.name}".removeprefix("/")))
            elif _ASSET.fullmatch(asset) and _PARTITION.fullmatch(partition := path.name[1:].replace("+", "|")):
                found.append(Ref(asset, partition))
    return sorted(found)


def open_artifact(store: ArtifactStore, ref: Ref, digest: str | None = None) -> Artifact:
    """The current version of a partition, or a given one, every byte verified.

    Raises MissingArtifact where it was never published and DamagedArtifact, naming each file, where
    one is absent, altered or not listed. A version that is superseded and collected while it is read
    gives way to the one that is current then.
    """
    wanted = digest or require_pointer(store, ref).digest
    path = version_directory(store, ref, wanted)
    found, facts = _verified(path, wanted)
    if not found:
        return Artifact(ref, wanted, path, facts)
    if digest is None and current_digest(store, ref) != wanted:
        return open_artifact(store, ref)
    if digest is not None and not path.exists():
        raise MissingArtifact(f"{ref} has no version {wanted}. {remedy(ref)}")
    raise DamagedArtifact(f"{ref}, version {wanted}: {'; '.join(found)}. {remedy(ref)}")


def _verified(path: Path, digest: str) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with a version, and its facts where nothing is."""
    found = digests.problems(path, digest, deep=True)
    try:
        return found, {} if found else read_facts(path)
    except FileNotFoundError:
        return ["the version's directory is missing"], {}


def read_facts(version: Path) -> dict[str, Any]:
    """The facts of a version, as its maker told them."""
    return digests.read_json((version / FACTS_NAME).read_bytes())


def records_directory(store: ArtifactStore, ref: Ref) -> Path:
    """Where the lineage records of a partition lie."""
    return partition_directory(store, ref) / RECORDS_NAME


def records(store: ArtifactStore, ref: Ref) -> list[lineage.Record]:
    """All lineage records of a partition, oldest first, verified against each other and against the pointer.

    The pointer may lag behind the newest record (a run was killed between the two), never lead.
    Raises lineage.LineageError that names the first bad record.
    """
    directory = records_directory(store, ref)
    try:
        pointer = read_pointer(store, ref)  # before the records: a writer adds one first, then moves the pointer
    except DamagedArtifact:
        pointer = None
    chain = lineage.read_records(directory)
    if chain and pointer:
        lineage.check_anchor(directory, chain, number=pointer.record, record_hash=pointer.record_hash)
    return chain
