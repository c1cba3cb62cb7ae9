"""Opening rasters of others: just the formats that are expected, never more than is asked for, no way to other files.

GDAL would follow a VRT that calls itself .tif to any file or host, and a header may declare far more pixels than the file
holds; both are refused here, for every source.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from mining_platform.resampling import read_on_grid
from mining_platform.sources.network import is_url, without_query
from mining_platform.sources.remote_files import RemoteError, RemoteFile, file_name

DRIVERS: Mapping[str, str] = {".tif": "GTiff", ".tiff": "GTiff", ".jp2": "JP2OpenJPEG"}
"""GDAL driver by the file name's end, in lower case."""

MAX_SIDE_PX = 32_768
"""Longest side of a scene's raster: a Sentinel-2 tile has 10,980 pixels, a Landsat scene about 9,000."""
PLAUSIBLE_BYTES = 256 * 2**20
"""A whole Sentinel-2 band has 241 MB of pixels, and may take next to no file where it is all one value."""
MAX_INFLATION = 2_500
"""Most bytes declared for a byte of file beyond that: DEFLATE cannot give more than 1,032, and headers are small."""

_OPTIONS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}


class RasterError(ValueError):
    """A raster cannot be read, or is not what it should be; the message has no query string, and so no signature."""


def read_band(place: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    """First band of a raster on a grid, see `resampling.read_on_grid`; unsigned integers of at most 16 bits.

    `place` is a local file or an https URL, without signature: `signing` adds that where it is needed. RasterError for a
    URL that may not be reached, a format that is not expected, a missing, truncated or absurdly large raster, one without
    CRS and one of another type.
    """
    driver = _driver(place)
    try:
        return _read_remote(place, driver, geobox, nearest) if is_url(place) else _read_local(place, driver, geobox, nearest)
    except RasterError:
        raise
    except RemoteError as error:
        raise RasterError(str(error)) from None
    except (RasterioError, OSError, ValueError) as error:
        raise RasterError(f"cannot be read ({without_query(str(error))})") from None


def _read_local(place: str, driver: str, geobox: GeoBox, nearest: bool) -> NDArray[Any]:
    file_bytes = Path(place).stat().st_size
    with rasterio.Env(**_OPTIONS), rasterio.open(place, driver=driver, sharing=False) as source:
        _check(source, file_bytes)
        return read_on_grid(source, geobox, nearest=nearest)


def _read_remote(place: str, driver: str, geobox: GeoBox, nearest: bool) -> NDArray[Any]:
    file = RemoteFile(place)
    try:
        with (
            rasterio.Env(**_OPTIONS),
            rasterio.open(file_name(place), driver=driver, sharing=False, opener=file) as source,
        ):
            _check(source, file.size_bytes)
            pixels = read_on_grid(source, geobox, nearest=nearest)
    finally:
        if file.failure:
            raise file.failure
    return pixels


def _driver(place: str) -> str:
    suffix = Path(without_query(place)).suffix.lower()
    if place.startswith("/vsi") or ("://" in place and not is_url(place)) or suffix not in DRIVERS:
        raise RasterError(f"is no {' or '.join(sorted(DRIVERS))} file on disk or behind https: {without_query(place)!r}")
    return DRIVERS[suffix]


def _check(source: rasterio.DatasetReader, file_bytes: int) -> None:
    height, width = source.shape
    if max(height, width) > MAX_SIDE_PX:
        raise RasterError(f"declares {width} x {height} pixels, more than {MAX_SIDE_PX} a side")
    kind = source.dtypes[0]
    if kind not in ("uint8", "uint16"):
        raise RasterError(f"holds {kind}, not unsigned integers of 8 or 16 bits")
    declared = height * width * source.count * (2 if kind == "uint16" else 1)
    if declared > max(PLAUSIBLE_BYTES, MAX_INFLATION * file_bytes):
        raise RasterError(f"declares {declared} bytes of pixels in a file of {file_bytes}")
