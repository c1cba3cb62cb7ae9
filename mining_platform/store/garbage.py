"""What can be removed from an artifact store: leftovers of dead writers, and versions that nothing current rests on.

A version stays where it is the current one, where its record is the newest, and where any record of a version that stays
names it as an input: so whatever a current model, report or package rests on stays, however old.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mining_platform import lineage
from mining_platform.store import durable, leases, versions
from mining_platform.store.versions import ArtifactError, ArtifactStore, Ref

UNUSED, LEFTOVER = "no current version rests on it", "a dead writer left it"
Version = tuple[Ref, str]


@dataclass(frozen=True, order=True)
class Garbage:
    """One version or leftover that can be removed."""

    ref: Ref
    name: str
    """Path below the partition's directory."""
    size: int
    """Bytes."""
    why: str


def find_garbage(store: ArtifactStore) -> list[Garbage]:
    """All that can be removed, sorted. ArtifactError or LineageError where records cannot be trusted: then nothing is garbage."""
    refs = versions.all_refs(store)
    kept = _kept(store, refs)
    found = [item for ref in refs for item in (*_unused(store, ref, kept), *_leftovers(store, ref))]
    return sorted(found)


def _kept(store: ArtifactStore, refs: Sequence[Ref]) -> set[Version]:
    chains = {ref: versions.records(store, ref) for ref in refs}
    waiting = [(ref, record.digest) for ref, chain in chains.items() for record in chain[-1:]]
    waiting += [(ref, pointer.digest) for ref in refs if (pointer := versions.read_pointer(store, ref))]
    kept: set[Version] = set()
    while waiting:
        version = waiting.pop()
        if version in kept:
            continue
        kept.add(version)
        ref, digest = version
        made = [record for record in chains.get(ref, []) if record.digest == digest]
        waiting += [(Ref(each.asset, each.partition), each.digest) for record in made for each in record.inputs]
    return kept


def _unused(store: ArtifactStore, ref: Ref, kept: set[Version]) -> Iterator[Garbage]:
    directory = versions.partition_directory(store, ref) / versions.VERSIONS_NAME
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if (ref, path.name) not in kept:
            yield Garbage(ref, f"{versions.VERSIONS_NAME}/{path.name}", _size(path), UNUSED)


def _leftovers(store: ArtifactStore, ref: Ref) -> Iterator[Garbage]:
    """Temporaries where nobody is at work; what an interrupted mosaic left to go on with is none."""
    top = versions.partition_directory(store, ref)
    places = [path for folder in (top, top / versions.RECORDS_NAME) if folder.is_dir() for path in sorted(folder.iterdir())]
    left = [path for path in places if path.name.startswith(durable.TEMPORARY_PREFIX)]
    if left and _is_free(top):
        yield from (Garbage(ref, path.relative_to(top).as_posix(), _size(path), LEFTOVER) for path in left)


def _is_free(directory: Path) -> bool:
    with leases.lease(directory / versions.LEASE_NAME) as other:
        return other is None


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def remove(store: ArtifactStore, item: Garbage) -> bool:
    """Remove one piece of garbage, unless it is in use by now; whether it was removed.

    Under the partition's lease: a version that became current since it was found stays, and so does everything of a partition
    that somebody is writing. A version vanishes at once, by one rename, before its files go.
    """
    top = versions.partition_directory(store, item.ref)
    with leases.lease(top / versions.LEASE_NAME) as other:
        if other is not None or (item.why == UNUSED and _is_current(store, item)):
            return False
        path = top / item.name
        aside = durable.temporary_in(top) if item.why == UNUSED else path
        if aside != path:
            path.rename(aside)
        durable.remove(aside)
        return not aside.exists()


def _is_current(store: ArtifactStore, item: Garbage) -> bool:
    try:
        pointer, chain = versions.read_pointer(store, item.ref), versions.records(store, item.ref)
    except (ArtifactError, lineage.LineageError):
        return True
    digest = Path(item.name).name
    return (pointer is not None and pointer.digest == digest) or (bool(chain) and chain[-1].digest == digest)
