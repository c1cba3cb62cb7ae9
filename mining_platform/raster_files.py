"""The one door for raster files that people name: of a known format, on this disk, pointing to nothing else.

GDAL opens far more than files. A name may be a URL, a virtual file system (`/vsicurl/`, `/vsizip/`), or XML; a VRT may call
itself .tif; files beside a raster are opened with whatever driver fits them; and a GeoTIFF may name another file or URL in its
own metadata, which then stands for its overviews (domain OVERVIEWS) or its geolocation (domain GEOLOCATION): decimated reads
return that file's pixels, even where the driver is fixed. https://gdal.org/en/stable/user/security.html
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

OPTIONS: Mapping[str, str] = MappingProxyType({"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_VRT_ENABLE_PYTHON": "NO"})
"""GDAL's settings wherever a raster of others is open: no files beside it, no code in it."""
MAX_PIXELS = 2**36
"""Most pixels a band may declare, 69 billion: MapBiomas' map of Brazil at 30 m has 25 billion, and is read in windows."""
MAX_BANDS = 1_024
POINTING_DOMAINS = ("OVERVIEWS", "GEOLOCATION")
"""Metadata domains in which a raster names other files."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


class RasterFileError(RasterioError, ValueError):
    """A raster file that may not be opened, or whose header says what cannot be."""


def local_file(place: Path | str) -> Path:
    """The absolute path of an existing file of this disk; RasterFileError for a URL, a virtual file system, XML or no file."""
    text = str(place)
    if _SCHEME.match(text) or text.startswith(("/vsi", "<")) or "\0" in text:
        shown = re.sub(r"[?].*", "", text[:80])
        raise RasterFileError(f"{shown!r} is no file on disk but an address. Fetch it first, and give the path of the file.")
    path = Path(text).absolute()
    if not path.is_file():
        raise RasterFileError(f"there is no file {text}")
    return path


@contextmanager
def opened_raster_file(place: Path | str, driver: str = "GTiff", **options: str | int) -> Iterator[DatasetReader]:
    """A raster of one format, for the body; `options` are further settings of GDAL.

    RasterFileError as in `local_file` and `check_header`; rasterio's RasterioIOError for another format, a VRT among them.
    """
    path = local_file(place)
    with rasterio.Env(**{**options, **OPTIONS}), rasterio.open(path, driver=driver, sharing=False) as source:
        check_header(source)
        yield source


def check_header(source: DatasetReader) -> None:
    """RasterFileError where an opened raster declares more than any map has, or names other files."""
    name = Path(source.name).name
    if source.width * source.height > MAX_PIXELS or source.count > MAX_BANDS:
        declared = f"{source.count} bands of {source.width} x {source.height} pixels"
        raise RasterFileError(
            f"{name} declares {declared}; at most {MAX_BANDS} of {MAX_PIXELS} are read. Cut it with gdal_translate."
        )
    pointing = [domain for domain in POINTING_DOMAINS if source.tags(ns=domain)]
    if pointing:
        problem = f"{name} names other files in its metadata ({', '.join(pointing)})"
        raise RasterFileError(f"{problem}. Copy its pixels with gdal_translate -nomd before using it.")
