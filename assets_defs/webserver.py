"""Dagster's web server behind the platform's guard, as a process of its own.

What belongs here: building Dagster's application for the installation, and serving it. Dagster's own command has no place
for a guard: it answers foreign pages, GET mutations and forged events (see docs/security.md). `mining-platform ui` starts this.
"""

import argparse
import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from graphql import ASTValidationRule, GraphQLError, OperationDefinitionNode, OperationType

from assets_defs.instances import opened_instance
from mining_platform.guards import guarded, own_names
from mining_platform.sessions import RunnerError

POLL_MS = 2_000  # how often the page asks for news, as Dagster's own command has it
DATABASE_WAIT_MS = 15_000
RECYCLE_S = 3_600
MAX_OVERFLOW = 20


class NoMutations(ASTValidationRule):
    """Refuses mutations, all of them: Dagster's own check of permissions leaves some out."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Called for each operation of a document."""
        if node.operation is OperationType.MUTATION:
            self.report_error(GraphQLError("This server is read only: it runs no mutation.", node))


class ReadOnlyWebserver(DagsterWebserver[Any, Any]):
    """Dagster's web server that answers queries and subscriptions alone."""

    def build_graphql_validation_rules(self) -> Collection[type[ASTValidationRule]]:
        """Dagster's rules, and that nothing is changed."""
        return [*super().build_graphql_validation_rules(), NoMutations]


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
            server = ReadOnlyWebserver if told.read_only else DagsterWebserver
            app = server(context, live_data_poll_rate=POLL_MS).create_asgi_app()
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
    try:
        main()
    except RunnerError as error:
        raise SystemExit(f"error {error}") from None
