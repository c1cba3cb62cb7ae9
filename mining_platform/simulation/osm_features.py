"""What a landscape's people and waters look like to OpenStreetMap, and how much of it has been mapped by a year.

Nothing is mapped whole: every feature is drawn to be missing for ever, or to be mapped in some year. Tracks to mines and huts
under the canopy are seen on no scene; that is what context is for.
"""

# ruff: noqa: PLR2004 - the bare numbers shape a made-up picture, were set by eye and mean nothing elsewhere.

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage
from shapely import LineString, Polygon

from mining_platform.simulation import noise
from mining_platform.simulation.landscape import PASTURE, Landscape, Mine
from mining_platform.simulation.mine_sites import mine_sites, polygons_around
from mining_platform.simulation.places import Place, made_up
from mining_platform.simulation.road_lines import RoadLine

MAPPED_SHARE: Mapping[str, float] = MappingProxyType(
    {
        "trunk": 1.0, "rib": 0.85, "track": 0.55, "river": 1.0, "stream": 0.6, "house": 0.8, "farm": 0.35, "camp": 0.2,
        "town": 1.0, "quarry": 0.5, "pasture": 0.3, "airstrip": 0.75,
    }
)  # fmt: skip
"""Kind -> share of its features that is ever mapped: by hand, roads and towns first, what hides in the forest last."""
FIRST_MAPPED, LAST_MAPPED = 2008, 2030
"""Years in which features are mapped, more of them early."""
SIMPLE_PX = 0.4
_SHORTEST_PX = 5.0
_ROAD_ENDS_PX = 6.0
"""Roads end so near to the main river, as they do in the scenes: nobody has built a bridge."""


@dataclass(frozen=True)
class Feature:
    """One thing to be mapped; a ring is closed, and rings after the first are holes."""

    key: str
    """Kind and number: features of one key are mapped together or not at all."""
    tags: Mapping[str, str]
    rings: tuple[NDArray[np.float64], ...]
    """(n, 2) x, y in px of the canvas; of a line the one ring is open."""

    @property
    def kind(self) -> str:
        """A key of MAPPED_SHARE."""
        return self.key.partition("-")[0]


def features_in(place: Place, year: int) -> tuple[Feature, ...]:
    """All that is there in a year of a made-up place, in a fixed order, mapped or not."""
    land = made_up(place)
    parts = (_roads(land), _tracks(place, year), _waterways(land), _buildings(place, year), _areas(place, year), _airstrips(land))
    return tuple(feature for part in parts for feature in part)


def mapped(features: Iterable[Feature], place: Place, year: int) -> tuple[Feature, ...]:
    """Those that have been mapped by a year: what is mapped stays so, but for pasture, which is another area as it grows."""
    return tuple(feature for feature in features if mapped_since(feature, place) <= year)


def mapped_since(feature: Feature, place: Place) -> float:
    """Year in which a feature is mapped, infinite for never: drawn once for each."""
    ever, when = noise.generator(place.seed, place.region.id, "mapped", feature.key).random(2)
    if ever >= MAPPED_SHARE[feature.kind]:
        return float("inf")
    return FIRST_MAPPED + int((LAST_MAPPED - FIRST_MAPPED) * when**2)


def _line(key: str, tags: Mapping[str, str], points: NDArray[np.float64]) -> Feature:
    simple = np.array(LineString(points).simplify(SIMPLE_PX).coords)
    return Feature(key, tags, (simple,))


def _roads(land: Landscape) -> Iterator[Feature]:
    number = 0
    for road in land.clearings.road_lines:
        kind = "trunk" if road.is_trunk else "rib"
        tags = {"highway": "secondary" if road.is_trunk else "unclassified", "surface": "unpaved"}
        for part in _on_land(road, land):
            yield _line(f"{kind}-{number}", tags, part)
            number += 1


def _on_land(road: RoadLine, land: Landscape) -> list[NDArray[np.float64]]:
    """The road in pieces between the banks of the main river."""
    return _runs(road.points, np.greater(_at(land.waters.river_distance_px, road.points), _ROAD_ENDS_PX))


def _runs(points: NDArray[np.float64], kept: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    numbers, count = ndimage.label(kept)
    runs = [points[numbers == number] for number in range(1, count + 1)]
    return [run for run in runs if len(run) > 1 and LineString(run).length > _SHORTEST_PX]


def _at(field: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values (y, x) under points in px."""
    column, row = np.floor(points).astype(int).T
    return field[np.clip(row, 0, field.shape[0] - 1), np.clip(column, 0, field.shape[1] - 1)]


def _tracks(place: Place, year: int) -> Iterator[Feature]:
    """A winding track from each mine at work to the nearest road on its side of the river, where there is one."""
    land = made_up(place)
    roads = [part for road in land.clearings.road_lines for part in _on_land(road, land)]
    ends = np.concatenate(roads) if roads else np.zeros((0, 2))
    for number, mine in enumerate(land.mines):
        if mine.start <= year:
            line = _track(place, number, mine, ends)
            if line is not None:
                yield _line(f"track-{number}", {"highway": "track", "tracktype": "grade4"}, line)


def _track(place: Place, number: int, mine: Mine, ends: NDArray[np.float64]) -> NDArray[np.float64] | None:
    start, rng = np.array([mine.column, mine.row]), noise.generator(place.seed, place.region.id, "track", number)
    winding = ndimage.gaussian_filter1d(rng.standard_normal(101), 9)
    winding *= 0.05 / (np.abs(winding).max() + 1e-9)
    for end in ends[np.argsort(np.hypot(*(ends - start).T), kind="stable")[:200:20]]:
        t = np.linspace(0, 1, 101)[:, None]
        across = np.array([start[1] - end[1], end[0] - start[0]])
        line: NDArray[np.float64] = start + t * (end - start) + (winding * np.sin(np.pi * t[:, 0]))[:, None] * across
        if (_at(made_up(place).waters.river_distance_px, line) > 1).all():
            return line
    return None


def _waterways(land: Landscape) -> Iterator[Feature]:
    shape_px = np.array(land.waters.river.shape[::-1])
    tags = {"waterway": "river", "name": "Rio Simulado"}
    lines = [("river", tags, land.waters.river_line[::3])]
    lines += [("stream", {"waterway": "stream"}, line[:, :2]) for line in land.waters.stream_lines]
    for number, (kind, told, points) in enumerate(lines):
        inside = np.asarray(((points >= 0) & (points < shape_px)).all(axis=1))
        for part, run in enumerate(_runs(points, inside)):
            yield _line(f"{kind}-{number}-{part}", told, run)


def _buildings(place: Place, year: int) -> Iterator[Feature]:
    land, shape_px = made_up(place), place.canvas.shape
    rng = noise.generator(place.seed, place.region.id, "houses")
    corners = np.argwhere(land.clearings.town[::3, ::3])[:, ::-1] * 3.0 + 0.5
    spots = [("house", spot) for spot in corners + rng.uniform(-0.7, 0.7, corners.shape)]
    spots += [("farm", spot) for road in land.clearings.road_lines for spot in _beside(road, rng)]
    huts = [(mine, rng.normal(0, 5, (6, 2))) for mine in land.mines]
    spots += [("camp", np.add(spot, (mine.column, mine.row))) for mine, around in huts if mine.start <= year for spot in around]
    sizes, turns = rng.uniform(0.4, 0.8, (2, len(spots), 2)), rng.uniform(0, np.pi, len(spots))
    for number, (kind, spot) in enumerate(spots):
        inside = bool(((spot > 2) & (spot < np.array(shape_px[::-1]) - 2)).all())
        if inside and _is_ground(kind, spot[None], land, year):
            ring = _house(spot, sizes[0, number], turns[number])
            yield Feature(f"{kind}-{number}", {"building": "house" if kind != "camp" else "hut"}, (ring,))


def _beside(road: RoadLine, rng: np.random.Generator) -> NDArray[np.float64]:
    """Spots some 40 m from a road, one a lot on either side."""
    points = road.points[4:-4:8]
    along = np.gradient(road.points, axis=0)[4:-4:8]
    sideways = np.column_stack([-along[:, 1], along[:, 0]]) / (np.hypot(*along.T)[:, None] + 1e-9)
    return points + sideways * (rng.choice([-1, 1], len(points)) * rng.uniform(3, 6, len(points)))[:, None]


def _is_ground(kind: str, spot: NDArray[np.float64], land: Landscape, year: int) -> bool:
    """Whether a house can stand here: off the water, a farm on cleared land."""
    dry = _at(land.waters.river_distance_px, spot)[0] > 2 and _at(land.clearings.roads, spot)[0] < 0.3
    return bool(dry and (kind != "farm" or _at(land.clearings.cleared_since, spot)[0] <= year))


def _house(spot: NDArray[np.float64], half: NDArray[np.float64], turn: float) -> NDArray[np.float64]:
    """A closed rectangle (5, 2) with sides of 8 to 16 m."""
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]) * half
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(corners @ turned.T + spot)


def _areas(place: Place, year: int) -> Iterator[Feature]:
    """Land use: the town, what is mined, and pasture that is large enough to be drawn."""
    land = made_up(place)
    yield from _drawn("town", {"landuse": "residential", "name": "Vila Simulada"}, land.clearings.town, 400)
    for number, site in enumerate(mine_sites(place)):
        if year in site.outlines:
            for polygon in site.outlines[year].geoms:
                yield Feature(f"quarry-{number}", {"landuse": "quarry", "resource": "gold"}, _rings(polygon))
    yield from _drawn("pasture", {"landuse": "meadow", "meadow": "pasture"}, place.years[year].classes == PASTURE, 800)


def _drawn(kind: str, tags: Mapping[str, str], where: NDArray[np.bool_], least_px: int) -> Iterator[Feature]:
    coarse = ndimage.binary_opening(where[1::3, 1::3], iterations=2)
    for polygon in polygons_around(coarse, Affine.scale(3)):
        if polygon.area >= least_px:
            x, y = (int(value) for value in polygon.exterior.coords[0])
            simple = Polygon(polygon.exterior, [ring for ring in polygon.interiors if Polygon(ring).area > 200]).simplify(2.5)
            if simple.is_valid and isinstance(simple, Polygon):
                yield Feature(f"{kind}-{x}-{y}", tags, _rings(simple))


def _rings(polygon: Polygon) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.array(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors))


def _airstrips(land: Landscape) -> Iterator[Feature]:
    for number, ends in enumerate(land.clearings.airstrip_lines):
        yield Feature(f"airstrip-{number}", {"aeroway": "runway", "surface": "ground"}, (ends,))
