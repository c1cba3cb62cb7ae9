"""People are told of runs that failed.

What belongs here: which failures are told, and in which words. Refreshes tell of themselves, with all that they lost; runs
that the planner makes within them, and runs that Dagster makes again, are not told one by one.
"""

import dagster as dg

from assets_defs.run_tags import NOTIFIED, PLANNER, WILL_RETRY
from mining_platform.notifications import Notice, configured, notify

DAGSTERS_OWN = frozenset({"DagsterExecutionStepExecutionError", "DagsterUserCodeExecutionError"})
"""Errors in which Dagster wraps those of a step."""
EVERY_S = 30
_WHAT = "Tells people of runs that failed, by webhook and e-mail; on where the environment names either."


@dg.run_failure_sensor(
    description=_WHAT,
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING if configured() else dg.DefaultSensorStatus.STOPPED,
)
def run_failures(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """One notification for each failed run that nobody was told of."""
    run = context.instance.get_run_by_id(context.dagster_run.run_id) or context.dagster_run  # with the tags of its end
    if reason := silent(run):
        return dg.SkipReason(reason)
    deliveries = notify(notice_of(run, context.failure_event.message or "", _errors(context)))
    for each in deliveries:
        (context.log.warning if each.problem else context.log.info)(f"Notification by {each}")
    return None


def silent(run: dg.DagsterRun) -> str | None:
    """Why a failure is not told; None where it is."""
    if PLANNER in run.tags:
        return "The planner tells of it with all that it made."
    if run.tags.get(NOTIFIED) == "true":
        return "People were told by the run itself."
    return "Dagster makes it again." if run.tags.get(WILL_RETRY) == "true" else None


def notice_of(run: dg.DagsterRun, message: str, errors: list[str]) -> Notice:
    """What people are told of a failed run."""
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    partition = run.tags.get("dagster/partition", "")
    what = ", ".join(assets) or run.job_name
    subject = f"Failed: {what}{f' {partition}' if partition else ''}"
    facts = {"run": run.run_id, "job": run.job_name, "assets": assets, "partition": partition}
    return Notice(subject, "\n".join([*(errors or [message]), f"Run {run.run_id}."]), facts)


def _errors(context: dg.RunFailureSensorContext) -> list[str]:
    found = []
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error and error.cause and error.cls_name in DAGSTERS_OWN:
            error = error.cause
        found.append(f"{event.step_key}: {error.message.strip() if error else 'no message'}")
    return found
