"""Copies of an object store on the disk: brought up to date by reading single objects, never by listing, and verified.

The object store decides. Pointers are read anew each time; records and versions never change once written, so what is there
already is not read again. A version is fetched beside, each byte hashed, and renamed into its place: whole or absent.
"""

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from blake3 import blake3

from mining_platform import lineage
from mining_platform.store import digests, durable
from mining_platform.store.refs import (
    POINTER_NAME,
    RECORDS_NAME,
    ArtifactStore,
    Pointer,
    Ref,
    partition_directory,
    partition_key,
    read_pointer_bytes,
    version_directory,
    version_key,
)
from mining_platform.store.remote import Readable

FETCHING_NAME = ".fetching"
"""Directory of versions that are on their way, below the root; no asset can have this name."""
ABANDONED_S = 86_400
"""No version is on its way for so long without a new file."""
CONNECTIONS = 8  # files that travel at the same time: the wait for answers is what takes the time of small ones


def pointer_of(store: ArtifactStore, remote: Readable, ref: Ref) -> bytes | None:
    """The pointer of a partition as the object store has it, with its records brought to the disk; None where there is none."""
    kept = remote.get(f"{partition_key(ref)}/{POINTER_NAME}")
    local = partition_directory(store, ref) / POINTER_NAME
    if kept is None:
        local.unlink(missing_ok=True)
        return None
    try:
        pointer = read_pointer_bytes(kept.content)
    except ValueError:
        return kept.content  # its reader says what is wrong
    _bring_records(store, remote, ref, pointer)
    _keep(store, local, kept.content)
    return kept.content


def _keep(store: ArtifactStore, path: Path, content: bytes) -> None:
    """Let a small copy be `content`; what is on its way lies where no writer of the partition sweeps."""
    if path.is_file() and path.read_bytes() == content:
        return
    temporary = _on_its_way(store)
    temporary.write_bytes(content)
    durable.sync(temporary)
    durable.make_directory(path.parent)
    temporary.replace(path)


def _on_its_way(store: ArtifactStore) -> Path:
    """A fresh name on the file system of the copies."""
    directory = store.root / FETCHING_NAME
    durable.make_directory(directory)
    return durable.temporary_in(directory)


def _bring_records(store: ArtifactStore, remote: Readable, ref: Ref, pointer: Pointer) -> None:
    """Records up to that of the pointer; all are read anew where the last one is not the pointer's."""
    directory = partition_directory(store, ref) / RECORDS_NAME
    known = _is_record(directory, pointer)
    for number in range(1, pointer.record + 1):
        if not known or not lineage.record_path(directory, number).is_file():
            bring_record(store, remote, ref, number)


def _is_record(directory: Path, pointer: Pointer) -> bool:
    try:
        return lineage.read_record(directory, pointer.record).hash == pointer.record_hash
    except lineage.LineageError:
        return False


def bring_record(store: ArtifactStore, remote: Readable, ref: Ref, number: int) -> bool:
    """Let the copy of a record be what the object store has, or be absent as it is there; whether there is one."""
    path = lineage.record_path(partition_directory(store, ref) / RECORDS_NAME, number)
    kept = remote.get(f"{partition_key(ref)}/{RECORDS_NAME}/{path.name}")
    if kept is None:
        path.unlink(missing_ok=True)
        return False
    _keep(store, path, kept.content)
    return True


def bring_newer_records(store: ArtifactStore, remote: Readable, ref: Ref, number: int) -> None:
    """Bring the records after `number`, one by one until there is none, and forget copies of any beyond.

    Where that one itself is gone, which a person did, all are looked for anew; copies that are no chain are read again.
    """
    if number and not bring_record(store, remote, ref, number):
        number = 0
    while bring_record(store, remote, ref, number + 1):
        number += 1
    directory = partition_directory(store, ref) / RECORDS_NAME
    for path in directory.iterdir() if directory.is_dir() else ():
        if path.stem.isdecimal() and int(path.stem) > number:
            path.unlink(missing_ok=True)
    if not _is_chain(directory):
        for each in range(1, number + 1):
            bring_record(store, remote, ref, each)


def _is_chain(directory: Path) -> bool:
    try:
        lineage.read_records(directory)
    except lineage.LineageError:
        return False
    return True


def remote_problems(remote: Readable, ref: Ref, digest: str, *, deep: bool) -> list[str]:
    """What is wrong with a version in the object store; its manifest is read, and with `deep` every byte. No copy is made."""
    key = version_key(ref, digest)
    found, rows = _manifest(remote, key, digest)
    if not deep or found:
        return found
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [problem for problem in pool.map(lambda row: _received(remote, key, row, None), rows) if problem]


def fetch(store: ArtifactStore, remote: Readable, ref: Ref, digest: str) -> list[str]:
    """Bring a version to the disk, every byte verified; what is wrong with it in the object store, and then it is not there."""
    key, version = version_key(ref, digest), version_directory(store, ref, digest)
    found, rows = _manifest(remote, key, digest)
    if found:
        return found
    out = _on_its_way(store)
    try:
        found = _receive(remote, key, rows, out)
        if not found:
            _settle(out, rows, version)
    finally:
        durable.remove(out)
    return found


def _manifest(remote: Readable, key: str, digest: str) -> tuple[list[str], list[digests.Entry]]:
    """What is wrong with the manifest of a version, and else its rows."""
    kept = remote.get(f"{key}/{digests.MANIFEST_NAME}")
    if kept is None:
        return [digests.ABSENT], []
    if digests.digest_of(kept.content) != digest:
        return [f"{digests.MANIFEST_NAME} was altered"], []
    rows = digests.read_manifest(kept.content)
    return [f"{row.path} leads out of the version" for row in rows if not _is_plain(row.path)], rows


def _is_plain(path: str) -> bool:
    parts = PurePosixPath(path)
    return str(parts) == path and not parts.is_absolute() and ".." not in parts.parts and path not in (".", digests.MANIFEST_NAME)


def _receive(remote: Readable, key: str, rows: list[digests.Entry], out: Path) -> list[str]:
    for folder in sorted({(out / row.path).parent for row in rows} | {out}):
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        told = pool.map(lambda row: _received(remote, key, row, out / row.path), rows)
        return [problem for problem in told if problem]


def _received(remote: Readable, key: str, row: digests.Entry, path: Path | None) -> str | None:
    """What is wrong with a file of a version, which is written to `path` where one is given; never more than its size."""
    chunks = remote.chunks(f"{key}/{row.path}", row.size)
    if chunks is None:
        return f"{row.path} is missing"
    hasher, size = blake3(), 0
    with (path or Path(os.devnull)).open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > row.size:
                return f"{row.path} has more than {row.size} bytes"
            hasher.update(chunk)
            file.write(chunk)
    if size != row.size:
        return f"{row.path} has {size} bytes, not {row.size}"
    return None if hasher.hexdigest() == row.blake3 else f"{row.path} was altered"


def _settle(out: Path, rows: list[digests.Entry], version: Path) -> None:
    """Make a fetched version read-only and durable and rename it to its place, unless another process was faster."""
    (out / digests.MANIFEST_NAME).write_bytes(digests.manifest_bytes(rows))
    files, directories = digests.listing(out)
    durable.freeze(out, list(files), directories)
    durable.make_directory(version.parent)
    try:
        out.rename(version)
    except OSError:
        if not version.is_dir():
            raise
    durable.sync(version.parent)


def discard(store: ArtifactStore, ref: Ref, digest: str) -> None:
    """Take a damaged copy of a version away, at once; the object store has the version itself."""
    version = version_directory(store, ref, digest)
    aside = _on_its_way(store)
    try:
        version.rename(aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside, ignore_errors=True)


def sweep(store: ArtifactStore) -> None:
    """Remove what was on its way when its process died: what is older than a day."""
    directory = store.root / FETCHING_NAME
    for path in directory.iterdir() if directory.is_dir() else ():
        if time.time() - path.stat().st_mtime > ABANDONED_S:
            durable.remove(path)


def all_refs(remote: Readable) -> Iterator[tuple[str, str]]:
    """Asset and folder `@…` of every partition that has any object; the store's folders are listed for it, not its files."""
    waiting = [""]
    while waiting:
        asset = waiting.pop()
        for name in remote.folders(f"{asset}/" if asset else ""):
            if name.startswith("@"):
                yield asset, name
            else:
                waiting.append(f"{asset}/{name}".removeprefix("/"))
