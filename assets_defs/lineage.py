"""Assets of the group `lineage`: the yearly audit of what is published."""

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.stages import lineage


def audit_assets() -> list[dg.AssetsDefinition]:
    """`lineage_audit`; none where no dataset is complete."""
    if "lineage_audit" not in STEPS:
        return []

    @dg.asset(**spec("lineage_audit", kinds={"json"}))
    def lineage_audit(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Audit of everything that the year's models, evaluations and packages rest on, every byte hashed: JSON and a page."""
        return published(context, platform, lineage.audit_year)

    return [lineage_audit]


ASSETS = audit_assets()
