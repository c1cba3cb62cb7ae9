"""Opening rasters of others: just the formats that are expected, never more than is asked for, no way to other files.

GDAL would follow a VRT that calls itself .tif to any file or host, and a header may declare far more pixels than the file
holds; both are refused here, for every source.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from mining_platform.bands import BANDS
from mining_platform.raster_files import OPTIONS, block_bytes, check_header, number_bytes, opened_raster_file
from mining_platform.resampling import read_on_grid
from mining_platform.scenes import Scene
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
MAX_BLOCK_BYTES = 64 * 2**20
"""Largest block, which is unpacked whole for a single pixel of it: those of the public files have at most 2 MB."""


class RasterError(ValueError):
    """A raster cannot be read, or is not what it should be; the message has no query string, and so no signature."""


@dataclass(frozen=True)
class OpenedFile:
    """The file of a raster that is open."""

    size_bytes: int
    identity: Mapping[str, Any] = field(default_factory=dict)
    """What a service tells of its version, see `RemoteFile.identity`; nothing for a local file, which can be hashed."""


def read_scene_band(place: str, scene: Scene, band_id: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    """A band or mask layer of a scene on a grid, see `protocol.PixelSource`; `place` and errors as in `read_band`.

    RasterError also for a raster in another CRS than the scene, which lies somewhere else, and for a band that is not
    uint16.
    """
    with _opened_scene(place, scene) as source:
        if band_id in BANDS and source.dtypes[0] != "uint16":
            raise RasterError(f"holds {source.dtypes[0]}, where digital numbers of a band are uint16")
        return _on_grid(source, geobox, nearest=nearest)


def scene_grid(place: str, scene: Scene) -> GeoBox:
    """The whole grid of a raster of a scene, by its header; `place` and errors as in `read_scene_band`."""
    with _opened_scene(place, scene) as source:
        return GeoBox(source.shape, source.transform, f"EPSG:{scene.epsg}")


@contextmanager
def _opened_scene(place: str, scene: Scene) -> Iterator[rasterio.DatasetReader]:
    """A scene's raster that is one band in the scene's CRS, for the body."""
    with opened_raster(place) as (source, file):
        _check(source, file.size_bytes)
        if source.crs.to_epsg() != scene.epsg:
            raise RasterError(f"is in {source.crs.to_string()} where the scene's metadata say EPSG:{scene.epsg}")
        yield source


def read_band(place: str, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    """The only band of a raster on a grid, see `resampling.read_on_grid`; unsigned integers of at most 16 bits.

    `place` is a local file or an https URL, without signature: `signing` adds that where it is needed. RasterError for a
    URL that may not be reached, a format that is not expected, a missing, truncated or absurdly large raster, one without
    CRS or place on the ground, one of several bands and one of another type.
    """
    with opened_raster(place) as (source, file):
        _check(source, file.size_bytes)
        return _on_grid(source, geobox, nearest=nearest)


@contextmanager
def opened_raster(place: str) -> Iterator[tuple[rasterio.DatasetReader, OpenedFile]]:
    """A raster and its file, for the body; `place` as in `read_band`.

    RasterError for a URL that may not be reached, a format that is not expected, blocks beyond MAX_BLOCK_BYTES, and where
    a remote file fails in the body. Other errors of the body pass: wrap what it reads in `reading`.
    """
    driver = _driver(place)
    file: RemoteFile | None = None
    try:
        with ExitStack() as opened:
            with reading():
                file = RemoteFile(place) if is_url(place) else None
                source = opened.enter_context(_opened(place, driver, file))
                opened_file = OpenedFile(file.size_bytes, file.identity) if file else OpenedFile(Path(place).stat().st_size)
            _check_blocks(source)
            yield source, opened_file
    finally:
        _raise_failure(file)


@contextmanager
def reading() -> Iterator[None]:
    """RasterError in place of what GDAL and the network raise in the body, which reads an opened raster."""
    try:
        yield
    except RemoteError as error:
        raise RasterError(str(error)) from None
    except (RasterioError, OSError) as error:
        raise RasterError(f"cannot be read ({without_query(str(error))})") from None


def check_declared_size(source: rasterio.DatasetReader, file_bytes: int) -> None:
    """RasterError where a raster is too large for a scene, or has more pixels than its file can hold."""
    height, width = source.shape
    if max(height, width) > MAX_SIDE_PX:
        raise RasterError(f"declares {width} x {height} pixels, more than {MAX_SIDE_PX} a side")
    declared = height * width * sum(number_bytes(kind) for kind in source.dtypes)
    if declared > max(PLAUSIBLE_BYTES, MAX_INFLATION * file_bytes):
        raise RasterError(f"declares {declared} bytes of pixels in a file of {file_bytes}")


def _opened(place: str, driver: str, file: RemoteFile | None) -> AbstractContextManager[rasterio.DatasetReader]:
    return opened_raster_file(place, driver) if file is None else _opened_remote(place, file, driver)


@contextmanager
def _opened_remote(place: str, file: RemoteFile, driver: str) -> Iterator[rasterio.DatasetReader]:
    with rasterio.Env(**OPTIONS), rasterio.open(file_name(place), driver=driver, sharing=False, opener=file) as source:
        check_header(source)
        yield source


def _raise_failure(file: RemoteFile | None) -> None:
    """What went wrong with a remote file is told by the file itself: GDAL's own error only says that something did."""
    if file and file.failure:
        raise RasterError(str(file.failure)) from file.failure


def _driver(place: str) -> str:
    suffix = Path(without_query(place)).suffix.lower()
    if place.startswith("/vsi") or ("://" in place and not is_url(place)) or suffix not in DRIVERS:
        raise RasterError(f"is no {' or '.join(sorted(DRIVERS))} file on disk or behind https: {without_query(place)!r}")
    return DRIVERS[suffix]


def _check_blocks(source: rasterio.DatasetReader) -> None:
    """RasterError where reading a pixel would unpack far more than a scene's blocks hold."""
    largest = block_bytes(source)
    if largest > MAX_BLOCK_BYTES:
        problem = f"has blocks of {largest} bytes, more than {MAX_BLOCK_BYTES}"
        raise RasterError(f"{problem}. Cut it into tiles with gdal_translate -co TILED=YES")


def _check(source: rasterio.DatasetReader, file_bytes: int) -> None:
    """RasterError for what is no single band of a scene with a place on the ground."""
    check_declared_size(source, file_bytes)
    if source.count != 1:
        raise RasterError(f"holds {source.count} bands, where each band has a raster of its own")
    if source.dtypes[0] not in ("uint8", "uint16"):
        raise RasterError(f"holds {source.dtypes[0]}, not unsigned integers of 8 or 16 bits")
    if source.crs is None:
        raise RasterError("has no CRS. Write one with gdal_edit.py -a_srs")
    if source.transform.is_identity:
        raise RasterError("has a CRS and no place in it. Write one with gdal_edit.py -a_ullr")


def _on_grid(source: rasterio.DatasetReader, geobox: GeoBox, *, nearest: bool) -> NDArray[Any]:
    try:
        with reading():
            return read_on_grid(source, geobox, nearest=nearest)
    except RasterError:
        raise
    except ValueError as error:
        raise RasterError(f"cannot be read ({without_query(str(error)).rstrip('.')})") from None
