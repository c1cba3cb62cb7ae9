"""How runs are started on one machine, and how it is told that a run's process is gone.

What belongs here: run launchers that `dagster.yaml` names. Dagster's default launcher cannot tell whether a process lives, so
after a power cut its runs would stay started for ever.
"""

import re
import socket

from dagster import DagsterRun
from dagster._core.events import DagsterEventType
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes.config_class import ConfigurableClassData

from mining_platform.memory_kills import MEMORY_TAG, REMEDY, memory_cause, tags_now
from mining_platform.processes import HOST_TAG, PROCESS_TAG, is_alive

_STARTED = re.compile(r"Started process for run \(pid: (\d+)\)")


class WatchedRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which also tells whether the process of a run is alive on this machine.

    A run of which no process is known, or that another machine makes, is left alone. A process is called gone the second time
    that it is not there: a run may just be ending, and the daemon that retries runs misses one that is failed in the very
    moment in which it looks, as when all daemons start together.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._missed: set[str] = set()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run, noting before how often the kernel has killed for lack of memory: by that its death can be told."""
        noted = tags_now()
        if noted:
            self._instance.add_run_tags(context.dagster_run.run_id, noted)
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING while the run's process lives, or where that cannot be told; FAILED once it is gone for good."""
        seen = self._process(run)
        if seen is None or is_alive(*seen):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if run.run_id not in self._missed:
            self._missed.add(run.run_id)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        cause = memory_cause(run.tags.get(MEMORY_TAG))
        told = f"{cause}. {REMEDY}" if cause else "is gone: it was killed, or the machine."
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Process {seen[0]} of this run {told}")

    def _process(self, run: DagsterRun) -> tuple[int, float] | None:
        """Number of the run's process and when it was seen (seconds since 1970)."""
        if PROCESS_TAG in run.tags:
            record = self._instance.get_run_record_by_id(run.run_id)
            here = run.tags.get(HOST_TAG) == socket.gethostname()
            return (int(run.tags[PROCESS_TAG]), record.create_timestamp.timestamp()) if record and here else None
        for entry in reversed(self._instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
            found = _STARTED.search(entry.message or "")
            if found:
                return int(found[1]), entry.timestamp
        return None
