"""The commands `demo` and `simulate`: the main job on made-up data, or on real data that are at hand."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mining_platform import demos, homes, plans, region_files, regions, reports, runs
from mining_platform.annual_reports.publication import write_publication
from mining_platform.artifacts import Ref, current_digest, open_artifact, records
from mining_platform.computing import DASK_VARIABLE
from mining_platform.consoles import CommandError, console, print_outcomes, progress_bar
from mining_platform.experiment_trials import put_into_environment
from mining_platform.line_commands import exit_by, make
from mining_platform.options import DemoWorkers, Regions, Years, numbers, words
from mining_platform.pipeline import Platform
from mining_platform.sessions import open_session
from mining_platform.simulation import archive, outlines
from mining_platform.simulation.parts import PARTS

MOST_WORKERS = 2  # each takes up to 1 GB


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
    mines; the installation's archive of made-up landscapes has those of the demonstration by itself.
    """
    known = region_files.load_regions()
    named = words(region_ids) or (() if land_cover else demos.SIMULATED_REGIONS)
    try:
        chosen = [regions.region(known, each) for each in named] or [outlines.region_of_map(land_cover or Path())]
        of_map = outlines.years_of_map(land_cover)[-1:] if land_cover else ()
        wanted = numbers(years) or of_map or demos.SIMULATED_YEARS
        parts = words(also) or (() if out or land_cover else demos.DEMOS["simulated"].also)
        place = out or homes.archive_path()
        facts = write_archive(place, chosen, wanted, land_cover=land_cover, seed=seed, dates=dates, also=parts)
    except ValueError as error:
        raise CommandError(str(error)) from None
    console.print_json(data=facts)


def demo(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(demos.DEMOS)}.")] = "simulated",
    full: Annotated[bool, typer.Option("--full", help="Of `experiments`: the settings of each row, no small trials.")] = False,
    workers: DemoWorkers = None,
    cluster: Annotated[int | None, typer.Option(min=1, help="Worker processes of Dask on this machine; default threads.")] = None,
) -> None:
    """The main job: simulate an archive, materialize every asset on it, print what was made, write a report."""
    if name not in demos.DEMOS:
        raise CommandError(f"There is no demonstration {name!r}. Use one of: {', '.join(demos.DEMOS)}.")
    row = demos.DEMOS[name]
    console.print(row.description)
    if row.trial:
        put_into_environment(None if full else row.trial)
    if cluster:
        os.environ[DASK_VARIABLE] = f"local:{cluster}"
    with open_session() as session:
        outcomes = run_demo(session, row, workers or most_workers(cluster))
        if outcomes is None:
            return
        page = reports.write_report(session.platform, [done.ref for done in outcomes], homes.reports_path() / row.id)
        annual = annual_pages(session.platform, [done.ref for done in outcomes], page.parent)
    print_outcomes(outcomes)
    console.print(f"\nReport: {page}")
    for path in annual:
        console.print(f"New mining: {path}")
    for summary in sorted(page.parent.glob(reports.SUMMARY_PAGES.format("*"))):
        console.print(f"Summary of experiments: {summary}")
    console.print(row.truth)
    exit_by(outcomes)


def annual_pages(platform: Platform, refs: Sequence[Ref], out: Path) -> list[Path]:
    """The published yearly reports among partitions, each written into a folder of its own below `out`; their first pages."""
    store = platform.artifacts
    there = [ref for ref in refs if ref.asset == "annual_report" and current_digest(store, ref)]
    return [write_publication(store, open_artifact(store, ref), out / f"new-mining-{ref.partition}") for ref in there]


def most_workers(cluster: int | None) -> int:
    """How many partitions are made at once where nobody says it: two where there are cores, one beside Dask's workers."""
    return 1 if cluster or os.environ.get(DASK_VARIABLE) else min(MOST_WORKERS, os.cpu_count() or 1)


def run_demo(session: runs.Session, row: demos.Demo, workers: int) -> list[runs.Outcome] | None:
    """Prepare and make a demonstration's selections; None, with the reason printed, where its real data are absent."""
    painted = row.land_cover(regions.region(session.platform.regions, row.regions[0]))
    needed = row.stack.path if row.stack else painted
    if needed is not None and not needed.exists():
        console.print(f"Skipped: the real {needed} is not here. Set MINING_PLATFORM_REALDATA to the folder that holds it.")
        return None
    if row.stack:
        take_in(row.stack, row.archive_path)
    else:
        for each in (row, *(demos.DEMOS[name] for name in row.beside)):
            write_archive_of(each, session.platform.regions)
    chosen = (plans.select(session.platform, session.steps, selection) for selection in row.selections)
    once = dict.fromkeys(ref for refs in chosen for ref in refs)
    return make(session, tried(session.platform, list(once)), workers=workers)


def write_archive_of(row: demos.Demo, known: Mapping[str, regions.Region]) -> None:
    """Simulate the archive of a demonstration, unless it is there."""
    chosen = [regions.region(known, region_id) for region_id in row.regions]
    painted = row.land_cover(chosen[0])
    write_archive(row.archive_path, chosen, row.years, land_cover=painted, seed=demos.SEED, dates=row.dates, also=row.also)


def tried(platform: Platform, refs: Sequence[Ref]) -> list[Ref]:
    """In a small trial, `refs` without models that are published with full settings, whose place a trial does not take."""
    models = {ref for ref in refs if ref.asset == "model" and platform.trial and current_digest(platform.artifacts, ref)}
    full = {ref.partition for ref in models if "trial" not in records(platform.artifacts, ref)[-1].configuration}
    if full:
        console.print(f"Left as they are, published with full settings: {', '.join(sorted(full))}.")
    return [ref for ref in refs if ref.asset not in ("model", "evaluation") or ref.partition not in full]


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
