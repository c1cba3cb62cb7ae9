"""Sentinel-1 scenes in a folder of this machine: corrected for the terrain by ESA SNAP, pyroSAR or the like, as GeoTIFFs.

The folder is walked whatever its depth. A scene is `<id>_VV.tif` and `<id>_VH.tif`, or `<id>.tif` with bands described as VV and
VH; further words of processing may follow the polarisation, as in pyroSAR's `..._VV_grd_mli_geo_norm_db.tif`. What is told of it:
1. by a STAC item `<id>.json` beside it: `datetime`, `sat:orbit_state`, and `unit` of the assets or of the item;
2. by tags of the raster: `datetime`, `orbit`, and `unit` (also that of its band);
3. by its name: the time as YYYYMMDDTHHMMSS, pyroSAR's A or D for the orbit, and `_db` at the end.
The unit is `linear` or `dB`, and is never guessed: a scene that tells none is refused.
"""

from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
from blake3 import blake3
from odc.geo.geobox import GeoBox

from mining_platform.radar import RadarScene, linear, radar_table
from mining_platform.regions import Region
from mining_platform.sources.archive import ends_of_file
from mining_platform.sources.archives.folders import FolderError, path_within
from mining_platform.sources.archives.listing import remedy_of, root_of
from mining_platform.sources.archives.radar_files import DECIBELS, RadarFiles, band_of, found_files, place_and_unit, scene_of
from mining_platform.sources.protocol import Cost
from mining_platform.sources.rasters import RasterError
from mining_platform.sources.stac_metadata.declared_source import refuse
from mining_platform.sources.stac_metadata.layers import declared_layer, layer_region
from mining_platform.sources.stac_radar import none_found
from mining_platform.sources.value_rasters import read_values
from mining_platform.speckle import Power

LAYER = "radar"


def list_radar(region: Region, year: int) -> gpd.GeoDataFrame:
    """See RadarSource; SourceError also for a scene without time or unit, and for one in the radar's own geometry."""
    return radar_table([scene for scene, _ in _found(region, year)])


def fingerprint_radar(region: Region, year: int) -> dict[str, Any]:
    """See RadarSource: `blake3` is over places, items, and sizes and ends of rasters; times of files play no part."""
    asked = layer_region(region, LAYER, year)
    root, hasher, found = root_of(asked, year), blake3(), _found(region, year)
    for _, files in found:
        for place in files.places:
            content = (root / place).read_bytes() if place.endswith(".json") else ends_of_file(root / place, stated=False)
            hasher.update(f"{place}\n{len(content)}\n".encode() + content)
    told = {"year": year, "items": len(found), "blake3": hasher.hexdigest()}
    return {**declared_layer(region, LAYER, year).identity, **told}


def open_radar(region: Region, scene: RadarScene, polarisation: str, geobox: GeoBox) -> Power:
    """See RadarSource; decibels are turned into power before anything is averaged, pixel by pixel of the file's own grid."""
    asked = layer_region(region, LAYER, scene.acquired.year)
    place, unit = place_and_unit(scene.hrefs[polarisation])
    convert = linear if unit == DECIBELS else None
    try:
        path = path_within(root_of(asked, scene.acquired.year), place)
        power = read_values([str(path)], geobox, lambda source: band_of(source, polarisation), convert)
    except (RasterError, FolderError) as error:
        problem = f"scene {scene.scene_id}, polarisation {polarisation}: the raster {str(error).rstrip('.')}"
        raise refuse(asked, scene.acquired.year, problem, remedy_of(asked)) from None
    return np.where(power > 0, power, np.nan).astype(np.float32)


def cost_radar(region: Region, geobox: GeoBox) -> Cost:  # noqa: ARG001 - files at hand
    """Nothing."""
    return Cost()


def _found(region: Region, year: int) -> list[tuple[RadarScene, RadarFiles]]:
    """Scenes of the year that touch the outline, with their files, by time and id; SourceError where there are none."""
    asked = layer_region(region, LAYER, year)
    try:
        found = sorted(_scenes(asked, year), key=lambda row: (row[0].acquired, row[0].scene_id))
    except FolderError as error:
        raise refuse(asked, year, str(error), remedy_of(asked)) from None
    if not found:
        raise refuse(asked, year, "no radar scene touches the outline in that year", none_found(region))
    return found


def _scenes(asked: Region, year: int) -> Iterator[tuple[RadarScene, RadarFiles]]:
    root = root_of(asked, year)
    for files in found_files(root):
        scene = scene_of(root, files, asked, year)
        if scene is not None and scene.footprint.intersects(asked.geometry):
            yield scene, files
