"""Assets of the group `imagery`: the year's scenes, the cloud-free mosaic made of them, and evidence about it."""

import dagster as dg

from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.stages import imagery


@dg.asset(**spec("scenes", kinds={"parquet"}))
def scenes(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Satellite scenes of the region and year: GeoParquet of id, time, cloud share, baseline, footprint and links."""
    return published(context, platform, imagery.list_scenes)


@dg.asset(**spec("mosaic", kinds={"zarr", "xarray"}))
def mosaic(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Yearly composite of clear observations: Zarr (band, y, x) uint16, reflectance x 10,000, with counts of clear days.

    Regions with coverage `sampled` hold only the chunks that chosen windows touch.
    """
    return published(context, platform, imagery.compose_mosaic)


@dg.asset(**spec("mosaic_quality", kinds={"json"}))
def mosaic_quality(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Evidence about the mosaic: clouds that are left, dark pixels, and the share of labelled mining that the cloud mask took."""
    return published(context, platform, imagery.judge_mosaic)


ASSETS = [scenes, mosaic, mosaic_quality]
