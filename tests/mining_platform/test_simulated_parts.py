"""Parts of the simulated archive: asked for by name, beside maps and scenes that stay as they are, the same bytes every time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from mining_platform.simulation import landscape
from mining_platform.simulation.archive import ArchiveError, write_archive
from mining_platform.simulation.parts import PARTS
from tests.conftest import ROOT, Installation
from tests.mining_platform.simulated_places import SEED, made_place, place_region
from tests.mining_platform.test_simulation import digests

YEAR = 2024
SMALL = place_region(0.03, region_id="small", name="Small")


def write(out: Path, *also: str, **changed: Any) -> dict[str, Any]:
    given = {"seed": SEED, "dates_per_year": 4} | changed
    return write_archive(out, [SMALL], [YEAR], also=also, **given)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("parts") / "archive"
    write(out, *PARTS)
    return out


def test_maps_and_scenes_are_the_same_with_and_without_parts(whole: Path, tmp_path: Path) -> None:
    facts = write(tmp_path / "plain")
    plain, full = digests(tmp_path / "plain"), digests(whole)
    described = plain.pop("archive.json")
    assert plain.items() <= full.items()
    assert described != full["archive.json"]
    assert "also" not in facts
    assert "also" not in json.loads((tmp_path / "plain" / "archive.json").read_text())["parameters"]


def test_every_part_lies_in_a_folder_of_its_own(whole: Path) -> None:
    expected = {"archive.json", "land_cover", "stac", "radar", "elevation", "osm", "landsat", "landsat_sites"}
    assert {path.name for path in whole.iterdir()} == expected | {"polygons", "points", "territories", "other_system", "toa"}


def test_two_runs_give_the_same_bytes_in_every_file_of_every_part(whole: Path, tmp_path: Path) -> None:
    write(tmp_path / "again", *PARTS)
    assert digests(tmp_path / "again") == digests(whole)


def test_another_seed_gives_other_files_of_every_part(whole: Path, tmp_path: Path) -> None:
    place = made_place(SMALL, SEED + 1, years=(YEAR,))
    for part in PARTS.values():
        part.finish(tmp_path, part.write(tmp_path, place))
    ours, others = digests(whole), digests(tmp_path)
    for folder in ("radar", "elevation", "osm", "landsat", "landsat_sites", "polygons", "points", "other_system", "toa"):
        first, second = ({name: each[name] for name in each if name.startswith(f"{folder}/")} for each in (ours, others))
        assert first
        assert first != second


def test_every_raster_and_document_says_simulated(whole: Path) -> None:
    rasters = [path for path in whole.rglob("*") if path.suffix.lower() == ".tif"]
    assert len(rasters) > 50
    for path in rasters:
        with rasterio.open(path) as source:
            assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")
    documents = [path for path in whole.rglob("*") if path.suffix in (".json", ".geojson", ".kml", ".txt")]
    assert all("simulated" in path.read_text(encoding="utf-8").lower() for path in documents)


def test_an_archive_with_more_parts_serves_and_one_with_fewer_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "archive"
    assert not write(out, "polygons", "elevation")["reused"]
    assert write(out, "elevation")["reused"]
    assert write(out)["reused"]
    assert (out / "polygons").is_dir()
    facts = write(out, "context")
    assert (facts["reused"], facts["also"]) == (False, {"context": 1})
    assert not (out / "polygons").exists()


def test_a_part_that_there_is_not_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no part weather; it has radar, elevation, context, landsat, polygons, points"):
        write(tmp_path / "archive", "radar", "weather")
    assert not list(tmp_path.iterdir())


def given_map(path: Path) -> Path:
    """Mining on the right half of the ground, forest on the left, at 30 m."""
    canvas = landscape.canvas_of(SMALL)
    codes = np.full((canvas.shape[0] // 3 + 1, canvas.shape[1] // 3 + 1), landscape.FOREST, dtype=np.uint8)
    codes[:, codes.shape[1] // 2 :] = landscape.MINING
    grid = GeoBox(codes.shape, canvas.affine * canvas.affine.scale(3), canvas.crs)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:32721", "transform": grid.affine, "nodata": 0}
    with rasterio.open(path, "w", width=codes.shape[1], height=codes.shape[0], **profile) as target:
        target.write(codes, 1)
    return path


def test_over_a_given_map_there_are_radar_landsat_and_outlines_of_its_mines(tmp_path: Path) -> None:
    cover = given_map(tmp_path / "map.tif")
    facts = write(tmp_path / "archive", "radar", "landsat", "polygons", land_cover=cover)
    assert set(facts["also"]) == {"radar", "landsat", "polygons"}
    path = next((tmp_path / "archive" / "radar").rglob("*_VV.tif"))
    with rasterio.open(path) as source:
        vv = source.read(1)
    left, right = (10 * np.log10(half[half > 0].mean()) for half in np.array_split(vv, 2, axis=1))
    assert left > right + 4
    assert facts["also"]["polygons"] == 1


def test_over_a_given_map_there_are_no_heights_and_no_roads(tmp_path: Path) -> None:
    cover = given_map(tmp_path / "map.tif")
    with pytest.raises(ArchiveError, match="Over a given map there can be no elevation or context"):
        write(tmp_path / "archive", "context", "elevation", land_cover=cover)
    assert not (tmp_path / "archive").exists()


@pytest.mark.slow
def test_the_command_writes_the_parts_that_are_asked_for_and_refuses_others(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "home", ROOT / "regions.geojson")
    asked = ("simulate", "--land-cover", str(given_map(tmp_path / "map.tif")), "--years", "2024", "--dates", "4")
    printed = installation.run(*asked, "--out", str(tmp_path / "archive"), "--also", "polygons,")
    assert json.loads(printed[printed.index("{") :])["also"]["polygons"] == 1
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == ["archive.json", "polygons", "stac"]
    assert "has no part weather" in installation.run(*asked, "--out", str(tmp_path / "other"), "--also", "weather", code=2)
    assert not (tmp_path / "other").exists()
