"""A made-up Amazonian landscape: which land-cover class lies where, and since when mining and pasture do.

Mining and pasture are kept as the year in which they reached a pixel, so that they only ever grow.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from scipy import ndimage
from shapely.geometry import box

from mining_platform.grids import PIXEL_M, project
from mining_platform.regions import Region
from mining_platform.simulation import noise
from mining_platform.simulation.clearings import Clearings, make_clearings
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.rivers import Waters, make_waters

FOREST, WETLAND, GRASSLAND, PASTURE, BEACH, URBAN, BARE, MINING, RIVER = 3, 11, 12, 15, 23, 24, 25, 30, 33
"""MapBiomas codes of the made-up landscape."""
CANVAS_STEP_M = 60
"""Canvas corners are multiples of Sentinel-2's coarsest pixel, so that 10, 20 and 60 m pixels nest."""
MARGIN_DEG = 0.0035
"""Ground drawn beyond the region's bounds, about 390 m."""
MAX_CANVAS_PX = 40_000_000
"""Largest canvas drawn: about 63 km square; a whole landscape is held in memory."""
_FARTHEST = 1.1
"""No pit lies beyond this many half lengths of its mine, however long it grows."""
FULL_GROWN_YEAR = 2024
"""Year at which a mine reaches its full-grown size; it goes on growing after."""


@dataclass(frozen=True)
class Landscape:
    """Made-up ground on a (y, x) canvas of 10 m pixels."""

    natural: NDArray[np.uint8]
    """Class codes without people."""
    waters: Waters
    clearings: Clearings
    mining_since: Floats
    """Year in which mining reaches a pixel; beyond 3000 never."""
    mines: "tuple[Mine, ...]"
    """The large ones first."""


def canvas_of(region: Region) -> GeoBox:
    """10 m GeoBox around a region with a margin of at least 300 m, corners on multiples of 60 m.

    ValueError where it would exceed MAX_CANVAS_PX.
    """
    west, south, east, north = region.geometry.bounds
    outline = box(west - MARGIN_DEG, south - MARGIN_DEG, east + MARGIN_DEG, north + MARGIN_DEG).segmentize(0.05)
    minx, miny, maxx, maxy = project(outline, 4326, region.epsg).bounds
    x0, y0 = math.floor(minx / CANVAS_STEP_M) * CANVAS_STEP_M, math.floor(miny / CANVAS_STEP_M) * CANVAS_STEP_M
    x1, y1 = math.ceil(maxx / CANVAS_STEP_M) * CANVAS_STEP_M, math.ceil(maxy / CANVAS_STEP_M) * CANVAS_STEP_M
    rows, columns = (y1 - y0) // PIXEL_M, (x1 - x0) // PIXEL_M
    if rows * columns > MAX_CANVAS_PX:
        raise ValueError(
            f"Region {region.id} covers {rows} x {columns} pixels; the simulation draws at most {MAX_CANVAS_PX:,}. "
            "Name a smaller region in regions.geojson."
        )
    return GeoBox((rows, columns), Affine(PIXEL_M, 0, x0, 0, -PIXEL_M, y1), CRS(f"EPSG:{region.epsg}"))


def make_landscape(shape: tuple[int, int], seed: int, region_id: str) -> Landscape:
    """The landscape of a region id and a seed on a canvas of (y, x) px."""
    waters = make_waters(shape, seed, region_id)
    clearings = make_clearings(shape, waters, seed, region_id)
    since, mines = _mining_since(shape, waters, seed, region_id)
    return Landscape(_natural(shape, waters, seed, region_id), waters, clearings, since, mines)


def classes_in(landscape: Landscape, year: int) -> NDArray[np.uint8]:
    """Land-cover class codes of a year: (y, x) uint8, MapBiomas legend.

    Later rules win: nature, pasture, town and airstrips, streams, mining, sand bars, the main river.
    """
    classes = landscape.natural.copy()
    clearings, waters = landscape.clearings, landscape.waters
    cleared = clearings.cleared_since <= year
    mined = (landscape.mining_since <= year) & ~clearings.town
    classes[cleared] = PASTURE
    classes[cleared & clearings.bare] = BARE
    classes[clearings.town] = URBAN
    classes[clearings.airstrip] = BARE
    classes[waters.streams] = RIVER
    classes[mined] = MINING
    classes[(landscape.natural == BEACH) & ~mined] = BEACH
    classes[waters.river] = RIVER
    return classes


def _natural(shape: tuple[int, int], waters: Waters, seed: int, region_id: str) -> NDArray[np.uint8]:
    """Forest, with wetland on the flood plain, a savanna enclave and sand bars."""
    rng = noise.generator(seed, region_id, "nature")
    classes = np.full(shape, FOREST, dtype=np.uint8)
    plain = noise.coarse_rough(shape, rng, 160) + 0.35 * noise.rough(shape, rng, 14)
    classes[waters.river_distance_px < 34 * (plain - 0.55)] = WETLAND
    enclave = noise.coarse_rough(shape, rng, 420, power=2.3) + 0.12 * noise.rough(shape, rng, 30)
    classes[(enclave > 2.15) & (waters.river_distance_px > 60)] = GRASSLAND
    bars = waters.bars + 0.12 * noise.rough(shape, rng, 24, 2.0)
    classes[(bars > 0.5) & (waters.river_distance_px < 9)] = BEACH
    return classes


@dataclass(frozen=True)
class Mine:
    """One mining site on a stream."""

    row: float
    column: float
    half_length_px: float
    """Half its length along the stream when full grown."""
    start: float
    """Year of the first pit."""
    narrowness: float
    """How much faster distance from the stream counts than distance along it."""
    gaps: float = 0.0
    """0 for one closed scar, 1 for pits scattered through standing forest."""


_COMPLEXES = ((1.15, 1.6, 0.0), (1.2, 2.2, 1.0), (1.1, 1.6, 0.0), (1.2, 1.8, 0.7))
"""Large mines in turn: length relative to the largest, narrowness and gaps."""
_MOST_COMPLEXES, _MOST_PITS = 6, 8
"""Of one landscape: beyond 21 km a side there is more forest and not more mines, and ground far from any."""


def _mines(shape: tuple[int, int], waters: Waters, rng: np.random.Generator) -> list[Mine]:
    """A few large complexes and many small pits, along streams away from the main river.

    A region of 16 km gets 4 complexes of 3 to 5 km; smaller regions get smaller and fewer ones, larger ones not many more.
    """
    side = min(shape)
    river = waters.river_distance_px[tuple(waters.stream_points[:, :2].astype(int).T)]
    points = waters.stream_points[river > 0.05 * side]
    if len(points) == 0:
        points = np.array([[shape[0] / 2, shape[1] / 2, 1.0]])
    largest = min(190.0, 0.16 * side)
    mines: list[Mine] = []
    for number in range(min(_MOST_COMPLEXES, max(1, round(len(_COMPLEXES) * shape[0] * shape[1] / 1700**2)))):
        scale, narrowness, gaps = _COMPLEXES[number % len(_COMPLEXES)]
        place = _farthest(points, mines, shape, 1.1 * largest, rng)
        mines.append(Mine(*place, largest * scale, rng.uniform(2002, 2009), narrowness * rng.uniform(0.9, 1.1), gaps))
    small = min(_MOST_PITS, max(2, round(6 * shape[0] * shape[1] / 1700**2)))
    for row, column, _ in points[rng.integers(0, len(points), small)]:
        size = min(float(np.exp(rng.uniform(np.log(14), np.log(90)))), 0.1 * side)
        mines.append(Mine(row, column, size, rng.uniform(2007, 2023.5), rng.uniform(1.5, 3.0)))
    return mines


def _farthest(
    points: NDArray[np.float64], mines: list[Mine], shape: tuple[int, int], edge_px: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Of some random stream points, the one farthest from the mines so far and from the edges."""
    tries = points[rng.integers(0, len(points), 60), :2]
    others = np.array([[mine.row, mine.column] for mine in mines]).reshape(-1, 2)
    apart = np.min(np.hypot(*(tries[:, None] - others[None]).transpose(2, 0, 1)), axis=1, initial=0.45 * min(shape))
    margin = np.minimum(tries, np.array(shape) - tries).min(axis=1)
    best = int(np.argmax(apart + 4 * np.minimum(margin, edge_px)))
    return float(tries[best, 0]), float(tries[best, 1])


def _mining_since(shape: tuple[int, int], waters: Waters, seed: int, region_id: str) -> tuple[Floats, tuple[Mine, ...]]:
    """Year in which mining reaches each pixel: each mine spreads from its first pit, mostly along its stream; and the mines."""
    rng = noise.generator(seed, region_id, "mines")
    ragged = 0.13 * noise.coarse_rough(shape, rng, 90, step=3) + 0.06 * noise.rough(shape, rng, 30, 2.3)
    islands = noise.coarse_rough(shape, rng, 45, step=3, power=2.4)
    winding = 0.18 * noise.coarse_rough(shape, rng, 260, power=2.3)
    since = np.full(shape, 9999, dtype=np.float32)
    mines = _mines(shape, waters, rng)
    for mine in mines:
        reach = int(1.9 * mine.half_length_px) + 4
        rows = slice(max(0, int(mine.row) - reach), min(shape[0], int(mine.row) + reach))
        columns = slice(max(0, int(mine.column) - reach), min(shape[1], int(mine.column) + reach))
        y, x = np.ogrid[rows, columns]
        along = np.hypot(y - mine.row, x - mine.column)
        off = mine.narrowness * waters.stream_distance_px[rows, columns]
        smooth = np.hypot(along, off) / mine.half_length_px + winding[rows, columns]
        distance = np.clip(smooth + ragged[rows, columns] + mine.gaps * (0.2 + 0.42 * islands[rows, columns]), 0, None)
        year = mine.start + (FULL_GROWN_YEAR - mine.start) * distance**2.4
        year[smooth > _FARTHEST] = 9999
        since[rows, columns] = np.minimum(since[rows, columns], year.astype(np.float32))
    return _without_specks(since, waters), tuple(mines)


def _without_specks(since: Floats, waters: Waters) -> Floats:
    """Smooth single pixels away and keep mining off the main river."""
    calm = ndimage.median_filter(since, size=3)
    calm[waters.river_distance_px < 4] = 9999
    return np.asarray(calm, dtype=np.float32)
