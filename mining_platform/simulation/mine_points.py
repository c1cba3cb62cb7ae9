"""Points that people would name: where there is mining, and where there is none though it looks like it, or is ordinary."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

from mining_platform.grids import PIXEL_M, project
from mining_platform.simulation import noise
from mining_platform.simulation.landscape import (
    BARE,
    BEACH,
    FOREST,
    GRASSLAND,
    MINING,
    PASTURE,
    RIVER,
    URBAN,
    WETLAND,
)
from mining_platform.simulation.places import Place
from mining_platform.simulation.rasters import MARK

FOLDER, FILE = "points", "points.geojson"
MINE, OTHER = "mining", "other"
"""Values of the property `class`."""
KINDS = {
    "sand bar": (BEACH, 6),
    "bare soil": (BARE, 8),
    "town": (URBAN, 2),
    "river": (RIVER, 6),
    "savanna": (GRASSLAND, 6),
    "pasture": (PASTURE, 8),
    "wetland": (WETLAND, 4),
    "forest": (FOREST, 8),
}
"""Kind of a place without mining -> its class, and how many are named at most; in this order, each kind keeps off the earlier."""
CELL_PX = 6
"""Places are looked for in cells of 60 m, which canvases are multiples of."""
WINDOW_PX = 256
"""Largest window around a point: it lies within the region, and holds no mining around a place without it."""
MINE_PX, LEAST_SHARE = 48, 0.1
"""Smallest window around a point of mining, and the least share of it that is mined."""
EDGE_SHARE = 1.02
"""Part of half a window that its centre keeps off the outline: meridians and parallels are a little askew on a grid in metres."""
MINES_APART_PX, OTHERS_APART_PX = 180, 150
_DIGITS = 7  # of a degree: a centimetre


def write_points(out: Path, place: Place) -> Sequence[dict[str, Any]]:  # noqa: ARG001 - all is written at the end
    """The points of a place, a row a point and year: id, class, kind, region, year, place (longitude, latitude).

    They are told from the ground that the scenes show; equal places have one id in all years.
    """
    rows = []
    for year, seen in place.years.items():
        for kind, cells in _cells(seen.classes, place).items():
            centres = np.asarray((cells + 0.5) * CELL_PX, dtype=np.float64)
            told = {"class": MINE if kind == MINE else OTHER, "kind": kind, "region": place.region.id, "year": year}
            ids = [f"{place.region.id}-{row}-{column}" for row, column in cells.tolist()]
            places = in_degrees(centres, place.canvas).tolist()
            rows += [{"id": each, **told, "place": where} for each, where in zip(ids, places, strict=True)]
    return rows


def finish_points(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write `points/points.geojson` of all regions and years."""
    ordered = sorted(rows, key=lambda row: (row["year"], row["region"], row["id"]))
    features = [
        {
            "type": "Feature",
            "properties": {name: value for name, value in row.items() if name != "place"} | {"simulated": True},
            "geometry": {"type": "Point", "coordinates": row["place"]},
        }
        for row in ordered
    ]
    document = {"type": "FeatureCollection", "name": f"{MARK} points of mining and of other places", "features": features}
    (out / FOLDER).mkdir()
    (out / FOLDER / FILE).write_text(json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8")


def _cells(classes: NDArray[np.uint8], place: Place) -> dict[str, NDArray[np.int64]]:
    """Kind -> (n, 2) row and column of cells."""
    centre = classes[CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    shares = _mined_shares(classes)
    near = ndimage.maximum_filter(shares, size=WINDOW_PX // CELL_PX + 3) > 0
    enough = ndimage.uniform_filter(shares, size=MINE_PX // CELL_PX) >= LEAST_SHARE
    inside = _inside(centre.shape, place)
    mines = np.argwhere((centre == MINING) & enough & inside)
    found = {MINE: _spread(_shuffled(mines, place, MINE), len(mines), MINES_APART_PX)}
    taken = np.zeros((0, 2), dtype=np.int64)
    for kind, (code, most) in KINDS.items():
        free = _shuffled(np.argwhere((centre == code) & ~near & inside), place, kind)
        for other in taken:
            free = free[_far(free, other, OTHERS_APART_PX)]
        found[kind] = _spread(free, most, OTHERS_APART_PX)
        taken = np.concatenate([taken, found[kind]])
    return found


def _shuffled(cells: NDArray[np.int64], place: Place, kind: str) -> NDArray[np.int64]:
    return cells[noise.generator(place.seed, place.region.id, "points", kind).permutation(len(cells))]


def _mined_shares(classes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(y, x) share of each cell that is mined."""
    rows, columns = (size // CELL_PX for size in classes.shape)
    mined = classes[: rows * CELL_PX, : columns * CELL_PX] == MINING
    return np.asarray(mined.reshape(rows, CELL_PX, columns, CELL_PX).mean(axis=(1, 3), dtype=np.float32))


def _inside(shape: tuple[int, ...], place: Place) -> NDArray[np.bool_]:
    """Cells around which the largest window lies within the region."""
    outline = project(place.region.geometry.segmentize(0.02), 4326, place.region.epsg)
    inner = outline.buffer(-EDGE_SHARE * WINDOW_PX * PIXEL_M / 2, join_style="mitre")
    affine = place.canvas.affine * Affine.scale(CELL_PX)
    x, y = affine.c + affine.a * (np.arange(shape[1]) + 0.5), affine.f + affine.e * (np.arange(shape[0]) + 0.5)
    return np.asarray(shapely.contains_xy(inner, *np.meshgrid(x, y)))


def _spread(cells: NDArray[np.int64], most: int, apart_px: int) -> NDArray[np.int64]:
    """The first cells (n, 2), at most so many, each at least so far from those before it."""
    chosen = list[NDArray[np.int64]]()
    while len(cells) and len(chosen) < most:
        chosen.append(cells[0])
        cells = cells[_far(cells, cells[0], apart_px)]
    return np.array(chosen, dtype=np.int64).reshape(-1, 2)


def _far(cells: NDArray[np.int64], other: NDArray[np.int64], apart_px: int) -> NDArray[np.bool_]:
    return np.asarray(np.hypot(*(cells - other).T) * CELL_PX >= apart_px)


def in_degrees(centres_px: NDArray[np.float64], canvas: GeoBox) -> NDArray[np.float64]:
    """(n, 2) row and column in px of a canvas -> (n, 2) longitude and latitude."""
    x, y = canvas.affine * tuple(centres_px[:, ::-1].T)
    lon, lat = Transformer.from_crs(str(canvas.crs), 4326, always_xy=True).transform(x, y)
    return np.round(np.column_stack([lon, lat]), _DIGITS)
