"""How the planner makes partitions through Dagster in one process.

What belongs here: one partition as one Dagster run, with its events and checks, on the same instance as the
web UI. The command line finds `open_session` by its entry point, since the domain never imports Dagster.
"""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEventType, RunFailureReason

from assets_defs.crews import hired
from assets_defs.databases import is_of_databases, refuse_failure_of_databases, usable_databases
from assets_defs.failures import DAGSTERS_OWN
from assets_defs.imports import add_partition
from assets_defs.instances import opened_instance
from assets_defs.partitions import STEPS, asset_key
from assets_defs.pool_slots import free_dead_slots
from assets_defs.pools import pool_of
from assets_defs.results import value_of
from assets_defs.run_tags import PLANNER
from mining_platform.artifacts import ArtifactError, InvalidRef, Ref, current_digest, open_artifact
from mining_platform.memory_kills import tags_now
from mining_platform.pipeline import Platform, Step
from mining_platform.processes import HOST_TAG, PROCESS_TAG
from mining_platform.runs import Outcome, Session
from mining_platform.staleness import assess

DATA_VERSION_TAG = "dagster/data_version"
EVENTS_A_PAGE = 1000
OWN_RUN = {PLANNER: "true", "dagster/max_retries": "0"}
"""Tags of runs that the planner makes in its own process: no daemon could start them again."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@contextmanager
def open_session() -> Iterator[Session]:
    """Platform, graph and a way to make partitions, on the installation's Dagster instance.

    Raises UnwritableHome or UnreachableDatabase, at any time, where its databases cannot be written or do not answer.
    """
    from assets_defs.definitions import PLATFORM, defs

    job = remembering(defs.resolve_implicit_global_asset_job_def())
    with usable_databases(), opened_instance() as instance:
        runs = _Runs(PLATFORM, STEPS, job, instance)
        told, known = partial(report, instance), partial(known_digests, instance)
        yield Session(PLATFORM, STEPS, runs, told, known, partial(hired, instance))


def remembering(job: dg.JobDefinition) -> dg.JobDefinition:
    """The job, which builds the part of it that makes an asset once; `execute_in_process` builds and describes it for each run.

    That takes a third of a light run. Such a part holds nothing of a run.
    """
    if "as_ephemeral_job" in vars(job):
        return job
    build, parts = job.as_ephemeral_job, dict[tuple[dg.AssetKey, ...], dg.JobDefinition]()

    def remembered(
        resource_defs: Mapping[str, Any],
        input_values: Mapping[str, object],
        op_selection: Sequence[str] | None = None,
        asset_selection: Sequence[dg.AssetKey] | None = None,
    ) -> dg.JobDefinition:
        if resource_defs or input_values or op_selection or not asset_selection:
            return build(resource_defs, input_values, op_selection, asset_selection)
        chosen = tuple(asset_selection)
        if chosen not in parts:
            parts[chosen] = build(resource_defs, input_values, op_selection, asset_selection)
        return parts[chosen]

    job.as_ephemeral_job = remembered  # type: ignore[method-assign]
    return job


@dataclass(frozen=True)
class _Runs:
    """Makes one partition as one run; callable as `runs.Execute`."""

    platform: Platform
    steps: Mapping[str, Step]
    job: dg.JobDefinition
    instance: dg.DagsterInstance

    def __call__(self, ref: Ref) -> Outcome:
        started = time.monotonic()
        digest = self._done_before(ref)
        if digest:
            return Outcome(ref, "skipped", digest, time.monotonic() - started, "fresh")
        try:
            if pool_of(ref.asset):
                free_dead_slots(self.instance)
            result = self.job.execute_in_process(
                asset_selection=[asset_key(ref.asset)],
                partition_key=ref.partition,
                instance=self.instance,
                raise_on_error=False,
                run_config=QUIET,
                tags={**OWN_RUN, PROCESS_TAG: str(os.getpid()), HOST_TAG: socket.gethostname(), **tags_now()},
            )
        except dg.DagsterError as error:
            if is_of_databases(error):
                raise
            return Outcome(ref, "failed", "", time.monotonic() - started, str(error))
        if was_interrupted(result):
            raise KeyboardInterrupt  # Dagster ends the run by it and says no more: the next partition is not begun
        return _outcome(ref, result, time.monotonic() - started)

    def _done_before(self, ref: Ref) -> str | None:
        """Digest of a fresh, verified version that Dagster knows of; None where a run is needed."""
        try:
            digest = current_digest(self.platform.artifacts, ref)
            if digest is None or assess(self.platform, self.steps, ref).state != "fresh":
                return None
            open_artifact(self.platform.artifacts, ref, digest)
        except ArtifactError:
            return None
        return digest if known_digest(self.instance, ref) == digest else None


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a run was ended by Ctrl-C, or another signal that asks its process to end."""
    ends = [event for event in result.all_events if event.event_type is DagsterEventType.RUN_FAILURE]
    return any(event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION for event in ends)


def known_digest(instance: dg.DagsterInstance, ref: Ref) -> str | None:
    """Data version of the newest materialization event of a partition."""
    wanted = dg.AssetRecordsFilter(asset_key=asset_key(ref.asset), asset_partitions=[ref.partition] if ref.partition else None)
    records = instance.fetch_materializations(wanted, limit=1).records
    event = records[0].asset_materialization if records else None
    return (event.tags or {}).get(DATA_VERSION_TAG) if event else None


def known_digests(instance: dg.DagsterInstance) -> dict[Ref, str]:
    """Data version of the newest materialization event of every partition of every asset; as `runs.Known`."""
    found: dict[Ref, str] = {}
    for key in instance.all_asset_keys():
        cursor, has_more = None, True
        while has_more:
            page = instance.fetch_materializations(key, limit=EVENTS_A_PAGE, cursor=cursor)
            cursor, has_more = page.cursor, page.has_more
            for event in (record.asset_materialization for record in page.records):
                digest = (event.tags or {}).get(DATA_VERSION_TAG) if event else None
                ref = _ref_of(key, event.partition) if event and digest else None
                if ref and digest:
                    found.setdefault(ref, digest)  # newest first
    return found


def _ref_of(key: dg.AssetKey, partition: str | None) -> Ref | None:
    """The partition that an event is about; None where no artifact could have its name."""
    try:
        return Ref(key.to_user_string(), partition or "")
    except InvalidRef:
        return None


def report(instance: dg.DagsterInstance, ref: Ref, digest: str, facts: Mapping[str, Any]) -> None:
    """Record a materialization of an external asset's partition, unless its newest one is of this digest; as `runs.Tell`."""
    if known_digest(instance, ref) == digest:
        return
    add_partition(instance, ref.asset, ref.partition)
    told = {name: value_of(value) for name, value in facts.items() if value is not None}
    event = dg.AssetMaterialization(
        asset_key(ref.asset),
        partition=ref.partition or None,
        metadata={**told, "digest": dg.MetadataValue.text(digest)},
        tags={DATA_VERSION_TAG: digest},
    )
    instance.report_runless_asset_event(event)


def _outcome(ref: Ref, result: dg.ExecuteInProcessResult, seconds: float) -> Outcome:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    metadata: Mapping[str, Any] = events[0].metadata if events else {}
    digest = str(metadata["digest"].value) if "digest" in metadata else ""
    if not result.success:
        told = _failure(result)
        refuse_failure_of_databases(told)
        return Outcome(ref, "failed", digest, seconds, told)
    skipped = bool(metadata["skipped"].value) if "skipped" in metadata else False
    warnings = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    message = "; ".join(f"check not passed: {name}" for name in warnings)
    return Outcome(ref, "skipped" if skipped else "made", digest, seconds, message)


def _message(text: str) -> str:
    """An exception's words without the name of its class."""
    name, _, words = text.strip().partition(": ")
    return words if words and " " not in name else text.strip()


def _failure(result: dg.ExecuteInProcessResult) -> str:
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    if failed:
        return "; ".join(f"check not passed: {check.check_name}. {check.description or ''}".strip() for check in failed)
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error and error.cause and error.cls_name in DAGSTERS_OWN:
                error = error.cause
            return _message(error.message) if error else "the step failed without a message"
    return "the run failed before its step; see the run in the web UI"
