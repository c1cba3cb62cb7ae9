"""Water of a made-up landscape: a meandering main river, terrain that falls towards it, and the streams that drain it.

All lengths are in pixels of 10 m; rows grow southwards.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from shapely import affinity, union_all
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform.grids import PIXEL_M
from mining_platform.simulation import noise
from mining_platform.simulation.noise import Floats

CELL_PX = 6
"""Side of a terrain cell: 60 m."""
STREAM_KM2 = 0.7
"""Drained area at which a stream begins."""
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class Drainage:
    """Terrain in cells of CELL_PX and how it drains; indices are flat."""

    terrain: Floats
    """(h, w) height over the river, about metres, before pits are filled."""
    receiver: NDArray[np.int64]
    """Cell that each cell drains to, -1 for outlets and edges."""
    order: NDArray[np.int64]
    """Cells from the outlets upwards."""
    outlet: NDArray[np.bool_]
    """(h, w) the main river."""


@dataclass(frozen=True)
class Waters:
    """Rivers of one landscape on its (y, x) canvas."""

    river: NDArray[np.bool_]
    """Main river."""
    bars: Floats
    """Distance from the river's inner bends, 1 at the bank, 0 beyond about 100 m: where sand bars lie."""
    streams: NDArray[np.bool_]
    """Streams wide enough to be seen from above."""
    river_distance_px: Floats
    stream_distance_px: Floats
    """Distance to the nearest stream, whether it can be seen or not."""
    relief: Floats
    """Slope towards a morning sun in the east, deviation about 1."""
    stream_points: NDArray[np.float64]
    """(n, 3) row, column, drained km2 along the streams."""
    drainage: Drainage
    river_line: NDArray[np.float64]
    """(n, 2) x, y along the main river, downstream; it begins and ends beyond the canvas."""
    stream_lines: tuple[NDArray[np.float64], ...]
    """(n, 3) x, y, drained km2 along each stream, downstream."""


def meander(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """(n, 2) x, y of a river's centre line across the canvas, one point every 2 px.

    A sine-generated curve (Langbein and Leopold 1966, USGS Professional Paper 422-H) whose wavelength and swing vary.
    """
    height, width = shape
    steps = int(1.7 * np.hypot(height, width))
    wander = ndimage.gaussian_filter1d(rng.standard_normal(steps), 90)
    wander /= wander.std() + 1e-9
    wavelength = rng.uniform(230, 340)
    phase = np.cumsum(2 * np.pi * 2 / wavelength * np.exp(0.35 * np.roll(wander, 37))) + rng.uniform(0, 2 * np.pi)
    swing = np.clip(1.1 + 0.35 * np.roll(wander, 211), 0.3, 1.75)
    heading = rng.choice([-1, 1]) * rng.uniform(0.35, 0.9) + swing * np.sin(phase) + 0.3 * wander
    path = np.cumsum(np.stack([2 * np.cos(heading), 2 * np.sin(heading)], axis=1), axis=0)
    target = np.array([width, height]) * rng.uniform(0.32, 0.68, size=2)
    return path - path[steps // 2] + target


def _ribbon(path: NDArray[np.float64], half_width: NDArray[np.float64]) -> BaseGeometry:
    tangent = np.gradient(path, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / (np.hypot(*tangent.T)[:, None] + 1e-9)
    sides = (path + normal * half_width[:, None], path - normal * half_width[:, None])
    quads = (Polygon([sides[0][i], sides[0][i + 6], sides[1][i + 6], sides[1][i]]) for i in range(0, len(path) - 6, 5))
    return _merged(quad.buffer(0.3) for quad in quads if quad.is_valid)


def _merged(parts: Iterable[BaseGeometry]) -> BaseGeometry:
    return union_all(list(parts))


def burn(geometry: BaseGeometry, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels whose centre lies in a geometry given in px: (y, x) bool."""
    if geometry.is_empty:
        return np.zeros(shape, dtype=bool)
    metres = affinity.scale(geometry, PIXEL_M, PIXEL_M, origin=(0, 0))
    return np.asarray(rasterize([metres], out_shape=shape, transform=Affine.scale(PIXEL_M), dtype=np.uint8), dtype=bool)


def distance_px(mask: NDArray[np.bool_], step: int = 3) -> Floats:
    """Distance of every pixel to the nearest true one, in pixels, exact to about `step`; large where there is none."""
    height, width = mask.shape
    pad = ((0, -height % step), (0, -width % step))
    small = np.pad(mask, pad).reshape((height + pad[0][1]) // step, step, (width + pad[1][1]) // step, step).any(axis=(1, 3))
    if not small.any():
        return np.full(mask.shape, 1e4, dtype=np.float32)
    near = ndimage.distance_transform_edt(~small).astype(np.float32) * step
    return noise.enlarge(near, (small.shape[0] * step, small.shape[1] * step))[:height, :width]


def drainage(terrain: Floats, outlet: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Receiver of each cell and cells in flooding order, both flat indices: (h, w) heights and outlets in.

    Priority flood (Barnes et al. 2014, Computers & Geosciences 62): pits fill and every cell drains to an outlet or an edge.
    """
    height, width = terrain.shape
    receiver = np.full(terrain.size, -1, dtype=np.int64)
    seen = outlet.copy()
    seen[[0, -1], :] = True
    seen[:, [0, -1]] = True
    queue = [(float(terrain[r, c]), int(r * width + c)) for r, c in zip(*np.nonzero(seen), strict=True)]
    heapq.heapify(queue)
    heights, done, order = terrain.tolist(), seen.tolist(), []
    while queue:
        level, cell = heapq.heappop(queue)
        order.append(cell)
        row, column = divmod(cell, width)
        for dr, dc in _NEIGHBOURS:
            r, c = row + dr, column + dc
            if 0 <= r < height and 0 <= c < width and not done[r][c]:
                done[r][c] = True
                receiver[r * width + c] = cell
                heapq.heappush(queue, (max(level, heights[r][c]), r * width + c))
    return receiver, np.array(order, dtype=np.int64)


def accumulate(receiver: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cells that drain through each cell, itself included."""
    drained = [1] * receiver.size
    down = receiver.tolist()
    for cell in reversed(order.tolist()):
        if down[cell] >= 0:
            drained[down[cell]] += drained[cell]
    return np.array(drained, dtype=np.int64)


def _stream_lines(
    receiver: NDArray[np.int64], drained: NDArray[np.int64], least: float, width: int, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Streams as (n, 3) x, y in px and drained cells, from each head down to the first cell already taken."""
    stream = drained >= least
    feeds = np.bincount(receiver[stream & (receiver >= 0)], minlength=receiver.size)
    heads = np.nonzero(stream & (feeds == 0))[0]
    heads = heads[np.argsort(-drained[heads], kind="stable")]
    taken: set[int] = set()
    lines = []
    for head in heads.tolist():
        cells, cell = [head], head
        while cell not in taken and receiver[cell] >= 0:
            taken.add(cell)
            cell = int(receiver[cell])
            cells.append(cell)
        index = np.array(cells)
        xy = np.stack([index % width, index // width], axis=1) * float(CELL_PX) + CELL_PX / 2
        lines.append(_softened(xy, drained[index], rng))
    return lines


def _softened(xy: NDArray[np.float64], drained: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A staircase of cells as a winding line of points 2 px apart; its ends stay where they are."""
    t = np.arange(len(xy))
    fine = np.linspace(0, len(xy) - 1, max(2, 3 * (len(xy) - 1) + 1))
    dense = np.stack([np.interp(fine, t, xy[:, k]) for k in (0, 1)], axis=1)
    wiggle = ndimage.gaussian_filter1d(rng.standard_normal(dense.shape), 3.0, axis=0) * 14
    ends = np.minimum(1, np.minimum(np.arange(len(dense)), np.arange(len(dense))[::-1]) / 9)[:, None]
    smooth = ndimage.gaussian_filter1d(dense, 5.0, axis=0, mode="nearest") + wiggle
    line = dense * (1 - ends) + smooth * ends
    return np.column_stack([line, np.interp(fine, t, drained)])


def make_waters(shape: tuple[int, int], seed: int, region_id: str) -> Waters:
    """Rivers and relief of a landscape, (y, x) px of 10 m, the same for the same seed and region id."""
    rng = noise.generator(seed, region_id, "waters")
    path = meander(shape, rng)
    half_width = 5.5 + rng.uniform(0, 2) + 1.6 * np.sin(np.arange(len(path)) / 61)
    river = burn(_ribbon(path, half_width), shape)
    river_distance = distance_px(river)

    cells = (-(-shape[0] // CELL_PX), -(-shape[1] // CELL_PX))
    near = noise.enlarge(river_distance, cells)
    hills = noise.rough(cells, rng, 70, 2.1)
    terrain = 0.055 * near + 9.0 * hills * np.minimum(1, near / 60 + 0.15)
    outlet = near < CELL_PX
    receiver, order = drainage(terrain, outlet)
    drained = accumulate(receiver, order)
    cell_km2 = (CELL_PX * 10 / 1000) ** 2
    lines = _stream_lines(receiver, drained, STREAM_KM2 / cell_km2, cells[1], rng)
    points = np.concatenate(lines) if lines else np.zeros((0, 3))
    points = np.column_stack([points[:, 1], points[:, 0], points[:, 2] * cell_km2])
    inside = (points[:, 0] >= 0) & (points[:, 0] < shape[0]) & (points[:, 1] >= 0) & (points[:, 1] < shape[1])
    channel = burn(_merged(LineString(line[:, :2]).buffer(0.75) for line in lines), shape)
    wide = [
        LineString(line[:, :2]).buffer(float(np.clip(np.sqrt(line[-1, 2] * cell_km2) * 0.22, 0.6, 2.2)))
        for line in lines
        if line[-1, 2] * cell_km2 > 6
    ]
    return Waters(
        river=river,
        bars=_sand_bars(path, half_width, shape),
        streams=burn(_merged(wide), shape) & ~river,
        river_distance_px=river_distance,
        stream_distance_px=distance_px(channel, 2),
        relief=_relief(terrain, shape),
        stream_points=points[inside],
        drainage=Drainage(terrain, receiver, order, outlet),
        river_line=path,
        stream_lines=tuple(line * (1, 1, cell_km2) for line in lines),
    )


def _sand_bars(path: NDArray[np.float64], half_width: NDArray[np.float64], shape: tuple[int, int]) -> Floats:
    """1 on the inner side of bends, where a river drops its sand (point bars), falling to 0 away from them."""
    tangent = np.gradient(ndimage.gaussian_filter1d(path, 4, axis=0), axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    turning = ndimage.gaussian_filter1d(np.gradient(heading), 8)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / (np.hypot(*tangent.T)[:, None] + 1e-9)
    centres = path + normal * (np.sign(turning) * (half_width + 1.5))[:, None]
    strength = np.clip(np.abs(turning) / 0.05, 0, 1)
    field = np.zeros(shape, dtype=np.float32)
    column, row = np.round(centres).astype(int).T
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    np.maximum.at(field, (row[inside], column[inside]), strength[inside].astype(np.float32))
    spread = ndimage.gaussian_filter(field, 4.5)
    return np.asarray(np.clip(spread / 0.06, 0, 1), dtype=np.float32)


def _relief(terrain: Floats, shape: tuple[int, int]) -> Floats:
    slope = np.gradient(ndimage.gaussian_filter(terrain, 0.8), axis=1)
    return noise.enlarge((slope / (slope.std() + 1e-9)).astype(np.float32), shape)
