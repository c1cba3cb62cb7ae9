"""People's clearings in a made-up landscape: a road with side roads, pasture lots along them, a town and airstrips.

The pattern is the fishbone of Amazonian settlement: lots are cleared outwards from a trunk road and its ribs.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely import union_all
from shapely.geometry import LineString

from mining_platform.simulation import noise
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.rivers import Waters, burn
from mining_platform.simulation.road_lines import Rib, RoadLine, road_lines

RIB_PX = 200.0
"""Mean distance between side roads: 2 km."""
LOT_PX = 50.0
"""Width of a lot along a side road: 500 m."""
STRIP_HALF_WIDTH_PX = 2.0


@dataclass(frozen=True)
class Clearings:
    """Traces of people on the (y, x) canvas, mining aside."""

    roads: Floats
    """Share of a pixel that is road surface, 0 to 1."""
    cleared_since: Floats
    """Year in which forest became pasture; beyond 3000 never."""
    lot_state: Floats
    """How green a lot is kept against its neighbours, -1 to 1."""
    bare: NDArray[np.bool_]
    """Worn-out pasture without plants."""
    town: NDArray[np.bool_]
    airstrip: NDArray[np.bool_]
    road_lines: tuple[RoadLine, ...]
    """Middle lines of the roads, across rivers too."""
    airstrip_lines: tuple[NDArray[np.float64], ...]
    """(2, 2) x, y px of the ends of each strip."""


@dataclass(frozen=True)
class _Trunk:
    """Frame of the settlement: the trunk road is v = 0."""

    u: Floats
    """Distance along the trunk road, px."""
    v: Floats
    """Distance from it, px, signed."""


def make_clearings(shape: tuple[int, int], waters: Waters, seed: int, region_id: str) -> Clearings:
    """Roads, lots, town and airstrips of a landscape, the same for the same seed and region id."""
    rng = noise.generator(seed, region_id, "people")
    trunk = _trunk(shape, waters, rng)
    road_distance, built_up, ribs = _roads(shape, trunk, rng)
    land = waters.river_distance_px > 6
    ragged = 0.5 * noise.rough(shape, rng, 40) + 0.6 * noise.coarse_rough(shape, rng, 200)
    since, lot_state = _lots(trunk, road_distance, ragged, rng)
    since[~land] = 9999
    worn = noise.rough(shape, rng, 26, 2.0) + 0.4 * noise.coarse_rough(shape, rng, 150)
    town = _town(shape, trunk, land, rng)
    strips = _airstrips(shape, waters, town, rng)
    burnt = burn(union_all([strip.buffer(STRIP_HALF_WIDTH_PX, cap_style="flat") for strip in strips]), shape)
    lines, ends = road_lines(trunk.u, trunk.v, ribs, RIB_PX), tuple(np.array(strip.coords) for strip in strips)
    return Clearings(built_up * land, since, lot_state, (worn > 2.35) & ~town, town, burnt, lines, ends)


def _trunk(shape: tuple[int, int], waters: Waters, rng: np.random.Generator) -> _Trunk:
    """A gently bent frame through the corner farther from the main river."""
    height, width = shape
    angle = rng.uniform(0.12, 0.45) * rng.choice([-1, 1])
    corners = [(fr, fc) for fr in (0.2, 0.8) for fc in (0.2, 0.8)]
    fr, fc = max(corners, key=lambda at: float(waters.river_distance_px[int(at[0] * height), int(at[1] * width)]))
    y = np.arange(height, dtype=np.float32)[:, None] - fr * height
    x = np.arange(width, dtype=np.float32)[None, :] - fc * width
    bend = 26 * noise.coarse_rough(shape, rng, 500, power=2.6)
    u = np.cos(angle) * x + np.sin(angle) * y + 10 * noise.coarse_rough(shape, rng, 300, power=2.6)
    v = -np.sin(angle) * x + np.cos(angle) * y + bend
    return _Trunk(u.astype(np.float32), v.astype(np.float32))


def _roads(shape: tuple[int, int], trunk: _Trunk, rng: np.random.Generator) -> tuple[Floats, Floats, tuple[Rib, ...]]:
    """Distance to the nearest road in px, road surface share, and the ribs, which end at lengths of their own."""
    rib = np.floor(trunk.u / RIB_PX + 0.5)
    numbers = np.arange(-40, 41)
    length = rng.uniform(0.10, 0.42, size=(2, len(numbers))) * min(shape)
    shift = rng.uniform(-0.2, 0.2, size=len(numbers)) * RIB_PX
    slot = np.clip(rib.astype(np.int64) + 40, 0, 80)
    off_rib = np.abs(trunk.u - rib * RIB_PX - shift[slot])
    side = (trunk.v > 0).astype(np.int64)
    beyond = np.maximum(np.abs(trunk.v) - length[side, slot], 0)
    to_rib = np.hypot(off_rib, beyond).astype(np.float32)
    to_trunk = np.abs(trunk.v)
    surface = np.maximum(np.clip(1.25 - to_trunk, 0, 1), 0.8 * np.clip(0.95 - to_rib, 0, 1))
    ribs = tuple(Rib(float(n * RIB_PX + shift[n + 40]), *map(float, length[:, n + 40])) for n in numbers.tolist())
    return np.minimum(to_rib, to_trunk), surface.astype(np.float32), ribs


def _lots(trunk: _Trunk, road_distance: Floats, ragged: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Year in which each lot was cleared, near roads first, and how green it is kept; edges are a little ragged."""
    wobble = 3.0 * ragged
    lot_u, lot_v = np.floor((trunk.u + wobble) / LOT_PX), np.floor((trunk.v - wobble) / (LOT_PX * 0.7))
    lot = (lot_u.astype(np.int64) % 64, lot_v.astype(np.int64) % 64)
    drawn = rng.random((64, 64)).astype(np.float32)[lot]
    wish = 0.9 * drawn + road_distance / 95.0 + 0.10 * ragged + np.clip(road_distance - 70, 0, None) / 60
    since = 1988 + 34 * np.clip(wish, 0, None) ** 1.15 + 3000.0 * (wish > 1.25)
    return since.astype(np.float32), rng.uniform(-1, 1, (64, 64)).astype(np.float32)[lot]


def _town(shape: tuple[int, int], trunk: _Trunk, land: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    radius = min(62.0, 0.05 * min(shape))
    blob = np.hypot(trunk.u, 1.35 * trunk.v) / radius + 0.28 * noise.rough(shape, rng, 24)
    return np.asarray((blob < 1) & land, dtype=bool)


def _airstrips(shape: tuple[int, int], waters: Waters, town: NDArray[np.bool_], rng: np.random.Generator) -> list[LineString]:
    """Two straight dirt strips of 900 to 1,300 m, 40 m wide, off the rivers."""
    free = (waters.river_distance_px > 70) & ~ndimage.binary_dilation(town, iterations=4)
    free[:70], free[-70:], free[:, :70], free[:, -70:] = False, False, False, False
    rows, columns = np.nonzero(free[::5, ::5])
    strips = []
    for _ in range(2 if len(rows) else 0):
        pick, angle, half = rng.integers(len(rows)), rng.uniform(0, np.pi), rng.uniform(45, 65)
        y, x = 5 * int(rows[pick]), 5 * int(columns[pick])
        step = np.array([np.cos(angle), np.sin(angle)]) * min(half, 0.1 * min(shape))
        strips.append(LineString([(x - step[0], y - step[1]), (x + step[0], y + step[1])]))
    return strips
