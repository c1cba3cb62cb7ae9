"""Picks what reads a region's radar, height or OpenStreetMap context; the module keeps `BesideSource` itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mining_platform.regions import Beside, Region
from mining_platform.sources import elevation_layer, openstreetmap, radar_layer
from mining_platform.sources.protocol import LayerReading, refusal

Fingerprint = Callable[[Region, int], dict[str, Any]]
Open = Callable[[Region, int, Sequence[str]], LayerReading]
READERS: Mapping[str, tuple[Fingerprint, Open]] = {
    "radar": (radar_layer.fingerprint_radar, radar_layer.open_radar_layer),
    "elevation": (elevation_layer.fingerprint_elevation, elevation_layer.open_elevation_layer),
    "osm_context": (openstreetmap.fingerprint_context, openstreetmap.open_context),
}
"""Layer -> what tells its content, and what reads it."""


def declared(layer: str, region: Region, year: int) -> Beside:
    """Where a region's layer comes from; SourceError where it has none."""
    if layer not in region.beside:
        raise refusal(region, year, "none", f"the region has no {layer}", f"Name a source of {layer} in the region file.")
    return region.beside[layer]


def fingerprint(layer: str, region: Region, year: int) -> dict[str, Any]:
    """See BesideSource."""
    declared(layer, region, year)
    return READERS[layer][0](region, year)


def open_layer(layer: str, region: Region, year: int, channels: Sequence[str]) -> LayerReading:
    """See BesideSource."""
    declared(layer, region, year)
    return READERS[layer][1](region, year, channels)
