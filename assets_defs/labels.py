"""Assets of the group `labels`: yearly land-cover maps and labels on the mosaic's grid."""

import dagster as dg

from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.stages import labels


@dg.asset(**spec("land_cover", kinds={"geotiff", "mapbiomas"}))
def land_cover(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Yearly land-cover map of the region, clipped on its native grid: COG of uint8 class codes (30 = mining)."""
    return published(context, platform, labels.clip_land_cover)


@dg.asset(**spec("label", kinds={"zarr"}))
def label(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Land-cover class codes on the region's 10 m grid (nearest neighbour): Zarr (y, x) uint8, 0 where there is none."""
    return published(context, platform, labels.label_grid)


ASSETS = [land_cover, label]
