"""Dagster's web server behind the platform's guard, as a process of its own.

What belongs here: building Dagster's application for the installation, and serving it. Dagster's own command has no place
for a guard: it answers foreign pages, GET mutations and forged events (see docs/security.md). `mining-platform ui` starts this.
"""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver

from assets_defs.instances import opened_instance
from mining_platform.guards import guarded, own_names

POLL_MS = 2_000  # how often the page asks for news, as Dagster's own command has it
DATABASE_WAIT_MS = 15_000
RECYCLE_S = 3_600
MAX_OVERFLOW = 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve the installation's web UI until a signal comes."""
    told = _parser().parse_args(arguments)
    with opened_instance() as instance:
        instance.optimize_for_webserver(DATABASE_WAIT_MS, RECYCLE_S, MAX_OVERFLOW)
        target = _target(told.workspace)
        with (
            WorkspaceProcessContext(
                instance, target, version=__version__, read_only=told.read_only, code_server_log_level="info"
            ) as context,
            contextlib.suppress(KeyboardInterrupt),
        ):
            app = DagsterWebserver(context, live_data_poll_rate=POLL_MS).create_asgi_app()
            names = own_names(told.host, told.allow_host)
            uvicorn.run(
                guarded(app, names), host=told.host, port=told.port, log_level="warning", lifespan="off", server_header=False
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assets_defs.webserver", description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--allow-host", action="append", default=[])
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--workspace", type=Path, default=None, help="Workspace file; without one, the installed module.")
    return parser


def _target(workspace: Path | None) -> WorkspaceLoadTarget:
    if workspace is not None:
        return WorkspaceFileTarget(paths=[str(workspace)])
    return ModuleTarget(module_name="assets_defs.definitions", attribute=None, working_directory=None, location_name=None)


if __name__ == "__main__":
    main()
