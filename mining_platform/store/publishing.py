"""Publishing a version: facts, manifest and digest of a directory of files, then one rename."""

import errno
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mining_platform.store import digests, durable, versions
from mining_platform.store.versions import ArtifactError, ArtifactStore, Ref

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
LEAST_ROOM_BYTES = 100_000  # less than any stage needs


@contextmanager
def disk(ref: Ref) -> Iterator[None]:
    """Turn a failure of the file system while publishing into an error that says what to do."""
    try:
        yield
    except OSError as error:
        what = f"{ref} could not be published: {error.strerror or error}. Readers keep the version before"
        hint = "Free some space" if error.errno in DISK_FULL else "Check the disk and the permissions of the artifact store"
        raise ArtifactError(f"{what}. {hint} and run again.") from error


@contextmanager
def resumed(store: ArtifactStore, ref: Ref, name: str) -> Iterator[Path]:
    """A directory of this name beside the versions, with what an interrupted writer of the same work left in it.

    It stays after an error or a kill, unless the disk is full, and is gone at the end of what was published.
    """
    out = versions.partition_directory(store, ref) / name
    with disk(ref):
        if out.is_symlink() or out.is_file():
            out.unlink()
        out.mkdir(exist_ok=True)
        durable.thaw(out)
        for reserved in (versions.FACTS_NAME, digests.MANIFEST_NAME):
            (out / reserved).unlink(missing_ok=True)
    try:
        yield out
    except (OSError, ArtifactError) as error:
        if _is_disk_full(error) or _is_disk_full(error.__cause__):
            durable.remove(out)
        raise
    if out.exists():
        durable.remove(out)


def tells_of_full_disk(error: Exception, directory: Path) -> bool:
    """Whether an error comes of a full disk: by its number, or, as of libraries that give none, by the room that it leaves."""
    return _is_disk_full(error) or shutil.disk_usage(directory).free < LEAST_ROOM_BYTES


def _is_disk_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in DISK_FULL


@contextmanager
def temporary(store: ArtifactStore, ref: Ref) -> Iterator[Path]:
    """An empty directory on the store's own file system, gone at the end unless it was renamed."""
    out = durable.temporary_in(versions.partition_directory(store, ref))
    with disk(ref):
        out.mkdir()
    try:
        yield out
    finally:
        durable.remove(out)


def marked_facts(ref: Ref, told: dict[str, Any], inputs: Iterable[Mapping[str, Any]]) -> bytes:
    """Canonical bytes of the facts a maker told, marked as simulated where they or the facts of any input say so.

    Raises ArtifactError where they are not JSON.
    """
    if not isinstance(told, dict):
        raise ArtifactError(f"{ref}: compute returned {type(told).__name__}, not facts. Return a dict of JSON values.")
    simulated = bool(told.get("simulated")) or any(facts.get("simulated") for facts in inputs)
    try:
        return digests.canonical_json({**told, "simulated": simulated}, f"The facts of {ref}")
    except ValueError as error:
        raise ArtifactError(str(error)) from None


def seal(ref: Ref, out: Path, facts: bytes) -> str:
    """Add facts and manifest, make all read-only and durable; the digest of the whole.

    Raises ArtifactError for links, special files and the store's own names; empty directories go.
    """
    try:
        files, _ = digests.listing(out)
    except ValueError as error:
        raise ArtifactError(f"{ref}: {error}. Let compute write a copy instead.") from None
    reserved = sorted({versions.FACTS_NAME, digests.MANIFEST_NAME} & set(files))
    if reserved:
        raise ArtifactError(f"{ref}: compute wrote {reserved[0]}, a name of the store's own. Give the file another name.")
    (out / versions.FACTS_NAME).write_bytes(facts)
    durable.prune(out)
    return digests.seal(out)


def install(version: Path, out: Path) -> None:
    """Rename a sealed directory to its version; an equal one that is whole stays, a damaged one is replaced."""
    partition = out.parent
    durable.make_directory(version.parent)
    if version.exists():
        if not digests.problems(version, version.name, deep=True):
            return
        aside = durable.temporary_in(partition)
        version.rename(aside)
        durable.remove(aside)
    out.rename(version)
    durable.sync(version.parent)
    durable.sync(partition)
