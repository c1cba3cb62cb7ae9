"""Picks the source that a region names.

The module keeps both protocols itself, so it can stand wherever a source is asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.sources import mapbiomas, stac
from mining_platform.sources.protocol import LandCoverSource, Scene, SceneSource, refusal

Source = TypeVar("Source")

LAND_COVERS: Mapping[str, LandCoverSource] = {"mapbiomas": mapbiomas}
SCENES: Mapping[str, SceneSource] = {"stac": stac}


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


def list_scenes(region: Region, year: int) -> gpd.GeoDataFrame:
    """See SceneSource."""
    return scene_source(region).list_scenes(region, year)


def fingerprint_scenes(region: Region, year: int) -> dict[str, Any]:
    """See SceneSource."""
    return scene_source(region).fingerprint_scenes(region, year)


def check_scenes(region: Region, scenes: Sequence[Scene], band_ids: Sequence[str]) -> None:
    """See SceneSource."""
    scene_source(region).check_scenes(region, scenes, band_ids)


def open_scene_band(region: Region, scene: Scene, band_id: str, geobox: GeoBox) -> NDArray[np.uint16]:
    """See SceneSource."""
    return scene_source(region).open_scene_band(region, scene, band_id, geobox)
