"""Picks what reads a region's radar, height or OpenStreetMap context; the module keeps `BesideSource` itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odc.geo.geobox import GeoBox

from mining_platform.regions import Beside, Region
from mining_platform.sources import elevation_layer, openstreetmap, radar_layer
from mining_platform.sources.protocol import Cost, LayerReading, refusal


@dataclass(frozen=True)
class Reader:
    """What a layer is read by; each as the function of BesideSource says."""

    fingerprint: Callable[[Region, int], dict[str, Any]]
    open: Callable[[Region, int, Sequence[str]], LayerReading]
    costs: Callable[[Region, int, Sequence[GeoBox]], list[Cost]]


READERS: Mapping[str, Reader] = {
    "radar": Reader(radar_layer.fingerprint_radar, radar_layer.open_radar_layer, radar_layer.costs_radar),
    "elevation": Reader(
        elevation_layer.fingerprint_elevation, elevation_layer.open_elevation_layer, elevation_layer.costs_elevation
    ),
    "osm_context": Reader(openstreetmap.fingerprint_context, openstreetmap.open_context, openstreetmap.costs_context),
}
"""By layer, one of regions.LAYERS_BESIDE."""


def declared(layer: str, region: Region, year: int) -> Beside:
    """Where a region's layer comes from; SourceError where it has none."""
    if layer not in region.beside:
        raise refusal(region, year, "none", f"the region has no {layer}", f"Name a source of {layer} in the region file.")
    return region.beside[layer]


def fingerprint(layer: str, region: Region, year: int) -> dict[str, Any]:
    """See BesideSource."""
    declared(layer, region, year)
    return READERS[layer].fingerprint(region, year)


def open_layer(layer: str, region: Region, year: int, channels: Sequence[str]) -> LayerReading:
    """See BesideSource."""
    declared(layer, region, year)
    return READERS[layer].open(region, year, channels)


def costs(layer: str, region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
    """See BesideSource."""
    declared(layer, region, year)
    return READERS[layer].costs(region, year, geoboxes)
