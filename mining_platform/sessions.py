"""Opening an installation for work, through whatever orchestrator is installed; the domain itself knows none."""

import gc
import os
from contextlib import AbstractContextManager
from importlib.metadata import entry_points

from mining_platform import homes
from mining_platform.runs import Session

RUNNERS = "mining_platform.runners"
"""Entry point group of functions that open a session."""

WORKERS_VARIABLE = "MINING_PLATFORM_WORKERS"
"""Environment variable: how many partitions commands, schedules and sensors have made at once."""


class RunnerError(RuntimeError):
    """No orchestrator is installed, or it cannot be set up as the environment says."""


def open_session() -> AbstractContextManager[Session]:
    """The installation named by the environment, opened through the registered runner; RunnerError where there is none."""
    found = list(entry_points(group=RUNNERS))
    if not found:
        raise RunnerError(f"No runner is installed (entry point group {RUNNERS!r}). Install the project: pip install -e .")
    os.environ[homes.HOME_VARIABLE] = str(homes.platform_home())
    runner = found[0].load()
    gc.freeze()  # what is loaded by now stays: the collector would look through it again and again while a large plan is made
    return runner()


def workers_wanted() -> int:
    """How many partitions are made at once, one where the environment does not say; RunnerError for what is no such number."""
    told = os.environ.get(WORKERS_VARIABLE, "").strip() or "1"
    if not told.isdecimal() or int(told) < 1:
        raise RunnerError(f"{WORKERS_VARIABLE} is {told!r}, no number of workers. Write 2, or leave it empty for one.")
    return int(told)
