"""Reading one patch from a file of others: GeoTIFF, NPY or PNG, never more than a patch can hold, no way to other files."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio import DatasetReader
from rasterio.errors import NotGeoreferencedWarning

from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.found import Pixels
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.sources.rasters import OpenedFile, RasterError, check_declared_size, opened_raster, reading

MAX_SIDE_PX = 4_096
"""Longest side of a patch: larger rasters are scenes."""
MAX_BANDS = 64
MAX_NPY_HEADER_BYTES = 4_096
TIFF_SUFFIXES, NPY_SUFFIX, PNG_SUFFIX = (".tif", ".tiff"), ".npy", ".png"
IMAGE_SUFFIXES = (*TIFF_SUFFIXES, NPY_SUFFIX, PNG_SUFFIX)


@dataclass(frozen=True)
class Header:
    """What a file says of its pixels before they are read."""

    shape: tuple[int, int, int]
    """Bands, rows, columns."""
    dtype: str
    descriptions: tuple[str | None, ...]
    epsg: int = 0
    """CRS of the pixels; 0 where the file tells no place."""
    transform: Affine | None = None


def files_below(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Files with one of these suffixes, relative to the folder, sorted; hidden ones are left out."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path.as_posix() for path in paths if not any(part.startswith((".", "__MACOSX")) for part in path.parts))


def read_header(folder: Path, name: str) -> Header:
    """Shape and type of a file of the folder; PatchImportError where it is no image, or no patch by its size."""
    reader = _HEADERS.get(_suffix(name))
    if reader is None:
        raise PatchImportError(f"{name} is no image of a patch; give {', '.join(IMAGE_SUFFIXES)}.")
    header = reader(folder, name)
    bands, rows, columns = header.shape
    if not (1 <= bands <= MAX_BANDS and 1 <= rows <= MAX_SIDE_PX and 1 <= columns <= MAX_SIDE_PX):
        raise PatchImportError(
            f"{name} has {bands} bands of {rows} x {columns} pixels; a patch has at most {MAX_BANDS} of {MAX_SIDE_PX} a side."
        )
    return header


def read_image(folder: Path, name: str) -> Pixels:
    """Pixels of a GeoTIFF, NPY or PNG of the folder; PatchImportError where it cannot be read whole.

    Where a GeoTIFF has scales or offsets, values are what they make of its numbers, in float64.
    """
    header = read_header(folder, name)
    pixels = {".npy": _read_npy, ".png": _read_png}.get(_suffix(name), _read_tiff)(folder, name)
    return replace(pixels, descriptions=header.descriptions)


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


@contextmanager
def _tiff(folder: Path, name: str) -> Iterator[tuple[DatasetReader, OpenedFile]]:
    """An opened GeoTIFF; that it tells no place is no reason to warn, the table says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with opened_raster(str(folder / name)) as opened:
            yield opened


def _tiff_header(folder: Path, name: str) -> Header:
    try:
        with _tiff(folder, name) as (source, file):
            check_declared_size(source, file.size_bytes)
            kinds = set(source.dtypes)
            if len(kinds) > 1:
                raise RasterError(f"has bands of different types ({', '.join(sorted(kinds))})")
            return Header((source.count, *source.shape), source.dtypes[0], source.descriptions, *place_of(source))
    except RasterError as error:
        raise _unreadable(name, error, "GeoTIFF") from None


def place_of(source: DatasetReader) -> tuple[int, Affine | None]:
    """EPSG code and affine, or 0 and None where one of both is missing; RasterError where rows do not go from north to south."""
    epsg, at = (source.crs.to_epsg() or 0) if source.crs else 0, source.transform
    if not epsg or at.is_identity:
        return 0, None
    if at.b or at.d or at.a < 0 or at.e > 0:
        raise RasterError("is turned or upside down on the ground; gdalwarp writes it north up")
    return epsg, at


def _read_tiff(folder: Path, name: str) -> Pixels:
    try:
        with _tiff(folder, name) as (source, _), reading():
            values, valid = scaled(source.read(), source), source.read_masks() != 0
            simulated = source.tags().get("TIFFTAG_IMAGEDESCRIPTION", "").startswith(SIMULATED_MARK)
            return Pixels(values, valid, *place_of(source), simulated)
    except RasterError as error:
        raise _unreadable(name, error, "GeoTIFF") from None


def scaled(numbers: NDArray[Any], source: DatasetReader) -> NDArray[Any]:
    """Numbers (band, y, x) as the scale and offset of each band say what they mean."""
    scales, offsets = np.array(source.scales), np.array(source.offsets)
    if (scales == 1).all() and not offsets.any():
        return numbers
    return numbers * scales[:, None, None] + offsets[:, None, None]


def _npy_header(folder: Path, name: str) -> Header:
    shape, dtype, _ = _npy_declared(folder / name, name)
    bands, rows, columns = (1, *shape) if len(shape) == 2 else _band_first(shape)  # noqa: PLR2004 - rows and columns
    return Header((bands, rows, columns), dtype.name, (None,) * bands)


def _npy_declared(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and the place of the first value, by the header alone, which is checked against the file's length."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = reader(file, max_header_size=MAX_NPY_HEADER_BYTES)
            start = file.tell()
    except (OSError, ValueError) as error:
        raise _unreadable(name, error, "NPY file") from None
    if dtype.kind not in "uif" or len(shape) not in (2, 3) or min(shape) < 1 or max(shape) > MAX_SIDE_PX:
        raise PatchImportError(f"{name} holds {dtype} of shape {shape}; give numbers as (band, y, x) or (y, x, band).")
    whole = int(np.prod(shape)) * dtype.itemsize
    if path.stat().st_size - start != whole:
        raise PatchImportError(f"{name} declares {whole} bytes of pixels and holds {path.stat().st_size - start}; fetch it anew.")
    return tuple(shape), dtype, start


def _band_first(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(band, y, x) of a shape that has its bands first or last: a patch is square, and has fewer bands than pixels a side."""
    first, middle, last = shape
    return (last, first, middle) if first == middle != last or last < min(first, middle) else (first, middle, last)


def _read_npy(folder: Path, name: str) -> Pixels:
    shape, _, _ = _npy_declared(folder / name, name)
    values = np.load(folder / name, allow_pickle=False)
    values = values[None] if len(shape) == 2 else values  # noqa: PLR2004 - rows and columns
    if len(shape) == 3 and _band_first(shape) != shape:  # noqa: PLR2004 - bands too
        values = np.moveaxis(values, -1, 0)
    return Pixels(values, np.ones(values.shape, bool), 0, None)


def _png_header(folder: Path, name: str) -> Header:
    from PIL import Image

    try:
        with Image.open(folder / name, formats=("PNG",)) as picture:
            if picture.mode not in ("RGB", "L"):
                raise PatchImportError(f"{name} is a PNG of mode {picture.mode}; pictures are RGB or gray of 8 bits.")
            count = len(picture.getbands())
            return Header((count, picture.height, picture.width), "uint8", (None,) * count)
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise _unreadable(name, error, "PNG") from None


def _read_png(folder: Path, name: str) -> Pixels:
    values = read_picture(folder, name)
    values = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)  # noqa: PLR2004 - rows and columns
    return Pixels(values, np.broadcast_to(values.any(axis=0), values.shape), 0, None)


def read_picture(folder: Path, name: str) -> NDArray[np.uint8]:
    """A whole 8-bit PNG, (y, x) or (y, x, colour) uint8, as its mode has it; PatchImportError where it is truncated."""
    from PIL import Image

    try:
        with Image.open(folder / name, formats=("PNG",)) as picture:
            if max(picture.size) > MAX_SIDE_PX:
                raise PatchImportError(f"{name} has {picture.width} x {picture.height} pixels, more than {MAX_SIDE_PX} a side.")
            picture.load()
            return np.asarray(picture)
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise _unreadable(name, error, "PNG") from None


def _unreadable(name: str, error: Exception, kind: str) -> PatchImportError:
    if isinstance(error, PatchImportError):
        return error
    return PatchImportError(f"{name} is no {kind} that can be read ({str(error).rstrip('.')}). Fetch or write it anew.")


_HEADERS: Mapping[str, Callable[[Path, str], Header]] = {
    **dict.fromkeys(TIFF_SUFFIXES, _tiff_header),
    NPY_SUFFIX: _npy_header,
    PNG_SUFFIX: _png_header,
}


def same_ground(first: Affine | None, second: Affine | None) -> bool:
    """Whether two affines are one within a thousandth of a pixel; an unknown one may be any."""
    if first is None or second is None:
        return True
    return np.allclose(np.array(first[:6]), np.array(second[:6]), rtol=0, atol=abs(first.a) / 1_000)
