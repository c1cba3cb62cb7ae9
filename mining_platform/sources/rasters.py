"""Opening rasters of others: just the formats that are expected, never more than is asked for, no way to other files.

GDAL would follow a VRT that calls itself .tif to any file or host, and a header may declare far more pixels than the file
holds; both are refused here, for every source.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from mining_platform.resampling import read_on_grid
from mining_platform.sources.remote.files import RemoteError, RemoteFile, file_name
from mining_platform.sources.remote.network import is_url, without_query

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
    with opened_raster(place) as (source, file_bytes):
        _check(source, file_bytes)
        return read_on_grid(source, geobox, nearest=nearest)


@contextmanager
def opened_raster(place: str) -> Iterator[tuple[rasterio.DatasetReader, int]]:
    """A raster and the bytes of its file, for the body; `place` as in `read_band`.

    RasterError for a URL that may not be reached, a format that is not expected, and whatever cannot be read in the body.
    """
    driver = _driver(place)
    file: RemoteFile | None = None
    try:
        file = RemoteFile(place) if is_url(place) else None
        with rasterio.Env(**_OPTIONS), _open(place, driver, file) as source:
            yield source, file.size_bytes if file else Path(place).stat().st_size
        _raise_failure(file)
    except (RasterioError, RemoteError, OSError, ValueError) as error:
        _raise_failure(file)
        if isinstance(error, RasterError):
            raise
        if isinstance(error, RemoteError):
            raise RasterError(str(error)) from None
        raise RasterError(f"cannot be read ({without_query(str(error))})") from None


def _open(place: str, driver: str, file: RemoteFile | None) -> rasterio.DatasetReader:
    if file is None:
        return rasterio.open(place, driver=driver, sharing=False)
    return rasterio.open(file_name(place), driver=driver, sharing=False, opener=file)


def _raise_failure(file: RemoteFile | None) -> None:
    """What went wrong with a remote file is told by the file itself: GDAL's own error only says that something did."""
    if file and file.failure:
        raise RasterError(str(file.failure)) from None


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
