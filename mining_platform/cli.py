"""The command `mining-platform`: everything the web UI does, without a browser, on the same installation."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform import (
    audit_commands,
    context_commands,
    costs,
    demos,
    graph,
    guards,
    homes,
    imagery_commands,
    import_commands,
    label_commands,
    leakage_commands,
    package_commands,
    pipeline,
    plans,
    proportion_commands,
    region_files,
    regions,
    reports,
    review_commands,
    runs,
    servers,
    split_commands,
    staleness,
    store_commands,
)
from mining_platform.artifacts import ArtifactError, Ref
from mining_platform.audits.made_by import UnknownFile
from mining_platform.audits.signing import SignatureError
from mining_platform.audits.walk import AuditError
from mining_platform.clouds.s2cloudless_model import ModelMissing
from mining_platform.consoles import (
    CommandError,
    console,
    errors,
    print_costs,
    print_outcomes,
    print_planned,
    print_rows,
    progress_bar,
)
from mining_platform.datasets import DATASETS
from mining_platform.disclosure import scrubbed
from mining_platform.imports.findings import PatchImportError
from mining_platform.ingest.pixels import IngestError
from mining_platform.labels.class_sets import ClassSetError
from mining_platform.labels.label_errors import LabelError
from mining_platform.leakage.sides import LeakageError
from mining_platform.lineage import LineageError
from mining_platform.mosaics import MosaicError
from mining_platform.options import numbers, words
from mining_platform.packages.checksums import ChecksumError
from mining_platform.patch_table_files import TableError
from mining_platform.reviews.decisions import ReviewError
from mining_platform.sessions import RunnerError, open_session
from mining_platform.shares.class_rasters import ClassRasterError
from mining_platform.simulation import archive, outlines
from mining_platform.simulation.parts import PARTS
from mining_platform.sources.extracts.batches import ExtractError
from mining_platform.sources.protocol import SourceError
from mining_platform.splits.rules import SplitError
from mining_platform.store.publishing import DISK_FULL
from mining_platform.window_counts import most_windows

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Mining datasets, models and maps from public satellite data.")
regions_app = typer.Typer(no_args_is_help=True, help="The study regions of regions.geojson.")
app.add_typer(regions_app, name="regions")
for command in (
    imagery_commands.mosaic,
    imagery_commands.clouds,
    imagery_commands.ingest,
    proportion_commands.proportions,
    label_commands.label,
    context_commands.context,
    split_commands.split,
    leakage_commands.leakage,
    package_commands.export,
    package_commands.verify,
    store_commands.gc,
    store_commands.reconcile,
    review_commands.review,
    audit_commands.audit,
):
    app.command()(command)
app.command(name="import")(import_commands.import_folder)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AskServices = Annotated[bool, typer.Option("--ask", help="Ask services whether their scenes or maps changed.")]
Assets = Annotated[str, typer.Option("--assets", help="Asset keys, dataset ids or patterns, separated by commas.")]
Regions = Annotated[str, typer.Option("--regions", help="Region ids, separated by commas.")]
Years = Annotated[str, typer.Option("--years", help="Years such as 2024, 2020,2022 or 2016-2022.")]
Experiments = Annotated[str, typer.Option("--experiments", help="Experiment ids, separated by commas.")]
MaxRequests = Annotated[int | None, typer.Option(help="Most requests to services that a run may take.")]
MaxBytes = Annotated[int | None, typer.Option(help="Most bytes from services that a run may take, uncompressed.")]
Only = Annotated[bool, typer.Option("--only", help="Just these assets, not what they rest on.")]


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


@app.command()
def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write; default the installation's archive.")] = None,
    land_cover: Annotated[Path | None, typer.Option(help="Real land-cover raster to paint the scenes over.")] = None,
    region_ids: Regions = "",
    years: Years = "",
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = demos.SEED,
    dates: Annotated[int, typer.Option(help="Scenes a year and region.")] = demos.SCENES_A_YEAR,
    also: Annotated[str, typer.Option(help=f"Parts beside these, with commas: {', '.join(PARTS)}.")] = "",
) -> None:
    """Write a SIMULATED archive in the real formats: land-cover COGs and a STAC catalogue of Sentinel-2 scenes.

    Without --regions: the two simulated regions, or, with --land-cover, the whole of that map. Without --years: 2023 and
    2024, or the last year that the map's bands name. With --also: Sentinel-1, heights, OpenStreetMap, Landsat, outlines of
    mines.
    """
    known = region_files.load_regions()
    named = words(region_ids) or (() if land_cover else demos.SIMULATED_REGIONS)
    try:
        chosen = [regions.region(known, each) for each in named] or [outlines.region_of_map(land_cover or Path())]
        of_map = outlines.years_of_map(land_cover)[-1:] if land_cover else ()
        wanted = numbers(years) or of_map or demos.SIMULATED_YEARS
        parts = words(also)
        place = out or homes.archive_path()
        facts = write_archive(place, chosen, wanted, land_cover=land_cover, seed=seed, dates=dates, also=parts)
    except ValueError as error:
        raise CommandError(str(error)) from None
    console.print_json(data=facts)


@app.command()
def demo(name: Annotated[str, typer.Argument(help=f"One of: {', '.join(demos.DEMOS)}.")] = "simulated") -> None:
    """The main job: simulate an archive, materialize every asset on it, print what was made, write a report."""
    if name not in demos.DEMOS:
        raise CommandError(f"There is no demonstration {name!r}. Use one of: {', '.join(demos.DEMOS)}.")
    row = demos.DEMOS[name]
    console.print(row.description)
    with open_session() as session:
        outcomes = run_demo(session, row)
        if outcomes is None:
            return
        page = reports.write_report(session.platform, [done.ref for done in outcomes], homes.reports_path() / row.id)
    print_outcomes(outcomes)
    console.print(f"\nReport: {page}")
    console.print(row.truth)
    exit_by(outcomes)


def run_demo(session: runs.Session, row: demos.Demo) -> list[runs.Outcome] | None:
    """Prepare and make a demonstration's selections; None, with the reason printed, where its real data are absent."""
    chosen = [regions.region(session.platform.regions, region_id) for region_id in row.regions]
    painted = row.land_cover(chosen[0])
    needed = row.stack.path if row.stack else painted
    if needed is not None and not needed.exists():
        console.print(f"Skipped: the real {needed} is not here. Set MINING_PLATFORM_REALDATA to the folder that holds it.")
        return None
    if row.stack:
        take_in(row.stack, row.archive_path)
    else:
        write_archive(row.archive_path, chosen, row.years, land_cover=painted, seed=demos.SEED, dates=demos.SCENES_A_YEAR)
    chosen_refs = (plans.select(session.platform, session.steps, selection) for selection in row.selections)
    made = [done for refs in chosen_refs for done in make(session, refs)]
    return list({done.ref: done for done in made}.values())


def take_in(stack: demos.Stack, archive_path: Path) -> None:
    """Make a real stack of bands a scene of a demonstration's archive."""
    from mining_platform.ingest.stacks import ingest_stack

    facts = ingest_stack(
        stack.path,
        archive_path,
        scene_id=stack.scene_id,
        band_ids=None,
        collection="sentinel-2-l2a",
        acquired=stack.acquired,
        platform=stack.platform,
        baseline=None,
        sun=None,
        description=stack.description,
    )
    console.print_json(data=facts)


@app.command()
def materialize(  # noqa: PLR0913 - the options of a command
    assets: Assets = "",
    region_ids: Regions = "",
    years: Years = "",
    experiments: Experiments = "",
    only: Only = False,
    stale: Annotated[bool, typer.Option("--stale", help="Just what was published and is no longer fresh.")] = False,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    as_json: Json = False,
) -> None:
    """Make what is not fresh; exit code 1 if anything failed."""
    selection = selected(assets, region_ids, years, experiments, only)
    if not (assets or region_ids or experiments or stale):
        raise CommandError(
            "Name what to make with --assets, --regions or --experiments, or use --stale; `mining-platform status` lists all."
        )
    budget = costs.Budget(max_requests, max_bytes)
    with open_session() as session:
        refs = published_stale(session, selection) if stale else plans.select(session.platform, session.steps, selection)
        if budget.limits:
            planned = [item for item in plans.plan(session.platform, session.steps, selection) if item.ref in refs]
            budget.check(costs.estimates(session.platform, session.steps, planned))
        execute = costs.limited(session.execute, session.platform, session.steps, budget)
        outcomes = make(replace(session, execute=execute), refs, quiet=as_json)
    if as_json:
        console.print_json(data=[{**asdict(done), "ref": str(done.ref)} for done in outcomes])
    else:
        print_outcomes(outcomes)
    exit_by(outcomes)


@app.command()
def plan(  # noqa: PLR0913 - the options of a command
    assets: Assets = "",
    region_ids: Regions = "",
    years: Years = "",
    experiments: Experiments = "",
    only: Only = False,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no service; what only it knows is not told.")] = False,
    as_json: Json = False,
) -> None:
    """What `materialize` would make, in its order, why, how many windows it looks at, and what it takes from services that count.

    Exit code 2 where that is more than --max-requests or --max-bytes.
    """
    with open_session() as session:
        platform = staleness.offline(session.platform) if offline else session.platform
        planned = plans.plan(platform, session.steps, selected(assets, region_ids, years, experiments, only))
        told = costs.estimates(platform, session.steps, planned)
        shown = [item for item in planned if item.state != "fresh"]
        windows = {item.ref: most_windows(platform, session.steps[item.ref.asset], item.ref.partition) for item in shown}
    print_planned(shown, told, windows, as_json=as_json)
    if not as_json:
        console.print(f"{sum(item.state == 'fresh' for item in planned)} of {len(planned)} partitions are fresh.")
        print_costs(told)
        untold = sum(item.ref.asset == "mosaic" and item.ref not in {each.ref for each in told} for item in shown)
        if offline and untold:
            console.print(f"What {untold} mosaics take is not told: only their services know how many scenes there are.")
    costs.Budget(max_requests, max_bytes).check(told)


@app.command()
def status(
    assets: Assets = "", region_ids: Regions = "", years: Years = "", ask: AskServices = False, as_json: Json = False
) -> None:
    """Each partition that exists or is asked for: fresh or stale, and why. No service is asked unless --ask is given."""
    asked = bool(assets or region_ids or years)
    with open_session() as session:
        platform = session.platform if ask else staleness.offline(session.platform)
        told = plans.plan if asked else plans.standings
        shown = told(platform, session.steps, selected(assets, region_ids, years, "", only=True))
    print_planned(shown, as_json=as_json)
    if not as_json and not shown:
        console.print("Nothing is published yet. Start with `mining-platform demo`.")


@app.command(name="datasets")
def list_datasets(as_json: Json = False) -> None:
    """The dataset rows, and whether the region file has what they need."""
    known = region_files.load_regions()
    rows = [
        {
            "id": row.id,
            "title": row.title,
            "px": row.px,
            "regions": list(row.regions),
            "years": list(row.years),
            "wanted": sum(row.quotas.values()),
            "inactive": graph.inactive_reason(row, known),
        }
        for row in DATASETS.values()
    ]
    print_rows(rows, as_json=as_json)


@regions_app.command(name="list")
def list_regions(as_json: Json = False) -> None:
    """All regions with their years and sources."""
    print_rows([region_row(region) for region in region_files.load_regions().values()], as_json=as_json)


@regions_app.command()
def show(region_id: str) -> None:
    """One region as JSON, with its grid."""
    region = regions.region(region_files.load_regions(), region_id)
    shape, bounds = region.geobox.shape, list(region.geobox.boundingbox)
    described = {
        **region_row(region),
        "land_cover": asdict(region.land_cover) if region.land_cover else None,
        "scenes": asdict(region.scenes) if region.scenes else None,
        "bounds_deg": list(region.geometry.bounds),
        "grid": {"epsg": region.epsg, "rows": shape.y, "columns": shape.x, "bounds_m": bounds},
        "note": region.note,
    }
    console.print_json(data=described)


@regions_app.command()
def validate(path: Annotated[Path | None, typer.Argument(help="Region file; default the one in use.")] = None) -> None:
    """Check a region file; every mistake is named with feature, field and remedy."""
    path = path or region_files.regions_file()
    console.print(f"{path}: {len(region_files.load_regions(path))} regions, all valid.")


@regions_app.command()
def add(feature: Annotated[Path, typer.Argument(help="GeoJSON file with one Feature.")]) -> None:
    """Append one feature to the region file in use, if the whole file stays valid."""
    try:
        content = json.loads(feature.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CommandError(f"{feature} is not a readable GeoJSON file: {error}.") from None
    added = region_files.add_region(region_files.regions_file(), content)
    shape = added.geobox.shape
    console.print(f"Added {added.id} to {region_files.regions_file()}; its grid is {shape.x} x {shape.y} pixels.")


def write_archive(
    out: Path,
    chosen: Sequence[regions.Region],
    years: Sequence[int],
    *,
    land_cover: Path | None,
    seed: int,
    dates: int,
    also: Sequence[str] = (),
) -> dict[str, Any]:
    """Simulate regions, with a progress bar."""
    with progress_bar() as bar:
        task = bar.add_task("simulate", total=1.0)
        return archive.write_archive(
            out,
            chosen,
            years,
            seed=seed,
            dates_per_year=dates,
            land_cover=land_cover,
            also=also,
            progress=lambda done, share: bar.update(task, completed=share, description=f"simulate {done}"),
        )


def published_stale(session: runs.Session, selection: plans.Selection) -> list[Ref]:
    """What `plans.stale_refs` finds, with a line on the standard error for what cannot be made or told."""
    refs, untold = plans.stale_refs(session.platform, session.steps, selection)
    for item in untold:
        errors.print(f"[yellow]left as it is[/yellow] {escape(str(item.ref))}: {escape(item.problem or '')}")
    return refs


def make(session: runs.Session, refs: Sequence[Ref], *, quiet: bool = False) -> list[runs.Outcome]:
    """Make partitions in order, with a progress bar and a line for each that fails."""
    with progress_bar(disable=quiet) as bar:
        task = bar.add_task("materialize", total=len(refs))

        def told(done: runs.Outcome) -> None:
            bar.update(task, advance=1, description=f"materialize {done.ref}")
            if done.state in ("failed", "blocked") and not quiet:
                bar.console.print(f"[red]{done.state}[/red] {escape(str(done.ref))}: {escape(done.message)}")

        return runs.run(session.platform, session.steps, refs, session.execute, told)


def selected(assets: str, region_ids: str, years: str, experiments: str, only: bool) -> plans.Selection:
    """The selection that the options of a command describe."""
    return plans.Selection(words(assets), words(region_ids), numbers(years), words(experiments), upstream=not only)


def region_row(region: regions.Region) -> dict[str, Any]:
    """What the list of regions says about one."""
    cover, scenes = region.land_cover, region.scenes
    return {
        "id": region.id,
        "name": region.name,
        "country": region.country,
        "years": list(region.years),
        "epsg": region.epsg,
        "land_cover": f"{cover.source} {cover.collection}" if cover else None,
        "scenes": f"{scenes.source} {scenes.collection}" if scenes else None,
        "simulated": region.simulated,
    }


def exit_by(outcomes: Sequence[runs.Outcome]) -> None:
    """Exit code 1, naming what was not made, unless all was."""
    lost = [done for done in outcomes if done.state in ("failed", "blocked")]
    if lost:
        for done in lost:
            errors.print(f"[red]{done.state}[/red] {escape(str(done.ref))}: {escape(done.message)}")
        raise typer.Exit(1)
