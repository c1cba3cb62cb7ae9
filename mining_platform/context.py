"""OpenStreetMap's features as channels on a grid: where a key has a feature, and how far the nearest one is.

Features are rows of `key` (a row of osm_keys.OSM_KEYS) and `geometry` in EPSG:4326, as `sources.openstreetmap` reads them. A
pixel has a line where its centre lies within half the line's width, which is at least a pixel's so that no line has gaps; it has
a polygon as the key's row says. Pixels are burnt in tiles that are counted from the CRS's origin, so that they are the same
whatever grid they are part of. Where an extract says nothing, outside what it covers, channels are NaN and not 0.
"""

import math
from collections.abc import Iterator, Sequence

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import rasterize

from mining_platform import bands
from mining_platform.osm_keys import OsmKey, osm_key

Bounds = tuple[float, float, float, float]
"""West, south, east, north in degrees, EPSG:4326."""

MAX_DISTANCE_M = 2_560
"""Distances are told up to here, the side of Dissing and Kalo's larger patches, and so is the margin that they need."""
TILE_PX = 512
QUADRANT_SEGMENTS = 8  # of a line's round ends: off by at most 0.5 % of its half width
_DENSIFY = 21  # points of an edge whose curve is followed between two CRSs
_CURVE_SHARE = 0.01  # of a box's sides, added for what lies between those points
_LATTICE_TOLERANCE_PX = 1e-6
_SENSOR = "openstreetmap"


def context_on_grid(
    features: gpd.GeoDataFrame, geobox: GeoBox, keys: Sequence[str], *, extent: Bounds | None
) -> NDArray[np.float32]:
    """Whether each key has a feature at a pixel: (key, y, x) float32 of 1 and 0.

    NaN where the pixel's centre lies outside `extent`, which the features were taken from; None: they are of everywhere.
    KeyError for an unknown key, ValueError for a grid that is turned or not in metres.
    """
    check_grid(geobox)
    known = known_on_grid(geobox, extent)
    found = [_presence(features, geobox, osm_key(key)) for key in keys]
    return np.stack([np.where(known, each, np.nan).astype(np.float32) for each in found])


def distance_on_grid(
    features: gpd.GeoDataFrame, geobox: GeoBox, keys: Sequence[str], *, extent: Bounds | None
) -> NDArray[np.float32]:
    """Metres from each pixel to the nearest that has a feature of each key, centre to centre: (key, y, x) float32.

    0 on the feature, MAX_DISTANCE_M where none is nearer than that. Features beyond `extent` are not known and count as none;
    NaN outside it. Raises as `context_on_grid`.
    """
    check_grid(geobox)
    known = known_on_grid(geobox, extent)
    found = [_distance(features, geobox, osm_key(key)) for key in keys]
    return np.stack([np.where(known, each, np.nan).astype(np.float32) for each in found])


def context_channels(
    features: gpd.GeoDataFrame, geobox: GeoBox, channels: Sequence[str], *, extent: Bounds | None
) -> NDArray[np.float32]:
    """Channels of bands.BANDS, `OSM-highway` or `OSM-highway-distance` and the like, on a grid: (channel, y, x) float32.

    KeyError for a channel of another sensor; else as `context_on_grid` and `distance_on_grid`.
    """
    rows = [key_of_channel(channel) for channel in channels]
    made = [(distance_on_grid if far else context_on_grid)(features, geobox, [key], extent=extent)[0] for key, far in rows]
    return np.stack(made)


def key_of_channel(channel: str) -> tuple[str, bool]:
    """The key that a channel is made of, and whether it tells distances; KeyError for a channel of another sensor."""
    row = bands.band(channel)
    if row.sensor != _SENSOR:
        raise KeyError(f"Channel {channel} is none of {_SENSOR} but of {row.sensor}. Ask its own source for it.")
    return channel.removeprefix("OSM-").removesuffix("-distance"), channel.endswith("-distance")


def known_on_grid(geobox: GeoBox, extent: Bounds | None) -> NDArray[np.bool_]:
    """Where an extract says something (y, x): the pixels whose centres lie in its extent."""
    if extent is None or _covers(extent, degrees_around(geobox)):
        return np.ones(geobox.shape, bool)
    height, width = geobox.shape
    x, y = geobox.affine * tuple(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5))
    lon, lat = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True).transform(x, y)
    west, south, east, north = extent
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))


def degrees_around(geobox: GeoBox, margin_m: float = 0.0) -> Bounds:
    """Bounds in EPSG:4326 that contain a grid and what lies within a margin of it, and a little more."""
    box = geobox.boundingbox
    around = (box.left - margin_m, box.bottom - margin_m, box.right + margin_m, box.top + margin_m)
    to_degrees = Transformer.from_crs(str(geobox.crs), "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*around, densify_pts=_DENSIFY)
    if west > east or not all(map(math.isfinite, (west, south, east, north))):
        return -180.0, -90.0, 180.0, 90.0
    more_x, more_y = _CURVE_SHARE * (east - west), _CURVE_SHARE * (north - south)
    return west - more_x, south - more_y, east + more_x, north + more_y


def bounds_touch(one: Bounds, other: Bounds) -> bool:
    """Whether two boxes have a point in common."""
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def check_grid(geobox: GeoBox) -> None:
    """ValueError for a grid that is turned, upside down or not in metres, on which widths and distances mean nothing."""
    crs, affine = geobox.crs, geobox.affine
    if crs is None or not crs.projected or any(unit != "metre" for unit in crs.units):
        raise ValueError(f"The grid's CRS {crs} is not in metres, as widths and distances are. Use a UTM zone.")
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise ValueError("The grid is turned or upside down. Use one with north up.")


def _covers(outer: Bounds, inner: Bounds) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _distance(features: gpd.GeoDataFrame, geobox: GeoBox, row: OsmKey) -> NDArray[np.float64]:
    """The margin around the grid is as wide as distances are told, so no grid sees less than another."""
    from scipy.ndimage import distance_transform_edt

    height, width = geobox.shape
    sides = abs(geobox.affine.e), geobox.affine.a
    rows, columns = (math.ceil(MAX_DISTANCE_M / side) for side in sides)
    present = _presence(features, geobox.pad(columns, rows), row)
    if not present.any():
        return np.full((height, width), float(MAX_DISTANCE_M))
    metres = distance_transform_edt(~present, sampling=sides)[rows : rows + height, columns : columns + width]
    return np.minimum(metres, MAX_DISTANCE_M)


def _presence(features: gpd.GeoDataFrame, geobox: GeoBox, row: OsmKey) -> NDArray[np.bool_]:
    """Where a key has a feature (y, x)."""
    lines, polygons = _shapes(features, geobox, row)
    present = np.zeros(geobox.shape, bool)
    for shapes, all_touched in ((lines, False), (polygons, row.all_touched)):
        if len(shapes):
            present |= _burnt(shapes, geobox, all_touched=all_touched)
    return present


def _shapes(features: gpd.GeoDataFrame, geobox: GeoBox, row: OsmKey) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Polygons around a key's lines, and its polygons, in the grid's CRS: those that may touch the grid."""
    width_m = max(row.line_width_m, geobox.affine.a, -geobox.affine.e)
    west, south, east, north = degrees_around(geobox, width_m)
    near = features.sindex.query(shapely.box(west, south, east, north))
    of_key = near[(features["key"].to_numpy()[near] == row.id)]
    projected = _projected(features.geometry.to_numpy()[np.sort(of_key)], geobox)
    dimensions = shapely.get_dimensions(projected)
    lines = shapely.buffer(projected[dimensions == 1], width_m / 2, quad_segs=QUADRANT_SEGMENTS)
    return lines[~shapely.is_empty(lines)], projected[dimensions == 2]  # noqa: PLR2004 - of a polygon


def _projected(geometries: NDArray[np.object_], geobox: GeoBox) -> NDArray[np.object_]:
    """Geometries in the grid's CRS; those that it does not reach are left out."""
    to_grid = Transformer.from_crs("EPSG:4326", str(geobox.crs), always_xy=True)
    moved = shapely.transform(geometries, lambda xy: np.column_stack(to_grid.transform(xy[:, 0], xy[:, 1])))
    return np.asarray(moved[np.isfinite(shapely.bounds(moved)).all(axis=1)], object)


def _burnt(shapes: NDArray[np.object_], geobox: GeoBox, *, all_touched: bool) -> NDArray[np.bool_]:
    """Pixels (y, x) of polygons, tile by tile."""
    tree = shapely.STRtree(shapes)
    burnt = np.zeros(geobox.shape, bool)
    for tile, inside, part in _tiles(geobox):
        box = tile.boundingbox
        touching = shapes[np.sort(tree.query(shapely.box(box.left, box.bottom, box.right, box.top)))]
        if len(touching):
            pixels = rasterize(touching, tile.shape, transform=tile.affine, all_touched=all_touched, dtype="uint8")
            burnt[part] = pixels[inside] == 1
    return burnt


def _tiles(geobox: GeoBox) -> Iterator[tuple[GeoBox, tuple[slice, slice], tuple[slice, slice]]]:
    """Tiles under a grid, each with the part of it that lies in the grid, as pixels of the tile and of the grid."""
    rows = list(_spans(geobox.affine.f / geobox.affine.e, geobox.shape[0]))
    for left, inside_x, part_x in _spans(geobox.affine.c / geobox.affine.a, geobox.shape[1]):
        for top, inside_y, part_y in rows:
            affine = geobox.affine * Affine.translation(left, top)
            yield GeoBox((TILE_PX, TILE_PX), affine, geobox.crs), (inside_y, inside_x), (part_y, part_x)


def _spans(start_px: float, count: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles along an axis whose first pixel is the so-and-so-many-th from the origin.

    Each is told by the pixel of the grid that it starts at, which may be before the grid, and its part in the grid.
    """
    offset = math.floor(start_px + _LATTICE_TOLERANCE_PX) % TILE_PX
    for left in range(-offset, count, TILE_PX):
        first, last = max(left, 0), min(left + TILE_PX, count)
        yield left, slice(first - left, last - left), slice(first, last)
