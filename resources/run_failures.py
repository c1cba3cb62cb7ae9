"""What Dagster says of a run whose process died: the cause, where it is known, in the event that fails the run.

What belongs here: the instance that `dagster.yaml` names. Dagster's own says of such a run no more than that it was marked as
failed from outside, and of every signal 9 that it "usually" means lack of memory.
"""

import re
import signal
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, JobFailureData
from dagster._core.instance.ref import InstanceRef
from dagster._serdes.config_class import ConfigurableClassData

from mining_platform.memory_kills import MEMORY_TAG, REMEDY, memory_cause

_SIGNAL = re.compile(r"Run execution process for \S+ was terminated by signal (\d+)")
_CODE = re.compile(
    r"(?:Run execution process for \S+ unexpectedly exited with"
    r"|Subprocess for \S+ terminated unexpectedly with exit) code (-?\d+)"
)
"""How Dagster's code server tells that a run's process ended before its run did, or before that began; -9 stands for signal 9."""


class WatchedInstance(dg.DagsterInstance):
    """Dagster's instance, which names the cause where a run is failed because its process is gone."""

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """It takes no settings of its own."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Storages and the like where `dagster.yaml` names none: Dagster's own, below its home."""
        return InstanceRef.config_defaults(base_dir)

    def report_run_failed(
        self, dagster_run: dg.DagsterRun, message: str | None = None, job_failure_data: JobFailureData | None = None
    ) -> DagsterEvent:
        """Fail a run; without a message, say how its process ended where the code server has told it."""
        told = message or self._death(dagster_run)
        return super().report_run_failed(dagster_run, told, job_failure_data)

    def _death(self, run: dg.DagsterRun) -> str | None:
        now = self.get_run_by_id(run.run_id) or run  # the daemon's own copy is older than the tags of the launch
        for entry in reversed(self.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT)):
            ended = how_it_ended(_told(entry), now.tags)
            if ended:
                return ended
        return None


def _told(entry: dg.EventLogEntry) -> str:
    """An engine event's words with those of its error."""
    event = entry.dagster_event
    error = event.engine_event_data.error if event else None
    return "\n".join([entry.user_message, event.message or "" if event else "", error.to_string() if error else ""])


def how_it_ended(told: str, tags: Mapping[str, str]) -> str | None:
    """The cause of a run's death from what Dagster's code server told and the run's tags; None where it told of no death.

    Lack of memory is named only where the kernel's counts say so.
    """
    by_signal, by_code = _SIGNAL.search(told), _CODE.search(told)
    if by_signal is None and by_code is None:
        return None
    code = -int(by_signal[1]) if by_signal else int(by_code[1]) if by_code else 0
    if code >= 0:
        return f"The process of this run ended by itself with code {code}, before the run did."
    if code != -signal.SIGKILL:
        return f"The process of this run was ended by signal {-code}{_name(-code)}."
    cause = memory_cause(tags.get(MEMORY_TAG))
    if cause is None:
        return "The process of this run was killed (signal 9); nothing on record says that memory was short."
    return f"The process of this run {cause}. {REMEDY}"


def _name(number: int) -> str:
    return f" ({signal.Signals(number).name})" if number in {each.value for each in signal.Signals} else ""
