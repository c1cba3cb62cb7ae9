"""Versions of asset partitions: how they are found, opened and verified.

A partition lies at `<root>/<asset>/@<partition>/`: immutable `versions/<digest>/`, lineage `records/`,
the pointer `current.json` and the `lease`. Readers follow the pointer and verify what they find. Of an object store the
directory holds copies: whatever is asked here brings them up to date first (`mirror.py`), so that readers go on with files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from mining_platform import lineage
from mining_platform.store import digests, durable, mirror, uploads
from mining_platform.store.refs import (
    FACTS_NAME,
    LEASE_NAME,
    POINTER_NAME,
    RECORDS_NAME,
    VERSIONS_NAME,
    Artifact,
    ArtifactError,
    ArtifactStore,
    DamagedArtifact,
    InvalidRef,
    LeaseHeld,
    LeaseLost,
    MissingArtifact,
    Pointer,
    Ref,
    StoreUnreachable,
    at_one_moment,
    partition_directory,
    partition_key,
    pointer_bytes,
    read_pointer_bytes,
    ref_of,
    remedy,
    version_directory,
)

__all__ = [
    "FACTS_NAME",
    "LEASE_NAME",
    "POINTER_NAME",
    "RECORDS_NAME",
    "VERSIONS_NAME",
    "Artifact",
    "ArtifactError",
    "ArtifactStore",
    "DamagedArtifact",
    "InvalidRef",
    "Json",
    "LeaseHeld",
    "LeaseLost",
    "MissingArtifact",
    "Pointer",
    "Ref",
    "StoreUnreachable",
    "all_refs",
    "at_one_moment",
    "bring",
    "current_digest",
    "has_newer_record",
    "open_artifact",
    "partition_directory",
    "partitions",
    "points_to",
    "problems",
    "read_facts",
    "read_pointer",
    "records",
    "records_directory",
    "remedy",
    "require_pointer",
    "version_directory",
    "write_pointer",
]

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def read_pointer(store: ArtifactStore, ref: Ref) -> Pointer | None:
    """The pointer of a partition, None where nothing was published; DamagedArtifact where it is unreadable."""
    if store.pointers is None:
        return _read_pointer(store, ref)
    try:
        return store.pointers[ref]
    except KeyError:
        return store.pointers.setdefault(ref, _read_pointer(store, ref))


def _read_pointer(store: ArtifactStore, ref: Ref) -> Pointer | None:
    stored = mirror.pointer_of(store, store.remote, ref) if store.remote is not None and _may_exist(store, ref) else None
    try:
        if store.remote is None:
            stored = digests.read(partition_directory(store, ref), POINTER_NAME)
        return None if stored is None else read_pointer_bytes(stored)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DamagedArtifact(f"{ref}: {POINTER_NAME} is unreadable ({error}). {remedy(ref)}") from None


def _may_exist(store: ArtifactStore, ref: Ref) -> bool:
    """Whether a partition can have been made, as far as a listing of its asset tells, for looks at many at one moment."""
    if store.listed is None or store.remote is None:
        return True
    if ref.asset not in store.listed:
        store.listed[ref.asset] = frozenset(store.remote.folders(f"{ref.asset}/"))
    return partition_key(ref).rpartition("/")[2] in store.listed[ref.asset]


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


def write_pointer(store: ArtifactStore, ref: Ref, record: lineage.Record, still_ours: Callable[[], None] = lambda: None) -> None:
    """Make the version of a record the current one, at once and durably.

    In an object store only while nobody else moved the pointer, and after `still_ours` said that the lease is held (LeaseLost).
    """
    content = pointer_bytes(Pointer(record.digest, record.number, record.hash))
    if store.remote is not None:
        uploads.move_pointer(store.remote, ref, content, still_ours)
    durable.write(partition_directory(store, ref) / POINTER_NAME, content)


def current_digest(store: ArtifactStore, ref: Ref) -> str | None:
    """Digest of the current version, not verified; None where nothing was published."""
    pointer = read_pointer(store, ref)
    return pointer.digest if pointer else None


def partitions(store: ArtifactStore, asset: str) -> list[str]:
    """Partitions of an asset that have a current version, sorted; `""` stands for an asset without partitions."""
    if store.remote is not None:
        known = [ref_of(asset, name) for name in store.remote.folders(f"{asset}/") if name.startswith("@")]
        return sorted(ref.partition for ref in known if ref and current_digest(store, ref) is not None)
    parent = partition_directory(store, Ref(asset)).parent
    found = [path.parent.name for path in parent.glob(f"@*/{POINTER_NAME}")]
    return sorted(name.removeprefix("@").replace("+", "|") for name in found)


def all_refs(store: ArtifactStore) -> list[Ref]:
    """Every partition that has a directory, published or not, sorted; folders that no asset could have made are left out."""
    places = mirror.all_refs(store.remote) if store.remote is not None else _folders(store.root)
    return sorted(ref for asset, folder in places if (ref := ref_of(asset, folder)))


def _folders(root: Path) -> Iterator[tuple[str, str]]:
    """Asset and folder `@…` of every partition below a root."""
    waiting = [(root, "")] if root.is_dir() else []
    while waiting:
        directory, asset = waiting.pop()
        for path in directory.iterdir():
            if path.is_symlink() or not path.is_dir():
                continue
            if path.name.startswith("@"):
                yield asset, path.name
            else:
                waiting.append((path, f"{asset}/{path.name}".removeprefix("/")))


def problems(store: ArtifactStore, ref: Ref, digest: str, *, deep: bool) -> list[str]:
    """What is wrong with a version, as `digests.problems` tells it.

    In an object store, with `deep`, it is brought to the disk first; else of one that is not on the disk only the manifest
    is read. A damaged copy is none of the version: it is fetched again.
    """
    directory, remote = version_directory(store, ref, digest), store.remote
    if remote is None:
        return digests.problems(directory, digest, deep=deep)
    if directory.exists() and digests.problems(directory, digest, deep=deep):
        mirror.discard(store, ref, digest)
    if directory.exists():
        return []
    return mirror.fetch(store, remote, ref, digest) if deep else mirror.remote_problems(remote, ref, digest, deep=False)


def bring(store: ArtifactStore, ref: Ref, digest: str) -> None:
    """Let a version of an object store be on the disk, if it is whole there; whoever looks at the files says what is wrong."""
    if store.remote is not None and not version_directory(store, ref, digest).exists():
        mirror.fetch(store, store.remote, ref, digest)


def open_artifact(store: ArtifactStore, ref: Ref, digest: str | None = None) -> Artifact:
    """The current version of a partition, or a given one, every byte verified.

    Raises MissingArtifact where it was never published and DamagedArtifact, naming each file, where
    one is absent, altered or not listed. A version that is superseded and collected while it is read
    gives way to the one that is current then.
    """
    wanted = digest or require_pointer(store, ref).digest
    path = version_directory(store, ref, wanted)
    found, facts = _verified(store, ref, wanted)
    if not found:
        return Artifact(ref, wanted, path, facts)
    if digest is None and current_digest(store, ref) != wanted:
        return open_artifact(store, ref)
    if digest is not None and found == [digests.ABSENT]:
        raise MissingArtifact(f"{ref} has no version {wanted}. {remedy(ref)}")
    raise DamagedArtifact(f"{ref}, version {wanted}: {'; '.join(found)}. {remedy(ref)}")


def _verified(store: ArtifactStore, ref: Ref, digest: str) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with a version, and its facts where nothing is."""
    found = problems(store, ref, digest, deep=True)
    try:
        return found, {} if found else read_facts(version_directory(store, ref, digest))
    except FileNotFoundError:
        return [digests.ABSENT], {}


def read_facts(version: Path) -> dict[str, Any]:
    """The facts of a version, as its maker told them."""
    return digests.read_json((version / FACTS_NAME).read_bytes())


def records_directory(store: ArtifactStore, ref: Ref) -> Path:
    """Where the lineage records of a partition lie."""
    return partition_directory(store, ref) / RECORDS_NAME


def has_newer_record(store: ArtifactStore, ref: Ref, pointer: Pointer) -> bool:
    """Whether there is a record after that of the pointer: a run was killed between the two, or is between them now."""
    if store.remote is not None:
        return mirror.bring_record(store, store.remote, ref, pointer.record + 1)
    return lineage.has_record(records_directory(store, ref), pointer.record + 1)


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
    if store.remote is not None:
        mirror.bring_newer_records(store, store.remote, ref, pointer.record if pointer else 0)
    chain = lineage.read_records(directory)
    if chain and pointer:
        lineage.check_anchor(directory, chain, number=pointer.record, record_hash=pointer.record_hash)
    return chain
