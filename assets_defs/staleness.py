"""Whether published partitions are still fresh, as a check on every asset of ours.

What belongs here: the check `it_is_fresh`, which a run or a person asks for, and the sensor that tells the same of all
published partitions, so that a partition is seen to become stale without a run. Neither asks any service.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg

from assets_defs.partitions import REGIONS, STEPS, asset_key, partitions_definition
from mining_platform import plans
from mining_platform.artifacts import Ref
from mining_platform.pipeline import Platform
from mining_platform.staleness import Planned, offline

NAME = "it_is_fresh"
LOOK_EVERY_S = 300
BUDGET_S = 20.0
"""Seconds that a look may take before the years that are left wait for the next; Dagster ends a sensor after 60."""


def freshness_check(asset: str) -> dg.AssetChecksDefinition:
    """The check of one asset; it warns and never blocks."""

    @dg.asset_check(asset=asset_key(asset), name=NAME, partitions_def=partitions_definition(STEPS[asset]))
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        """The partition is what it would become today: same inputs, code and configuration, and so is all it rests on."""
        told = plans.standing(offline(platform), STEPS, Ref(asset, context.partition_key))
        return dg.AssetCheckResult(
            passed=passed(told),
            severity=dg.AssetCheckSeverity.WARN,
            description=words(told),
            metadata=metadata(told),
        )

    return check


def passed(told: Planned) -> bool:
    """Whether nothing that is at hand makes the partition stale."""
    return told.state in ("fresh", "not asked")


def words(told: Planned) -> str:
    """Fresh or stale, and why."""
    if told.problem:
        return f"whether it is fresh cannot be told: {told.problem}"
    return "; ".join(told.reasons) if told.state != "fresh" else "fresh"


def metadata(told: Planned) -> dict[str, dg.MetadataValue]:
    """State and reasons, one by one."""
    return {"state": dg.MetadataValue.text(told.state), "reasons": dg.MetadataValue.json(list(told.reasons))}


@dataclass
class Told:
    """What the sensor remembers: the year to begin with, and the words on every partition that was not fresh."""

    year: int | None = None
    words: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Told":
        """What a cursor says; nothing where there is none."""
        return cls(**json.loads(cursor)) if cursor else cls()

    def written(self) -> str:
        """The cursor for the next look."""
        return json.dumps({"year": self.year, "words": self.words}, sort_keys=True)


def changes(platform: Platform, told: Told, years: Sequence[int], budget_s: float = BUDGET_S) -> list[Planned]:
    """Published partitions of which something else is to be said than before, year by year; `told` is brought up to date."""
    began = time.monotonic()
    found: list[Planned] = []
    for year in sorted(years, key=lambda each: (told.year is not None and each < told.year, each)):
        told.year = year
        if time.monotonic() - began > budget_s:
            return found
        for item in plans.standings(platform, STEPS, plans.Selection(years=(year,))):
            now = words(item) if item.state != "fresh" else ""
            if now != told.words.pop(str(item.ref), ""):
                found.append(item)
            if now:
                told.words[str(item.ref)] = now
    told.year = None
    return found


WHAT = "Looks every five minutes whether published partitions became stale, and tells the checks `it_is_fresh`."


@dg.sensor(minimum_interval_seconds=LOOK_EVERY_S, description=WHAT, default_status=dg.DefaultSensorStatus.RUNNING)
def staleness(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SensorResult:
    """Evaluations of the checks of all partitions that became stale, or fresh, since the last look."""
    told = Told.read(context.cursor)
    years = sorted({year for region in REGIONS.values() for year in region.years})
    events = [
        dg.AssetCheckEvaluation(
            asset_key=asset_key(item.ref.asset),
            check_name=NAME,
            passed=passed(item),
            severity=dg.AssetCheckSeverity.WARN,
            description=words(item),
            metadata=metadata(item),
            partition=item.ref.partition,
        )
        for item in changes(offline(platform), told, years)
    ]
    return dg.SensorResult(asset_events=events, cursor=told.written())


CHECKS = [freshness_check(step.asset) for step in STEPS.values() if not step.external]
