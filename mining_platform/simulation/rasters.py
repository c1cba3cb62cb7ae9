"""Writing of cloud-optimised GeoTIFFs whose bytes depend on their content alone, each marked SIMULATED."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mining_platform.labels.mapbiomas import LEGEND

MARK = "SIMULATED"
MAPBIOMAS_STEP_DEG = 0.00026949458523585647
"""Pixel of the public MapBiomas rasters in degrees (EPSG:4326); corners are whole multiples of it."""


def write_cog(
    path: Path,
    values: NDArray[np.uint8] | NDArray[np.uint16],
    grid: GeoBox,
    *,
    description: str,
    block_px: int = 512,
    colours: dict[int, tuple[int, int, int]] | None = None,
    overviews: bool = False,
) -> None:
    """Write (y, x) integers as a COG with nodata 0; `description` goes into the TIFF's own tag.

    Overviews (nearest) are a third of a file's bytes and most of the time to write it, so scenes, which are read at
    full resolution only, go without. ZSTD decodes at several times the speed of deflate at equal size.
    """
    profile = {
        "driver": "COG",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype.name,
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": 0,
        "compress": "DEFLATE" if overviews else "ZSTD",
        "level": 6 if overviews else 1,
        "predictor": "STANDARD" if values.dtype == np.uint16 else "NO",
        "blocksize": block_px,
        "overviews": "AUTO" if overviews else "NONE",
        "overview_resampling": "NEAREST",
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values, 1)
        target.update_tags(**marked(description))
        if colours is not None:
            target.write_colormap(1, colours)


def marked(description: str) -> dict[str, str]:
    """Tags that say what a file shows, and that it is SIMULATED."""
    return {"TIFFTAG_IMAGEDESCRIPTION": f"{MARK}: {description}", "simulated": "true"}


def write_plain_cog(
    path: Path,
    values: NDArray[np.float32] | NDArray[np.uint16],
    grid: GeoBox,
    *,
    nodata: float,
    tags: Mapping[str, str],
    unit: str = "",
) -> None:
    """Write (y, x) values as a COG without overviews; `tags` are those of `marked` and others, `unit` is of the values."""
    profile = {
        "driver": "COG",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype.name,
        "crs": str(grid.crs),
        "transform": grid.affine,
        "nodata": nodata,
        "compress": "ZSTD",
        "level": 1,
        "predictor": "FLOATING_POINT" if values.dtype == np.float32 else "STANDARD",
        "blocksize": 512,
        "overviews": "NONE",
    }
    with rasterio.open(path, "w", **profile) as target:
        target.write(values, 1)
        target.update_tags(**tags)
        if unit:
            target.units = (unit,)


def mapbiomas_lattice(bounds_deg: tuple[float, float, float, float]) -> GeoBox:
    """Native MapBiomas pixels (EPSG:4326) that cover west, south, east, north in degrees."""
    west, south, east, north = bounds_deg
    step = MAPBIOMAS_STEP_DEG
    left, right = math.floor(west / step), math.ceil(east / step)
    bottom, top = math.floor(south / step), math.ceil(north / step)
    affine = Affine(step, 0, left * step, 0, -step, top * step)
    return GeoBox((top - bottom, right - left), affine, CRS("EPSG:4326"))


def legend_colours() -> dict[int, tuple[int, int, int]]:
    """Colour table of the MapBiomas legend by class code."""
    return {code: row.rgb for code, row in LEGEND.items()}
