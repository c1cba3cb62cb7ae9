"""Assets of the group `monitoring`: where mining is in a year, what is new, on whose ground, and the report."""

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.stages import annual_reports, monitoring


def monitoring_assets() -> list[dg.AssetsDefinition]:
    """The four assets; none where no region is monitored."""
    if "detections" not in STEPS:
        return []

    @dg.asset(**spec("detections", kinds={"geotiff", "geojson"}))
    def detections(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Where mining is in a year, by the region's deployed model and rule or by its map: COGs and polygons."""
        return published(context, platform, monitoring.find_mining)

    @dg.asset(**spec("changes", kinds={"geotiff", "parquet"}))
    def changes(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """New mining since the year before and all that was found up to it: the first year of each cell, polygons, hectares."""
        return published(context, platform, monitoring.compare_years)

    @dg.asset(**spec("territories", kinds={"csv"}))
    def territories(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Hectares of mining and of new mining in each territory that people named, over all monitored regions."""
        return published(context, platform, monitoring.sum_territories)

    @dg.asset(**spec("annual_report", kinds={"html"}))
    def annual_report(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """The year's report in three languages, with its map, and the data to take away."""
        return published(context, platform, annual_reports.write_report)

    return [detections, changes, territories, annual_report]


ASSETS = monitoring_assets()
