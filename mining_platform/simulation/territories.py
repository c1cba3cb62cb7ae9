"""Made-up territories: two municipalities that share a region's ground, and an Indigenous territory across their border."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon, box

from mining_platform.simulation.places import Place
from mining_platform.simulation.rasters import MARK

FOLDER = "territories"
KINDS = {"municipality": "municipalities.geojson", "indigenous-territory": "indigenous_territories.geojson"}
CORNERS = 24  # of an Indigenous territory's outline
REACH = 0.32  # of the region's sides, its mean radius
ROUGHNESS = 0.25  # of the radius
_DIGITS = 6  # of a degree: 0.1 m


def write_territories(out: Path, place: Place) -> Sequence[dict[str, Any]]:  # noqa: ARG001 - all is written at the end
    """A row a territory of a place: kind, code, name, outline in EPSG:4326."""
    region = place.region
    west, south, east, north = region.geometry.bounds
    middle = west + 0.45 * (east - west)
    return [
        {
            "kind": "municipality",
            "code": f"{region.id}-w",
            "name": f"{region.name} Oeste",
            "outline": box(west, south, middle, north),
        },
        {
            "kind": "municipality",
            "code": f"{region.id}-e",
            "name": f"{region.name} Leste",
            "outline": box(middle, south, east, north),
        },
        {"kind": "indigenous-territory", "code": f"{region.id}-ti", "name": f"Terra {region.name}", "outline": _land(place)},
    ]


def _land(place: Place) -> Polygon:
    """An uneven outline about the middle of the region."""
    west, south, east, north = place.region.geometry.bounds
    rng = np.random.default_rng([sum(place.region.id.encode()), CORNERS])
    turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = REACH * (1 + ROUGHNESS * rng.uniform(-1, 1, CORNERS))
    x = (west + east) / 2 + radius * (east - west) * np.cos(turns)
    y = (south + north) / 2 + radius * (north - south) * np.sin(turns)
    return Polygon(np.column_stack([x, y]).round(_DIGITS))


def finish_territories(out: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a GeoJSON file a kind, of all regions, marked as simulated."""
    folder = out / FOLDER
    folder.mkdir()
    for kind, name in KINDS.items():
        features = [
            {
                "type": "Feature",
                "properties": {"code": row["code"], "name": row["name"], "note": MARK},
                "geometry": shapely.geometry.mapping(row["outline"]),
            }
            for row in sorted(rows, key=lambda row: row["code"])
            if row["kind"] == kind
        ]
        text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
