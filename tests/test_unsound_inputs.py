"""Assets whose input is unsound: each fails by itself, says what, where and how to mend it, and leaves nothing half-made."""

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from shapely.geometry import mapping

from tests.conftest import Installation
from tests.mining_platform.layer_catalogues import write_raster
from tests.mining_platform.osm_extracts import Way, write_pbf
from tests.mining_platform.polygon_files import kml
from tests.synthetic import region

EMPTY, UNITLESS, WITHOUT_PLACEMARKS = "extract.osm.pbf", "heights.tif", "mines.kml"


def unsound(folder: Path) -> Installation:
    """An installation of one region, whose map, heights and context are files that say nothing or not enough."""
    west, south, east, north = region().geometry.bounds
    affine = Affine((east - west) / 20, 0, west, 0, -(north - south) / 20, north)
    write_raster(folder / UNITLESS, np.full((20, 20), 100, np.float32), affine, crs="EPSG:4326")
    write_pbf(folder / EMPTY, [Way(1, [(0, 0), (1, 1)], {"barrier": "fence"})])
    (folder / WITHOUT_PLACEMARKS).write_text(kml([]))
    cover = {"source": "polygons", "collection": "own", "href": f"{folder / WITHOUT_PLACEMARKS}", "years": [2024, 2024]}
    told = {
        "id": "tiny", "name": "Tiny", "country": "BR", "years": [2024], "coverage": "full", "scenes": None,
        "land_cover": {**cover, "classes": {"mine": 30}},
        "elevation": {"source": "archive", "href": f"{folder / UNITLESS}"},
        "osm_context": {"source": "openstreetmap", "href": f"{folder / EMPTY}"},
    }  # fmt: skip
    feature = {"type": "Feature", "properties": told, "geometry": mapping(region().geometry)}
    (folder / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return Installation(folder / "home", folder / "regions.geojson")


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, dict[str, str]]:
    """The installation, and by asset how its making ended."""
    installation = unsound(tmp_path_factory.mktemp("unsound"))
    outcomes = installation.states("--assets", "land_cover,elevation,osm_context", "--regions", "tiny", code=1)
    assert {row["state"] for row in outcomes.values()} == {"failed"}
    return installation, {name.partition("@")[0]: row["message"] for name, row in outcomes.items()}


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        ("land_cover", f"{WITHOUT_PLACEMARKS} cannot be read (it has no placemarks of its own). Mend or replace the file"),
        ("elevation", f"{UNITLESS} tells no unit of its heights"),
        ("osm_context", f"{EMPTY} is empty: it has no line or polygon with any of the keys highway"),
    ],
)
def test_the_file_the_fault_and_the_remedy_are_named(
    failed: tuple[Installation, dict[str, str]], asset: str, message: str
) -> None:
    told = failed[1][asset]
    assert "Region tiny, year 2024, source" in told
    assert message in told


def test_nothing_is_published_and_nothing_half_made_is_left(failed: tuple[Installation, dict[str, str]]) -> None:
    assert failed[0].digests() == {}
    assert {path.name for path in (failed[0].home / "artifacts").rglob("*") if path.is_file()} == {"lease"}
