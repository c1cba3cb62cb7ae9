"""Jobs and schedules.

What belongs here: what starts work at a time of the year; what starts it when something changed is in `sensors.py`. A
refresh runs assets of different partitions, which Dagster cannot hold in one asset job, so the job is one op that runs
the planner; its runs, events and checks land in Dagster like any other.
"""

import os
from datetime import datetime

import dagster as dg

from assets_defs.partitions import REGIONS
from assets_defs.planner_config import PlannerConfig, make, wanted
from assets_defs.run_tags import REFRESH
from assets_defs.summaries import concluded
from mining_platform import plans
from mining_platform.refreshes import beyond, ended, refresh_selection, regions_of_year
from mining_platform.sessions import open_session


class RefreshConfig(PlannerConfig):
    """Which year to refresh, and for which regions."""

    year: int
    regions: list[str]


@dg.op
def refresh(context: dg.OpExecutionContext, config: RefreshConfig) -> None:
    """Make everything of a year that is not fresh, but for experiments that are studies; fails naming what failed."""
    if told := ended(REGIONS, config.year):
        context.log.warning(told)
    what = f"Refresh of {config.year}"
    with open_session() as session:
        selection = refresh_selection(config.regions, config.year)
        refs = plans.select(session.platform, session.steps, selection)
        outcomes, budget = make(context, session, refs, config, what)
    concluded(context, what, session.steps, outcomes, stopped=budget.stopped)


@dg.job(
    executor_def=dg.in_process_executor,
    tags={REFRESH: "true"},
    description="Refresh all assets of one year through the planner.",
)
def yearly_refresh() -> None:
    """Refresh all assets of one year."""
    refresh()


def refresh_request(scheduled: datetime) -> dg.RunRequest | dg.SkipReason:
    """The request for the year that ended before a moment; skips, with the reason, a year beyond every source."""
    year = scheduled.year - 1
    regions = list(regions_of_year(REGIONS, year))
    if not regions:
        return dg.SkipReason(beyond(REGIONS, year))
    config = dg.RunConfig(ops={"refresh": RefreshConfig(year=year, regions=regions, **wanted())})
    return dg.RunRequest(run_key=f"refresh-{year}", run_config=config, tags={"mining_platform/year": str(year)})


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
