"""`mining-platform` run hundreds of times: each command in a fork of one process that has the libraries loaded.

A command of its own process starts in 2 to 3 s, nearly all of it imports; a fork has them already and goes on as that
process would: its own memory, environment, working directory and exit. What depends on an installation is imported after
the fork. A command is sent as JSON together with two descriptors: where its output goes, and where its process number and
exit code are told.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

ROOT = Path(__file__).parents[1]
MAX_REQUEST_BYTES = 1_000_000


@cache
def _server() -> socket.socket:
    """Our end of the line to the server, started with the first command; it ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        environment = {**os.environ, "MINING_PLATFORM_HOME": "/nonexistent", "MINING_PLATFORM_REGIONS": "/nonexistent"}
        command = [sys.executable, "-m", "tests.commands", str(theirs.fileno())]
        subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], start_new_session=True)
    return ours


def run(command: Path, arguments: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> tuple[int, str]:
    """Exit code (negative: killed by that signal) and both output streams of a command.

    Raises subprocess.TimeoutExpired, with the command killed, where it takes longer than `timeout` seconds.
    """
    request = json.dumps({"arguments": [str(command), *arguments], "environment": dict(environment)}).encode()
    answer, told = socket.socketpair()
    with TemporaryFile() as output, answer:
        with told:
            socket.send_fds(_server(), [request], [output.fileno(), told.fileno()])
        answer.settimeout(timeout)
        numbers = answer.makefile("r")
        process = int(numbers.readline())
        try:
            code = int(numbers.readline())
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired([str(command), *arguments], timeout) from None
        output.seek(0)
        return code, output.read().decode()


def _load() -> None:
    """Import what commands need and no installation decides."""
    import pkgutil
    from importlib import import_module

    import matplotlib.figure  # noqa: F401
    from dagster import DagsterInstance

    import mining_platform.cli  # noqa: F401
    import mining_platform.stages

    for module in pkgutil.iter_modules(mining_platform.stages.__path__, "mining_platform.stages."):
        import_module(module.name)
    with TemporaryDirectory() as home, DagsterInstance.local_temp(home) as instance:
        instance.get_runs(limit=1)


def _watch(arguments: list[str], environment: Mapping[str, str], output: int, told: int) -> None:
    """Run one command in a child and tell its number and exit code; returns in the child alone, for it to go on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        os.write(told, f"{child}\n".encode())
        os.write(told, f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n".encode())
        os._exit(0)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.close(told)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments


def _serve(line: socket.socket) -> None:
    """Fork for each request until the other end is closed; in such a fork, run the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, MAX_REQUEST_BYTES, 2)
        if not request:
            return
        if os.fork() == 0:
            line.close()
            _watch(*json.loads(request).values(), *descriptors)
            from mining_platform.cli import main

            sys.exit(main())
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    _load()
    gc.freeze()  # what is loaded stays: a fork need not look through it, nor copy it for that
    assert threading.active_count() == 1, "a process with threads must not be forked"
    with contextlib.suppress(KeyboardInterrupt):
        _serve(socket.socket(fileno=int(sys.argv[1])))
