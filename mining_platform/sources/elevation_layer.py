"""Height and slope of whatever source a region names: files listed once, channels computed part by part."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.sources import archive_elevation, earth_engine_elevation, stac_elevation
from mining_platform.sources.protocol import ElevationSource, LayerReading, refusal
from mining_platform.sources.stac_metadata.layers import declared_layer
from mining_platform.terrain import check_channels, files_near, terrain_on_grid

LAYER, THREADS = "elevation", 4
ELEVATIONS: Mapping[str, ElevationSource] = {
    "stac": stac_elevation,
    "earth_engine": earth_engine_elevation,
    "archive": archive_elevation,
}


def elevation_source(region: Region, year: int) -> ElevationSource:
    """The source of a region's surface model; SourceError where the region has none or names an unknown one."""
    source = declared_layer(region, LAYER, year).source
    if source not in ELEVATIONS:
        raise refusal(region, year, source, "no such source of elevation", f"Use one of: {', '.join(ELEVATIONS)}.")
    return ELEVATIONS[source]


def fingerprint_elevation(region: Region, year: int) -> dict[str, Any]:
    """See BesideSource."""
    return elevation_source(region, year).fingerprint_elevation(region, year)


def open_elevation_layer(region: Region, year: int, channels: Sequence[str]) -> LayerReading:
    """Channels `DEM` in metres and `SLOPE` in degrees over a region's grid, see BesideSource; KeyError for another channel."""
    check_channels(channels)
    source = elevation_source(region, year)
    files = source.list_elevation(region, year)

    def read(box: GeoBox) -> NDArray[np.float32]:
        near = files_near(files, box)
        return source.open_elevation(region, year, near, box) if near else np.full(box.shape, np.nan, np.float32)

    def compute(part: GeoBox) -> NDArray[np.floating]:
        return terrain_on_grid(channels, read, part)

    beside = region.beside[LAYER]
    facts = {"collection": beside.collection, "files": [file.file_id for file in files], "unit": "m", "resampling": "bilinear"}
    return LayerReading(compute, facts, beside.simulated, THREADS)
