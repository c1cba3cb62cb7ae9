"""What could be removed from an object store: named, never removed, since no lock tells who reads there.

This is the one look that lists objects. Whoever wants the room back removes the named prefixes with the service's own tools while
no run is at work on any machine.
"""

from collections import Counter
from collections.abc import Iterator

from mining_platform.store import digests, garbage, remote_leases, versions
from mining_platform.store.garbage import Garbage
from mining_platform.store.refs import VERSIONS_NAME, ArtifactStore, Ref, partition_key
from mining_platform.store.remote import Remote

UNFINISHED = "an upload was broken off: no manifest says that it is whole"


def named(store: ArtifactStore) -> list[Garbage]:
    """Versions that nothing current rests on, and uploads that were broken off, sorted; none where the store is a directory.

    What somebody is writing at this moment is left out. Raises as `garbage.find_garbage`.
    """
    if store.remote is None:
        return []
    refs = versions.all_refs(store)
    kept = garbage.kept_versions(store, refs)
    return sorted(item for ref in refs for item in _of_partition(store.remote, ref, kept))


def _of_partition(remote: Remote, ref: Ref, kept: set[garbage.Version]) -> Iterator[Garbage]:
    prefix = f"{partition_key(ref)}/{VERSIONS_NAME}/"
    sizes, whole = Counter[str](), set[str]()
    for each in remote.list(prefix):
        digest, _, path = each.key.removeprefix(prefix).partition("/")
        sizes[digest] += each.size
        whole |= {digest} if path == digests.MANIFEST_NAME else set()
    unneeded = {digest: size for digest, size in sizes.items() if digest not in whole or (ref, digest) not in kept}
    if unneeded and not remote_leases.is_held(remote, ref):
        for digest, size in unneeded.items():
            yield Garbage(ref, f"{VERSIONS_NAME}/{digest}", size, garbage.UNUSED if digest in whole else UNFINISHED)
