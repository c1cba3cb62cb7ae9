"""Asset checks, named as facts.

What belongs here: facts about published partitions that a person wants to see kept, each a domain function's
verdict. A check blocks where its failure makes downstream wrong. Impossible data never gets this far: the
domain refuses it before publishing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from assets_defs.partitions import REGIONS, STEPS, asset_key, partitions_definition
from assets_defs.results import current, value_of
from mining_platform import verdicts
from mining_platform.artifacts import Artifact
from mining_platform.audits.watch import nothing_it_rests_on_is_broken
from mining_platform.context_dates import the_extract_is_of_the_imagerys_time
from mining_platform.graph import active_datasets
from mining_platform.pipeline import Platform

Fact = Callable[[Platform, Artifact], verdicts.Verdict]


def fact_check(asset: str, name: str, fact: Fact, *, blocking: bool) -> dg.AssetChecksDefinition:
    """A check that a fact holds for the partition just published; not blocking means it warns."""
    severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN

    @dg.asset_check(
        asset=asset_key(asset),
        name=name,
        blocking=blocking,
        description=fact.__doc__,
        partitions_def=partitions_definition(STEPS[asset]),
    )
    def check(context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.AssetCheckResult:
        verdict = fact(platform, current(platform, context, asset))
        return dg.AssetCheckResult(
            passed=verdict.holds, severity=severity, description=verdict.reason, metadata=metadata_of(verdict.numbers)
        )

    return check


def metadata_of(numbers: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """A verdict's numbers as Dagster shows them."""
    return {name: value_of(value) for name, value in numbers.items() if value is not None}


def dataset_checks(dataset_id: str) -> list[dg.AssetChecksDefinition]:
    """The facts of one dataset's family."""
    return [
        fact_check(f"{dataset_id}/candidates", "shares_lie_between_0_and_1", verdicts.shares_lie_between_0_and_1, blocking=True),
        fact_check(f"{dataset_id}/quotas", "ranges_are_balanced", verdicts.ranges_are_balanced, blocking=False),
        fact_check(f"{dataset_id}/patches", "every_patch_has_its_size", verdicts.every_patch_has_its_size, blocking=True),
        fact_check(f"{dataset_id}/splits", "no_ground_is_in_two_splits", verdicts.no_ground_is_in_two_splits, blocking=True),
        fact_check(f"{dataset_id}/splits", "every_place_keeps_its_side", verdicts.every_place_keeps_its_side, blocking=False),
        fact_check(f"{dataset_id}/manifest", "manifest_matches_the_stores", verdicts.manifest_matches_the_stores, blocking=True),
        fact_check(f"{dataset_id}/manifest", "no_picture_is_in_two_splits", verdicts.no_picture_is_in_two_splits, blocking=False),
    ]


CONTEXT_CHECKS = [the_extract_is_of_the_imagerys_time]
AUDITS = ["lineage_audit"] if "lineage_audit" in STEPS else []
CHECKS = [
    fact_check("mosaic", "mosaic_is_nearly_gap_free", verdicts.mosaic_is_nearly_gap_free, blocking=False),
    fact_check("mosaic", "few_clouds_are_left", verdicts.few_clouds_are_left, blocking=False),
    fact_check("mosaic", "the_offset_is_applied_once", verdicts.the_offset_is_applied_once, blocking=True),
    fact_check("mosaic_quality", "the_mask_spares_bright_soil", verdicts.the_mask_spares_bright_soil, blocking=False),
    *(fact_check("osm_context", check.__name__, check, blocking=False) for check in CONTEXT_CHECKS if "osm_context" in STEPS),
    *(fact_check(each, "nothing_it_rests_on_is_broken", nothing_it_rests_on_is_broken, blocking=True) for each in AUDITS),
    *(check for dataset in active_datasets(REGIONS) for check in dataset_checks(dataset.id)),
]
