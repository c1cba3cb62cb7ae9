"""`getAsset` and `listAssets`: assets as https://developers.google.com/earth-engine/reference/rest/v1/projects.assets has them.

Zeros are left out of grids and ranges, as the JSON of protocol buffers does.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from shapely import from_wkt
from shapely.geometry import mapping, shape

from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.earth_engine.elements import TIME
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import CRS_CODE

_PREFIXES = ("projects/earthengine-public/assets/", "projects/earthengine-legacy/assets/")
_END = "system:time_end"
MAX_PAGE = 1000

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
    "!=": lambda left, right: left != right,
    "=": lambda left, right: left == right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
}


def asset_id(name: str) -> str:
    """Asset id as users write it, from the name in a request."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def asset(archive: FakeArchive, name: str) -> dict[str, Any]:
    """The answer of `getAsset`; RefusedError 404 for an unknown one."""
    found = asset_id(name)
    if found in archive.collections:
        return {"type": "IMAGE_COLLECTION", "name": name, "id": found}
    image = archive.image(found)
    if image is None:
        raise RefusedError(f"Asset '{found}' does not exist or doesn't allow this operation.", 404)
    return image_asset(image, found, name)


def image_asset(image: FakeImage, identifier: str, name: str) -> dict[str, Any]:
    """An image as an asset."""
    start, end = image.properties.get(TIME), image.properties.get(_END, image.properties.get(TIME))
    return {
        "type": "IMAGE",
        "name": name,
        "id": identifier,
        "properties": {key: value for key, value in image.properties.items() if not key.startswith("system:")},
        **({} if start is None else {"startTime": _timestamp(start), "endTime": _timestamp(end)}),
        **({} if image.update_time is None else {"updateTime": image.update_time}),
        "geometry": mapping(image.footprint),
        "bands": [_band(band) for band in image.bands],
        "sizeBytes": str(sum(band.array.nbytes for band in image.bands)),
    }


def _band(band: FakeBand) -> dict[str, Any]:
    height, width = band.array.shape
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    affine = {name: number for name, number in zip(names, band.transform, strict=True) if number}
    place = {"crsCode" if re.fullmatch(CRS_CODE, band.crs) else "crsWkt": band.crs}
    grid = {**place, "dimensions": {"width": width, "height": height}, "affineTransform": affine}
    return {"id": band.name, "dataType": _data_type(band.array.dtype), "grid": grid, "pyramidingPolicy": "MEAN"}


def _data_type(dtype: np.dtype) -> dict[str, Any]:
    if dtype.kind == "f":
        return {"precision": "FLOAT" if dtype.itemsize == 4 else "DOUBLE"}
    info = np.iinfo(dtype)
    return {"precision": "INT", "range": {key: int(value) for key, value in (("min", info.min), ("max", info.max)) if value}}


def _timestamp(milliseconds: float) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="milliseconds" if milliseconds % 1000 else "seconds") + "Z"


def listing(archive: FakeArchive, name: str, query: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `listAssets` on a collection: filtered, in the order of indices, page by page."""
    parent = asset_id(name)
    if parent not in archive.collections:
        raise RefusedError(f"Asset '{parent}' does not exist or doesn't allow this operation.", 404)
    wanted = _filter(query.get("filter", ""))
    images = sorted(archive.collections[parent], key=lambda image: image.index)
    found = [image for image in images if wanted(image)]
    first, size = int(query.get("pageToken") or 0), min(int(query.get("pageSize") or MAX_PAGE), MAX_PAGE)
    page = [image_asset(image, f"{parent}/{image.index}", f"{name}/{image.index}") for image in found[first : first + size]]
    if query.get("view") == "BASIC":
        page = [{key: one[key] for key in ("type", "name", "id")} for one in page]
    rest = {"nextPageToken": str(first + size)} if first + size < len(found) else {}
    return {"assets": page, **rest}


def _filter(text: str) -> Callable[[FakeImage], bool]:
    """A filter of https://google.aip.dev/160 as the client writes it: terms joined by AND."""
    terms = [_term(term.strip()) for term in re.split(r"\s+AND\s+(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text) if term.strip()]
    return lambda image: all(term(image) for term in terms)


def _term(text: str) -> Callable[[FakeImage], bool]:
    within = re.fullmatch(r'intersects\("(.*)"\)', text)
    if within:
        region = _region(within[1])
        return lambda image: bool(image.footprint.intersects(region))
    compared = re.fullmatch(r'([\w.:]+)\s*(>=|<=|!=|=|>|<)\s*("?)(.*?)\3', text)
    if not compared:
        raise RefusedError(f"Invalid filter: {text!r}.")
    field, operator, quote, value = compared.groups()
    return lambda image: _compare(_field(image, field), _OPERATORS[operator], _literal(field, value, quoted=bool(quote)))


def _region(text: str) -> Any:
    return shape(json.loads(text.replace("'", '"'))) if text.startswith("{") else from_wkt(text)


def _field(image: FakeImage, field: str) -> Any:
    start = image.properties.get(TIME)
    known = {"startTime": start, "endTime": image.properties.get(_END, start)}
    if field in known:
        return known[field]
    if not field.startswith("properties."):
        raise RefusedError(f"Invalid filter: field {field!r} is neither startTime, endTime nor properties.NAME.")
    return image.properties.get(field.removeprefix("properties."))


def _literal(field: str, value: str, *, quoted: bool) -> Any:
    if field in {"startTime", "endTime"}:
        return datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp() * 1000
    return value if quoted or not re.fullmatch(r"[-+.\deE]+", value) else float(value)


def _compare(left: Any, operator: Callable[[Any, Any], bool], right: Any) -> bool:
    return left is not None and isinstance(left, str) == isinstance(right, str) and operator(left, right)
