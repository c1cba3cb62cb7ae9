"""Assets of the group `imagery`: the year's scenes, the mosaic made of them, evidence about it, and the layers beside it."""

from functools import partial

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.regions import LAYERS_BESIDE
from mining_platform.stages import imagery, layers


@dg.asset(**spec("scenes", kinds={"parquet"}))
def scenes(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Satellite scenes of the region and year: GeoParquet of id, time, cloud share, baseline, footprint and links."""
    return published(context, platform, imagery.list_scenes)


@dg.asset(**spec("mosaic", kinds={"zarr", "xarray"}))
def mosaic(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Yearly composite of clear observations: Zarr (band, y, x) uint16 with counts of clear days.

    Reflectance is x 10,000; of other channels the attribute `bands` says unit, scale and offset. Regions with coverage
    `sampled` hold only the chunks that chosen windows touch.
    """
    return published(context, platform, imagery.compose_mosaic)


@dg.asset(**spec("mosaic_quality", kinds={"json"}))
def mosaic_quality(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Evidence about the mosaic: clouds that are left, dark pixels, and the share of labelled mining that the cloud mask took."""
    return published(context, platform, imagery.judge_mosaic)


TEXTS = {
    "radar": "Sentinel-1 VV and VH of the year on the mosaic's grid, speckle filtered, in dB: Zarr (band, y, x) uint16.",
    "elevation": "Height above the geoid in metres, and slope in degrees, on the mosaic's grid: Zarr (band, y, x) uint16.",
    "osm_context": "Roads, waterways, buildings, land use and airstrips of OpenStreetMap on the mosaic's grid: Zarr uint16.",
}


def layer_assets() -> list[dg.AssetsDefinition]:
    """The layers beside the mosaic that some region has."""
    return [layer_asset(layer) for layer in LAYERS_BESIDE if layer in STEPS]


def layer_asset(layer: str) -> dg.AssetsDefinition:
    """One layer beside the mosaic."""

    @dg.asset(**spec(layer, kinds={"zarr"}, description=TEXTS[layer]))
    def beside(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        return published(context, platform, partial(layers.compose_layer, layer))

    return beside


ASSETS = [scenes, mosaic, mosaic_quality, *layer_assets()]
