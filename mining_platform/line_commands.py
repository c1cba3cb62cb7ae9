"""The commands that make and show partitions: `materialize`, `plan`, `status`, `datasets`."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform import costs, experiment_trials, graph, plans, region_files, runs, staleness
from mining_platform.artifacts import Ref
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
from mining_platform.options import (
    AskServices,
    Assets,
    Epochs,
    Experiments,
    Json,
    MaxBytes,
    MaxPatches,
    MaxRequests,
    Only,
    Regions,
    Years,
    numbers,
    words,
)
from mining_platform.sessions import open_session
from mining_platform.window_counts import most_windows


def materialize(  # noqa: PLR0913 - the options of a command
    assets: Assets = "",
    region_ids: Regions = "",
    years: Years = "",
    experiments: Experiments = "",
    only: Only = False,
    stale: Annotated[bool, typer.Option("--stale", help="Just what was published and is no longer fresh.")] = False,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    epochs: Epochs = None,
    max_patches: MaxPatches = None,
    as_json: Json = False,
) -> None:
    """Make what is not fresh; exit code 1 if anything failed.

    With --epochs or --max-patches models and evaluations are small trials: they say so everywhere, and are stale without them.
    """
    if epochs is not None or max_patches is not None:
        experiment_trials.put_into_environment(experiment_trials.Trial(epochs, max_patches))
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


def exit_by(outcomes: Sequence[runs.Outcome]) -> None:
    """Exit code 1, naming what was not made, unless all was."""
    lost = [done for done in outcomes if done.state in ("failed", "blocked")]
    if lost:
        for done in lost:
            errors.print(f"[red]{done.state}[/red] {escape(str(done.ref))}: {escape(done.message)}")
        raise typer.Exit(1)
