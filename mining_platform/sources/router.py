"""Picks the source that a region names.

The module keeps both protocols itself, so it can stand wherever a source is asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import geopandas as gpd
from odc.geo.geobox import GeoBox

from mining_platform.compositing.recipes import MosaicRecipe
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene
from mining_platform.sources import archive, earth_engine, earth_engine_maps, mapbiomas, polygons, stac
from mining_platform.sources.protocol import Cost, LandCoverSource, PixelSource, SceneSource, refusal

Source = TypeVar("Source")

LAND_COVERS: Mapping[str, LandCoverSource] = {
    "mapbiomas": mapbiomas,
    "earth_engine": earth_engine_maps,
    "polygons": polygons,
}
SCENES: Mapping[str, SceneSource] = {"stac": stac, "earth_engine": earth_engine, "archive": archive}


def land_cover_source(region: Region) -> LandCoverSource:
    """The source of a region's land-cover maps; SourceError where the region has none or names an unknown one."""
    if region.land_cover is None:
        remedy = "Its windows come from points or polygons; or name a land_cover in the region file."
        raise refusal(region, None, "none", "the region has no land-cover map", remedy)
    return _known(LAND_COVERS, region, region.land_cover.source)


def scene_source(region: Region) -> SceneSource:
    """The source of a region's scenes; SourceError where the region has none or names an unknown one."""
    if region.scenes is None:
        raise refusal(region, None, "none", "the region has no scenes", "Name a scenes source in the region file.")
    return _known(SCENES, region, region.scenes.source)


def _known(table: Mapping[str, Source], region: Region, source: str) -> Source:
    if source not in table:
        raise refusal(region, None, source, "no such source", f"Use one of: {', '.join(table)}.")
    return table[source]


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """See LandCoverSource."""
    return land_cover_source(region).read_land_cover(region, year, out)


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """See LandCoverSource."""
    return land_cover_source(region).fingerprint_land_cover(region, year)


def cost_land_cover(region: Region, year: int) -> Cost:
    """See LandCoverSource."""
    return land_cover_source(region).cost_land_cover(region, year)


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """See SceneSource; without the scenes that are cloudier than the region allows, whatever their source."""
    table = scene_source(region).list_scenes(region, year)
    most = required_scenes(region).max_cloud_pct
    kept = table[table["cloud_pct"] <= most].reset_index(drop=True)
    if kept.empty:
        problem = f"all {len(table)} scenes have more than {most:g} % clouds"
        remedy = "Raise max_cloud_pct in the region file: each scene has a mask of its own in any case."
        raise refusal(region, year, required_scenes(region).source, problem, remedy)
    return kept


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """See SceneSource."""
    return scene_source(region).fingerprint_scenes(region, year)


def check_scenes(region: Region, scenes: Sequence[Scene], ids: Sequence[str]) -> None:
    """See SceneSource."""
    scene_source(region).check_scenes(region, scenes, ids)


def composite(
    region: Region, scenes: Sequence[Scene], channels: Sequence[str], geobox: GeoBox, recipe: MosaicRecipe
) -> Composite:
    """See SceneSource."""
    return scene_source(region).composite(region, scenes, channels, geobox, recipe)


def parallel_composites(region: Region) -> int:
    """See SceneSource."""
    return scene_source(region).parallel_composites(region)


def pixels(region: Region) -> PixelSource:
    """See SceneSource."""
    return scene_source(region).pixels(region)


def cost(region: Region, scene_count: int, channels: Sequence[str], geoboxes: Sequence[GeoBox]) -> Cost:
    """See SceneSource."""
    return scene_source(region).cost(region, scene_count, channels, geoboxes)
