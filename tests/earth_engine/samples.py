"""Tiny images and grids for tests of the stand-in and of what talks to it."""

from collections.abc import Mapping
from typing import Any

import ee
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Transformer
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from tests.earth_engine.archive import FakeBand, FakeImage

CRS = "EPSG:32722"
LEFT_M, TOP_M = 600_000, 9_900_000
"""Upper left corner of everything here: a multiple of 60 m, as corners of Sentinel-2 tiles are."""


def band(
    name: str, values: ArrayLike, *, pixel_m: float = 10, valid: ArrayLike | None = None, dtype: Any = np.uint16
) -> FakeBand:
    """A band whose upper left corner is (LEFT_M, TOP_M)."""
    mask = None if valid is None else np.array(valid, bool)
    return FakeBand(name, np.array(values, dtype), CRS, (pixel_m, 0, LEFT_M, 0, -pixel_m, TOP_M), mask)


def image(index: str, *bands: FakeBand, footprint: BaseGeometry | None = None, **properties: Any) -> FakeImage:
    """An image whose footprint is its bands' extent; `time_start` and the like are properties of the system."""
    named = {f"system:{key}" if key in {"time_start", "time_end"} else key: value for key, value in properties.items()}
    return FakeImage(index, bands, footprint or extent(bands[0]), named)


def extent(band: FakeBand) -> BaseGeometry:
    """What a band covers, EPSG:4326."""
    height, width = band.array.shape
    a, _, c, _, e, f = band.transform
    to_degrees = Transformer.from_crs(band.crs, "EPSG:4326", always_xy=True).transform
    return transform(to_degrees, box(c, f + e * height, c + a * width, f))


def grid(width: int, height: int, *, pixel_m: float = 10, left_m: float = LEFT_M, top_m: float = TOP_M) -> dict[str, Any]:
    """A grid of a request for pixels."""
    affine = {"scaleX": pixel_m, "shearX": 0, "translateX": left_m, "shearY": 0, "scaleY": -pixel_m, "translateY": top_m}
    return {"crsCode": CRS, "affineTransform": affine, "dimensions": {"width": width, "height": height}}


def pixels(expression: Any, on: Mapping[str, Any], **settings: Any) -> NDArray[Any]:
    """The structured array that the real client gets for an expression on a grid."""
    return ee.data.computePixels({"expression": expression, "fileFormat": "NUMPY_NDARRAY", "grid": dict(on), **settings})


def shown(expression: ee.Image, width: int, height: int = 1, **on: Any) -> list[list[float]]:
    """The first band of an image, -1 where masked: its mask is asked for beside it, as masked pixels come back as 0."""
    first = expression.select([0], ["value"])
    found = pixels(first.addBands(first.mask().rename("valid")), grid(width, height, **on))
    return np.where(found["valid"] == 1, found["value"].astype(np.float64), -1).tolist()
