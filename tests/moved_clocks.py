"""Installations whose processes live at another moment: servers, runs and commands alike, and what those start.

libfaketime is loaded before the C library and adds an offset to what it answers, so that Python, SQLite and every child see
the same clock, which goes on from there; files keep the kernel's times, and waiting takes as long as it does.
"""

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import COMMAND, ROOT, Installation

LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"
"""Within the package libfaketime."""


def faketime_library() -> Path:
    """The shared library that moves clocks; skips where it is not installed."""
    package = find_spec("libfaketime")
    path = Path(str(package.origin)).parent / LIBRARY if package else None
    if path is None or not path.exists():
        pytest.skip("no libfaketime on this machine: pip install libfaketime")
    return path


def next_15_september(now: datetime) -> datetime:
    """The next 15 September, 06:00 UTC, after a moment."""
    this_year = datetime(now.year, 9, 15, 6, tzinfo=UTC)
    return this_year if now < this_year else this_year.replace(year=now.year + 1)


@dataclass(frozen=True)
class MovedInstallation(Installation):
    """An installation whose processes see the clock that a file tells; those that run already follow within seconds."""

    clock: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        moved = {
            "LD_PRELOAD": str(faketime_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        return {**super().environment, **moved}

    def run(self, *arguments: str, code: int = 0, timeout: float = 280) -> str:
        """As an installation's own, each command as a process of its own: a fork would keep the clock that it was forked with."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        command = [str(COMMAND), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, timeout=timeout, check=False, **pipes)
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def move_to(self, moment: datetime) -> None:
        """Make it that moment now."""
        beside = self.clock.with_suffix(".new")
        beside.write_text(f"{(moment - datetime.now(UTC)).total_seconds():+.0f}s")
        beside.replace(self.clock)
