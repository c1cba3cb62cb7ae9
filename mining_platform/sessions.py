"""Opening an installation for work, through whatever orchestrator is installed; the domain itself knows none."""

import os
from contextlib import AbstractContextManager
from importlib.metadata import entry_points

from mining_platform import homes
from mining_platform.runs import Session

RUNNERS = "mining_platform.runners"
"""Entry point group of functions that open a session."""


class RunnerError(RuntimeError):
    """No orchestrator is installed."""


def open_session() -> AbstractContextManager[Session]:
    """The installation named by the environment, opened through the registered runner; RunnerError where there is none."""
    found = list(entry_points(group=RUNNERS))
    if not found:
        raise RunnerError(f"No runner is installed (entry point group {RUNNERS!r}). Install the project: pip install -e .")
    os.environ[homes.HOME_VARIABLE] = str(homes.platform_home())
    return found[0].load()()
