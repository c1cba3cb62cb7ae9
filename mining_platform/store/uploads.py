"""Publishing in an object store: the files of a version, its manifest last, its record, then the pointer.

Each step can be the last one: a version without a manifest is none, a version without a record was never published, and a
record ahead of the pointer is caught up with by the next writer. What keeps two writers apart, should one have lost its lease
without knowing, is the record: it is written only where there is none of its number.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mining_platform.store import digests, mirror
from mining_platform.store.refs import POINTER_NAME, RECORDS_NAME, LeaseLost, Ref, partition_key, version_key
from mining_platform.store.remote import Remote

StillOurs = Callable[[], None]
"""Raises LeaseLost where the writer does not hold the partition any more."""


def upload_version(remote: Remote, ref: Ref, directory: Path, digest: str) -> None:
    """Put a sealed version in place; an equal one that is whole stays, of a damaged one every file is written again."""
    key, manifest = version_key(ref, digest), (directory / digests.MANIFEST_NAME).read_bytes()
    manifest_key = f"{key}/{digests.MANIFEST_NAME}"
    kept = remote.get(manifest_key)
    if kept is not None and not mirror.remote_problems(remote, ref, digest, deep=True):
        return
    with ThreadPoolExecutor(mirror.CONNECTIONS) as pool:
        rows = digests.read_manifest(manifest)
        list(pool.map(lambda row: remote.put(f"{key}/{row.path}", directory / row.path), rows))
    if kept is not None and kept.content != manifest:
        remote.put(manifest_key, manifest)  # its name says what it has to be
    elif kept is None:
        remote.put_new(manifest_key, manifest)


def commit_record(remote: Remote, ref: Ref, name: str, content: bytes, still_ours: StillOurs) -> None:
    """Write a lineage record where there is none of its number; LeaseLost where another writer was first."""
    still_ours()
    if remote.put_new(f"{partition_key(ref)}/{RECORDS_NAME}/{name}", content) is None:
        raise LeaseLost(
            f"{ref}: another writer has recorded {name} meanwhile. Its version stands, ours was not published. Run again."
        )


def move_pointer(remote: Remote, ref: Ref, content: bytes, still_ours: StillOurs) -> None:
    """Let the pointer be `content`; LeaseLost, with nothing changed, where the lease is gone or another moved it meanwhile."""
    key = f"{partition_key(ref)}/{POINTER_NAME}"
    kept = remote.get(key)
    still_ours()  # after the look: whoever came later than this has to change what was seen
    moved = remote.put_new(key, content) if kept is None else remote.swap(key, content, kept.token)
    if moved is None:
        raise LeaseLost(f"{ref}: another writer has moved {POINTER_NAME} meanwhile. Readers get its version. Run again.")
