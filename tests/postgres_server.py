"""A real Postgres server of the tests' own, on a loopback port, with a password."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.ui.test_web_ui import free_port

PASSWORD = "canary/7d1 @pg"  # has to be percent-encoded in an address
ENCODED = "canary%2F7d1%20%40pg"
BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None, key=lambda path: int(path.parts[4]))
START_S = 60


@dataclass
class PostgresServer:
    """One server process with its data in a folder of its own."""

    folder: Path
    account: dict[str, Any]
    """Options of subprocess.run that make a process somebody else than root, whom Postgres refuses."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def create(self) -> None:
        """Make an empty cluster whose user `dagster` needs the password."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        options = [
            "--username=dagster",
            "--auth=scram-sha-256",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run([self._program("initdb"), *options, self.folder / "data"], check=True, capture_output=True, **self.account)

    def start(self) -> None:
        """Start it and wait until it lets in."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 60,
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "server.log").open("a") as log:
            command = [self._program("postgres"), "-D", self.folder / "data", *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self.account)
        deadline = time.monotonic() + START_S
        while True:
            try:
                return self.connect("postgres").close()
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """End it as an administrator does who does not wait for clients."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(30)
            self.process = None

    def connect(self, database: str) -> Any:
        return psycopg2.connect(host="127.0.0.1", port=self.port, user="dagster", password=PASSWORD, dbname=database)

    def new_database(self, name: str) -> str:
        """Address of a new, empty database."""
        connection = self.connect("postgres")
        connection.autocommit = True
        connection.cursor().execute(f'CREATE DATABASE "{name}"')
        connection.close()
        return f"postgresql://dagster:{ENCODED}@127.0.0.1:{self.port}/{name}"

    def rows(self, database: str, query: str) -> list[tuple]:
        connection = self.connect(database)
        try:
            cursor = connection.cursor()
            cursor.execute(query)
            return list(cursor.fetchall())
        finally:
            connection.close()

    @staticmethod
    def _program(name: str) -> Path:
        assert BINARIES is not None
        return BINARIES.with_name(name)


def unprivileged() -> dict[str, Any]:
    """Who runs the server: the present user, or, for root, the account that the Debian package makes."""
    if os.geteuid() != 0:
        return {}
    try:
        found = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("root may not run a Postgres server, and there is no account `postgres` that may")
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server that is ended, and its folder removed, at the end."""
    if BINARIES is None:
        pytest.skip("no Postgres server below /usr/lib/postgresql; install the Debian package postgresql")
    account = unprivileged()
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if account:
            shutil.chown(folder, account["user"], account["group"])
        server = PostgresServer(folder, account)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
