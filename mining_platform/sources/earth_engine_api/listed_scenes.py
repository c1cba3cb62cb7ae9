"""Images that Earth Engine lists as scenes of the platform: what their properties say by sensor, and where their bands are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mining_platform import bands, scene_collections
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.earth_engine_api.listing import (
    JOINED_COLLECTIONS,
    footprint_of,
    index_of,
    joined_layers,
    refuse,
)
from mining_platform.sources.protocol import SourceError

PROVIDER = "earth-engine"
"""Whose names joined layers have."""

Needed = Callable[[str], Any]
"""The value of a property by name; SourceError where the image lacks it."""


@dataclass(frozen=True)
class _Told:
    """Fields of a scene that only the properties of its sensor's images tell."""

    platform: str
    tile: str
    cloud_pct: float
    baseline: float = 0.0
    offset_dn: int = 0
    gain: float = 1.0
    sun_azimuth_deg: float | None = None
    sun_elevation_deg: float | None = None


def scene_of(region: Region, year: int, image: dict[str, Any]) -> Scene:
    """The scene of an asset; SourceError where it lacks a property, or a band that the region's mosaics have."""
    try:
        return _scene(region, year, image)
    except SourceError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"scene {index_of(image)} is described wrongly ({type(error).__name__}: {error})"
        raise refuse(region, year, problem, "Report it to the service.") from None


def _scene(region: Region, year: int, image: dict[str, Any]) -> Scene:
    listed = image.get("properties", {})

    def needed(name: str) -> Any:
        if listed.get(name) is None:
            raise refuse(region, year, f"scene {index_of(image)} lacks the property {name}", "Report it to the service.")
        return listed[name]

    told = _TOLD[scene_collections.collection(required_scenes(region).collection).sensor](listed, needed)
    acquired = datetime.fromisoformat(image["startTime"]).astimezone(UTC)
    return Scene(
        scene_id=index_of(image),
        acquired=acquired,
        solar_day=solar_day(acquired, footprint_of(image).centroid.x),
        epsg=int(str(image["bands"][0]["grid"]["crsCode"]).removeprefix("EPSG:")),
        simulated=required_scenes(region).simulated,
        hrefs=_hrefs(region, year, image),
        **vars(told),
    )


def _sentinel2(listed: Mapping[str, Any], needed: Needed) -> _Told:
    """https://developers.google.com/earth-engine/datasets/catalog/COPERNICUS_S2_SR_HARMONIZED: the offset is removed there."""
    zenith_deg = _degrees(listed.get("MEAN_SOLAR_ZENITH_ANGLE"))
    return _Told(
        platform=str(needed("SPACECRAFT_NAME")).lower(),
        tile=str(needed("MGRS_TILE")),
        cloud_pct=float(needed("CLOUDY_PIXEL_PERCENTAGE")),
        baseline=float(needed("PROCESSING_BASELINE")),
        sun_azimuth_deg=_degrees(listed.get("MEAN_SOLAR_AZIMUTH_ANGLE")),
        sun_elevation_deg=None if zenith_deg is None else 90.0 - zenith_deg,
    )


def _landsat(listed: Mapping[str, Any], needed: Needed) -> _Told:
    """https://developers.google.com/earth-engine/datasets/catalog/LANDSAT_LC08_C02_T1_L2: numbers as in the products.

    A cloud share of -1 there means that it was not calculated, and counts as 0 here.
    """
    return _Told(
        platform=str(needed("SPACECRAFT_ID")).lower().replace("_", "-"),
        tile=f"{int(needed('WRS_PATH')):03}{int(needed('WRS_ROW')):03}",
        cloud_pct=max(float(needed("CLOUD_COVER")), 0.0),
        offset_dn=bands.LANDSAT_OFFSET_DN,
        gain=bands.LANDSAT_GAIN,
        sun_azimuth_deg=_degrees(listed.get("SUN_AZIMUTH")),
        sun_elevation_deg=_degrees(listed.get("SUN_ELEVATION")),
    )


_TOLD: Mapping[str, Callable[[Mapping[str, Any], Needed], _Told]] = {"sentinel-2": _sentinel2, "landsat": _landsat}
"""By sensor of the collection."""


def _degrees(value: Any) -> float | None:
    return None if value is None else float(value)


def _hrefs(region: Region, year: int, image: dict[str, Any]) -> dict[str, str]:
    """`<image>:<band>` of the image's own bands and layers, and of the joined ones."""
    scenes, has = required_scenes(region), {str(band["id"]) for band in image["bands"]}
    provider = scene_collections.collection(scenes.collection).earth_engine[str(image["id"]).rpartition("/")[0]]
    own = [*bands.BANDS, *(layer for layer in bands.LAYERS if layer not in JOINED_COLLECTIONS)]
    names = {band_id: bands.provider_name(band_id, provider) for band_id in own}
    hrefs = {band_id: f"{image['id']}:{name}" for band_id, name in names.items() if name in has}
    missing = [f"{band_id} ({names[band_id]})" for band_id in scenes.channels if band_id not in hrefs]
    if missing:
        problem = f"scene {index_of(image)} lacks bands {', '.join(missing)}; it has {', '.join(sorted(has))}"
        raise refuse(region, year, problem, "Add Earth Engine's names in mining_platform/bands.py.")
    for layer in joined_layers(region):
        hrefs[layer] = f"{JOINED_COLLECTIONS[layer]}/{index_of(image)}:{bands.provider_name(layer, PROVIDER)}"
    return hrefs
