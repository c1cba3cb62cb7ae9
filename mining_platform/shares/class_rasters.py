"""Rasters whose pixels are class codes: which of them areas can be computed on, which band, and what kind each pixel is."""

import math
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.raster_files import opened_raster_file

OTHER, CLASS, NODATA = np.uint8(0), np.uint8(1), np.uint8(2)
"""Kinds of pixels: valid ground of other classes, of the classes asked for, and no class at all."""

MAX_BLOCK_BYTES = 64 * 2**20
"""Largest block, which is unpacked whole; blocks of the public files have 64 KiB."""
CACHE_MB = 48  # decoded blocks that GDAL keeps
YEAR = re.compile(r"(?<!\d)(?:19|20|21)\d\d(?!\d)")  # a year in a band's name


class ClassRasterError(ValueError):
    """A raster that class areas cannot be computed on; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class ClassRaster:
    """One band of class codes, opened, and what its codes mean."""

    source: DatasetReader
    band: int
    codes: frozenset[int]
    """Codes of the classes whose area is asked for."""
    no_class: frozenset[float]
    """Values that say nothing about the ground: the declared nodata value and the codes without a class. NaN always is one."""

    @cached_property
    def crs(self) -> CRS:
        """CRS of the pixels, geographic or projected."""
        return CRS.from_user_input(self.source.crs)

    def pixels_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Columns and rows of places in the raster's CRS, arrays of one shape.

        A longitude is taken a whole turn of the globe on where that brings it nearer to the raster, whose own may lie beyond 180.
        """
        if self.crs.is_geographic:
            middle = (self.source.bounds.left + self.source.bounds.right) / 2
            x = x - 360 * np.round((x - middle) / 360)
        columns, rows = ~self.source.transform * (x, y)
        return np.asarray(columns), np.asarray(rows)

    @property
    def itemsize(self) -> int:
        """Bytes of a pixel."""
        return np.dtype(self.source.dtypes[self.band - 1]).itemsize

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Values of a uint8 raster, else kinds, in a window of whole pixels: (y, x) uint8; see `lookup`."""
        try:
            values = self.source.read(self.band, window=window)
        except RasterioError as error:
            raise ClassRasterError(f"{self.source.name} cannot be read: {error}. Fetch the file anew.") from None
        return values if values.dtype == np.uint8 else _kinds(values, self.codes, self.no_class)

    @cached_property
    def lookup(self) -> NDArray[np.uint8]:
        """Kind of each value that `read` gives: (256,)."""
        values = np.arange(256, dtype=np.uint8)
        return _kinds(values, self.codes, self.no_class) if self.source.dtypes[self.band - 1] == "uint8" else values


def _kinds(values: NDArray, codes: Collection[int], no_class: Collection[float]) -> NDArray[np.uint8]:
    """Kind of each value; nodata where a value is both."""
    kinds = np.isin(values, sorted(codes)).astype(np.uint8)
    for value in no_class:  # one by one: as one array they would all become floats, and large whole numbers alike
        if values.dtype.kind == "f" or (value == int(value) and _fits(int(value), values.dtype)):
            kinds[values == np.asarray(value).astype(values.dtype)] = NODATA
    if values.dtype.kind == "f":
        kinds[np.isnan(values)] = NODATA
    return kinds


def _fits(value: int, dtype: np.dtype) -> bool:
    limits = np.iinfo(dtype)
    return int(limits.min) <= value <= int(limits.max)


@contextmanager
def opened_classes(
    path: Path, codes: Collection[int], *, band: int = 1, no_class: Collection[int] = NO_CLASS_CODES
) -> Iterator[ClassRaster]:
    """A band of a GeoTIFF that areas can be computed on, of any number type.

    `no_class` are codes without a class, beside the declared nodata value and NaN. ClassRasterError for an empty set of
    classes, a missing or unreadable file, another format, no CRS, a CRS that is neither geographic nor projected, a raster
    that is rotated or not north-up, a band that it has not, complex numbers, and absurdly large blocks.
    """
    if not codes:
        raise ClassRasterError("No class is asked for. Name at least one class code, such as 30 (mining).")
    if not path.is_file():
        raise ClassRasterError(f"There is no file {path}. Give the path of a GeoTIFF of class codes.")
    try:
        with opened_raster_file(path, GDAL_CACHEMAX=CACHE_MB) as source:
            _check(source, path, band)
            yield ClassRaster(source, band, frozenset(int(code) for code in codes), _without_class(source, band, no_class))
    except RasterioError as error:
        raise ClassRasterError(f"{path} cannot be read as a GeoTIFF: {error}. Convert it with gdal_translate.") from None


def _without_class(source: DatasetReader, band: int, no_class: Collection[int]) -> frozenset[float]:
    declared = source.nodatavals[band - 1]
    return frozenset({float(code) for code in no_class} | ({float(declared)} if _is_finite(declared) else set()))


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _check(source: DatasetReader, path: Path, band: int) -> None:
    if source.crs is None:
        raise ClassRasterError(f"{path} has no CRS; write one with gdal_edit.py -a_srs before computing shares.")
    crs, affine = CRS.from_user_input(source.crs), source.transform
    if not (crs.is_geographic or crs.is_projected):
        raise ClassRasterError(f"{path}: {crs.name} is neither geographic nor projected; warp it (nearest) first.")
    if crs.is_geographic and crs.axis_info[0].unit_name != "degree":
        raise ClassRasterError(
            f"{path}: {crs.name} is not in degrees but in {crs.axis_info[0].unit_name}; warp it (nearest) first."
        )
    if affine.is_identity:
        raise ClassRasterError(f"{path} has a CRS and no place in it; write one with gdal_edit.py -a_ullr.")
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise ClassRasterError(f"{path} is rotated or not north-up; warp it to a north-up grid (nearest) first.")
    if band not in source.indexes:
        raise ClassRasterError(f"{path} has no band {band}; it has {source.count}.")
    if source.dtypes[band - 1].startswith("complex"):
        raise ClassRasterError(f"{path}: band {band} holds {source.dtypes[band - 1]}, class codes are numbers.")
    height, width = source.block_shapes[band - 1]
    largest = height * width * np.dtype(source.dtypes[band - 1]).itemsize
    if largest > MAX_BLOCK_BYTES:
        raise ClassRasterError(
            f"{path} has blocks of {largest} bytes, more than {MAX_BLOCK_BYTES}. Cut it into tiles with "
            "gdal_translate -co TILED=YES -co COMPRESS=DEFLATE."
        )


def band_of_year(path: Path, year: int | None) -> int:
    """The band (from 1) that holds a year: the one whose name has the year in it, or the only band where none is named by year.

    With `year` None the only band. ClassRasterError, with the names there are, where the choice is not clear.
    """
    if not path.is_file():
        raise ClassRasterError(f"There is no file {path}. Give the path of a GeoTIFF of class codes.")
    try:
        with opened_raster_file(path) as source:
            names = [name or "unnamed" for name in source.descriptions]
    except RasterioError as error:
        raise ClassRasterError(f"{path} cannot be read as a GeoTIFF: {error}. Convert it with gdal_translate.") from None
    years = [YEAR.findall(name) for name in names]
    if len(names) == 1 and (year is None or not years[0]):
        return 1
    found = [number for number, of_band in enumerate(years, start=1) if str(year) in of_band]
    if year is not None and len(found) == 1:
        return found[0]
    told = f"{path} has {len(names)} bands ({', '.join(names[:4])}{' …' if len(names) > 4 else ''})"  # noqa: PLR2004 - enough
    asked = "name the year whose band is meant" if year is None else f"{len(found)} of them name {year}"
    raise ClassRasterError(f"{told}: {asked}. A band is found by the year in its name.")
