"""Opening an installation for work, through whatever orchestrator is installed; the domain itself knows none."""

import gc
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import entry_points

from mining_platform import homes
from mining_platform.runs import Session

RUNNERS = "mining_platform.runners"
"""Entry point group of functions that open a session."""

WORKERS_VARIABLE = "MINING_PLATFORM_WORKERS"
LIMITS: Mapping[str, tuple[str, type[int] | type[float]]] = {
    "max_requests": ("MINING_PLATFORM_MAX_REQUESTS", int),
    "max_bytes": ("MINING_PLATFORM_MAX_BYTES", int),
    "max_hours": ("MINING_PLATFORM_MAX_HOURS", float),
    "max_eecu_hours": ("MINING_PLATFORM_MAX_EECU_HOURS", float),
    "eecu_rate": ("MINING_PLATFORM_EECU_RATE", float),
}
"""Limits of a run and the rate of compute units, by option: the variable that says them where no option does, and its kind."""
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


def limits_wanted() -> dict[str, float]:
    """The LIMITS that the environment names; RunnerError for what is no number of at least 0."""
    found: dict[str, float] = {}
    for name, (variable, kind) in LIMITS.items():
        told = os.environ.get(variable, "").strip()
        if not told:
            continue
        try:
            found[name] = kind(told)
        except ValueError:
            found[name] = -1
        if not 0 <= found[name] < math.inf:
            raise RunnerError(f"{variable} is {told!r}, no number of at least 0. Write one, or leave it empty.")
    return found
