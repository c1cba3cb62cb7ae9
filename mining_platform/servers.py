"""The web UI and the daemon as two processes that live and end together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from mining_platform import homes

GRACE_S = 15.0  # seconds that a process gets to end by itself before it is killed
POLL_S = 0.2


def serve(host: str, port: int) -> str | None:
    """Run web server and daemon on the installation until a signal comes or one of them ends.

    SIGINT and SIGTERM end both and give None; a process that ends by itself ends the other and is named.
    """
    environment = {**os.environ, "DAGSTER_HOME": str(homes.dagster_home()), homes.HOME_VARIABLE: str(homes.platform_home())}
    with stopping() as stopped:
        processes = {Path(command[0]).name: subprocess.Popen(command, env=environment) for command in _commands(host, port)}
        try:
            while not stopped and all(process.poll() is None for process in processes.values()):
                time.sleep(POLL_S)
            ended = next((name for name, process in processes.items() if process.poll() is not None), None)
        finally:
            _end(list(processes.values()))
    return None if stopped else ended


def _commands(host: str, port: int) -> tuple[list[str], list[str]]:
    """Web server and daemon of this Python environment, on the project's workspace file or, without one, its module."""
    scripts = Path(sys.executable).parent
    workspace = Path(__file__).resolve().parent.parent / "workspace.yaml"
    where = ["-w", str(workspace)] if workspace.exists() else ["-m", "assets_defs.definitions"]
    web = [str(scripts / "dagster-webserver"), "-h", host, "-p", str(port), *where]
    return web, [str(scripts / "dagster-daemon"), "run", *where]


@contextmanager
def stopping() -> Iterator[list[int]]:
    """A list that a signal to stop is appended to, while the block runs."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before: Mapping[signal.Signals, object] = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]


def _end(processes: Sequence[subprocess.Popen]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_S
    for process in processes:
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
