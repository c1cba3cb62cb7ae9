"""What Earth Engine lists for a region and year, from metadata alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shapely.errors import GEOSException
from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry

from mining_platform import bands, scene_collections
from mining_platform.clouds.rules import cloud_rule
from mining_platform.compositing.recipes import MosaicRecipe, mosaic_recipe
from mining_platform.regions import Region, required_scenes
from mining_platform.sources.earth_engine_api.expressions import can_express, expressible_recipes
from mining_platform.sources.earth_engine_api.requests import list_images
from mining_platform.sources.earth_engine_api.session import EarthEngineError
from mining_platform.sources.protocol import SourceError, refusal

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
    """Ids of scenes without a joined layer, or without a band that the region's mosaics have."""


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
    """Earth Engine's names of the region's collection, then of those its recipe joins; SourceError where it has none."""
    return [*_own(region, year), *(JOINED_COLLECTIONS[layer] for layer in joined_layers(region))]


def list_year(region: Region, year: int) -> Listing:
    """Images that touch the outline, from metadata alone; SourceError where there are none."""
    own = _own(region, year)
    check_recipe(region, year, mosaic_recipe(required_scenes(region).recipe))
    with told(region, year):
        whole = [image for collection in own for image in touching_images(region, collection, (year, year + 1))]
        having = {index_of(image) for image in whole if _has_bands(region, image)}
        for layer in joined_layers(region):
            joined = _images(region, JOINED_COLLECTIONS[layer], (year, year + 1), ids_only=True)
            having &= {index_of(image) for image in joined}
    if not having:
        without = f", or none of {len(whole)} has {', '.join(_may_lack(region))}" if whole else ""
        remedy = f"Ask for another year: {', '.join(map(str, region.years))} are declared."
        raise refuse(region, year, f"no scene touches the outline in that year{without}", remedy)
    images = sorted((image for image in whole if index_of(image) in having), key=index_of)
    return Listing(images, sorted({index_of(image) for image in whole} - having))


def joined_layers(region: Region) -> list[str]:
    """Layers that the region's recipe needs from collections of their own."""
    rule = cloud_rule(mosaic_recipe(required_scenes(region).recipe).clouds)
    return [layer for layer in rule.layers if layer in JOINED_COLLECTIONS]


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


def _own(region: Region, year: int) -> list[str]:
    """Earth Engine's names of the region's collection; SourceError where it has none."""
    collection = scene_collections.collection(required_scenes(region).collection)
    if not collection.earth_engine:
        known = ", ".join(row.id for row in scene_collections.COLLECTIONS.values() if row.earth_engine)
        raise refuse(region, year, "the collection is not read from Earth Engine", f"Use another source, or one of: {known}.")
    return list(collection.earth_engine)


def _may_lack(region: Region) -> list[str]:
    """What scenes may be without: joined layers, and bands that products of some level do not have."""
    lacked = frozenset[str]().union(*scene_collections.LACKED_BANDS.values())
    return [*joined_layers(region), *(channel for channel in required_scenes(region).channels if channel in lacked)]


def _has_bands(region: Region, image: dict[str, Any]) -> bool:
    """Whether the bands of the region's mosaics hold anything: Landsat's temperature is there and empty where it lacks."""
    level = str(image.get("properties", {}).get("PROCESSING_LEVEL"))
    return scene_collections.has_bands(level, required_scenes(region).channels)


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
