"""What deploy/compose.yaml starts in containers, started as processes on loopback: the same commands, other addresses."""

import runpy
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Installation
from tests.ui.test_web_ui import LOADED, asked, free_port, wait_for

DEPLOY = ROOT / "deploy"
WORKSPACE = "/opt/platform/share/workspace.yaml"
START_S = 120


def compose() -> dict[str, Any]:
    """Content of compose.yaml, with aliases and defaults put in."""
    return runpy.run_path(str(DEPLOY / "check_compose.py"))["merged"]()


@dataclass
class Services:
    """Services of compose.yaml on one home, each a process of its own with its log in `folder`."""

    home: Installation
    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {"4000": free_port(), "3000": free_port()})
    """Port on loopback in the place of each that a container has for itself."""
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['3000']}"

    def start(self, name: str) -> None:
        """Start a service by its own command."""
        environment = {**self.home.environment, "DAGSTER_HOME": str(self.home.home / "dagster")}
        with (self.folder / f"{name}.log").open("a") as log:
            self.running[name] = subprocess.Popen(
                self._command(name), cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_all(self) -> None:
        """Code location, then web server and daemon, as Compose waits; returns when the web server shows the code."""
        self.start("code")
        wait_for(self._code_listens, START_S, f"the start of the code location ({self.folder})")
        self.start("web")
        self.start("daemon")
        loaded = lambda: asked(self.url, LOADED)["repositoriesOrError"].get("nodes")  # noqa: E731
        wait_for(loaded, START_S, f"the start of the services ({self.folder})")

    def _code_listens(self) -> bool:
        socket.create_connection(("127.0.0.1", self.ports["4000"]), 1).close()
        return True

    def stop_all(self) -> None:
        """End what was started, as Compose does, the newest first."""
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGINT)
        for process in self.running.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _command(self, name: str) -> list[str]:
        program, *words = compose()["services"][name]["command"]
        places = {
            "0.0.0.0": "127.0.0.1",
            WORKSPACE: str(self._workspace()),
            **{key: str(port) for key, port in self.ports.items()},
        }
        path = Path(sys.executable).with_name(program)
        return [str(path), *(places.get(word, word) for word in words)]

    def _workspace(self) -> Path:
        """deploy/workspace.yaml with the address that the code location has here."""
        path = self.folder / "workspace.yaml"
        text = (DEPLOY / "workspace.yaml").read_text()
        path.write_text(text.replace("host: code", "host: 127.0.0.1").replace("port: 4000", f"port: {self.ports['4000']}"))
        return path
