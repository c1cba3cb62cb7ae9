"""The computing methods: pixels, values and features of an expression, within Earth Engine's limits."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from affine import Affine

from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.elements import Collection, Image, to_image
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.expressions import as_json, evaluate, feature_json
from tests.earth_engine.functions import known_functions
from tests.earth_engine.grids import CRS_CODE, Grid, Projection, known_crs
from tests.earth_engine.images import select

MASK_BYTES = 1
"""Earth Engine counts a byte of mask beside each band's own: 48 MiB of doubles were refused as 56,623,104 bytes, nine
a value (https://github.com/google/Xee/issues/50; stated in .../issues/209). The reference names only the band's bytes."""

MAX_PAGE = 1000


@dataclass(frozen=True)
class Limits:
    """What one request may ask for (reference of projects.image.computePixels, guide Quotas)."""

    request_bytes: int = 50_331_648
    side_px: int = 32_768
    bands: int = 1024
    concurrent: int = 40
    payload_bytes: int = 10_485_760


REAL_LIMITS = Limits()


@dataclass(frozen=True)
class Size:
    """How large a request for pixels is."""

    width: int
    height: int
    bands: int
    bytes: int


def grid_of(body: Mapping[str, Any], limits: Limits) -> Grid:
    """The grid of a request; RefusedError where it is not explicit or too large."""
    grid = body.get("grid") or {}
    crs = grid.get("crsCode") or grid.get("crsWkt")
    absent: list[str] = [name for name in ("dimensions", "affineTransform") if not grid.get(name)] + ([] if crs else ["crsCode"])
    if absent:
        raise RefusedError(f"Invalid grid: {', '.join(absent)} must be set (this stand-in computes explicit grids only).")
    if not re.fullmatch(CRS_CODE, grid.get("crsCode", "EPSG:0")):
        raise RefusedError(f"Invalid grid: crsCode '{grid['crsCode']}' is no code of an authority.")
    width, height = (int(grid["dimensions"].get(side, 0)) for side in ("width", "height"))
    if max(width, height) > limits.side_px:
        raise RefusedError(f"Pixel grid dimensions ({width}x{height}) must be less than or equal to {limits.side_px}.")
    if min(width, height) < 1:
        raise RefusedError(f"Pixel grid dimensions ({width}x{height}) must be positive.")
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    transform = tuple(float(grid["affineTransform"].get(name, 0)) for name in names)
    if not transform[0] * transform[4] - transform[1] * transform[3]:
        raise RefusedError(f"Invalid grid: the affine transform {transform} has no inverse.")
    return Grid(Projection(known_crs(str(crs)), transform), width, height)


def image_of(body: Mapping[str, Any], archive: FakeArchive) -> Image:
    """The image an expression describes, of the bands asked for."""
    if body.get("visualizationOptions"):
        raise RefusedError("visualizationOptions are not known to this stand-in.")
    value = evaluate(body.get("expression", {}), known_functions(archive))
    image = to_image(value)
    return select(image, body["bandIds"]) if body.get("bandIds") else image


def size_of(image: Image, grid: Grid, limits: Limits) -> Size:
    """Size of an answer before it is computed; RefusedError past a limit."""
    if not image.bands:
        raise RefusedError("Image has no bands.")
    if len(image.bands) > limits.bands:
        raise RefusedError(f"Too many bands ({len(image.bands)}): at most {limits.bands} can be requested.")
    per_pixel = sum(band.dtype.itemsize + MASK_BYTES for band in image.bands)
    size = Size(grid.width, grid.height, len(image.bands), grid.width * grid.height * per_pixel)
    if size.bytes > limits.request_bytes:
        raise RefusedError(f"Total request size ({size.bytes} bytes) must be less than or equal to {limits.request_bytes} bytes.")
    return size


def pixels(image: Image, grid: Grid, file_format: str) -> bytes:
    """The pixels as a file; masked ones are 0."""
    arrays = [np.where(values.valid, values.values, 0).astype(band.dtype) for band in image.bands for values in (band.on(grid),)]
    if file_format == "NPY":
        return _npy(image.names, arrays)
    if file_format == "GEO_TIFF":
        return _geotiff(image.names, arrays, grid)
    raise RefusedError(f"File format {file_format!r} is not known to this stand-in: NPY, GEO_TIFF.")


def _npy(names: list[str], arrays: list[np.ndarray]) -> bytes:
    """A structured array (y, x) with a field for each band."""
    table = np.zeros(arrays[0].shape, [(name, array.dtype) for name, array in zip(names, arrays, strict=True)])
    for name, array in zip(names, arrays, strict=True):
        table[name] = array
    buffer = io.BytesIO()
    np.save(buffer, table)
    return buffer.getvalue()


def _geotiff(names: list[str], arrays: list[np.ndarray], grid: Grid) -> bytes:
    stack = np.stack(arrays)
    profile = {"count": len(stack), "height": grid.height, "width": grid.width, "dtype": stack.dtype, "driver": "GTiff"}
    place = {"crs": grid.projection.crs, "transform": Affine(*grid.projection.transform)}
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, **place) as file:
            file.write(stack)
            file.descriptions = tuple(names)
        return memory.read()


def value(body: Mapping[str, Any], archive: FakeArchive) -> dict[str, Any]:
    """The answer of `value:compute`."""
    return {"result": as_json(evaluate(body.get("expression", {}), known_functions(archive)))}


def features(body: Mapping[str, Any], archive: FakeArchive) -> dict[str, Any]:
    """The answer of `table:computeFeatures`, page by page."""
    found = evaluate(body.get("expression", {}), known_functions(archive))
    if not isinstance(found, Collection):
        raise RefusedError("computeFeatures: the expression is not a collection.")
    first, size = int(body.get("pageToken") or 0), min(int(body.get("pageSize") or MAX_PAGE), MAX_PAGE)
    page = [feature_json(element) for element in found.elements[first : first + size]]
    rest = {"nextPageToken": str(first + size)} if first + size < len(found.elements) else {}
    return {"type": "FeatureCollection", "features": page, **rest}
