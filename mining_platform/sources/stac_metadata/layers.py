"""Items of the layers beside a region's scenes, radar and height, found as those of scenes are."""

from collections.abc import Iterator
from dataclasses import replace

from mining_platform.regions import Beside, Region, Scenes, expand, required_scenes
from mining_platform.sources.protocol import refusal
from mining_platform.sources.remote.network import checked_url, is_url
from mining_platform.sources.stac_metadata import apis, catalogues
from mining_platform.sources.stac_metadata.item_fields import FoundItem

PROVIDER = "planetary-computer"
"""The public API that has both layers, unless the region names another place; and whose asset names are read."""


def declared_layer(region: Region, layer: str, year: int | None) -> Beside:
    """Where a region's layer comes from; SourceError where it has none."""
    if layer not in region.beside:
        raise refusal(region, year, "none", f"the region has no {layer}", f"Name a source of {layer} in the region file.")
    return region.beside[layer]


def layer_region(region: Region, layer: str, year: int | None) -> Region:
    """The region with a layer in place of its scenes, for what reads catalogues, folders and collections of scenes.

    `year` fills the placeholder of the layer's place. SourceError where the region has no such layer.
    """
    beside = declared_layer(region, layer, year)
    places = {beside.source: beside.href if year is None else beside.place_of(year)} if beside.href else {}
    return replace(region, scenes=Scenes(beside.source, beside.collection, PROVIDER, "", places, beside.simulated))


def is_service(asked: Region) -> bool:
    """Whether a `layer_region` is read over the network."""
    return is_url(expand(required_scenes(asked).href))


def layer_items(region: Region, year: int | None) -> Iterator[FoundItem]:
    """Items of a `layer_region`'s collection, of an API or a static catalogue; SourceError as their modules say."""
    source = apis if is_service(region) else catalogues
    return source.found_items(region, year)


def local_or_remote(region: Region, year: int | None, place: str) -> str:
    """A place that an item told, as a file's path or an https address that may be reached; NetworkError for another address."""
    return checked_url(place) if is_url(place) else str(catalogues.file_of_place(region, year, place))


def remedy_of(region: Region, place: str) -> str:
    """What to do about a raster that is listed and cannot be read."""
    return (apis if is_url(place) else catalogues).remedy(region)
