"""Slots of pools: how many steps of each an installation runs at once, and freeing what dead runs still hold.

What belongs here: limits, which are kept in Dagster's database: people change them in the UI (Deployment, Concurrency), and what
they set stays. They count over all runs of the instance, those of the planner in its own process included.
"""

import socket

import dagster as dg

from mining_platform.processes import HOST_TAG, PROCESS_TAG, is_alive

EARTH_ENGINE, TRAINING, DISK = "earth_engine", "training", "disk"
LIMITS = {
    EARTH_ENGINE: 2,  # a run has 16 requests in flight, a project may have 40
    TRAINING: 1,  # one accelerator, or all cores
    DISK: 2,
}
"""How many steps of each pool a new installation runs at once."""


def set_limits(instance: dg.DagsterInstance) -> None:
    """Give each pool its limit where it has none; what people set stays."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    known = {limit.name for limit in storage.get_pool_limits()}
    for name, most in LIMITS.items():
        if name not in known:
            storage.set_concurrency_slots(name, most)


def free_dead_slots(instance: dg.DagsterInstance) -> list[str]:
    """Free what runs hold that are finished, or whose process on this machine is gone; returns their ids.

    The daemon does the same for finished runs a minute later; without one, a command that was killed would keep others waiting.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return []
    dead = [run_id for run_id in sorted(storage.get_concurrency_run_ids()) if _is_dead(instance, run_id)]
    for run_id in dead:
        storage.free_concurrency_slots_for_run(run_id)
    return dead


def _is_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.dagster_run.is_finished:
        return True
    tags = record.dagster_run.tags
    if PROCESS_TAG not in tags or tags.get(HOST_TAG) != socket.gethostname():
        return False
    return not is_alive(int(tags[PROCESS_TAG]), record.create_timestamp.timestamp())
