"""Whether a file of a patch is what its kind says: every pixel decoded by the reader of its type alone, at the patch's place."""

import struct
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from pyproj.exceptions import CRSError
from rasterio.io import DatasetReader

from mining_platform.packages.contents import FileKind
from mining_platform.packages.package_facts import PackageFacts
from mining_platform.packages.patch_files import GEOTIFF, Place, place_of
from mining_platform.raster_files import check_header

MOST_PIXELS = 4096**2  # of a band of a file of one patch; a larger claim is not decoded
UNREADABLE = (
    *(OSError, ValueError, TypeError, AttributeError, SyntaxError, OverflowError, struct.error, zlib.error),
    *(rasterio.errors.RasterioError, Image.DecompressionBombError, CRSError),
)
"""What readers raise for files and rows that are not what they claim; PIL has SyntaxError for broken chunks."""
OWN_FILES_ONLY = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""Options of GDAL by which no file beside a raster changes what it says."""


def file_problem(package: Path, path: str, kind: FileKind, facts: PackageFacts, patch: Any) -> str | None:
    """What keeps a file from being what its kind says, in words; `patch` is its row of the manifest."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        return f"is no path inside the package (column {kind.column})"
    try:
        if not (package / path).is_file():
            return "is missing"
        pixels = _opened(package / path, kind, patch)
    except UNREADABLE as error:
        return f"cannot be opened: {told(error, package)}"
    bands = len(kind.channels) or 1
    if kind.on_patch_grid and pixels.shape != (bands, facts.px, facts.px):
        return f"is {' x '.join(map(str, pixels.shape))}, not {bands} x {facts.px} x {facts.px}"
    if len(pixels) != bands or pixels.dtype != kind.dtype:
        return f"has {len(pixels)} bands of {pixels.dtype}, not {bands} of {kind.dtype}"
    if kind.on_patch_grid and "labels" in kind.roles:
        unknown = sorted(set(np.unique(pixels).tolist()) - set(facts.label_values))
        return f"has the label values {unknown}, not only {facts.label_values}" if unknown else None
    return None


def told(error: BaseException, package: Path) -> str:
    """The words of an error, paths relative to the package."""
    return str(error).replace(f"{package}/", "")


def _opened(path: Path, kind: FileKind, patch: Any) -> NDArray[Any]:
    """(band, y, x) pixels of a file; ValueError where it claims another size, number of bands, place, nodata or bands."""
    if kind.media_type == GEOTIFF:
        with rasterio.Env(**OWN_FILES_ONLY), rasterio.open(path, driver="GTiff") as raster:
            _check_size(raster.width, raster.height, raster.count, len(kind.channels) or 1)
            check_header(raster)
            if kind.on_patch_grid:
                _check_frame(raster, kind, place_of(patch))
            return np.asarray(raster.read())
    with Image.open(path, formats=("PNG",)) as picture:
        _check_size(*picture.size, 1, 1)
        pixels = np.asarray(picture)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # noqa: PLR2004 - (y, x) or (y, x, band)


def _check_size(width: int, height: int, count: int, bands: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"it claims {width} x {height} pixels, a patch has at most {MOST_PIXELS}")
    if count != bands:
        raise ValueError(f"it has {count} bands, not {bands}")


def _check_frame(raster: DatasetReader, kind: FileKind, place: Place) -> None:
    code = raster.crs.to_epsg() if raster.crs else None
    if code != place.epsg or not raster.transform.almost_equals(place.transform):
        raise ValueError(f"it lies at {tuple(raster.transform)[:6]} in EPSG:{code}, not where its patch does")
    if raster.nodata != kind.nodata:
        raise ValueError(f"its nodata value is {raster.nodata}, not {kind.nodata}")
    if kind.channels and tuple(raster.descriptions) != kind.channels:
        raise ValueError(f"its bands are {raster.descriptions}, not {kind.channels}")
