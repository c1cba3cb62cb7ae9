"""Tables of class shares for anyone's raster: which windows, in which CRS, and the file they are written to."""

import math
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from rasterio.io import DatasetReader
from rasterio.warp import transform, transform_bounds

from mining_platform.grids import PIXEL_M, WindowGrid, lattice_geobox, utm_epsg, window_grid
from mining_platform.pixel_areas import inverse_areal_scale
from mining_platform.proportions import iter_shares
from mining_platform.ranges import RANGES, range_of
from mining_platform.raster_files import opened_raster_file
from mining_platform.shares.class_rasters import ClassRaster, ClassRasterError, opened_classes

TABLE_COLUMNS = (
    *("window_id", "share", "class_area_m2", "valid_area_m2", "class_px", "valid_px"),
    *("minx", "miny", "maxx", "maxy", "crs", "valid_share"),
)
"""Columns of the written table: shares as `iter_shares` gives them, bounds in metres of `crs` (`EPSG:<code>`)."""
BOUNDS_POINTS = 101  # points a side at which a raster is projected
SAME_PLACE_PX = 0.1
SCALE_POINTS = 5  # points a side at which the areal scale of a grid is looked at
NEARLY_EQUAL = 0.005  # of a square's size; within 3 degrees of a UTM zone's middle it is less than half of that


class OutputError(ValueError):
    """A table that cannot be written; the message says why."""


@dataclass
class Tally:
    """What was found in all windows."""

    windows: int = 0
    with_class: int = 0
    class_px: int = 0
    valid_px: int = 0
    class_area_m2: float = 0.0
    partly_valid: int = 0
    """Windows with a class for some but not all of their ground."""
    without_class: int = 0
    """Windows without any ground that has a class."""
    by_range: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(RANGES), np.int64))
    """Windows with valid ground, by range."""

    def add(self, table: pd.DataFrame) -> None:
        """Count a table's windows."""
        valid = table["valid_area_m2"] > 0
        ranges = pd.Series(range_of(table.loc[valid, "share"].to_numpy()), dtype="str").value_counts()
        self.windows += len(table)
        self.with_class += int((table["share"] > 0).sum())
        self.class_px += int(table["class_px"].sum())
        self.valid_px += int(table["valid_px"].sum())
        self.class_area_m2 += float(table["class_area_m2"].sum())
        self.partly_valid += int((valid & (table["valid_share"] < 1)).sum())
        self.without_class += int((~valid).sum())
        self.by_range += np.array([int(ranges.get(name, 0)) for name in RANGES])

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers, JSON-able."""
        told = {name: value for name, value in vars(self).items() if name != "by_range"}
        return {**told, "windows_by_range": dict(zip(RANGES, self.by_range.tolist(), strict=True))}


def grid_over(raster: Path, codes: Collection[int], band: int, window_m: float, crs: str) -> tuple[WindowGrid, list[str]]:
    """Windows that cover a raster, and what a person should know about them.

    Windows lie side by side from the origin of `crs`, else of the raster's own CRS where that is in metres and has an EPSG
    code, else of the UTM zone (WGS 84) of its middle. ClassRasterError for a window that is no multiple of 10 m or larger
    than the raster, and a `crs` that is not a projected one in metres with an EPSG code.
    """
    if window_m <= 0 or window_m % PIXEL_M:
        raise ClassRasterError(
            f"Windows of {window_m:g} m are no whole number of {PIXEL_M} m pixels. Choose a multiple, such as 1280."
        )
    with opened_classes(raster, codes, band=band) as opened:
        source = opened.source
        bounds, own = source.bounds, opened.crs
        epsg = _metric_epsg(crs) if crs else _own_epsg(own) or utm_epsg(*_middle_deg(source))
        if not _is_one_to_one(opened, epsg):
            raise ClassRasterError(
                f"{raster} cannot be projected into EPSG:{epsg} without loss. Choose a CRS of its place with --crs, or cut it."
            )
        covered = transform_bounds(source.crs, f"EPSG:{epsg}", *bounds, densify_pts=BOUNDS_POINTS)
    height, width = covered[3] - covered[1], covered[2] - covered[0]
    if window_m > min(height, width):
        raise ClassRasterError(
            f"Windows of {window_m:g} m are larger than the raster, {width:.0f} m x {height:.0f} m. Choose smaller ones."
        )
    size = int(window_m)
    west, south = (math.floor(side / size) * size for side in covered[:2])
    east, north = (math.ceil(side / size) * size for side in covered[2:])
    grid = window_grid(lattice_geobox(west, south, east, north, epsg), size // PIXEL_M)
    return grid, _notes(epsg, covered)


def _is_one_to_one(raster: ClassRaster, epsg: int) -> bool:
    """Whether pixels all over the raster come back to their place from a CRS: on a globe, or beyond a pole, not all do."""
    sizes = raster.source.width, raster.source.height
    columns, rows = np.meshgrid(*(np.linspace(0.5, size - 0.5, BOUNDS_POINTS) for size in sizes))
    there = Transformer.from_crs(raster.crs, epsg, always_xy=True)
    x, y = there.transform(*(raster.source.transform * (columns, rows)))
    with np.errstate(invalid="ignore"):  # infinite where there is no place
        found = raster.pixels_at(*there.transform(x, y, direction="INVERSE"))
        return bool((np.abs(np.subtract(found, (columns, rows))) < SAME_PLACE_PX).all())


def _middle_deg(source: DatasetReader) -> tuple[float, float]:
    """Longitude, from -180 to 180, and latitude of the middle of a raster."""
    x, y = source.xy(source.height / 2, source.width / 2, offset="ul")
    (lon,), (lat,) = transform(source.crs, "EPSG:4326", [x], [y])
    return (lon + 180) % 360 - 180, lat


def _own_epsg(crs: CRS) -> int | None:
    code = crs.to_epsg() if crs.is_projected and crs.axis_info[0].unit_conversion_factor == 1 else None
    return int(code) if code else None


def _metric_epsg(text: str) -> int:
    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        raise ClassRasterError(f"{text!r} is no CRS. Write a projected one in metres, such as EPSG:32721.") from None
    if (code := _own_epsg(crs)) is None:
        raise ClassRasterError(f"{text} is not a projected CRS in metres with an EPSG code. Write one such as EPSG:32721.")
    return code


def _notes(epsg: int, covered: tuple[float, ...]) -> list[str]:
    """What squares of the grid are on the ground, where that is not nearly their size; `covered` are bounds on the grid."""
    x, y = np.meshgrid(np.linspace(covered[0], covered[2], SCALE_POINTS), np.linspace(covered[1], covered[3], SCALE_POINTS))
    on_ground = inverse_areal_scale(CRS.from_epsg(epsg))(x.ravel(), y.ravel())
    low, high = float(on_ground.min()), float(on_ground.max())
    if max(1 - low, high - 1) <= NEARLY_EQUAL:
        return []
    return [
        f"Squares of EPSG:{epsg} cover {low:.1%} to {high:.1%} of their size on the ground here (areas and shares stay exact). "
        "Name a CRS nearer to the raster with --crs, or cut the raster by UTM zone, where equal windows matter."
    ]


def write_shares(
    raster: Path,
    grid: WindowGrid,
    codes: Collection[int],
    out: Path,
    *,
    band: int,
    no_class: Collection[int],
    progress: Callable[[float], None] = lambda _share: None,
) -> Tally:
    """Write the table of all windows, Parquet, or CSV by the name's end; returns what was found. Columns: TABLE_COLUMNS.

    The file appears whole or not at all. Raises as `iter_shares`; OutputError where the file cannot be written.
    """
    tally, beside = Tally(), out.with_name(f".{out.name}.{os.getpid()}.new")
    tables = iter_shares(raster, grid, codes, band=band, no_class=no_class)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for table in _written(tables, beside, grid.epsg, is_csv=out.suffix.lower() == ".csv"):
            tally.add(table)
            progress(tally.windows / (grid.rows * grid.columns))
        beside.replace(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}. Name another place or make room.") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return tally


def _written(tables: Iterator[pd.DataFrame], path: Path, epsg: int, *, is_csv: bool) -> Iterator[pd.DataFrame]:
    """Append each table to a file, and hand it on."""
    writer: pq.ParquetWriter | None = None
    try:
        for number, table in enumerate(tables):
            shown = table.assign(crs=f"EPSG:{epsg}")[list(TABLE_COLUMNS)]
            if is_csv:
                shown.to_csv(path, mode="a", index=False, header=number == 0)
            else:
                content = pa.Table.from_pandas(shown, preserve_index=False)
                writer = writer or pq.ParquetWriter(path, content.schema, compression="zstd")
                writer.write_table(content)
            yield table
    finally:
        if writer:
            writer.close()


def declared_nodata(raster: Path, band: int) -> float | None:
    """The nodata value that a raster's band declares."""
    with opened_raster_file(raster) as source:
        return source.nodatavals[band - 1]
