"""Height and slope as channels: surface models in metres on a grid, and how steep they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import CRS
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from mining_platform.context import degrees_around
from mining_platform.value_resampling import values_on_grid

HEIGHT, SLOPE = "DEM", "SLOPE"
LOWEST_M, HIGHEST_M = -1_000.0, 9_000.0
"""What lies outside is no height: the Dead Sea's shore is at -430 m, Everest at 8,849 m, and files write voids as -32,768."""
FILE_MARGIN_M = 500
"""Files whose outline is further from a grid than this are not read: further than slopes and bilinear means look."""
METRES = ("m", "metre", "metres", "meter", "meters")
FEET = ("ft", "foot", "feet", "us survey foot", "us-ft", "ftus")
_REMEDY = "Write it into the file with gdal_edit.py -mo unit=m, or use the collection cop-dem-glo-30"


class TerrainError(ValueError):
    """A surface model cannot be taken for metres; the message says what it tells and how to mend it."""


@dataclass(frozen=True)
class ElevationFile:
    """One file or tile of a surface model as a source lists it."""

    file_id: str
    place: str
    """As the source reads it."""
    footprint: BaseGeometry
    """EPSG:4326."""


def elevation_on_grid(files: Sequence[rasterio.DatasetReader], geobox: GeoBox) -> NDArray[np.float32]:
    """Heights of opened surface models on a grid: (y, x) float32 metres, bilinear, NaN for voids; the first with data counts.

    Tiles of one lattice are one model without seams. Reprojects from any CRS, EPSG:4326 among them; heights keep their own
    datum. ValueError as `value_resampling.values_on_grid`; units are `check_metres`'s.
    """
    return values_on_grid(files, geobox, convert=_heights)


def _heights(native: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.where((native > LOWEST_M) & (native < HIGHEST_M), native, np.nan)


def slope_on_grid(elevation: NDArray[np.floating], pixel_m: float) -> NDArray[np.float32]:
    """Steepest slope in degrees, 0 to 90: heights (y + 2, x + 2) in metres -> (y, x) float32, one pixel of margin on each side.

    Horn 1981, Proceedings of the IEEE 69:14-47: differences over the eight neighbours, the nearest weighing twice. NaN where one
    of them or the pixel itself is void. ValueError for heights without room for a margin.
    """
    if min(elevation.shape) < 3:  # noqa: PLR2004 - a pixel and its neighbours
        raise ValueError(f"Heights of {elevation.shape} pixels have no inner pixel. Read one pixel more on each side.")
    z = elevation.astype(np.float64)
    west, east = (z[:-2, side] + 2 * z[1:-1, side] + z[2:, side] for side in (slice(None, -2), slice(2, None)))
    north, south = (z[side, :-2] + 2 * z[side, 1:-1] + z[side, 2:] for side in (slice(None, -2), slice(2, None)))
    rise = np.hypot(east - west, north - south) / (8 * pixel_m)
    return np.where(np.isnan(z[1:-1, 1:-1]), np.nan, np.degrees(np.arctan(rise))).astype(np.float32)


def terrain_on_grid(
    channels: Sequence[str], read: Callable[[GeoBox], NDArray[np.float32]], geobox: GeoBox
) -> NDArray[np.float32]:
    """Channels HEIGHT and SLOPE on a grid: (channel, y, x) float32; `read` gives heights of any grid, NaN for voids.

    Reads one pixel around the grid, so that grids side by side are those of one grid around both. KeyError for another channel.
    """
    check_channels(channels)
    around = read(read_around(geobox))
    height = around[1:-1, 1:-1]
    return np.stack([height if channel == HEIGHT else slope_on_grid(around, geobox.affine.a) for channel in channels])


def read_around(geobox: GeoBox) -> GeoBox:
    """The grid that is read for a grid: one pixel more on each side, which slopes need."""
    return geobox.pad(1)


def check_channels(channels: Sequence[str]) -> None:
    """KeyError naming channels that are not made of a surface model."""
    others = [channel for channel in channels if channel not in (HEIGHT, SLOPE)]
    if others:
        raise KeyError(f"Channels {others} are none of a surface model; those are {HEIGHT} and {SLOPE}. Ask their own source.")


def files_near(files: Sequence[ElevationFile], geobox: GeoBox) -> list[ElevationFile]:
    """Those of the files that a grid may need, in their order."""
    around = box(*degrees_around(geobox, FILE_MARGIN_M))
    return [file for file in files if file.footprint.intersects(around)]


def check_metres(source: rasterio.DatasetReader, *, known: bool) -> None:
    """TerrainError where a surface model is in feet or another unit, or tells none; `known`: its collection is in metres.

    The unit is that of the band, else of the tag `unit`, else of the vertical axis of a compound CRS.
    """
    told = source.units[0] or source.tags(1).get("unit") or source.tags().get("unit") or _vertical_unit(source) or ""
    name = told.strip().lower()
    if name in METRES or (known and not name):
        return
    if not name:
        raise TerrainError(f"tells no unit of its heights, and feet are not told from metres by their numbers. {_REMEDY}")
    if name in FEET:
        advice = 'Turn it into metres with gdal_calc.py -A dem.tif --calc="A*0.3048", then write it with gdal_edit.py -mo unit=m'
        raise TerrainError(f"has its heights in feet ({told!r}), where channels are in metres. {advice}")
    raise TerrainError(f"has its heights in {told!r}, where channels are in metres. {_REMEDY}")


def _vertical_unit(source: rasterio.DatasetReader) -> str:
    axes = CRS.from_wkt(source.crs.to_wkt()).axis_info if source.crs else []
    return next((axis.unit_name for axis in axes if axis.direction == "up"), "")
