"""A home of one's own with the line's published patches, to decide on without touching the line."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import COMMAND, ROOT, Installation, Line


def home_like(line: Line, home: Path) -> Installation:
    """A home with the line's artifacts (linked, as versions are never written again), archive and events."""
    home.mkdir()
    shutil.copytree(line.installation.home / "artifacts", home / "artifacts", copy_function=os.link)
    shutil.copytree(line.installation.home / "dagster", home / "dagster")
    (home / "archive").symlink_to(line.installation.home / "archive")
    return Installation(home, line.installation.regions)


@dataclass
class Served:
    """A running `mining-platform review`, and what it printed once it has ended."""

    url: str
    process: subprocess.Popen
    printed: str = ""

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.printed += self.process.communicate(timeout=60)[0]
        return self.process.returncode


@contextlib.contextmanager
def review_page(installation: Installation, *arguments: str) -> Iterator[Served]:
    """`mining-platform review` on a free port, ended at the end."""
    command = [str(COMMAND), "review", "--dataset", "sim_ranges", "--year", "2024", "--port", "0", "--no-browser", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, env=installation.environment, **pipes)  # type: ignore[call-overload]
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/", first)
    if found is None:
        raise AssertionError(first + process.communicate(timeout=30)[0])
    served = Served(found[0], process)
    try:
        yield served
    finally:
        served.stop()
