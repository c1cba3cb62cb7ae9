"""The commands that make and show partitions: `materialize`, `status`, `datasets`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform import costs, experiment_trials, graph, limited_runs, plans, region_files, runs, staleness
from mining_platform.artifacts import Ref
from mining_platform.consoles import (
    CommandError,
    console,
    errors,
    print_outcomes,
    print_planned,
    print_rows,
    progress_bar,
)
from mining_platform.datasets import DATASETS
from mining_platform.options import (
    AskServices,
    Assets,
    EecuRate,
    Epochs,
    Experiments,
    Json,
    MaxBytes,
    MaxEecuHours,
    MaxHours,
    MaxPatches,
    MaxRequests,
    Only,
    Regions,
    Workers,
    Years,
    numbers,
    words,
)
from mining_platform.sessions import open_session
from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE


def materialize(  # noqa: PLR0913 - the options of a command
    assets: Assets = "",
    region_ids: Regions = "",
    years: Years = "",
    experiments: Experiments = "",
    only: Only = False,
    stale: Annotated[bool, typer.Option("--stale", help="Just what was published and is no longer fresh.")] = False,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    max_hours: MaxHours = None,
    max_eecu_hours: MaxEecuHours = None,
    eecu_rate: EecuRate = EECU_S_PER_GIGAVALUE,
    epochs: Epochs = None,
    max_patches: MaxPatches = None,
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Make what is not fresh; exit code 1 if anything failed, 2 where a limit kept something from being made.

    With --epochs or --max-patches models and evaluations are small trials: they say so everywhere, and are stale without them.
    """
    if epochs is not None or max_patches is not None:
        experiment_trials.put_into_environment(experiment_trials.Trial(epochs, max_patches))
    selection = selected(assets, region_ids, years, experiments, only)
    if not (assets or region_ids or experiments or stale):
        raise CommandError(
            "Name what to make with --assets, --regions or --experiments, or use --stale; `mining-platform status` lists all."
        )
    budget = costs.Budget(max_requests, max_bytes, max_hours, max_eecu_hours, eecu_rate)
    with open_session() as session:
        refs = published_stale(session, selection) if stale else plans.select(session.platform, session.steps, selection)
        outcomes = make_within(session, refs, budget, quiet=as_json, workers=workers)
    tell(outcomes, as_json=as_json)
    exit_by(outcomes, budget)


def make_within(
    session: runs.Session, refs: Sequence[Ref], budget: costs.Budget, *, quiet: bool, workers: int
) -> list[runs.Outcome]:
    """Make partitions within a budget; CostError where all together is known to be more than it allows."""
    expected_s = limited_runs.expected_seconds(session, refs, budget, workers)
    return make(session, refs, quiet=quiet, budget=budget, expected_s=expected_s, workers=workers)


def tell(outcomes: Sequence[runs.Outcome], *, as_json: bool) -> None:
    """Print what became of partitions."""
    if as_json:
        console.print_json(data=[{**asdict(done), "ref": str(done.ref)} for done in outcomes])
    else:
        print_outcomes(outcomes)


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


def make(
    session: runs.Session,
    refs: Sequence[Ref],
    *,
    quiet: bool = False,
    budget: costs.Budget | None = None,
    expected_s: Mapping[Ref, float] = MappingProxyType({}),
    workers: int = 1,
) -> list[runs.Outcome]:
    """Make partitions, with a progress bar and a line for each that fails; fewer where a budget's hours do not last."""
    within = budget or costs.Budget(None, None)
    with progress_bar(disable=quiet) as bar, session.crew(workers) as crew:
        task = bar.add_task("materialize", total=len(refs))

        def told(done: runs.Outcome) -> None:
            bar.update(task, advance=1, description=f"materialize {done.ref}")
            if done.state in ("failed", "blocked") and not quiet:
                bar.console.print(f"[red]{done.state}[/red] {escape(str(done.ref))}: {escape(done.message)}")

        return limited_runs.run_within(session, refs, crew, within, told, expected_s)


def selected(assets: str, region_ids: str, years: str, experiments: str, only: bool) -> plans.Selection:
    """The selection that the options of a command describe."""
    return plans.Selection(words(assets), words(region_ids), numbers(years), words(experiments), upstream=not only)


def exit_by(outcomes: Sequence[runs.Outcome], budget: costs.Budget | None = None) -> None:
    """Exit code 1, naming what was not made, unless all was; 2 where nothing but a limit of the budget kept it back."""
    lost = [done for done in outcomes if done.state in ("failed", "blocked")]
    for done in lost:
        errors.print(f"[red]{done.state}[/red] {escape(str(done.ref))}: {escape(done.message)}")
    if budget and budget.stopped:
        errors.print(
            f"[yellow]stopped[/yellow] {escape(budget.stopped)} What is done stays; the same command goes on from there."
        )
    refused = set(budget.refused) if budget else set()
    if any(done.state == "failed" and done.ref not in refused for done in lost):
        raise typer.Exit(1)
    if lost or (budget and budget.stopped):
        raise typer.Exit(2)
