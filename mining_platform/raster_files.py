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

import numpy as np
import rasterio
from rasterio.dtypes import complex_int16
from rasterio.enums import Interleaving
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

OPTIONS: Mapping[str, str] = MappingProxyType({"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_VRT_ENABLE_PYTHON": "NO"})
"""GDAL's settings wherever a raster of others is open: no files beside it, no code in it."""
MAX_PIXELS = 2**36
"""Most pixels a band may declare, 69 billion: MapBiomas' map of Brazil at 30 m has 25 billion, and is read in windows."""
MAX_BANDS = 1_024
MAX_BLOCK_BYTES = 2**30
"""Most bytes of a block, which is unpacked whole for a single pixel of it: a Sentinel-2 band in one strip has 241 MB."""
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
    if (largest := block_bytes(source)) > MAX_BLOCK_BYTES:
        problem = f"{name} has blocks of {largest} bytes; at most {MAX_BLOCK_BYTES} are read"
        raise RasterFileError(f"{problem}. Cut it into tiles with gdal_translate -co TILED=YES.")
    pointing = [domain for domain in POINTING_DOMAINS if source.tags(ns=domain)]
    if pointing:
        problem = f"{name} names other files in its metadata ({', '.join(pointing)})"
        raise RasterFileError(f"{problem}. Copy its pixels with gdal_translate -nomd before using it.")


def block_bytes(source: DatasetReader) -> int:
    """Bytes that a raster unpacks for one pixel, at most: those of its largest block, all bands where they lie together."""
    together = source.count if source.interleaving == Interleaving.pixel else 1
    sides = zip(source.block_shapes, source.dtypes, strict=True)
    return max((height * width * number_bytes(kind) * together for (height, width), kind in sides), default=0)


def number_bytes(kind: str) -> int:
    """Bytes of one number of a type as rasterio names it; numpy has no name for GDAL's pairs of int16."""
    return 4 if kind == complex_int16 else np.dtype(kind).itemsize
