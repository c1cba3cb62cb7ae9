"""The job that makes again what rests on sources that changed.

What belongs here: the sibling of the yearly refresh, over the same planner; the sensor `changed_sources` asks for it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets_defs.planner_config import PlannerConfig, make
from assets_defs.results import value_of
from assets_defs.run_tags import REFRESH
from assets_defs.summaries import concluded
from mining_platform.artifacts import Ref
from mining_platform.experiments import YEARLY
from mining_platform.sessions import open_session
from mining_platform.source_editions import note_editions
from mining_platform.source_refreshes import affected, land_cover_versions, restated_classes


class SourcesConfig(PlannerConfig):
    """Whose sources changed, and what is known of them."""

    partitions: list[str]
    """`asset@partition` of each whose source changed."""
    editions: dict[str, str]
    """Place of a remote map -> its edition as JSON, see `source_editions`."""
    why: list[str]
    """What changed, in words."""


@dg.op
def refresh_sources(context: dg.OpExecutionContext, config: SourcesConfig) -> None:
    """Make again what rests on some partitions whose sources changed; tells hectares old and new, fails naming what failed."""
    context.log.info("Changed: " + " | ".join(config.why))
    what = "Refresh of changed sources"
    with open_session() as session:
        store = session.platform.artifacts
        note_editions({place: json.loads(edition) for place, edition in config.editions.items()})
        refs = affected(session.platform, session.steps, map(Ref.parse, config.partitions), YEARLY)
        before = land_cover_versions(store, refs)
        outcomes, budget = make(context, session, refs, config, what)
        rows = restated_classes(store, before)
    context.log.info("\n".join(["Land cover restated:", *map(words, rows)] if rows else ["No land-cover class was restated."]))
    told = {"restated": table(rows)} if rows else None
    concluded(context, what, session.steps, outcomes, told, stopped=budget.stopped)


def words(row: Mapping[str, Any]) -> str:
    """One class of one map, old and new."""
    moved = "" if row["gained_ha"] is None else f" (+{row['gained_ha']:,.2f}, -{row['lost_ha']:,.2f})"
    return f"{row['partition']}, {row['name']} ({row['code']}): {row['ha_before']:,.2f} -> {row['ha_after']:,.2f} ha{moved}"


def table(rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue:
    """The same as Dagster shows tables, which have no empty cells."""
    return value_of([{name: "unknown" if value is None else value for name, value in row.items()} for row in rows])


@dg.job(
    executor_def=dg.in_process_executor,
    tags={REFRESH: "true"},
    description="Make again what rests on sources that changed, through the planner, and tell what land cover it restates.",
)
def refresh_changed() -> None:
    """Refresh what rests on changed sources."""
    refresh_sources()
