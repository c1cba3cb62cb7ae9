"""Sentinel-1 of STAC: the Planetary Computer's `sentinel-1-rtc` over https, and static catalogues of such items on disk.

https://planetarycomputer.microsoft.com/dataset/sentinel-1-rtc: gamma nought with radiometric terrain correction, linear power,
float32, an asset a polarisation, nodata -32768. Its rasters are signed when they are read.
"""

from typing import Any

import geopandas as gpd
import numpy as np
from blake3 import blake3
from odc.geo.geobox import GeoBox

from mining_platform import bands
from mining_platform.radar import POLARISATIONS, Orbit, RadarScene, radar_table
from mining_platform.regions import Region
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.sources.rasters import RasterError
from mining_platform.sources.remote.costs import cost_of_values
from mining_platform.sources.remote.network import NetworkError
from mining_platform.sources.stac_metadata.declared_source import refuse
from mining_platform.sources.stac_metadata.item_assets import places_of_item
from mining_platform.sources.stac_metadata.item_fields import FoundItem, acquired_of_item, epsg_of_item, footprint_of_item
from mining_platform.sources.stac_metadata.items import touches
from mining_platform.sources.stac_metadata.layers import (
    PROVIDER,
    declared_layer,
    is_service,
    layer_items,
    layer_region,
    local_or_remote,
    remedy_of,
)
from mining_platform.sources.value_rasters import read_values
from mining_platform.speckle import Power

LAYER = "radar"
PIXEL_M = 10
CORRECTED = "sentinel-1-rtc"
"""The collection whose rasters lie on the ground and are gamma nought."""
_ORBITS: dict[str, Orbit] = {"ascending": "ascending", "descending": "descending"}


def list_radar(region: Region, year: int) -> gpd.GeoDataFrame:
    """See RadarSource; SourceError also for an item that lacks a time, a footprint, a CRS, or both polarisations."""
    return radar_table([scene for scene, _ in _found(region, year)])


def fingerprint_radar(region: Region, year: int) -> dict[str, Any]:
    """See RadarSource: `blake3` is over what identifies the items."""
    found = _found(region, year)
    hasher = blake3()
    for _, identity in found:
        hasher.update(identity)
    told = {"year": year, "items": len(found), "blake3": hasher.hexdigest()}
    return {**declared_layer(region, LAYER, year).identity, **told}


def open_radar(region: Region, scene: RadarScene, polarisation: str, geobox: GeoBox) -> Power:
    """See RadarSource."""
    year = scene.acquired.year
    place = scene.hrefs[polarisation]
    asked = layer_region(region, LAYER, year)
    try:
        power = read_values([local_or_remote(asked, year, place)], geobox)
    except (RasterError, NetworkError) as error:
        where = f"scene {scene.scene_id}, polarisation {polarisation}"
        raise refuse(asked, year, f"{where}: the raster {str(error).rstrip('.')}", remedy_of(asked, place)) from None
    return np.where(power > 0, power, np.nan).astype(np.float32)


def cost_radar(region: Region, geobox: GeoBox) -> Cost:
    """See RadarSource; nothing for a catalogue on disk."""
    return cost_of_values(geobox, PIXEL_M) if is_service(layer_region(region, LAYER, None)) else Cost()


def _found(region: Region, year: int) -> list[tuple[RadarScene, bytes]]:
    """Scenes that touch the outline and what identifies their items, by time and id."""
    asked = layer_region(region, LAYER, year)
    touching = (found for found in layer_items(asked, year) if touches(asked, found.item, year))
    found = [(radar_scene_of(asked, each, year), each.identity()) for each in touching]
    if not found:
        raise refuse(asked, year, "no radar scene touches the outline in that year", none_found(region))
    return sorted(found, key=lambda row: (row[0].acquired, row[0].scene_id))


def radar_scene_of(asked: Region, found: FoundItem, year: int) -> RadarScene:
    """The scene of an item of a `layer_region`; SourceError names the item and what it lacks."""
    properties = found.item["properties"]
    names = {name: bands.BANDS[f"S1-{name}"].providers[PROVIDER] for name in POLARISATIONS}
    _check_georeferenced(asked, found, year)
    scenes = asked.scenes
    return RadarScene(
        scene_id=str(found.item.get("id")),
        acquired=acquired_of_item(asked, found.item, year),
        orbit=_ORBITS.get(str(properties.get("sat:orbit_state")).lower(), ""),
        epsg=epsg_of_item(asked, found.item, year),
        measure="gamma0" if scenes and scenes.collection == CORRECTED else "sigma0",
        simulated=bool(properties.get("simulated") or (scenes and scenes.simulated)),
        hrefs=places_of_item(asked, found, names, year, optional=True),
        footprint=footprint_of_item(asked, found.item, year),
    )


def none_found(region: Region) -> str:
    """What to do about a year without scenes."""
    return f"Ask for another year ({', '.join(map(str, region.years))} are declared), or name another source of radar."


def _check_georeferenced(asked: Region, found: FoundItem, year: int) -> None:
    properties = found.item["properties"]
    if all(properties.get(name) is None for name in ("proj:epsg", "proj:code")):
        raise ungeoreferenced(asked, year, f"item {found.item.get('id')}")


def ungeoreferenced(asked: Region, year: int | None, what: str) -> SourceError:
    """The error of a product that lies in the radar's own geometry."""
    problem = f"{what} has no CRS: it is in the geometry of the radar, as ground range detected products (GRD) are distributed"
    remedy = (
        f"Use the collection {CORRECTED}, or correct the scenes for the terrain (ESA SNAP, pyroSAR) and use the source archive."
    )
    return refuse(asked, year, problem, remedy)
