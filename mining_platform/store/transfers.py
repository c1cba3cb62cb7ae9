"""Copying artifacts from one store to another, and checking a store where it lies: every byte against its digest.

A partition is copied as it was published: its versions, then its lineage records, then its pointer, so that the copy is whole
or absent too. What is there already is not sent again, so an interrupted copy goes on where it ended. A copy never joins
two histories: the records of the target have to be the first ones of the source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from mining_platform import lineage
from mining_platform.homes import ARTIFACTS_NAME
from mining_platform.store import digests, durable, mirror, uploads, versions
from mining_platform.store.holding import held
from mining_platform.store.refs import (
    ArtifactError,
    ArtifactStore,
    DamagedArtifact,
    Ref,
    ref_of,
    version_directory,
    version_key,
)
from mining_platform.store.remote import Readable
from mining_platform.store.uploads import StillOurs

RUN_ID = "store copy"


@dataclass(frozen=True)
class Copied:
    """What became of one partition."""

    ref: Ref
    sent: int
    """Versions that were sent."""
    there: int
    """Versions that were there already."""
    records: int
    """Lineage records that were sent."""


def refs_of(source: Readable, patterns: Sequence[str] = ()) -> list[Ref]:
    """Partitions of a store whose asset fits one of the patterns, or all, sorted."""
    found = [ref for asset, folder in mirror.all_refs(source) if (ref := ref_of(asset, folder))]
    return sorted(ref for ref in found if not patterns or any(fnmatch(ref.asset, pattern) for pattern in patterns))


def copy_partition(source: Readable, target: ArtifactStore, ref: Ref, staging: Path, *, check: bool = False) -> Copied:
    """Copy what is published of a partition; what goes through this machine lies in `staging` meanwhile.

    What is sent is read back and compared byte by byte; with `check` also what was there already. Raises DamagedArtifact and
    lineage.LineageError (the source is not sound), ArtifactError (another history, a damaged copy), LeaseHeld (who writes the
    target's partition), StoreUnreachable. Readers of the target see what was there before, then all that was copied.
    """
    passing = ArtifactStore(staging)
    chain = _chain(source, passing, ref)
    with held(target, ref, RUN_ID) as still_ours:
        known = versions.records(target, ref)
        if [record.hash for record in known[: len(chain)]] != [record.hash for record in chain[: len(known)]]:
            raise ArtifactError(f"{ref} has another history in the target than in {source.place}. Copy it to another place.")
        wanted = [digest for digest in dict.fromkeys(record.digest for record in chain) if _has(source, ref, digest, chain)]
        sent = sum(_send(source, target, passing, ref, digest, check=check) for digest in wanted)
        for record in chain[len(known) :]:
            _send_record(target, passing, ref, record.number, still_ours)
        if len(known) <= len(chain) and chain and not versions.points_to(target, ref, chain[-1]):
            versions.write_pointer(target, ref, chain[-1], still_ours)
    return Copied(ref, sent, len(wanted) - sent, max(0, len(chain) - len(known)))


def _chain(source: Readable, passing: ArtifactStore, ref: Ref) -> list[lineage.Record]:
    """Records of a partition up to that of its pointer, checked against each other and it; none where nothing is published.

    DamagedArtifact where they are of another partition: their folder came here by other means than the platform's.
    """
    stored = mirror.pointer_of(passing, source, ref)
    pointer = versions.read_pointer(passing, ref) if stored is not None else None
    if pointer is None:
        return []
    directory = versions.records_directory(passing, ref)
    chain = lineage.read_records(directory)[: pointer.record]
    lineage.check_anchor(directory, chain, number=pointer.record, record_hash=pointer.record_hash)
    for record in chain:
        if (record.asset, record.partition) != (ref.asset, ref.partition):
            raise DamagedArtifact(_misplaced(source, ref, record))
    return chain


def _misplaced(source: Readable, ref: Ref, record: lineage.Record) -> str:
    whose = "@".join(part for part in (record.asset, record.partition) if part)
    told = f"record {record.number:06d}.json of {ref} in {source.place} is of {whose}: it was put there from elsewhere."
    above = ref.asset.removesuffix(f"/{record.asset}")
    if above == ref.asset or record.partition != ref.partition:
        return told
    return f"{told} Name {source.place}/{above}, where the store begins (in a home its folder `{ARTIFACTS_NAME}`)."


def _has(source: Readable, ref: Ref, digest: str, chain: Sequence[lineage.Record]) -> bool:
    """Whether the source still has a version; the current one it has to have."""
    return digest == chain[-1].digest or source.get(f"{version_key(ref, digest)}/{digests.MANIFEST_NAME}") is not None


def _send(source: Readable, target: ArtifactStore, passing: ArtifactStore, ref: Ref, digest: str, *, check: bool) -> bool:
    """Let the target have a version; whether it had to be sent."""
    if not _problems(target, ref, digest, deep=check):
        return False
    local = target if target.remote is None else passing
    if version_directory(local, ref, digest).exists():
        mirror.discard(local, ref, digest)
    if found := mirror.fetch(local, source, ref, digest):
        raise DamagedArtifact(f"{ref}, version {digest} in {source.place}: {'; '.join(found)}. Make it again there.")
    if target.remote is not None:
        uploads.upload_version(target.remote, ref, version_directory(passing, ref, digest), digest)
        mirror.discard(passing, ref, digest)
    if found := _problems(target, ref, digest, deep=True):
        raise ArtifactError(f"{ref}, version {digest}: the copy is not what was sent: {'; '.join(found)}. Copy it again.")
    return True


def _problems(target: ArtifactStore, ref: Ref, digest: str, *, deep: bool) -> list[str]:
    if target.remote is None:
        return digests.problems(version_directory(target, ref, digest), digest, deep=deep)
    return mirror.remote_problems(target.remote, ref, digest, deep=deep)


def _send_record(target: ArtifactStore, passing: ArtifactStore, ref: Ref, number: int, still_ours: StillOurs) -> None:
    path = lineage.record_path(versions.records_directory(passing, ref), number)
    content = path.read_bytes()
    if target.remote is not None:
        uploads.commit_record(target.remote, ref, path.name, content, still_ours)
    directory = versions.records_directory(target, ref)
    durable.make_directory(directory)
    durable.write(directory / path.name, content)


def check_partition(source: Readable, ref: Ref, staging: Path) -> list[str]:
    """What is wrong with a partition where it lies: pointer, records, and every byte of every version that it still has."""
    passing = ArtifactStore(staging)
    try:
        chain = _chain(source, passing, ref)
    except (DamagedArtifact, lineage.LineageError) as error:
        return [str(error)]
    present = [digest for digest in dict.fromkeys(record.digest for record in chain) if _has(source, ref, digest, chain)]
    told = [(digest, mirror.remote_problems(source, ref, digest, deep=True)) for digest in present]
    return [f"{ref}, version {digest[:12]}: {each}" for digest, found in told for each in found]
