"""Small class rasters with known ground, and a dataset row over them, for tests of candidates and samples."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer

from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.grids import WindowGrid
from mining_platform.window_filters import WindowFilter

NATIVE_DEG = 0.00026949458523585647  # the step of the MapBiomas rasters


def small_row(**changes: Any) -> Dataset:
    """A dataset of aligned 48 px windows that keeps ten without mining."""
    plain = {"px": 48, "window_filter": WindowFilter(min_valid_share=1.0), "zero_candidates": 10, "sliding_px": 0}
    return replace(DATASETS["sim_ranges"], **{**plain, **changes})


def write_map(path: Path, classes: np.ndarray, transform: Affine, crs: str | None, nodata: float | None = None) -> Path:
    """A GeoTIFF of class codes (y, x)."""
    profile = {"driver": "GTiff", "height": classes.shape[0], "width": classes.shape[1], "count": 1, "dtype": classes.dtype}
    with rasterio.open(path, "w", **profile, crs=crs, transform=transform, nodata=nodata) as raster:
        raster.write(classes, 1)
    return path


def metre_map(path: Path, classes: np.ndarray, left_m: float, top_m: float, pixel_m: float = 10, epsg: int = 32722) -> Path:
    """A map in metres from its upper left corner."""
    return write_map(path, classes, Affine(pixel_m, 0, left_m, 0, -pixel_m, top_m), f"EPSG:{epsg}")


def degree_map(path: Path, lon: float, lat: float, classes: np.ndarray) -> Path:
    """A map on the MapBiomas step whose middle is near a point."""
    west, north = lon - classes.shape[1] / 2 * NATIVE_DEG, lat + classes.shape[0] / 2 * NATIVE_DEG
    return write_map(path, classes, Affine(NATIVE_DEG, 0, west, 0, -NATIVE_DEG, north), "EPSG:4326")


def grid_around(lon: float, lat: float, epsg: int, px: int = 48, reach: int = 4) -> WindowGrid:
    """2 x reach windows a side around a point."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    size = px * 10
    return WindowGrid(epsg, px, (int(x) // size - reach) * size, (int(y) // size + reach) * size, 2 * reach, 2 * reach)
