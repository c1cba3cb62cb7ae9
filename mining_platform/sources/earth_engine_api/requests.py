"""What is asked of Earth Engine: pixels of an expression on an exact grid, assets and lists of images, within its limits.

Limits: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/computePixels.
"""

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box, mapping

from mining_platform.sources.earth_engine_api.session import EarthEngineError, ask

MAX_REQUEST_BYTES = 50_331_648
"""48 MiB: most bytes of one answer, before compression."""
MASK_BYTES = 1
"""Bytes the service counts for a value's mask, beside its own (https://github.com/google/Xee/issues/50)."""
MAX_SIDE_PX = 32_768
SMALLEST_SIDE_PX = 64
"""A grid of this side is not cut further where the service runs out of memory or time."""
MAX_TAG_LENGTH = 63  # workload tags: lower-case letters, digits, - and _, beginning and ending with a letter or digit

_TILE_PX = 256  # the service computes in squares of this side: cuts lie between them
_PAGE = 500  # assets a page of a listing: some 10 kB each


def request_boxes(geobox: GeoBox, bytes_per_px: int) -> list[GeoBox]:
    """Parts that tile a grid exactly, each small enough for one request of so many bytes a pixel, masks included.

    ValueError where a single pixel is too large.
    """
    height, width = geobox.shape
    if height * width * bytes_per_px <= MAX_REQUEST_BYTES and max(height, width) <= MAX_SIDE_PX:
        return [geobox]
    if height * width == 1:
        raise ValueError(f"A pixel of {bytes_per_px} bytes is larger than a request of {MAX_REQUEST_BYTES}. Ask for fewer bands.")
    return [part for half in halves(geobox) for part in request_boxes(half, bytes_per_px)]


def halves(geobox: GeoBox) -> tuple[GeoBox, GeoBox]:
    """The two halves of a grid, cut across its longer side."""
    height, width = geobox.shape
    middle = -(-max(height, width) // 2)
    middle = -(-middle // _TILE_PX) * _TILE_PX if middle >= _TILE_PX else middle
    if height >= width:
        return geobox[:middle, :], geobox[middle:, :]
    return geobox[:, :middle], geobox[:, middle:]


def bytes_per_px(bands: int, dtype: DTypeLike) -> int:
    """Bytes that the service counts for a pixel of so many bands."""
    return bands * (np.dtype(dtype).itemsize + MASK_BYTES)


def workload_tag(name: str) -> str:
    """The tag that attributes a request's cost, of a name of a-z, 0-9 and '-'."""
    return name[:MAX_TAG_LENGTH].strip("-_")


def read_pixels(expression: Any, geobox: GeoBox, names: Sequence[str], dtype: DTypeLike, tag: str) -> NDArray[Any]:
    """Pixels of an expression's bands on a grid, (band, y, x) in the order of `names`; masked ones are 0.

    Cut into as many requests as the limits want, and into smaller ones where the service runs out of memory or time.
    EarthEngineError where it refuses, or answers something else than was asked for.
    """
    pixels = np.zeros((len(names), *geobox.shape), dtype)
    waiting = request_boxes(geobox, bytes_per_px(len(names), dtype))[::-1]
    while waiting:
        part = waiting.pop()
        try:
            table = _table(expression, part, tag)
        except EarthEngineError as error:
            if not error.too_large or max(part.shape) <= SMALLEST_SIDE_PX:
                raise
            waiting += halves(part)[::-1]
            continue
        _check(table, part, names, np.dtype(dtype))
        for band, name in zip(pixels, names, strict=True):
            band[_place(part, geobox)] = table[name]
    return pixels


def asset(asset_id: str) -> dict[str, Any]:
    """An asset's metadata; EarthEngineError where there is none."""
    found = ask(lambda ee: ee.data.getAsset(asset_id))
    if not isinstance(found, dict):  # the client hands on what is no JSON
        raise EarthEngineError("Earth Engine's answer is damaged", "Run it again.")
    return found


def list_images(
    collection: str, start: str, end: str, bounds: tuple[float, float, float, float], *, ids_only: bool = False
) -> list[dict[str, Any]]:
    """Assets of an image collection that begin at `start` or later, end before `end` and touch bounds in degrees.

    A listing reads metadata alone and costs no computing. Bounds stand for an outline, whose vertices would not fit into
    the query. `ids_only` leaves out everything but names and ids.
    """
    region = json.dumps(mapping(box(*bounds)))
    query: dict[str, Any] = {"parent": collection, "startTime": start, "endTime": end, "region": region, "pageSize": _PAGE}
    if ids_only:
        query["view"] = "BASIC"
    found: list[dict[str, Any]] = []
    while True:
        page: dict[str, Any] = ask(lambda ee: ee.data.listImages(dict(query)))
        found += page["images"]
        if not page.get("nextPageToken"):
            return found
        query["pageToken"] = page["nextPageToken"]


def _table(expression: Any, part: GeoBox, tag: str) -> NDArray[Any]:
    """A structured array (y, x) with a field a band."""
    request = {"expression": expression, "fileFormat": "NPY", "grid": _pixel_grid(part), "workloadTag": tag}
    content = ask(lambda ee: ee.data.computePixels(request))
    try:
        table: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError):
        raise _unexpected(part, f"{len(content)} bytes that are no whole array") from None
    return table


def _pixel_grid(part: GeoBox) -> dict[str, Any]:
    affine, (height, width) = part.affine, part.shape
    transform = {"scaleX": affine.a, "shearX": affine.b, "translateX": affine.c}
    transform |= {"shearY": affine.d, "scaleY": affine.e, "translateY": affine.f}
    epsg = part.crs.epsg if part.crs else None
    place = {"crsCode": f"EPSG:{epsg}"} if epsg else {"crsWkt": part.crs.to_wkt() if part.crs else ""}
    return {**place, "affineTransform": transform, "dimensions": {"width": width, "height": height}}


def _check(table: NDArray[Any], part: GeoBox, names: Sequence[str], dtype: np.dtype[Any]) -> None:
    if table.shape != part.shape or table.dtype != np.dtype([(name, dtype) for name in names]):
        raise _unexpected(part, f"{table.dtype} of shape {table.shape}")


def _unexpected(part: GeoBox, found: str) -> EarthEngineError:
    height, width = part.shape
    return EarthEngineError(f"Earth Engine's answer for {width} x {height} pixels is damaged: {found}", "Run it again.")


def _place(part: GeoBox, geobox: GeoBox) -> tuple[slice, slice]:
    column, row = (round(offset) for offset in ~geobox.affine * (part.affine.c, part.affine.f))
    height, width = part.shape
    return slice(row, row + height), slice(column, column + width)
