"""Jobs and schedules.

What belongs here: what starts work without a person. A refresh runs assets of different partitions, which
Dagster cannot hold in one asset job, so the job is one op that runs the planner; its runs, events and checks
land in Dagster like any other.
"""

import os
from datetime import datetime

import dagster as dg

from assets_defs.partitions import REGIONS
from mining_platform import plans, runs
from mining_platform.experiments import YEARLY
from mining_platform.sessions import open_session


class RefreshConfig(dg.Config):
    """Which year to refresh, and for which regions."""

    year: int
    regions: list[str]


@dg.op
def refresh(context: dg.OpExecutionContext, config: RefreshConfig) -> None:
    """Make everything of a year that is not fresh, but for experiments that are studies; fails naming what failed."""
    with open_session() as session:
        selection = plans.Selection(regions=tuple(config.regions), years=(config.year,), experiments=YEARLY)
        refs = plans.select(session.platform, session.steps, selection)
        outcomes = runs.run(session.platform, session.steps, refs, session.execute, lambda done: context.log.info(str(done)))
    lost = [f"{done.ref}: {done.message}" for done in outcomes if done.state in ("failed", "blocked")]
    if lost:
        raise dg.Failure(f"{len(lost)} of {len(outcomes)} partitions were not made: " + " | ".join(lost))


@dg.job(executor_def=dg.in_process_executor, description="Refresh all assets of one year through the planner.")
def yearly_refresh() -> None:
    """Refresh all assets of one year."""
    refresh()


def refresh_request(scheduled: datetime) -> dg.RunRequest | dg.SkipReason:
    """The request for the year that ended before a moment; skips, with the reason, a year beyond every source."""
    year = scheduled.year - 1
    wanted = sorted(region.id for region in REGIONS.values() if year in region.years)
    if not wanted:
        return dg.SkipReason(_beyond(year))
    config = dg.RunConfig(ops={"refresh": RefreshConfig(year=year, regions=wanted)})
    return dg.RunRequest(run_key=f"refresh-{year}", run_config=config, tags={"mining_platform/year": str(year)})


def _beyond(year: int) -> str:
    last = {region.id: region.land_cover.years[1] for region in REGIONS.values() if region.land_cover}
    sources = ", ".join(f"{region_id} to {end}" for region_id, end in sorted(last.items()))
    return (
        f"No region declares {year}; their land cover ends earlier ({sources}). "
        "Add the year to the regions, and to the datasets, once their sources have it."
    )


WHEN = "Refreshes the year that ended, for every region that declares it; off until somebody turns it on."
CRON = os.environ.get("MINING_PLATFORM_REFRESH_CRON") or "0 6 15 9 *"
"""Minute, hour, day, month, weekday: by default 15 September at 06:00, after MapBiomas publishes its collection of the year."""
TIMEZONE = os.environ.get("MINING_PLATFORM_REFRESH_TIMEZONE") or "UTC"


@dg.schedule(
    job=yearly_refresh,
    cron_schedule=CRON,
    execution_timezone=TIMEZONE,
    description=WHEN,
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def every_year(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """At the time of CRON: the year that ended, for every region that declares it."""
    return refresh_request(context.scheduled_execution_time)
