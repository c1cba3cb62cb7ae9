"""What can be removed from an artifact store: leftovers of dead writers, and versions that nothing current rests on.

A version stays where it is the current one, where its record is the newest, and where any record of a version that stays
names it as an input: so whatever a current model, report or package rests on stays, however old.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from mining_platform.lineage import Record
from mining_platform.store import durable, leases, versions
from mining_platform.store.versions import ArtifactStore, Ref

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
    kept = kept_versions(store, refs)
    found = [item for ref in refs for item in (*_unused(store, ref, kept), *_leftovers(store, ref))]
    return sorted(found)


Chains = Mapping[Ref, Sequence[Record]]


def kept_versions(store: ArtifactStore, refs: Sequence[Ref]) -> set[Version]:
    """What is current, or recorded last, and all that it rests on."""
    chains = _chains(store, refs)
    newest = [(ref, record.digest) for ref, chain in chains.items() for record in chain[-1:]]
    return _with_inputs(
        chains, [*newest, *((ref, pointer.digest) for ref in refs if (pointer := versions.read_pointer(store, ref)))]
    )


def _chains(store: ArtifactStore, refs: Sequence[Ref]) -> Chains:
    return {ref: versions.records(store, ref) for ref in refs}


def _with_inputs(chains: Chains, roots: Iterable[Version]) -> set[Version]:
    """Versions and all that they rest on, by any of their records."""
    waiting, found = list(roots), set[Version]()
    while waiting:
        version = waiting.pop()
        if version not in found:
            found.add(version)
            waiting += _inputs_of(chains, version)
    return found


def _inputs_of(chains: Chains, version: Version) -> list[Version]:
    ref, digest = version
    made = [record for record in chains.get(ref, []) if record.digest == digest]
    return [(Ref(each.asset, each.partition), each.digest) for record in made for each in record.inputs]


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
    if left and leases.is_free(top / versions.LEASE_NAME):
        yield from (Garbage(ref, path.relative_to(top).as_posix(), _size(path), LEFTOVER) for path in left)


def _size(path: Path) -> int:
    """Bytes of a file, or of all below a directory; what vanishes meanwhile, since its writer ends, counts nothing."""
    below = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sum(_bytes_of(each) for each in below or [path] if not each.is_dir())


def _bytes_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def remove(store: ArtifactStore, item: Garbage) -> bool:
    """Remove one piece of garbage, unless it is in use by now; whether it was removed. Raises as `find_garbage`."""
    return not collect(store, [item])


def collect(store: ArtifactStore, found: Sequence[Garbage]) -> list[Garbage]:
    """Remove garbage; what was left, being in use by now. Raises as `find_garbage`.

    Versions go only while no production is at work in the whole store, since it reads what was current when it began; and what
    rests on what is looked up once more, since what was garbage may have been published again. A version vanishes at once, by
    one rename, before its files go, and after all that rests on it: what stays, has what it rests on. Nothing goes of a
    partition that somebody is writing.
    """
    if not found:
        return []
    with leases.alone(store.root / versions.LEASE_NAME) as nobody_at_work:
        asides = {item: _set_aside(store, item) for item in found if item.why == LEFTOVER}
        asides |= _versions_set_aside(store, found) if nobody_at_work else {}
    for path in filter(None, asides.values()):
        durable.remove(path)
    return [item for item in found if (aside := asides.get(item)) is None or aside.exists()]


def _versions_set_aside(store: ArtifactStore, found: Sequence[Garbage]) -> dict[Garbage, Path | None]:
    """Where versions lie that nothing which stays rests on, each set aside after those that rest on it; None for what stayed."""
    refs = versions.all_refs(store)
    chains, kept = _chains(store, refs), kept_versions(store, refs)
    items = {(item.ref, Path(item.name).name): item for item in found if item.why == UNUSED}
    wanted = set(items) - kept
    staying = _with_inputs(chains, (version for version in _existing(store, refs) if version not in wanted))
    asides: dict[Garbage, Path | None] = {}
    for version in _dependents_first(chains, wanted - staying):
        if version not in staying:
            asides[items[version]] = path = _set_aside(store, items[version])
            staying |= set() if path else _with_inputs(chains, [version])
    return asides


def _dependents_first(chains: Chains, wanted: set[Version]) -> list[Version]:
    """Versions in such an order that each comes after those that rest on it."""
    order = TopologicalSorter(dict.fromkeys(wanted, ()))
    for version in wanted:
        for each in _inputs_of(chains, version):
            order.add(each, version)
    return [version for version in order.static_order() if version in wanted]


def _existing(store: ArtifactStore, refs: Sequence[Ref]) -> Iterator[Version]:
    for ref in refs:
        directory = versions.partition_directory(store, ref) / versions.VERSIONS_NAME
        yield from ((ref, path.name) for path in (directory.iterdir() if directory.is_dir() else ()))


def _set_aside(store: ArtifactStore, item: Garbage) -> Path | None:
    """Where a piece of garbage lies, out of the way of readers; None where it stays, since somebody writes its partition."""
    top = versions.partition_directory(store, item.ref)
    path = top / item.name
    if not leases.is_free(top / versions.LEASE_NAME):
        return None
    if item.why == LEFTOVER or not path.exists():
        return path
    return path.rename(durable.temporary_in(top))
