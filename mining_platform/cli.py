"""The command `mining-platform`: everything the web UI does, without a browser, on the same installation."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform import (
    area_commands,
    audit_commands,
    context_commands,
    costs,
    demo_commands,
    detection_review_commands,
    evaluate_commands,
    experiment_commands,
    guards,
    imagery_commands,
    import_commands,
    label_commands,
    leakage_commands,
    line_commands,
    package_commands,
    pipeline,
    plan_commands,
    plans,
    predict_commands,
    proportion_commands,
    region_commands,
    regions,
    report_commands,
    review_commands,
    servers,
    split_commands,
    store_commands,
    train_commands,
    transfer_commands,
)
from mining_platform.annual_reports.printing import PrintingError
from mining_platform.artifacts import ArtifactError
from mining_platform.audits.made_by import UnknownFile
from mining_platform.audits.signing import SignatureError
from mining_platform.audits.walk import AuditError
from mining_platform.clouds.s2cloudless_model import ModelMissing
from mining_platform.computing import ComputeError
from mining_platform.consoles import (
    CommandError,
    console,
    errors,
)
from mining_platform.disclosure import scrubbed
from mining_platform.experiment_trials import TrialError
from mining_platform.imports.findings import PatchImportError
from mining_platform.ingest.pixels import IngestError
from mining_platform.labels.class_sets import ClassSetError
from mining_platform.labels.label_errors import LabelError
from mining_platform.leakage.sides import LeakageError
from mining_platform.lineage import LineageError
from mining_platform.mosaics import MosaicError
from mining_platform.packages.checksums import ChecksumError
from mining_platform.patch_table_files import TableError
from mining_platform.reviews.decisions import ReviewError
from mining_platform.sessions import RunnerError, open_session
from mining_platform.shares.class_rasters import ClassRasterError
from mining_platform.simulation import archive
from mining_platform.sources.extracts.batches import ExtractError
from mining_platform.sources.protocol import SourceError
from mining_platform.splits.rules import SplitError
from mining_platform.store.publishing import DISK_FULL

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Mining datasets, models and maps from public satellite data.")
app.add_typer(region_commands.app, name="regions")
app.add_typer(area_commands.app, name="area")
app.add_typer(transfer_commands.app, name="store")
for command in (
    demo_commands.demo,
    demo_commands.simulate,
    line_commands.materialize,
    plan_commands.plan,
    plan_commands.refresh,
    line_commands.status,
    imagery_commands.mosaic,
    imagery_commands.clouds,
    imagery_commands.ingest,
    proportion_commands.proportions,
    label_commands.label,
    context_commands.context,
    split_commands.split,
    leakage_commands.leakage,
    train_commands.train,
    evaluate_commands.evaluate,
    predict_commands.predict,
    package_commands.export,
    package_commands.verify,
    store_commands.gc,
    store_commands.reconcile,
    review_commands.review,
    detection_review_commands.review_detections,
    audit_commands.audit,
    report_commands.report,
):
    app.command()(command)
app.command(name="datasets")(line_commands.list_datasets)
app.command(name="experiments")(experiment_commands.list_experiments)
app.command(name="import")(import_commands.import_folder)


def main() -> None:
    """Entry point: errors people can act on are printed without a traceback, exit code 2."""
    try:
        app(standalone_mode=True)
    except EXPECTED as error:
        errors.print(f"[red]error[/red] {escape(scrubbed(str(error)))}")
        sys.exit(2)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        where = f" at {error.filename}" if error.filename else ""
        errors.print(f"[red]error[/red] {escape(f'The disk is full{where}. Free some space and run again.')}")
        sys.exit(2)


EXPECTED = (
    AuditError,
    PrintingError,
    UnknownFile,
    SignatureError,
    regions.RegionError,
    plans.PlanError,
    pipeline.PartitionError,
    archive.ArchiveError,
    SourceError,
    ArtifactError,
    LineageError,
    RunnerError,
    CommandError,
    TrialError,
    ComputeError,
    ClassSetError,
    ClassRasterError,
    LabelError,
    ExtractError,
    MosaicError,
    IngestError,
    ModelMissing,
    costs.CostError,
    TableError,
    PatchImportError,
    ReviewError,
    ChecksumError,
    SplitError,
    LeakageError,
    servers.OpenDoor,
)
"""Errors whose message is all a person needs."""


@app.command()
def init() -> None:
    """Prepare an installation under MINING_PLATFORM_HOME (default .mining_platform)."""
    with open_session() as session:
        console.print(f"Ready: {session.platform.home} ({len(session.platform.regions)} regions, {len(session.steps)} assets).")


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web UI.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on; the UI has no login.")] = "127.0.0.1",
    allow_host: Annotated[list[str] | None, typer.Option(help="Further name[:port] to answer to, such as a proxy's.")] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show everything, change nothing; without the daemon.")] = False,
    open_to_network: Annotated[
        bool, typer.Option("--open-to-network", help="Whoever reaches --host may read all and, unless --read-only, start runs.")
    ] = False,
) -> None:
    """Serve Dagster's web UI and run its daemon (schedules, backfills) until interrupted.

    Foreign pages, names and GraphQL by GET are refused. For other people see docs/security.md.
    """
    allowed = allow_host or []
    servers.check_host(host, allowed, open_to_network=open_to_network)
    with open_session():
        pass  # prepares the databases once, before two processes open them
    console.print(f"Web UI: http://{guards.in_url(host)}:{port}{' (read only)' if read_only else ''} (stop with Ctrl-C)")
    ended = servers.serve(host, port, allowed_hosts=allowed, read_only=read_only)
    if ended:
        raise CommandError(f"{ended} ended by itself; its last lines above say why (is port {port} in use?).")
