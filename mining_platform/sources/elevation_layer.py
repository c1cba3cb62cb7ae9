"""Height and slope of whatever source a region names: files listed once, channels computed part by part."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.regions import Region
from mining_platform.sources import archive_elevation, earth_engine_elevation, stac_elevation
from mining_platform.sources.nearby import count_near
from mining_platform.sources.protocol import Cost, ElevationSource, LayerReading, refusal
from mining_platform.sources.stac_metadata.layers import declared_layer
from mining_platform.terrain import FILE_MARGIN_M, check_channels, files_near, read_around, terrain_on_grid

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


def costs_elevation(region: Region, year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
    """See BesideSource; the files are listed where reading them takes something."""
    source, read = elevation_source(region, year), [read_around(geobox) for geobox in geoboxes]
    if all(source.cost_elevation(region, 1, each) == Cost() for each in read):
        return [Cost()] * len(read)
    counts = count_near([file.footprint for file in source.list_elevation(region, year)], read, FILE_MARGIN_M)
    return [source.cost_elevation(region, count, each) for count, each in zip(counts, read, strict=True)]
