"""What every source of heights promises, held to the same tiles: a static catalogue, a STAC API, a folder, Earth Engine."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.geometry import box

from mining_platform.regions import LAYERS_BESIDE, Region
from mining_platform.sources import archive_elevation, elevation_layer
from mining_platform.sources.protocol import SourceError
from tests.mining_platform.layer_catalogues import KINDS, SIDE_PX, hold, write_raster
from tests.mining_platform.terrain_tiles import ELEVATION, tiles, write_catalogue
from tests.synthetic import region


@pytest.fixture(scope="module", params=KINDS)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        yield hold(ELEVATION, request.param, tmp_path_factory.mktemp(request.param), stack, patch).region


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.floating]:
    """Height and slope of the same ground in one file."""
    parts = list(tiles().values())
    whole = np.block([[parts[0][1], parts[1][1]], [parts[2][1], parts[3][1]]])
    path = write_raster(tmp_path_factory.mktemp("whole") / "whole.tif", whole, parts[0][0], crs="EPSG:4326", band_unit="m")
    found = ELEVATION.region("archive", str(path))
    return elevation_layer.open_elevation_layer(found, 2024, ("DEM", "SLOPE")).compute(found.geobox)


def test_every_source_that_a_region_can_name_is_held_to_this() -> None:
    assert {"stac" if kind in ("catalogue", "api") else kind for kind in KINDS} == set(LAYERS_BESIDE["elevation"])
    assert set(elevation_layer.ELEVATIONS) == set(LAYERS_BESIDE["elevation"])


def test_four_tiles_are_one_ground_whatever_the_source(held: Region, reference: NDArray[np.floating]) -> None:
    reading = elevation_layer.open_elevation_layer(held, 2024, ("DEM", "SLOPE"))
    found = reading.compute(held.geobox)
    assert (found.shape, found.dtype) == ((2, SIDE_PX, SIDE_PX), np.float32)
    there = np.isfinite(found) & np.isfinite(reference)
    assert 0.9 < there.mean() < 1
    np.testing.assert_allclose(found[there], reference[there], atol=2e-3)
    more = 0.12 if held.beside["elevation"].source == "earth_engine" else 0
    assert np.isnan(reference).mean() <= np.isnan(found).mean() <= np.isnan(reference).mean() + more
    assert len(reading.facts["files"]) == 4
    assert reading.facts["unit"] == "m"


def test_a_grid_in_pieces_is_the_grid_in_one(held: Region) -> None:
    reading = elevation_layer.open_elevation_layer(held, 2024, ("SLOPE", "DEM"))
    whole = reading.compute(held.geobox)
    for rows in (slice(0, 20), slice(20, 60)):
        for columns in (slice(0, 35), slice(35, 60)):
            np.testing.assert_array_equal(reading.compute(held.geobox[rows, columns]), whole[:, rows, columns])


def test_files_are_listed_by_name_and_the_fingerprint_is_plain_and_repeats(held: Region) -> None:
    source = elevation_layer.elevation_source(held, 2024)
    names = [Path(file.file_id).stem for file in source.list_elevation(held, 2024)]
    assert sorted(names) == sorted(tiles())
    found = elevation_layer.fingerprint_elevation(held, 2024)
    assert found["items"] == 4
    assert json.loads(json.dumps(found)) == found == elevation_layer.fingerprint_elevation(held, 2024)
    assert found == elevation_layer.fingerprint_elevation(held, 2023), "heights are not yearly"


def test_a_region_elsewhere_has_no_model(held: Region) -> None:
    away = replace(held, geometry=box(-50, -5, -49.99, -4.99))
    with pytest.raises(SourceError, match=r"Region tiny.*no surface model touches the region's grid"):
        elevation_layer.open_elevation_layer(away, 2024, ("DEM",))


def test_heights_are_wanted_in_the_corners_of_the_grid_too(held: Region) -> None:
    """Of an outline that leaves out a corner, the tile that lies in that corner alone is still taken."""
    west, south, east, north = held.geometry.bounds
    lower = box(west, south, (west + east) / 2 - 0.0002, (south + north) / 2 - 0.0002)
    upper = box(east - 0.0001, south, east, south + 0.0001).union(box(west, north - 0.0001, west + 0.0001, north))
    cut = replace(held, geometry=lower.union(upper))
    assert elevation_layer.fingerprint_elevation(cut, 2024)["items"] == 4


def test_a_region_without_elevation_is_refused_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"has no elevation\. Name a source of elevation in the region file"):
        elevation_layer.fingerprint_elevation(region(), 2024)


def test_a_channel_of_another_sensor_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(KeyError, match="S1-VV"):
        elevation_layer.open_elevation_layer(ELEVATION.region("archive", "/nowhere"), 2024, ("DEM", "S1-VV"))


def own_file(root: Path, name: str = "own.tif", **settings: Any) -> Region:
    affine, part = tiles()["Copernicus_DSM_COG_10_S07_00_W055_00_DEM"]
    return ELEVATION.region("archive", str(write_raster(root / name, part, affine, crs="EPSG:4326", **settings)))


def test_a_file_of_ones_own_in_metres_is_taken(tmp_path: Path) -> None:
    held = own_file(tmp_path, unit="m")
    assert elevation_layer.open_elevation_layer(held, 2024, ("DEM",)).facts["files"] == ["own.tif"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, r"own.tif tells no unit of its heights.*gdal_edit.py -mo unit=m"),
        ({"band_unit": "ft"}, r"own.tif has its heights in feet"),
        ({"unit": "decimetres"}, r"own.tif has its heights in 'decimetres'"),
    ],
)
def test_a_file_of_ones_own_in_another_unit_or_none_is_refused(tmp_path: Path, settings: dict[str, str], problem: str) -> None:
    held = own_file(tmp_path, **settings)
    for asked in (elevation_layer.fingerprint_elevation, lambda *at: elevation_layer.open_elevation_layer(*at, ("DEM",))):
        with pytest.raises(SourceError, match=problem):
            asked(held, 2024)


def test_a_file_that_lost_its_unit_since_it_was_listed_is_refused_when_it_is_read(tmp_path: Path) -> None:
    held = own_file(tmp_path, unit="m")
    reading = elevation_layer.open_elevation_layer(held, 2024, ("DEM",))
    own_file(tmp_path)
    with pytest.raises(SourceError, match=r"one of the surface models own.tif tells no unit"):
        reading.compute(held.geobox)


def test_a_truncated_tile_is_an_error_that_names_it(tmp_path: Path) -> None:
    held = own_file(tmp_path, unit="m")
    files = archive_elevation.list_elevation(held, 2024)
    (tmp_path / "own.tif").write_bytes((tmp_path / "own.tif").read_bytes()[:900])
    with pytest.raises(SourceError, match=r"own.tif cannot be read"):
        archive_elevation.open_elevation(held, 2024, files, held.geobox)


def test_a_place_that_is_an_address_or_absent_is_refused(tmp_path: Path) -> None:
    for place in ("https://example.org/dem.tif", "/vsicurl/https://example.org/dem.tif"):
        with pytest.raises(SourceError, match="a folder on this machine"):
            elevation_layer.fingerprint_elevation(ELEVATION.region("archive", place), 2024)
    with pytest.raises(SourceError, match="there is no folder"):
        elevation_layer.fingerprint_elevation(ELEVATION.region("archive", str(tmp_path / "none")), 2024)


def test_an_item_without_its_asset_is_refused_by_name(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path)
    path = next(tmp_path.rglob("*_S07_00_W055_00_DEM.json"))
    path.write_text(path.read_text().replace('"data"', '"dem"'))
    with pytest.raises(SourceError, match=r"item Copernicus_DSM_COG_10_S07_00_W055_00_DEM lacks the assets data; it has dem"):
        elevation_layer.fingerprint_elevation(ELEVATION.region("stac", str(catalogue)), 2024)


def test_a_catalogues_tile_in_feet_is_refused_although_its_collection_is_in_metres(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path)
    affine, part = tiles()["Copernicus_DSM_COG_10_S07_00_W055_00_DEM"]
    write_raster(next(tmp_path.rglob("*_S07_00_W055_00_DEM.tif")), part, affine, crs="EPSG:4326", band_unit="ft")
    held = ELEVATION.region("stac", str(catalogue))
    reading = elevation_layer.open_elevation_layer(held, 2024, ("DEM",))
    with pytest.raises(SourceError, match="has its heights in feet"):
        reading.compute(held.geobox)
