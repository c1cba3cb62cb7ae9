"""Surface models of STAC: the Planetary Computer's `cop-dem-glo-30` over https, and static catalogues of such items on disk.

https://planetarycomputer.microsoft.com/dataset/cop-dem-glo-30: Copernicus DEM GLO-30, tiles of a degree, asset `data`, float32
metres above the geoid EGM2008 (Copernicus DEM Product Handbook, version 4). Over the sea there are no tiles: voids.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from mining_platform import bands
from mining_platform.context import degrees_around
from mining_platform.regions import Region
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.sources.rasters import RasterError
from mining_platform.sources.remote.costs import cost_of_values
from mining_platform.sources.remote.network import NetworkError
from mining_platform.sources.stac_metadata.declared_source import refuse
from mining_platform.sources.stac_metadata.item_assets import places_of_item
from mining_platform.sources.stac_metadata.item_fields import footprint_of_item
from mining_platform.sources.stac_metadata.layers import (
    PROVIDER,
    declared_layer,
    is_service,
    layer_items,
    layer_region,
    local_or_remote,
    remedy_of,
)
from mining_platform.sources.value_rasters import elevation_of
from mining_platform.terrain import FILE_MARGIN_M, HEIGHT, ElevationFile

LAYER = "elevation"
FINEST_M = 16
"""Narrowest pixels of GLO-30: 3 seconds of arc at 80 degrees of latitude, 5 at 84 (Product Handbook, table of spacings)."""


def list_elevation(region: Region, year: int) -> list[ElevationFile]:
    """See ElevationSource."""
    return [file for file, _ in _found(region, year)]


def fingerprint_elevation(region: Region, year: int) -> dict[str, Any]:
    """See ElevationSource: `blake3` is over what identifies the items."""
    found = _found(region, year)
    hasher = blake3()
    for _, identity in found:
        hasher.update(identity)
    return {**declared_layer(region, LAYER, year).identity, "items": len(found), "blake3": hasher.hexdigest()}


def open_elevation(region: Region, year: int, files: Sequence[ElevationFile], geobox: GeoBox) -> NDArray[np.float32]:
    """See ElevationSource."""
    asked, names = layer_region(region, LAYER, year), ", ".join(file.file_id for file in files)
    try:
        places = [local_or_remote(asked, year, file.place) for file in files]
        return elevation_of(places, geobox, in_metres=True)
    except (RasterError, NetworkError) as error:
        problem = f"one of the surface models {names} {str(error).rstrip('.')}"
        raise refuse(asked, year, problem, remedy_of(asked, files[0].place)) from None


def cost_elevation(region: Region, files: int, geobox: GeoBox) -> Cost:
    """See ElevationSource; nothing for a catalogue on disk."""
    return cost_of_values(geobox, FINEST_M) * files if is_service(layer_region(region, LAYER, None)) else Cost()


def around_the_grid(region: Region) -> Region:
    """The region with the rectangle of its grid for an outline: heights are wanted in its corners too."""
    return replace(region, geometry=box(*degrees_around(region.geobox, FILE_MARGIN_M)))


def none_found(asked: Region, year: int) -> SourceError:
    """The error of a region without surface models."""
    return refuse(asked, year, "no surface model touches the region's grid", "Name another place, or the source archive.")


def _found(region: Region, year: int) -> list[tuple[ElevationFile, bytes]]:
    """Files that touch the grid, and what identifies their items, by id; of whatever time: heights are not yearly."""
    asked = around_the_grid(layer_region(region, LAYER, year))
    names = {HEIGHT: bands.BANDS[HEIGHT].providers[PROVIDER]}
    found = []
    for each in layer_items(asked, None):
        footprint = footprint_of_item(asked, each.item, year)
        if footprint.intersects(asked.geometry):
            place = places_of_item(asked, each, names, year)[HEIGHT]
            found.append((ElevationFile(str(each.item.get("id")), place, footprint), each.identity()))
    if not found:
        raise none_found(asked, year)
    return sorted(found, key=lambda row: row[0].file_id)
