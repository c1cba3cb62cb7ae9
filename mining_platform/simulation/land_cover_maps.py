"""Simulated land-cover maps on disk, on the pixels and in the colours of MapBiomas."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform.regions import Region
from mining_platform.simulation import rasters
from mining_platform.simulation.landscape import MARGIN_DEG


def write_land_cover(path: Path, classes: NDArray[np.uint8], canvas: GeoBox, region: Region, year: int) -> None:
    """Write the class map sampled at the centres of native MapBiomas pixels over the region's bounds and a margin."""
    margin = 0.9 * MARGIN_DEG
    west, south, east, north = region.geometry.bounds
    grid = rasters.mapbiomas_lattice((west - margin, south - margin, east + margin, north + margin))
    to_canvas = Transformer.from_crs(4326, region.epsg, always_xy=True)
    lat, lon = (axis.values for axis in grid.coordinates.values())
    x, y = to_canvas.transform(*np.meshgrid(lon, lat))
    column = np.floor((x - canvas.affine.c) / canvas.affine.a).astype(np.int64)
    row = np.floor((y - canvas.affine.f) / canvas.affine.e).astype(np.int64)
    values = classes[np.clip(row, 0, classes.shape[0] - 1), np.clip(column, 0, classes.shape[1] - 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"land cover of {region.id} in {year}, MapBiomas legend; no real ground"
    colours = rasters.legend_colours()
    rasters.write_cog(path, values, grid, description=text, block_px=256, colours=colours, overviews=True)
