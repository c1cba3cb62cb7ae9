"""Sensors that look outside: did a source change, is there a new collection, did a run fail.

What belongs here: how often is looked, and what an answer asks for. What is looked at is `source_changes` and
`map_collections` of the domain. Looks never raise: what could not be asked is named where they skip.
"""

import json
import os
from collections.abc import Mapping

import dagster as dg

from assets_defs.partitions import REGIONS, STEPS, asset_key
from assets_defs.planner_config import wanted
from assets_defs.source_jobs import SourcesConfig, refresh_changed
from mining_platform.map_collections import NewCollection, new_collections
from mining_platform.notifications import Notice, notify
from mining_platform.pipeline import Platform
from mining_platform.source_changes import Change, Look, look
from mining_platform.store.digests import digest_of

SOURCES_EVERY_S = int(os.environ.get("MINING_PLATFORM_SOURCES_EVERY_S") or 6 * 3600)
COLLECTIONS_EVERY_S = int(os.environ.get("MINING_PLATFORM_COLLECTIONS_EVERY_S") or 24 * 3600)
_SOURCES = "Asks whether the sources of published partitions changed, and requests just what rests on those; off until turned on."
_COLLECTIONS = "Asks whether a newer collection of the land-cover maps is published, and says what to edit; off until turned on."


@dg.sensor(
    job=refresh_changed,
    minimum_interval_seconds=SOURCES_EVERY_S,
    description=_SOURCES,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def changed_sources(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SensorResult:
    """A request for what rests on sources that changed since they were read, once for each change."""
    return requested(look(platform, STEPS), context.cursor)


def requested(seen: Look, cursor: str | None) -> dg.SensorResult:
    """What a look asks for. The cursor holds what was asked for, so that a change which a run has not mended yet is not again.

    Dagster takes each run key once: it names the versions to be replaced too, so that a source that is again as it was before
    is asked for again.
    """
    before: Mapping[str, str] = json.loads(cursor) if cursor else {}
    states = {str(change.ref): _digest(change.state) for change in seen.changes}
    written = json.dumps(states, sort_keys=True)
    if states.items() <= before.items():
        return dg.SensorResult(skip_reason=_skipped(seen), cursor=written)
    replaced = {str(change.ref): change.made for change in seen.changes}
    run_key = _digest(json.dumps([states, replaced], sort_keys=True))
    return dg.SensorResult(run_requests=[_request(seen.changes, run_key)], cursor=written)


def _digest(text: str) -> str:
    return digest_of(text.encode())


def _request(changes: tuple[Change, ...], run_key: str) -> dg.RunRequest:
    editions = {place: json.dumps(dict(edition)) for change in changes for place, edition in change.editions.items()}
    config = SourcesConfig(
        partitions=[str(change.ref) for change in changes],
        editions=editions,
        why=[f"{change.ref}: {change.what}" for change in changes],
        **wanted(),
    )
    return dg.RunRequest(run_key=f"sources-{run_key}", run_config=dg.RunConfig(ops={"refresh_sources": config}))


def _skipped(seen: Look) -> str:
    told = ["No source changed." if not seen.changes else f"{len(seen.changes)} changed sources were asked for before."]
    told += [f"Not asked: {'; '.join(seen.unasked)}."] if seen.unasked else []
    told += [f"{seen.of_services} partitions rest on services without editions."] if seen.of_services else []
    return " ".join(told)


@dg.sensor(minimum_interval_seconds=COLLECTIONS_EVERY_S, description=_COLLECTIONS, default_status=dg.DefaultSensorStatus.STOPPED)
def new_map_collections(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Tells of a newer collection of the maps: in the log, on the asset `land_cover`, and to people, once each."""
    found, unasked = new_collections(REGIONS)
    told = set(json.loads(context.cursor)) if context.cursor else set()
    fresh = [each for each in found if each.href not in told]
    told |= {each.href for each in fresh if _arrived(context, each)}
    missing = [f"Not asked: {'; '.join(unasked)}."] if unasked else []
    reason = " ".join([*(each.words for each in found), *missing]) or "No newer collection is published."
    return dg.SensorResult(skip_reason=reason, asset_events=[_observed(each) for each in fresh], cursor=json.dumps(sorted(told)))


def _arrived(context: dg.SensorEvaluationContext, found: NewCollection) -> bool:
    """Tell people of a collection; False where that is wanted and no way arrived, so that it is tried again."""
    context.log.info(found.words)
    deliveries = notify(Notice(f"Collection {found.collection} of the land-cover maps is published", found.words, vars(found)))
    for each in deliveries:
        context.log.info(f"Notification by {each}")
    return not deliveries or any(each.problem is None for each in deliveries)


def _observed(found: NewCollection) -> dg.AssetObservation:
    metadata = {"collection": found.collection, "href": found.href, "what to do": found.words}
    return dg.AssetObservation(asset_key("land_cover"), description=found.words, metadata=metadata)
