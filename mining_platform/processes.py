"""Whether a process that was seen at some time is still the same and alive; Linux, through /proc."""

import os
from pathlib import Path

CLOCK_SLACK_S = 2.0  # between a process's start and the event that tells of it, and the steps of the kernel's clock
ZOMBIE_STATES = frozenset("ZX")
PROC = Path("/proc")
PROCESS_TAG, HOST_TAG = "mining_platform/pid", "mining_platform/host"
"""Tags of a run that a process makes within itself: its number and its machine."""


def is_alive(pid: int, seen_s: float) -> bool:
    """Whether the process that had the number `pid` at the time `seen_s` (seconds since 1970) is alive.

    A process of that number that started later, as after a restart of the machine, is another one; one that has ended and was
    not yet waited for is dead.
    """
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return not PROC.is_dir() and answers(pid)
    except ProcessLookupError:
        return False
    state, start_ticks = fields[0], int(fields[19])  # fields 3 and 22 of proc(5), counted after the name in parentheses
    started_s = _boot_s() + start_ticks / os.sysconf("SC_CLK_TCK")
    return state not in ZOMBIE_STATES and started_s <= seen_s + CLOCK_SLACK_S


def _boot_s() -> float:
    lines = (PROC / "stat").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("btime ")).split()[1])


def answers(pid: int) -> bool:
    """Whether some process has the number, be it another one than was meant."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
