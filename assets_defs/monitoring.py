"""Assets of the group `monitoring`: where mining is in a year, what is new, on whose ground, and the report."""

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.area_publishing import AREA_ASSET
from mining_platform.pipeline import Platform
from mining_platform.reviews.detection_publishing import DETECTION_REVIEWS
from mining_platform.stages import annual_reports, comparisons, monitoring


def monitoring_assets() -> list[dg.AssetsDefinition]:
    """The assets that follow mining; none where no region is monitored, no comparison where there is nothing to compare with."""
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

    return [detections, changes, *_comparison(), territories, annual_report]


def _comparison() -> list[dg.AssetsDefinition]:
    """The asset, where any region has something to compare with."""
    if "comparison" not in STEPS:
        return []

    @dg.asset(**spec("comparison", kinds={"geotiff", "parquet"}))
    def comparison(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Our maps of a year beside those of other systems: hectares that both find or only one, and the places missed."""
        return published(context, platform, comparisons.compare)

    return [comparison]


def by_people() -> list[dg.AssetSpec]:
    """External assets that people publish by commands; none where no region is monitored."""
    area = "Mining area of a region and year with its interval, from a sample of windows that people reviewed; by `area publish`."
    reviews = "What people decided about detections of a region and year: false alarm or mining; by `review-detections`."
    told = ((DETECTION_REVIEWS, "parquet", reviews), (AREA_ASSET, "csv", area))
    return [dg.AssetSpec(**spec(name, kinds={kind}, description=text)) for name, kind, text in told if name in STEPS]


ASSETS = monitoring_assets()
BY_PEOPLE = by_people()
