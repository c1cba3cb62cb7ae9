"""Several partitions at once: worker processes of the planner on this machine, each of which makes one after another.

What belongs here: starting them, handing them partitions, and what is told where one of them dies. Each opens the installation
by itself, as a command does; a run of theirs is one like any other. More machines are the daemon's affair (docs/deployment.md).
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import wait
from queue import SimpleQueue

import dagster as dg

from assets_defs.databases import usable_databases
from assets_defs.pools import pool_of
from mining_platform.artifacts import Ref
from mining_platform.memory_kills import MEMORY_TAG, REMEDY, memory_cause
from mining_platform.processes import HOST_TAG, PROCESS_TAG
from mining_platform.runs import Crew, Execute, Outcome
from mining_platform.sessions import open_session

UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
GRACE_S = 30.0  # what a worker whose planner is gone may take to end its run


@contextmanager
def hired(instance: dg.DagsterInstance, workers: int) -> Iterator[Crew]:
    """So many worker processes, which start when first needed and end with the body."""
    limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for _ in range(workers):
            idle.put(stack.enter_context(_Worker(instance)))

        def execute(ref: Ref) -> Outcome:
            worker = idle.get()
            try:
                return worker(ref)
            finally:
                idle.put(worker)

        yield Crew(execute, workers, partial(has_room, limits))


def has_room(limits: Mapping[str, int], ref: Ref, under_way: Collection[Ref]) -> bool:
    """Whether the pool of a partition has a slot beside those that others of the crew hold."""
    pool = pool_of(ref.asset)
    return pool is None or pool not in limits or Counter(pool_of(each.asset) for each in under_way)[pool] < limits[pool]


class _Worker:
    """A process that makes partitions, and another in its place where it dies."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._pool: ProcessPoolExecutor | None = None
        self._pid = 0

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, ref: Ref) -> Outcome:
        """Make a partition."""
        started = time.monotonic()
        try:
            return self._begun().submit(_made, ref).result()
        except BrokenProcessPool:
            return Outcome(ref, "failed", "", time.monotonic() - started, self._buried())

    def _begun(self) -> ProcessPoolExecutor:
        if self._pool is None:
            spawned = multiprocessing.get_context("spawn")  # a fork would copy the databases' connections and their locks
            pool, self._pid = ProcessPoolExecutor(1, mp_context=spawned), 0
            try:
                self._pid = pool.submit(_open).result()
            except BaseException:
                pool.shutdown()
                raise
            self._pool = pool
        return self._pool

    def _buried(self) -> str:
        """Fail the run of a process that is gone, which cannot any more, and tell what became of it."""
        self._pool = None
        told = (
            f"Process {self._pid} of this run was killed. {REMEDY}"
            if self._pid
            else f"A worker was killed in its start. {REMEDY}"
        )
        wanted = dg.RunsFilter(tags={PROCESS_TAG: str(self._pid), HOST_TAG: socket.gethostname()}, statuses=UNFINISHED)
        for run in self._instance.get_runs(wanted):
            cause = memory_cause(run.tags.get(MEMORY_TAG))
            told = f"Process {self._pid} of this run {cause or 'was killed'}. {REMEDY}"
            self._instance.report_run_failed(run, told)
        return told


_opened = ExitStack()
"""In a worker: what it holds open for as long as it lives."""
_execute: list[Execute] = []
"""In a worker: how it makes partitions."""
_busy = threading.Lock()
"""In a worker: held while it makes one."""


def _open() -> int:
    """Open the installation in a worker, which ends when the planner does and leaves an interruption between runs to it.

    Returns the worker's process id.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()
    _execute.append(_opened.enter_context(open_session()).execute)
    return os.getpid()


def _made(ref: Ref) -> Outcome:
    """Dagster's own errors do not all travel between processes; those of the databases that they are turned into do."""
    with _busy, usable_databases():
        return _execute[0](ref)


def _follow() -> None:
    """End this process once its parent is gone: at once between runs, else by an interruption of its run."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)  # Dagster ends a run that is under way by it, and ignores it as it does SIGINT otherwise
    _busy.acquire(timeout=GRACE_S)
    os._exit(1)
