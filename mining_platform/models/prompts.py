"""Prompts that tell a segmenter where to look: boxes and points, from class maps or from polygons of labels or detections.

Arrays of prompts are (n, k, 4) boxes x0, y0, x1, y1 or (n, k, 2) points x, y, float32, in pixels from a patch's upper left
corner: the first pixel reaches from 0 to 1. A patch with fewer prompts than others repeats its first, which changes no union
of masks; one without any is asked about as a whole (box) or at its middle (point).

A prompt made of the label tells the model where the mine is: scores with such prompts are those of a person who points at
mines, not of a system that looks for them. The card says where prompts came from.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

Box = tuple[float, float, float, float]
Point = tuple[float, float]
DIAGONALS = np.ones((3, 3), int)  # pixels that touch at a corner are one object


def label_boxes(labels: NDArray[np.uint8], mining: int, *, most: int) -> NDArray[np.float32]:
    """(n, y, x) classes -> (n, k, 4) boxes around connected pixels of the class `mining`, the `most` largest objects a patch."""
    px = labels.shape[-1]
    found = [
        [(float(x0), float(y0), float(x1), float(y1)) for _, (x0, y0, x1, y1) in _objects(each == mining, most)]
        for each in labels
    ]
    return _rectangular(found, (0.0, 0.0, float(px), float(px)))


def label_points(labels: NDArray[np.uint8], mining: int, *, most: int) -> NDArray[np.float32]:
    """(n, y, x) classes -> (n, k, 2) one point in each of the `most` largest objects: the middle of its innermost pixel."""
    px = labels.shape[-1]
    found = [[_innermost(inside) for inside, _ in _objects(each == mining, most)] for each in labels]
    return _rectangular(found, (px / 2, px / 2))


def polygon_boxes(polygons: "gpd.GeoSeries", patches: "Sequence[GeoBox]", *, most: int) -> NDArray[np.float32]:
    """Polygons of labels or detections and the grids of n patches -> (n, k, 4) boxes around what of each lies in the patch.

    The `most` largest parts count. ValueError where polygons have another CRS than a patch, or patches differ in size.
    """
    return _rectangular([_boxes(_parts(polygons, patch, most), patch) for patch in patches], (0.0, 0.0, *_size(patches)))


def polygon_points(polygons: "gpd.GeoSeries", patches: "Sequence[GeoBox]", *, most: int) -> NDArray[np.float32]:
    """As `polygon_boxes`, but (n, k, 2) one point inside each part."""
    width, height = _size(patches)
    return _rectangular([_points(_parts(polygons, patch, most), patch) for patch in patches], (width / 2, height / 2))


def _size(patches: "Sequence[GeoBox]") -> tuple[float, float]:
    """Width and height in pixels that all patches have; ValueError where they differ."""
    sizes = {(float(patch.shape.x), float(patch.shape.y)) for patch in patches}
    if len(sizes) != 1:
        raise ValueError(f"Patches have the sizes {sorted(sizes)} in pixels; prompts are made for patches of one size.")
    return sizes.pop()


def _parts(polygons: "gpd.GeoSeries", patch: "GeoBox", most: int) -> "gpd.GeoSeries":
    """What of the polygons lies in a patch, each part by itself, the `most` largest first."""
    import shapely

    if polygons.crs != patch.crs:
        raise ValueError(f"Polygons are in {polygons.crs}, the patch in {patch.crs}. Reproject the polygons to the patches' CRS.")
    inside = polygons.intersection(shapely.box(*patch.extent.boundingbox)).explode(ignore_index=True)
    area = shapely.area(inside.to_numpy())  # in whatever unit, for it only orders
    order = np.argsort(-area, kind="stable")
    return inside.iloc[order[area[order] > 0][:most]]


def _boxes(parts: "gpd.GeoSeries", patch: "GeoBox") -> list[Box]:
    to_pixels = ~patch.affine
    corners = [(to_pixels * (west, north), to_pixels * (east, south)) for west, south, east, north in parts.bounds.to_numpy()]
    return [(x0, y0, x1, y1) for (x0, y0), (x1, y1) in corners]


def _points(parts: "gpd.GeoSeries", patch: "GeoBox") -> list[Point]:
    to_pixels = ~patch.affine
    return [to_pixels * (point.x, point.y) for point in parts.representative_point()]


def _objects(is_mining: NDArray[np.bool_], most: int) -> list[tuple[NDArray[np.bool_], tuple[int, int, int, int]]]:
    """Masks (y, x) and boxes of the `most` largest connected objects, largest first, then by row and column."""
    from scipy import ndimage

    numbered, count = ndimage.label(is_mining, structure=DIAGONALS)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    spans = ndimage.find_objects(numbered)
    order = np.argsort(-sizes, kind="stable")[:most]
    return [
        (numbered == number + 1, (spans[number][1].start, spans[number][0].start, spans[number][1].stop, spans[number][0].stop))
        for number in order
    ]


def _innermost(inside: NDArray[np.bool_]) -> Point:
    """Middle of the pixel farthest from the object's edge, the first by row and column of several."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column) + 0.5, float(row) + 0.5


def _rectangular(found: Iterable[Sequence[tuple[float, ...]]], otherwise: tuple[float, ...]) -> NDArray[np.float32]:
    """Prompts of each patch, filled up with its first to the number of the patch with most; `otherwise` where it has none."""
    each = [list(prompts) or [otherwise] for prompts in found]
    most = max(map(len, each), default=1)
    filled = [prompts + prompts[:1] * (most - len(prompts)) for prompts in each]
    return np.array(filled, np.float32).reshape(-1, most, len(otherwise))
