"""The commands that look ahead and that refresh a year: `plan`, `refresh`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform import costs, forecasts, plans, rates, refreshes, runs, staleness
from mining_platform.artifacts import Ref
from mining_platform.consoles import console, errors
from mining_platform.line_commands import exit_by, make_within, selected, tell
from mining_platform.options import (
    Assets,
    EecuRate,
    Experiments,
    Json,
    MaxBytes,
    MaxEecuHours,
    MaxHours,
    MaxRequests,
    Offline,
    Only,
    Regions,
    Workers,
    Years,
    words,
)
from mining_platform.pipeline import Platform
from mining_platform.plan_prints import Told, print_expectation, print_partitions, print_summary
from mining_platform.reference_rates import REFERENCE_RATES
from mining_platform.sessions import open_session
from mining_platform.sizes import expected_scenes
from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE
from mining_platform.window_counts import most_windows


def plan(  # noqa: PLR0913 - the options of a command
    assets: Assets = "",
    region_ids: Regions = "",
    years: Years = "",
    experiments: Experiments = "",
    only: Only = False,
    workers: Workers = 1,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    max_hours: MaxHours = None,
    max_eecu_hours: MaxEecuHours = None,
    eecu_rate: EecuRate = EECU_S_PER_GIGAVALUE,
    offline: Offline = False,
    summary: Annotated[bool, typer.Option("--summary", help="By asset and in all, not by partition.")] = False,
    as_json: Json = False,
) -> None:
    """What `materialize` would make, in its order, and why; what it takes from services that count, and how long it takes.

    Times rest on what this installation made before, and on rates of another machine for what it never made.
    Exit code 2 where that is more than --max-requests, --max-bytes or --max-eecu-hours, or takes --workers at best longer than
    --max-hours.
    """
    budget = costs.Budget(max_requests, max_bytes, max_hours, max_eecu_hours, eecu_rate)
    with open_session() as session:
        now = one_look(session, offline=offline)
        planned = plans.plan(now.platform, now.steps, selected(assets, region_ids, years, experiments, only))
        told = foretold(now, planned, workers, budget)
    show(told, len(planned), as_json=as_json, summary=summary)
    check(told, budget)


def refresh(  # noqa: PLR0913 - the options of a command
    year: Annotated[int, typer.Option("--year", help="The year to refresh.")],
    region_ids: Regions = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be made, and what it takes; make nothing.")] = False,
    workers: Workers = 1,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    max_hours: MaxHours = None,
    max_eecu_hours: MaxEecuHours = None,
    eecu_rate: EecuRate = EECU_S_PER_GIGAVALUE,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Make everything of a year that is not fresh, as the yearly schedule does: of all regions that declare it, no studies.

    Exit code 1 if anything failed; 2 where a limit keeps it from being made, with what is done left standing.
    """
    budget = costs.Budget(max_requests, max_bytes, max_hours, max_eecu_hours, eecu_rate)
    with open_session() as session:
        now = one_look(session, offline=offline and dry_run)
        chosen = refreshes.chosen_regions(now.platform.regions, year, words(region_ids))
        if (missed := refreshes.ended(now.platform.regions, year)) and not region_ids:
            errors.print(f"[yellow]note[/yellow] {escape(missed)}")
        selection = refreshes.refresh_selection(chosen, year)
        planned = plans.plan(now.platform, now.steps, selection)
        if dry_run:
            told = foretold(now, planned, workers, budget)
            show(told, len(planned), as_json=as_json, summary=False)
            check(told, budget)
            return
        refs = [item.ref for item in planned]
        outcomes = make_within(session, refs, budget, quiet=as_json, workers=workers)
    tell(outcomes, as_json=as_json)
    exit_by(outcomes, budget)


def one_look(session: runs.Session, *, offline: bool) -> runs.Session:
    """The session for a plan and what is told about it: it asks services once, or not at all."""
    platform = staleness.offline(session.platform) if offline else session.platform
    return replace(session, platform=plans.at_one_moment(platform))


def foretold(session: runs.Session, planned: Sequence[staleness.Planned], workers: int, budget: costs.Budget) -> Told:
    """All that is known of what a plan would make."""
    platform = session.platform
    shown = [item for item in planned if item.state != "fresh"]
    estimates = costs.estimates(platform, session.steps, planned)
    taken = {item.ref: replace(item, cost=budget.own(item.cost)) for item in estimates}
    known = rates.rates(platform, session.steps, REFERENCE_RATES)
    foreseen = forecasts.forecasts(platform, session.steps, planned, known)
    windows = {item.ref: most_windows(platform, session.steps[item.ref.asset], item.ref.partition) for item in shown}
    duration = forecasts.duration(platform, session.steps, foreseen)
    return Told(shown, windows, _scenes(platform, shown), taken, {each.ref: each for each in foreseen}, duration, workers)


def check(told: Told, budget: costs.Budget) -> None:
    """CostError where a plan takes more than a run with so many workers may."""
    least_s, _ = told.duration.bounds_s(told.workers)
    as_told = replace(budget, eecu_rate=EECU_S_PER_GIGAVALUE)  # the plan's compute units are by the budget's rate already
    as_told.check(list(told.costs.values()), least_s)


def _scenes(platform: Platform, shown: Sequence[staleness.Planned]) -> dict[Ref, int]:
    made = (item.ref for item in shown if item.ref.asset == "mosaic" and item.state in ("missing", "stale"))
    return {ref: expected_scenes(platform, ref.partition) for ref in made}


def show(told: Told, count: int, *, as_json: bool, summary: bool) -> None:
    """Print a plan of so many partitions."""
    if summary:
        print_summary(told, as_json=as_json)
    else:
        print_partitions(told, as_json=as_json)
    if as_json:
        return
    console.print(f"{count - len(told.planned)} of {count} partitions are fresh.")
    print_expectation(told)
    expected = sum(each.expected for each in told.costs.values())
    if expected:
        console.print(f"Services were not asked: {expected} mosaics are told for as many scenes as a year is expected to have.")
