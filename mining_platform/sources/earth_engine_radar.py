"""Sentinel-1 of Earth Engine: ground range detected scenes, corrected for the terrain's place but not for its brightness.

`COPERNICUS/S1_GRD_FLOAT` holds the pixels of `COPERNICUS/S1_GRD` before they were turned into dB: sigma nought in linear power,
orthorectified, thermal noise removed (https://developers.google.com/earth-engine/guides/sentinel1). Slopes that face the sensor
are brighter there than in gamma nought with terrain correction, so the two are never mixed: facts tell which one it is.
"""

from datetime import UTC, datetime
from typing import Any

import geopandas as gpd
import numpy as np
from blake3 import blake3
from odc.geo.geobox import GeoBox

from mining_platform.radar import POLARISATIONS, Orbit, RadarScene, radar_table
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.earth_engine_api.costs import cost_of_values
from mining_platform.sources.earth_engine_api.listing import footprint_of, index_of, refuse, told, touching_images
from mining_platform.sources.earth_engine_api.requests import read_pixels, workload_tag
from mining_platform.sources.earth_engine_api.session import ask
from mining_platform.sources.protocol import Cost
from mining_platform.sources.stac_metadata.layers import declared_layer, layer_region
from mining_platform.sources.stac_radar import none_found
from mining_platform.speckle import Power

LAYER, COLLECTION = "radar", "sentinel-1-grd"
ASSETS = "COPERNICUS/S1_GRD_FLOAT"
MODE = "IW"  # interferometric wide swath: the mode over land
_ORBITS: dict[str, Orbit] = {"ASCENDING": "ascending", "DESCENDING": "descending"}
_BAND = "power"


def list_radar(region: Region, year: int) -> gpd.GeoDataFrame:
    """See RadarSource; scenes of other modes than IW, and without VV and VH, are left out."""
    return radar_table([_scene(region, year, image) for image in _images(region, year)])


def fingerprint_radar(region: Region, year: int) -> dict[str, Any]:
    """See RadarSource: `blake3` is over ids and update times."""
    images = _images(region, year)
    lines = "\n".join(f"{index_of(image)} {image.get('updateTime', '')}" for image in images)
    counts = {"year": year, "earth_engine": ASSETS, "items": len(images), "blake3": blake3(lines.encode()).hexdigest()}
    return declared_layer(region, LAYER, year).identity | counts


def open_radar(region: Region, scene: RadarScene, polarisation: str, geobox: GeoBox) -> Power:
    """See RadarSource; where the scene's pixels are not the grid's, pixels at the rim of its data are missing."""
    image, _, name = scene.hrefs[polarisation].rpartition(":")
    year = scene.acquired.year
    with told(_asked(region, year), year):
        expression = ask(lambda ee: ee.Image(image).select([name], [_BAND]).resample("bilinear").unmask(0, False).toFloat())
        power = read_pixels(expression, geobox, [_BAND], np.float32, workload_tag(f"radar-{region.id}"))[0]
    return np.where(power > 0, power, np.nan).astype(np.float32)


def cost_radar(_region: Region, geobox: GeoBox) -> Cost:
    """See RadarSource."""
    return cost_of_values(geobox)


def _asked(region: Region, year: int) -> Region:
    asked = layer_region(region, LAYER, year)
    if required_scenes(asked).collection != COLLECTION:
        remedy = f'Write "collection": "{COLLECTION}" for its sigma nought, or use the source stac for gamma nought.'
        raise refuse(asked, year, "Earth Engine has no gamma nought with radiometric terrain correction", remedy)
    return asked


def _images(region: Region, year: int) -> list[dict[str, Any]]:
    """Assets of the year's usable scenes that touch the outline, in order of id; SourceError where there are none."""
    asked = _asked(region, year)
    with told(asked, year):
        touching = touching_images(asked, ASSETS, (year, year + 1))
    found = [image for image in touching if _is_usable(image)]
    if not found:
        others = f"; {len(touching)} are not of the mode {MODE} with VV or VH" if touching else ""
        raise refuse(asked, year, f"no radar scene touches the outline in that year{others}", none_found(region))
    return sorted(found, key=index_of)


def _is_usable(image: dict[str, Any]) -> bool:
    return image.get("properties", {}).get("instrumentMode") == MODE and bool(_polarisations(image))


def _polarisations(image: dict[str, Any]) -> list[str]:
    there = {str(band["id"]) for band in image.get("bands", [])}
    return [name for name in POLARISATIONS if name in there]


def _scene(region: Region, year: int, image: dict[str, Any]) -> RadarScene:
    """The scene of an asset; SourceError where it is described wrongly."""
    try:
        return RadarScene(
            scene_id=index_of(image),
            acquired=datetime.fromisoformat(image["startTime"]).astimezone(UTC),
            orbit=_ORBITS.get(str(image["properties"].get("orbitProperties_pass")), ""),
            epsg=int(str(image["bands"][0]["grid"]["crsCode"]).removeprefix("EPSG:")),
            measure="sigma0",
            simulated=declared_layer(region, LAYER, year).simulated,
            hrefs={name: f"{image['id']}:{name}" for name in _polarisations(image)},
            footprint=footprint_of(image),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"scene {index_of(image)} is described wrongly ({type(error).__name__}: {error})"
        raise refuse(_asked(region, year), year, problem, "Report it to the service.") from None
