"""The ground that patches stand on: footprints of any outline in any projected CRS, and pairs that overlap or come too near.

A window's id is all that its footprint needs, so tables are joined by id and never by position.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from mining_platform.grids import PIXEL_M

OVERLAP_M2 = 1.0  # lattice windows overlap by 100 m2 at least; less is rounding between two projections
PAIR_COLUMNS = ("a", "b", "distance_m", "overlap_m2")
BATCH_ROWS = 1024  # footprints looked up at once, so that memory follows the pairs kept and not the pairs looked at

# WGS 84: NIMA TR8350.2, Department of Defense World Geodetic System 1984.
EARTH_A_M, EARTH_E2 = 6_378_137.0, 0.00669437999014
DEGREE_M = 110_500.0  # shortest degree of latitude, and of longitude on the equator, less a little
SCALE_MARGIN = 1.25  # of a true length over the projected one: 1.01 in a UTM zone and its neighbour, 1.155 in EPSG:6933
POLAR_DEG = 84.0  # beyond it longitudes turn so fast that footprints are looked for in all of them


@dataclass(frozen=True)
class Footprints:
    """The ground that rows stand on, each in metres of its own projected CRS."""

    geometry: NDArray[np.object_]
    """(n,) shapely polygons."""
    epsg: NDArray[np.int64]
    """(n,) EPSG code of the CRS of each polygon."""


def bounds_of(window_ids: Sequence[str]) -> pd.DataFrame:
    """Columns epsg, px, minx, miny, maxx, maxy (whole metres) of windows, in the order given.

    ValueError names ids that are not of the form `<epsg>_<easting/10>_<northing/10>_<px>`.
    """
    identifiers = pd.Series(list(window_ids), dtype=str)
    parts = identifiers.str.extract(r"^(\d{4,6})_(-?\d+)_(-?\d+)_(\d+)$")
    if wrong := identifiers[parts.isna().any(axis=1)].tolist()[:3]:
        raise ValueError(f"{wrong} are no window ids; make ids with mining_platform.grids.window_id.")
    epsg, east, north, px = (parts[column].astype(np.int64) for column in parts)
    minx, maxy, size = east * PIXEL_M, north * PIXEL_M, px * PIXEL_M
    return pd.DataFrame({"epsg": epsg, "px": px, "minx": minx, "miny": maxy - size, "maxx": minx + size, "maxy": maxy})


def window_footprints(window_ids: Sequence[str]) -> Footprints:
    """Footprints of windows, in the order given; ValueError as `bounds_of`."""
    bounds = bounds_of(window_ids)
    boxes = bounds[["minx", "miny", "maxx", "maxy"]].to_numpy(dtype=float)
    return Footprints(_squares(boxes), bounds["epsg"].to_numpy(np.int64))


@lru_cache(maxsize=256)
def is_in_metres(epsg: int) -> bool:
    """Whether an EPSG code is of a projected CRS in metres, as footprints need it."""
    try:
        crs = CRS.from_epsg(epsg)
    except CRSError:
        return False
    return crs.is_projected and crs.axis_info[0].unit_conversion_factor == 1


def subset(footprints: Footprints, rows: NDArray[Any]) -> Footprints:
    """The footprints at some positions, or where a mask holds."""
    return Footprints(footprints.geometry[rows], footprints.epsg[rows])


def centres_m(footprints: Footprints) -> NDArray[np.float64]:
    """(n, 3) geocentric WGS 84 metres of the centroids, so that distances hold across zones.

    A chord of 3 km is shorter than its arc by 0.03 mm.
    """
    longitude, latitude = np.radians(centres_deg(footprints)).T
    radius = EARTH_A_M / np.sqrt(1 - EARTH_E2 * np.sin(latitude) ** 2)
    x, y = (radius * np.cos(latitude) * turn(longitude) for turn in (np.cos, np.sin))
    return np.column_stack([x, y, radius * (1 - EARTH_E2) * np.sin(latitude)])


def centres_deg(footprints: Footprints) -> NDArray[np.float64]:
    """(n, 2) WGS 84 longitude and latitude of the centroids."""
    return _in_degrees(shapely.get_coordinates(shapely.centroid(footprints.geometry)), footprints.epsg)


def close_pairs(footprints: Footprints, distance_m: float, groups: Sequence[Any] | NDArray[Any] | None = None) -> pd.DataFrame:
    """Pairs of rows whose footprints overlap or are nearer than a distance.

    Columns a, b (positions, a < b), distance_m (0 where they overlap or touch), overlap_m2; sorted by a, b. Touching edges
    are a pair only where `distance_m` is above 0. With `groups`, only pairs of different groups. Works across CRS: two
    footprints are measured in the CRS of the smaller EPSG code, so that no answer depends on the order of the rows.
    """
    found = list(iter_close_pairs(footprints, distance_m, groups))
    return pd.concat(found, ignore_index=True).sort_values(["a", "b"], ignore_index=True)


def iter_close_pairs(
    footprints: Footprints, distance_m: float, groups: Sequence[Any] | NDArray[Any] | None = None
) -> Iterator[pd.DataFrame]:
    """The pairs of `close_pairs` in batches, each unsorted, at least one: for tables with more pairs than memory."""
    if not len(footprints.epsg):
        yield pd.DataFrame({name: np.zeros(0, dtype=float if "_" in name else np.int64) for name in PAIR_COLUMNS})
        return
    codes = None if groups is None else pd.factorize(np.asarray(groups))[0]
    bounds = shapely.bounds(footprints.geometry)
    area = (bounds[:, 2] - bounds[:, 0]) * (bounds[:, 3] - bounds[:, 1])
    is_box = np.isclose(shapely.area(footprints.geometry), area, rtol=1e-12, atol=0)
    for a, b in _candidates(_degree_boxes(footprints, distance_m), codes):
        yield _measured(footprints, bounds, is_box, (a, b), distance_m)


def reprojected(geometry: NDArray[np.object_], source: int, target: int) -> NDArray[np.object_]:
    """Geometries in another CRS."""
    if source == target:
        return geometry
    move: Any = _transformer(source, target).transform
    return np.asarray(shapely.transform(geometry, move, interleaved=False), dtype=object)


def measure(footprints: Footprints, a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (m) and common area (m2) of pairs, each in the CRS of the smaller EPSG code."""
    swap = footprints.epsg[a] > footprints.epsg[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    first, second = footprints.geometry[a], footprints.geometry[b].copy()
    codes = np.column_stack([footprints.epsg[b], footprints.epsg[a]])
    for source, target in np.unique(codes, axis=0).tolist():
        places = (codes == (source, target)).all(axis=1)
        second[places] = reprojected(second[places], source, target)
    overlap = shapely.area(shapely.intersection(first, second))
    return shapely.distance(first, second), np.where(np.isnan(overlap), 0.0, overlap)


def _in_degrees(points: NDArray[np.float64], epsg: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 2) longitude and latitude of points that are each in their own CRS."""
    degrees = np.empty_like(points)
    for code in np.unique(epsg).tolist():
        rows = epsg == code
        degrees[rows] = np.column_stack(_transformer(code, 4326).transform(*points[rows].T))
    return degrees


@lru_cache(maxsize=256)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)


def _degree_boxes(footprints: Footprints, distance_m: float) -> NDArray[np.float64]:
    """(n, 4) bounds in degrees, grown so that footprints nearer than the distance have bounds that meet.

    Longitudes run on beyond 180 where a footprint does; near a pole they are all. Edges bend between projections by less than
    the square of their length over eight Earth radii and the cosine of the latitude.
    """
    points, rows = shapely.get_coordinates(footprints.geometry, return_index=True)
    degrees = _in_degrees(points, footprints.epsg[rows])
    starts = np.searchsorted(rows, np.arange(len(footprints.geometry)))
    degrees[:, 0] = (degrees[:, 0] - degrees[starts[rows], 0] + 180) % 360 - 180 + degrees[starts[rows], 0]
    low, high = (each.reduceat(degrees, starts, axis=0) for each in (np.minimum, np.maximum))
    sides = np.diff(shapely.bounds(footprints.geometry).reshape(-1, 2, 2), axis=1)[:, 0]
    farthest = np.abs([low[:, 1], high[:, 1]]).max(axis=0)
    bend_m = (sides**2).sum(axis=1) / (8 * EARTH_A_M * np.cos(np.radians(np.minimum(farthest, POLAR_DEG))))
    margin = (0.5 * distance_m * SCALE_MARGIN + 1 + bend_m) / DEGREE_M
    wide = margin / np.cos(np.radians(np.minimum(farthest + margin, POLAR_DEG)))
    boxes = np.column_stack([low[:, 0] - wide, low[:, 1] - margin, high[:, 0] + wide, high[:, 1] + margin])
    return _around_poles(boxes)


def _around_poles(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes in degrees with those that come near a pole taken as caps, since their corners do not say whether it lies inside."""
    south, north = boxes[:, 1] < -POLAR_DEG, boxes[:, 3] > POLAR_DEG
    whole = np.array([-180.0, -90.0, 180.0, 90.0])
    caps = np.column_stack([south | north, south, south | north, north])
    return np.where(caps, whole, boxes)


def _candidates(boxes: NDArray[np.float64], codes: NDArray[Any] | None) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Batches of positions (a, b), a < b, of boxes that meet, of different groups, on the globe's turn of 360 degrees too."""
    tree = shapely.STRtree(_squares(boxes))
    for start in range(0, len(boxes), BATCH_ROWS):
        i, j = tree.query(_squares(boxes[start : start + BATCH_ROWS]))
        yield _kept(i + start, j, codes)
    for turn, beyond in ((-360, np.flatnonzero(boxes[:, 2] > 180)), (360, np.flatnonzero(boxes[:, 0] < -180))):  # noqa: PLR2004
        if beyond.size:
            moved = boxes[beyond] + np.array([turn, 0, turn, 0])
            i, j = tree.query(_squares(moved))
            unmet = ~_meet(boxes[beyond[i]], boxes[j])  # a cap around a pole meets them unmoved as well
            i, j = i[unmet], j[unmet]
            if turn > 0:  # what both meet beyond 180 is found from the other side
                once = boxes[j, 2] <= 180  # noqa: PLR2004
                i, j = i[once], j[once]
            yield _kept(np.minimum(beyond[i], j), np.maximum(beyond[i], j), codes)


def _meet(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((first[:, :2] <= second[:, 2:]) & (second[:, :2] <= first[:, 2:])).all(axis=1))


def _squares(bounds: NDArray[np.float64]) -> NDArray[np.object_]:
    minx, miny, maxx, maxy = bounds.T
    return np.asarray(shapely.box(minx, miny, maxx, maxy), dtype=object)


def _kept(a: NDArray[Any], b: NDArray[Any], codes: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any]]:
    kept = a < b if codes is None else (a < b) & (codes[a] != codes[b])
    return a[kept], b[kept]


def _measured(
    footprints: Footprints, bounds: NDArray[Any], is_box: NDArray[Any], pair: tuple[NDArray[Any], NDArray[Any]], distance_m: float
) -> pd.DataFrame:
    """The pairs that are close, with their measures; sides along the axes are measured by their bounds alone."""
    a, b = pair
    same = footprints.epsg[a] == footprints.epsg[b]
    inner = np.minimum(bounds[a, 2:], bounds[b, 2:]) - np.maximum(bounds[a, :2], bounds[b, :2])
    gap, overlap = np.hypot(*np.maximum(-inner, 0).T), np.prod(np.maximum(inner, 0), axis=1)
    possible = ~same | (gap < distance_m) | (overlap > 0)
    a, b, gap, overlap = (each[possible] for each in (a, b, gap, overlap))
    other = ~(same[possible] & is_box[a] & is_box[b])
    gap[other], overlap[other] = measure(footprints, a[other], b[other])
    close = (gap < distance_m) | (overlap > OVERLAP_M2)
    return pd.DataFrame({"a": a, "b": b, "distance_m": gap, "overlap_m2": overlap})[close]
