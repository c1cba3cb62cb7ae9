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

from mining_platform import guards, homes

WEB, DAEMON = "dagster-webserver", "dagster-daemon"
GRACE_S = 15.0  # seconds that a process gets to end by itself before it is killed
POLL_S = 0.2


class OpenDoor(ValueError):  # noqa: N818 - named by what is wrong
    """The web UI would listen where others reach it."""


def check_host(host: str, allowed_hosts: Sequence[str], *, open_to_network: bool) -> None:
    """OpenDoor where listening on a host lets in who may not be meant to come in, or nobody at all."""
    if guards.is_loopback(host):
        return
    if not open_to_network:
        raise OpenDoor(
            f"--host {host} lets in everybody who reaches that address, and the web UI has no login: they could start runs and "
            "read everything. Leave --host out and put a proxy with a login before it (docs/security.md), or say "
            "--open-to-network."
        )
    if guards.is_every_address(host) and not allowed_hosts:
        raise OpenDoor(f"--host {host} is no name that a browser asks for. Add the machine's own name with --allow-host.")


def serve(host: str, port: int, *, allowed_hosts: Sequence[str] = (), read_only: bool = False) -> str | None:
    """Run web server and daemon on the installation until a signal comes or one of them ends.

    The server answers to loopback names, `host` and `allowed_hosts`. Read only, it changes nothing and has no daemon beside it:
    that is the other server's. SIGINT and SIGTERM end both and give None; a process that ends by itself ends the other and is
    named.
    """
    environment = {**os.environ, "DAGSTER_HOME": str(homes.dagster_home()), homes.HOME_VARIABLE: str(homes.platform_home())}
    with stopping() as stopped:
        commands = _commands(host, port, allowed_hosts, read_only=read_only)
        processes = {name: subprocess.Popen(command, env=environment) for name, command in commands.items()}
        try:
            while not stopped and all(process.poll() is None for process in processes.values()):
                time.sleep(POLL_S)
            ended = next((name for name, process in processes.items() if process.poll() is not None), None)
        finally:
            _end(list(processes.values()))
    return None if stopped else ended


def _commands(host: str, port: int, allowed_hosts: Sequence[str], *, read_only: bool) -> dict[str, list[str]]:
    """Web server and daemon of this Python environment, on the project's workspace file or, without one, its module."""
    workspace = Path(__file__).resolve().parent.parent / "workspace.yaml"
    found = workspace.exists()
    web = [sys.executable, "-P", "-m", "assets_defs.webserver", "--host", host, "--port", str(port)]
    web += [word for name in allowed_hosts for word in ("--allow-host", name)]
    web += ["--workspace", str(workspace)] if found else []
    if read_only:
        return {WEB: [*web, "--read-only"]}
    where = ["-w", str(workspace)] if found else ["-m", "assets_defs.definitions"]
    return {WEB: web, DAEMON: [str(Path(sys.executable).with_name(DAEMON)), "run", *where]}


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
