"""What Earth Engine lists for a region and year, and the platform's scenes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shapely.errors import GEOSException
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from mining_platform import bands, profiles, scene_collections
from mining_platform.clouds.rules import cloud_rule
from mining_platform.compositing.recipes import MosaicRecipe, mosaic_recipe
from mining_platform.regions import Region, required_scenes
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.earth_engine_api.expressions import can_express, expressible_recipes
from mining_platform.sources.earth_engine_api.requests import list_images
from mining_platform.sources.earth_engine_api.session import EarthEngineError
from mining_platform.sources.protocol import SourceError, refusal

PROVIDER = "earth-engine"
JOINED_COLLECTIONS = {
    bands.CLOUD_PROBABILITY: "COPERNICUS/S2_CLOUD_PROBABILITY",
    bands.CLOUD_SCORE: "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED",
}
"""Mask layers in collections of their own, whose images have the `system:index` of the scene they belong to."""

_LISTING_MARGIN_DEGREES = 0.1  # the service's edges are geodesics, and a layer's footprint may differ from its scene's


@dataclass(frozen=True)
class Listing:
    """Images of a year that touch a region's outline."""

    images: list[dict[str, Any]]
    """Assets in order of id, which have every joined layer."""
    dropped: list[str]
    """Ids of scenes without a joined layer."""


def refuse(region: Region, year: int | None, problem: str, remedy: str) -> SourceError:
    """The error of this source."""
    return refusal(region, year, f"earth_engine collection {required_scenes(region).collection}", problem, remedy)


@contextmanager
def told(region: Region, year: int) -> Iterator[None]:
    """Errors of the service as errors of this source."""
    try:
        yield
    except EarthEngineError as error:
        raise refuse(region, year, error.problem, error.remedy) from None


def check_recipe(region: Region, year: int, recipe: MosaicRecipe) -> None:
    """SourceError naming the recipes that can be computed there, where this one cannot."""
    if not can_express(recipe):
        problem = f"the mosaic recipe {recipe.id} cannot be computed there"
        remedy = f"Name one of these as 'recipe' in the region file: {', '.join(expressible_recipes())}"
        instead = "; probability-median has the clouds of s2cloudless" if recipe.clouds == "s2cloudless" else ""
        raise refuse(region, year, problem, f"{remedy}{instead}.")


def collections_of(region: Region, year: int) -> list[str]:
    """Earth Engine's name of the region's collection, then of those its recipe joins; SourceError where it has none."""
    collection = scene_collections.collection(required_scenes(region).collection)
    if collection.earth_engine is None:
        known = ", ".join(row.id for row in scene_collections.COLLECTIONS.values() if row.earth_engine)
        raise refuse(region, year, "the collection is not read from Earth Engine", f"Use another source, or one of: {known}.")
    return [collection.earth_engine, *(JOINED_COLLECTIONS[layer] for layer in _joined_layers(region))]


def list_year(region: Region, year: int) -> Listing:
    """Images that touch the outline, from metadata alone; SourceError where there are none."""
    own, *joined = collections_of(region, year)
    check_recipe(region, year, mosaic_recipe(required_scenes(region).recipe))
    with told(region, year):
        whole = touching_images(region, own, (year, year + 1))
        having = {index_of(image) for image in whole}
        for collection in joined:
            having &= {index_of(image) for image in _images(region, collection, (year, year + 1), ids_only=True)}
    if not having:
        without = f", or none of {len(whole)} has {', '.join(_joined_layers(region))}" if whole else ""
        remedy = f"Ask for another year: {', '.join(map(str, region.years))} are declared."
        raise refuse(region, year, f"no scene touches the outline in that year{without}", remedy)
    images = sorted((image for image in whole if index_of(image) in having), key=index_of)
    return Listing(images, sorted({index_of(image) for image in whole} - having))


def touching_images(region: Region, collection: str, years: tuple[int, int]) -> list[dict[str, Any]]:
    """Assets of a collection from a year on until before another that touch the outline; EarthEngineError as `list_images`."""
    images = _images(region, collection, years)
    return [image for image in images if _touches(region, years[0], image)]


def index_of(image: dict[str, Any]) -> str:
    """`system:index` of an asset in a collection."""
    return str(image["id"]).rpartition("/")[2]


def footprint_of(image: dict[str, Any]) -> BaseGeometry:
    """Outline of an asset, EPSG:4326; one that is written as a ring stands for what the ring encloses."""
    outline = shape(image["geometry"])
    return Polygon(outline.coords) if outline.geom_type == "LinearRing" else outline


def scene_of(region: Region, year: int, image: dict[str, Any]) -> Scene:
    """The scene of an asset; SourceError where it lacks a property, or a band of the collection's profile."""
    try:
        return _scene(region, year, image)
    except SourceError:
        raise
    except (KeyError, IndexError, TypeError, ValueError) as error:
        problem = f"scene {index_of(image)} is described wrongly ({type(error).__name__}: {error})"
        raise refuse(region, year, problem, "Report it to the service.") from None


def _scene(region: Region, year: int, image: dict[str, Any]) -> Scene:
    listed = image.get("properties", {})

    def property_of(name: str) -> Any:
        if listed.get(name) is None:
            raise refuse(region, year, f"scene {index_of(image)} lacks the property {name}", "Report it to the service.")
        return listed[name]

    acquired = datetime.fromisoformat(image["startTime"]).astimezone(UTC)
    zenith_deg = _degrees(listed.get("MEAN_SOLAR_ZENITH_ANGLE"))
    return Scene(
        scene_id=index_of(image),
        acquired=acquired,
        solar_day=solar_day(acquired, footprint_of(image).centroid.x),
        platform=str(property_of("SPACECRAFT_NAME")).lower(),
        tile=str(property_of("MGRS_TILE")),
        cloud_pct=float(property_of("CLOUDY_PIXEL_PERCENTAGE")),
        baseline=float(property_of("PROCESSING_BASELINE")),
        offset_dn=0,
        epsg=int(str(image["bands"][0]["grid"]["crsCode"]).removeprefix("EPSG:")),
        simulated=required_scenes(region).simulated,
        hrefs=_hrefs(region, year, image),
        sun_azimuth_deg=_degrees(listed.get("MEAN_SOLAR_AZIMUTH_ANGLE")),
        sun_elevation_deg=None if zenith_deg is None else 90.0 - zenith_deg,
    )


def _degrees(value: Any) -> float | None:
    return None if value is None else float(value)


def _joined_layers(region: Region) -> list[str]:
    """Layers that the region's recipe needs from collections of their own."""
    return [
        layer for layer in cloud_rule(mosaic_recipe(required_scenes(region).recipe).clouds).layers if layer in JOINED_COLLECTIONS
    ]


def _images(region: Region, collection: str, years: tuple[int, int], *, ids_only: bool = False) -> list[dict[str, Any]]:
    west, south, east, north = region.geometry.buffer(_LISTING_MARGIN_DEGREES).bounds
    bounds = (max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0))
    start, end = (f"{year}-01-01T00:00:00Z" for year in years)
    return list_images(collection, start, end, bounds, ids_only=ids_only)


def _touches(region: Region, year: int, image: dict[str, Any]) -> bool:
    try:
        return bool(footprint_of(image).intersects(region.geometry))
    except (GEOSException, KeyError, TypeError, ValueError, AttributeError):
        raise refuse(region, year, f"scene {index_of(image)} has no usable geometry", "Report it to the service.") from None


def _hrefs(region: Region, year: int, image: dict[str, Any]) -> dict[str, str]:
    """`<image>:<band>` of the image's own bands and layers, and of the joined ones."""
    has = {str(band["id"]) for band in image["bands"]}
    own = [*bands.BANDS, *(layer for layer in bands.LAYERS if layer not in JOINED_COLLECTIONS)]
    names = {band_id: bands.provider_name(band_id, PROVIDER) for band_id in own}
    hrefs = {band_id: f"{image['id']}:{name}" for band_id, name in names.items() if name in has}
    profile = profiles.profile(scene_collections.collection(required_scenes(region).collection).profile)
    missing = [f"{band_id} ({names[band_id]})" for band_id in profile.channels if band_id not in hrefs]
    if missing:
        problem = f"scene {index_of(image)} lacks bands {', '.join(missing)}; it has {', '.join(sorted(has))}"
        raise refuse(region, year, problem, "Add Earth Engine's names in mining_platform/bands.py.")
    for layer in _joined_layers(region):
        hrefs[layer] = f"{JOINED_COLLECTIONS[layer]}/{index_of(image)}:{bands.provider_name(layer, PROVIDER)}"
    return hrefs
