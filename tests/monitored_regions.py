"""Two small regions that are monitored by their own land-cover maps, and an installation that followed them for two years."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact
from tests.conftest import Installation

CELL_DEG = 0.00027
UPPER_LEFT = {"alto": (-55.0, -6.0), "baixo": (-55.2, -6.0)}
"""Upper left corners of the maps."""
SIZE = 120


def write_map(folder: Path, region: str, year: int, mined: int) -> None:
    """A map of forest with `mined` columns of 40 cells of mining."""
    codes = np.full((SIZE, SIZE), 3, np.uint8)
    codes[20:60, 10 : 10 + mined] = 30
    west, north = UPPER_LEFT[region]
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(CELL_DEG, 0, west, 0, -CELL_DEG, north)}
    with rasterio.open(
        folder / f"{region}_{year}.tif", "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="uint8", **place
    ) as raster:
        raster.write(codes, 1)


def monitored(folder: Path | str, region: str) -> dict[str, Any]:
    west, north = UPPER_LEFT[region]
    side = (SIZE - 8) * CELL_DEG
    left, top = west + 4 * CELL_DEG, north - 4 * CELL_DEG
    ring = [[left, top], [left, top - side], [left + side, top - side], [left + side, top], [left, top]]
    cover = {"source": "mapbiomas", "collection": "9", "href": f"{folder}/{region}_{{year}}.tif", "years": [2021, 2024]}
    told = {"id": region, "name": region.title(), "country": "BR", "years": [2022, 2023, 2024], "coverage": "full"}
    properties = told | {"land_cover": cover, "scenes": None, "monitoring": {"source": "land-cover", "min_area_ha": 0}}
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


MAPS = "${MINING_PLATFORM_HOME}/maps"
"""Where the maps of an installation that may be copied lie."""


def mapped(home: Path) -> Installation:
    """An installation of the two regions, with their maps of 2022 and 2023 in its home: a copy of the home is one too."""
    maps = home / "maps"
    maps.mkdir(parents=True)
    for region in UPPER_LEFT:
        write_map(maps, region, 2022, 10)
        write_map(maps, region, 2023, 14)
    collection = {"type": "FeatureCollection", "features": [monitored(MAPS, region) for region in UPPER_LEFT]}
    (home / "regions.geojson").write_text(json.dumps(collection))
    return Installation(home, home / "regions.geojson")


def artifact(installation: Installation, asset: str, partition: str) -> Artifact:
    return open_artifact(ArtifactStore(installation.home / "artifacts"), Ref(asset, partition))


def made(states: dict[str, dict[str, str]]) -> set[str]:
    return {ref for ref, row in states.items() if row["state"] == "made"}
