"""Artifacts: the one door to published versions. Skip what is fresh, else compute, publish and record.

The rest of the project imports names, errors and reading from here too; `store/versions.py` is behind.
The order of publishing decides what a kill can leave:

1. the files are computed in a temporary directory, listed, hashed, made read-only, brought to the disk;
2. the directory is renamed to `versions/<digest>`: a version that nobody points to yet;
3. the lineage record is appended: from here on the production has happened;
4. the pointer is replaced: from here on readers see it.

Between 3 and 4 readers see the version before; the next producer finds the record ahead of the
pointer and moves the pointer on. Everything before 3 counts as not done.

Where the artifacts are in an object store, 1 and 2 happen on the disk and the files are then put there, the manifest last; 3 and
4 are writes there that happen only while nobody else has made them.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mining_platform import lineage
from mining_platform.lineage_changes import changes
from mining_platform.memory_kills import own_bounds
from mining_platform.store import digests, durable, publishing, uploads, versions
from mining_platform.store.holding import held
from mining_platform.store.uploads import StillOurs
from mining_platform.store.versions import (
    Artifact,
    ArtifactError,
    ArtifactStore,
    DamagedArtifact,
    InvalidRef,
    Json,
    LeaseHeld,
    LeaseLost,
    MissingArtifact,
    Ref,
    StoreUnreachable,
    at_one_moment,
    current_digest,
    open_artifact,
    partitions,
    records,
)

__all__ = [
    "Artifact",
    "ArtifactError",
    "ArtifactStore",
    "Compute",
    "DamagedArtifact",
    "InvalidRef",
    "Json",
    "LeaseHeld",
    "LeaseLost",
    "MissingArtifact",
    "Produced",
    "Ref",
    "StoreUnreachable",
    "at_one_moment",
    "current_digest",
    "finish_publication",
    "freshness",
    "open_artifact",
    "partitions",
    "produce",
    "records",
]

Compute = Callable[[Mapping[Ref, Artifact], Path], dict[str, Any]]
"""Reads the inputs, writes files into the empty directory, returns facts in JSON types."""

UNCHANGED = "unchanged: same inputs, code version and configuration"
FINISHED = "published what an interrupted run had finished"
UNSEEN = "a run was killed after it had recorded a newer version and before readers saw it"


@dataclass(frozen=True)
class Produced:
    """What `produce` did."""

    ref: Ref
    digest: str
    path: Path
    facts: dict[str, Any]
    skipped: bool
    reason: str
    """Why it was made, or why not."""
    seconds: float


@dataclass(frozen=True)
class _Task:
    """One artifact with all that decides whether it is fresh."""

    ref: Ref
    inputs: tuple[Ref, ...]
    """Distinct, sorted."""
    code_version: str
    spelled_configuration: bytes
    """Canonical JSON."""
    resumable: bool

    @property
    def configuration(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = digests.read_json(self.spelled_configuration)
        return plain

    def unfinished_name(self, inputs: Mapping[Ref, str]) -> str | None:
        """Name of the directory in which the work is resumed; None where it begins anew each time."""
        if not self.resumable:
            return None
        told = [self.code_version, self.configuration, [[str(ref), digest] for ref, digest in sorted(inputs.items())]]
        digest = digests.digest_of(digests.canonical_json(told, f"What {self.ref} rests on"))
        return f"{durable.UNFINISHED_PREFIX}{digest[:32]}"


def _task(ref: Ref, inputs: Sequence[Ref], code_version: str, config: Mapping[str, Json], *, resumable: bool = False) -> _Task:
    spelled = digests.canonical_json(config, f"The configuration of {ref}")
    return _Task(ref, tuple(sorted(set(inputs))), code_version, spelled, resumable)


def freshness(
    store: ArtifactStore, ref: Ref, *, inputs: Sequence[Ref], code_version: str, config: Mapping[str, Json]
) -> tuple[str, ...]:
    """Reasons why an artifact has to be made, in words; () where it is fresh.

    Compares digests, names and sizes and reads no data, so a flipped byte goes unnoticed here.
    """
    return _staleness(store, _task(ref, inputs, code_version, config))


def _staleness(store: ArtifactStore, task: _Task) -> tuple[str, ...]:
    try:
        pointer = versions.read_pointer(store, task.ref)
        current = {ref: current_digest(store, ref) for ref in task.inputs}
    except DamagedArtifact as error:
        return (str(error),)
    missing = tuple(f"input {ref} is missing" for ref, digest in current.items() if digest is None)
    if pointer is None or missing:
        return (*(("not made yet",) if pointer is None else ()), *missing)
    if versions.has_newer_record(store, task.ref, pointer):
        return (UNSEEN,)
    damage = versions.problems(store, task.ref, pointer.digest, deep=False)
    if damage:
        return (_damaged(damage),)
    try:
        record = lineage.read_record(versions.records_directory(store, task.ref), pointer.record)
    except lineage.LineageError as error:
        return (str(error),)
    if (record.digest, record.hash) != (pointer.digest, pointer.record_hash):
        return (f"its pointer and lineage record {record.number} tell of different versions",)
    inputs = [lineage.Input(ref.asset, ref.partition, digest or "") for ref, digest in current.items()]
    return changes(record, inputs=inputs, code_version=task.code_version, configuration=task.spelled_configuration)


def _damaged(damage: Sequence[str]) -> str:
    return f"the current version is damaged: {'; '.join(damage)}"


def produce(  # noqa: PLR0913 - what decides a version, each by name
    store: ArtifactStore,
    ref: Ref,
    *,
    inputs: Sequence[Ref],
    code_version: str,
    config: Mapping[str, Json],
    compute: Compute,
    run_id: str = "",
    resumable: bool = False,
) -> Produced:
    """Let the current version of an artifact rest on these inputs, code version and configuration.

    Skips where a version, verified byte by byte, already does. `resumable` work finds in its directory what an
    interrupted production with the same inputs, code version and configuration left there, and has to tell whole files
    from torn ones itself. Raises MissingArtifact that names all
    missing inputs, DamagedArtifact (an input), LeaseHeld, lineage.LineageError (altered records),
    ArtifactError (unfit output, full disk), and whatever `compute` raises, unchanged. After an error
    the version that was current before still is.
    """
    clock = time.perf_counter()
    task = _task(ref, inputs, code_version, config, resumable=resumable)
    _require_inputs(store, task)
    reasons, skipped = _reasons(store, task), UNCHANGED
    if reasons:
        with held(store, ref, run_id) as still_ours:
            skipped = FINISHED if _finish_publication(store, task, still_ours) else UNCHANGED
            reasons = _reasons(store, task)
            if reasons:
                _make(store, task, compute, run_id, still_ours)
            pointer = versions.require_pointer(store, ref)
    else:
        pointer = versions.require_pointer(store, ref)
    path = versions.version_directory(store, ref, pointer.digest)
    reason = "; ".join(reasons) or skipped
    return Produced(ref, pointer.digest, path, versions.read_facts(path), not reasons, reason, time.perf_counter() - clock)


def _require_inputs(store: ArtifactStore, task: _Task) -> None:
    missing = [ref for ref in task.inputs if current_digest(store, ref) is None]
    if missing:
        named = ", ".join(map(str, missing))
        raise MissingArtifact(f"{task.ref} cannot be made: {named} never was. {' '.join(map(versions.remedy, missing))}")


def _reasons(store: ArtifactStore, task: _Task) -> tuple[str, ...]:
    """As freshness, and with every byte of the current version verified."""
    reasons = _staleness(store, task)
    if reasons:
        return reasons
    pointer = versions.require_pointer(store, task.ref)
    damage = versions.problems(store, task.ref, pointer.digest, deep=True)
    return (_damaged(damage),) if damage else ()


def _finish_publication(store: ArtifactStore, task: _Task, still_ours: StillOurs) -> bool:
    """Remove what dead writers left and move a pointer that lags behind the newest record; whether it did."""
    ref, inputs = task.ref, {each: current_digest(store, each) or "" for each in task.inputs}
    with publishing.disk(ref):
        durable.sweep(versions.partition_directory(store, ref), spared=task.unfinished_name(inputs))
        durable.sweep(versions.records_directory(store, ref))
    return _catch_up(store, ref, still_ours)


def _catch_up(store: ArtifactStore, ref: Ref, still_ours: StillOurs) -> bool:
    """Let the pointer of a partition follow its newest record, if that version is whole; whether it had to. Under the lease."""
    chain = records(store, ref)
    if not chain or versions.points_to(store, ref, chain[-1]):
        return False
    newest = chain[-1].digest
    if versions.problems(store, ref, newest, deep=True):
        return False
    with publishing.disk(ref):
        versions.write_pointer(store, ref, chain[-1], still_ours)
    return True


def finish_publication(store: ArtifactStore, ref: Ref, run_id: str = "") -> bool:
    """Publish what an interrupted run had finished: let the pointer follow the newest record; whether it had to.

    Raises LeaseHeld where somebody is at work on the partition, and lineage.LineageError for altered records.
    """
    with held(store, ref, run_id) as still_ours:
        return _catch_up(store, ref, still_ours)


def _make(store: ArtifactStore, task: _Task, compute: Compute, run_id: str, still_ours: StillOurs) -> None:
    """Compute, publish and record; the caller holds the lease."""
    started = datetime.now(UTC)
    inputs = {ref: open_artifact(store, ref) for ref in task.inputs}
    with _working_directory(store, task, inputs) as out:
        facts = publishing.marked_facts(task.ref, _computed(compute, inputs, out), [each.facts for each in inputs.values()])
        with publishing.disk(task.ref):
            digest = publishing.seal(task.ref, out, facts)
            publishing.install(versions.version_directory(store, task.ref, digest), out)
    if store.remote is not None:
        uploads.upload_version(store.remote, task.ref, versions.version_directory(store, task.ref, digest), digest)
    production = lineage.Production(
        asset=task.ref.asset,
        partition=task.ref.partition,
        digest=digest,
        inputs=tuple(lineage.Input(ref.asset, ref.partition, each.digest) for ref, each in inputs.items()),
        facts_digest=digests.digest_of(facts),
        code_version=task.code_version,
        configuration=task.configuration,
        run_id=run_id,
        started=started,
        finished=datetime.now(UTC),
    )
    with publishing.disk(task.ref):
        record = lineage.append_record(
            versions.records_directory(store, task.ref), production, _commit(store, task.ref, still_ours)
        )
        versions.write_pointer(store, task.ref, record, still_ours)


def _commit(store: ArtifactStore, ref: Ref, still_ours: StillOurs) -> Callable[[str, bytes], None]:
    """What has to happen with a lineage record before it lies on the disk."""
    remote = store.remote
    if remote is None:
        return lambda _name, _content: None
    return lambda name, content: uploads.commit_record(remote, ref, name, content, still_ours)


def _working_directory(store: ArtifactStore, task: _Task, inputs: Mapping[Ref, Artifact]) -> AbstractContextManager[Path]:
    name = task.unfinished_name({ref: each.digest for ref, each in inputs.items()})
    return publishing.temporary(store, task.ref) if name is None else publishing.resumed(store, task.ref, name)


def _computed(compute: Compute, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    try:
        return compute(inputs, out)
    except MemoryError as error:
        error.add_note(
            f"The process ran out of memory ({'; '.join(own_bounds())}); the temporary files were removed. "
            "Give it more memory, or let less work go on beside it, and run again."
        )
        raise
    except Exception as error:
        if publishing.tells_of_full_disk(error, out.parent):
            error.add_note(
                "The disk of the artifact store is full; the temporary files were removed. Free some space and run again."
            )
        raise
