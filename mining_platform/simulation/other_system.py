"""Another system's made-up detections: squares of 240 m over the mines, some missed, and some where nothing is mined."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely import MultiPolygon

from mining_platform.simulation import noise
from mining_platform.simulation.landscape import MINING
from mining_platform.simulation.mine_polygons import in_degrees
from mining_platform.simulation.mine_sites import polygons_around
from mining_platform.simulation.places import Place
from mining_platform.simulation.rasters import MARK

FOLDER, FILE = "other_system", "detections.geojson"
SQUARE_PX = 24
"""Side of a square, px of the canvas of 10 m."""
LEAST_SHARE = 0.1
"""Of a square that has to be mined for the system to see it."""
MISSED, FALSE = 0.2, 0.002
"""Shares of squares with mining that it misses, and of squares without that it takes for mining, for ever."""


def write_other_system(out: Path, place: Place) -> Sequence[dict[str, Any]]:  # noqa: ARG001 - all is written at the end
    """The system's detections of a place, a row an outline and year: region, year, outline in EPSG:4326."""
    return [
        {"region": place.region.id, "year": year, "outline": outline}
        for year, seen in sorted(place.years.items())
        for outline in _outlines(place, seen.classes == MINING)
    ]


def _outlines(place: Place, mined: NDArray[np.bool_]) -> list[shapely.Polygon]:
    squares = polygons_around(seen_squares(place, mined), Affine.scale(SQUARE_PX))
    return list(in_degrees(MultiPolygon(squares), place.canvas).geoms)


def seen_squares(place: Place, mined: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the system sees mining in each whole square of the canvas, from (y, x) px that are mined.

    What it misses and mistakes is drawn by square from the place's seed, so that it is the same in every year.
    """
    rows, columns = (size // SQUARE_PX for size in mined.shape)
    blocks = mined[: rows * SQUARE_PX, : columns * SQUARE_PX].reshape(rows, SQUARE_PX, columns, SQUARE_PX)
    share = blocks.mean(axis=(1, 3))
    drawn = noise.generator(place.seed, place.region.id, "other system").random(share.shape)
    return np.where(share >= LEAST_SHARE, drawn >= MISSED, (share == 0) & (drawn < FALSE))


def finish_other_system(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the GeoJSON file of all regions and years, marked as simulated."""
    folder = out / FOLDER
    folder.mkdir()
    features = [
        {
            "type": "Feature",
            "properties": {"region": row["region"], "year": row["year"], "note": MARK},
            "geometry": shapely.geometry.mapping(row["outline"]),
        }
        for row in sorted(rows, key=lambda row: (row["region"], row["year"]))
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
