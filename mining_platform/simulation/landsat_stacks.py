"""Images of mining sites as the site dataset has them: Landsat's bands 1 to 7 in the Thematic Mapper's order, cloud as band 8.

Large sites are several images side by side, `SITE_1`, `SITE_2`, which a split must keep together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from mining_platform.bands import LANDSAT_KELVIN_OFFSET, LANDSAT_KELVIN_SCALE, LANDSAT_OFFSET, LANDSAT_SCALE
from mining_platform.ingest.cloud_stacks import CLOUD, ORDERS
from mining_platform.simulation.landsat_scenes import CLOUD as CLOUD_BIT
from mining_platform.simulation.landsat_scenes import PIXEL_M, LandsatScene
from mining_platform.simulation.mine_sites import MineSite
from mining_platform.simulation.rasters import marked

ROLES = ORDERS["landsat-4-7"]
SIDE_PX = 128
MOST_TILES = 2
"""Images of a site at most."""
_CANVAS_PX = PIXEL_M // 10


@dataclass(frozen=True)
class SiteWindow:
    """Where an image of a site lies on the products' grid."""

    name: str
    """Base name of the site and a number: `GROTA_DA_ONCA_SERRA_1`."""
    rows: slice
    columns: slice


def site_windows(sites: Sequence[MineSite], shape: tuple[int, int]) -> tuple[SiteWindow, ...]:
    """Images of SIDE_PX (less where the products are smaller) over each site, side by side along its longer side."""
    side, windows = min(SIDE_PX, *shape), []
    for site in sites:
        west, north, east, south = (value / _CANVAS_PX for value in site.outlines[max(site.outlines)].bounds)
        across = east - west >= south - north
        count = min(MOST_TILES, max(1, math.ceil(max(east - west, south - north) / side)))
        for number in range(count):
            step = side * (number - (count - 1) / 2)
            row, column = (north + south) / 2 + (0 if across else step), (west + east) / 2 + (step if across else 0)
            rows, columns = (_around(middle, side, size) for middle, size in ((row, shape[0]), (column, shape[1])))
            windows.append(SiteWindow(f"{site.base}_{number + 1}", rows, columns))
    return tuple(windows)


def _around(middle: float, side: int, size: int) -> slice:
    start = min(max(round(middle - side / 2), 0), size - side)
    return slice(start, start + side)


def write_stack(path: Path, scene: LandsatScene, grid: GeoBox, window: SiteWindow) -> None:
    """Write bands 1 to 8 of a window, uint16, with the roles as descriptions and Collection 2's scales and offsets."""
    cut = window.rows, window.columns
    layers = [(scene.temperature if role == "thermal" else scene.reflectance[role])[cut] for role in ROLES]
    cloud = ((scene.quality[cut] >> np.uint16(CLOUD_BIT)) & 1).astype(np.uint16)
    profile = {
        "driver": "GTiff",
        "height": cloud.shape[0],
        "width": cloud.shape[1],
        "count": len(ROLES) + 1,
        "dtype": "uint16",
        "crs": str(grid.crs),
        "transform": grid.affine * Affine.translation(window.columns.start, window.rows.start),
        "compress": "DEFLATE",
        "predictor": 2,
    }
    reflects = [role != "thermal" for role in ROLES]
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.stack([*layers, cloud]))
        target.descriptions = (*ROLES, CLOUD)
        target.scales = (*(LANDSAT_SCALE if each else LANDSAT_KELVIN_SCALE for each in reflects), 1.0)
        target.offsets = (*(LANDSAT_OFFSET if each else LANDSAT_KELVIN_OFFSET for each in reflects), 0.0)
        target.update_tags(**marked(f"{window.name}, {path.stem}; no real ground"))
