"""How a refresh ends: what was lost is logged, told to people, and fails the run by name.

What belongs here: the last step of every job over the planner.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from assets_defs.run_tags import NOTIFIED
from mining_platform.notifications import Notice, notify
from mining_platform.pipeline import Step, key_parts
from mining_platform.runs import Outcome


def concluded(
    context: dg.OpExecutionContext,
    what: str,
    steps: Mapping[str, Step],
    outcomes: Sequence[Outcome],
    metadata: Mapping[str, dg.MetadataValue] | None = None,
    *,
    stopped: str = "",
) -> None:
    """End a refresh; dg.Failure naming every partition that was not made, after people were told.

    `stopped` says why the run ended before all was begun, where a limit ended it.
    """
    lost = [done for done in outcomes if done.state in ("failed", "blocked")]
    told = dict(metadata or {})
    if stopped and not lost:
        raise unmade(context, what, stopped, told)
    if not lost:
        context.add_output_metadata({**told, "partitions": dg.MetadataValue.int(len(outcomes))})
        return
    regions = failed_regions(steps, lost)
    named = f", of {', '.join(regions)}" if regions else ""
    subject = f"{what}: {len(lost)} of {len(outcomes)} partitions were not made{named}"
    rows = [*([stopped] if stopped else []), *(f"{done.ref}: {done.message}" for done in lost)]
    facts = {"run": context.run_id, "regions": regions, "partitions": [str(done.ref) for done in lost]}
    tell(context, Notice(subject, "\n".join([*rows, "", _REMEDY, f"Run {context.run_id}."]), facts))
    raise dg.Failure(f"{len(lost)} of {len(outcomes)} partitions were not made: " + " | ".join(rows), metadata=told)


def unmade(
    context: dg.OpExecutionContext, what: str, why: str, metadata: Mapping[str, dg.MetadataValue] | None = None
) -> dg.Failure:
    """The failure of a refresh that a limit kept from being made, wholly or from some partition on; people are told."""
    subject = f"{what}: a limit kept partitions from being made"
    tell(context, Notice(subject, "\n".join([why, "", f"What is done stays. Run {context.run_id}."]), {"run": context.run_id}))
    return dg.Failure(why, metadata=dict(metadata or {}), allow_retries=False)


_REMEDY = "Everything else is done. The next refresh, or `mining-platform materialize`, makes these alone."


def failed_regions(steps: Mapping[str, Step], lost: Sequence[Outcome]) -> list[str]:
    """Regions of which a partition failed, sorted."""
    return sorted({key_parts(done.ref.partition)[0] for done in lost if steps[done.ref.asset].dimensions == "region|year"})


def tell(context: dg.OpExecutionContext, notice: Notice) -> None:
    """Tell people; what keeps it from arriving is logged and nothing more. The run is marked where one way arrived."""
    deliveries = notify(notice)
    for each in deliveries:
        (context.log.warning if each.problem else context.log.info)(f"Notification by {each}")
    if any(each.problem is None for each in deliveries):
        context.instance.add_run_tags(context.run_id, {NOTIFIED: "true"})
