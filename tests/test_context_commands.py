"""The command `context` on anyone's extract and grid, as a person runs it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.mining_platform.osm_extracts import STEP, TIME, Way, degrees, square, write_answer, write_pbf
from tests.synthetic import EPSG, write_land_cover

WAYS = [
    Way(1, [(-5, 5), (25, 5)], {"highway": "track"}),
    Way(2, square(10, 10, 2), {"landuse": "quarry"}),
]
WEST, SOUTH, EAST, NORTH = *degrees((0, 0)), *degrees((20, 20))
BOUNDS = f"--bounds={WEST},{SOUTH},{EAST},{NORTH}"


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["context", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, (done.output, done.exception)
    return str(done.exception) if expected else done.output


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    return write_pbf(tmp_path / "x.osm.pbf", WAYS, box=(WEST, SOUTH - 1, EAST + 1, NORTH + 1))


def test_a_raster_has_a_named_band_a_key_on_the_10_m_lattice(tmp_path: Path, extract: Path) -> None:
    told = json.loads(run(extract, BOUNDS, "--keys", "highway,landuse", "--out", tmp_path / "c.tif", "--json"))
    with rasterio.open(tmp_path / "c.tif") as raster:
        pixels = raster.read()
        assert raster.descriptions == ("OSM-highway", "OSM-landuse")
        assert (raster.dtypes[0], raster.nodata, raster.crs.to_epsg()) == ("uint8", 255, EPSG)
        assert raster.transform.c % 10 == raster.transform.f % 10 == 0
        assert raster.tags()["osm_date"] == TIME
        assert "OpenStreetMap contributors" in raster.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        middle = degrees((11, 11))
        (x,), (y,) = rasterio.warp.transform("EPSG:4326", raster.crs, [middle[0]], [middle[1]])
        assert [band[raster.index(x, y)] for band in pixels] == [0, 1]
    height, width = pixels.shape[1:]
    assert (pixels[0] == 1).sum() == pytest.approx(width, rel=0.1)
    assert (pixels[1] == 1).sum() == pytest.approx(22 * 22, rel=0.05)  # 2 steps of some 110 m
    assert told["pixels"][1] == {
        "band": "OSM-landuse",
        "present_px": int((pixels[1] == 1).sum()),
        "absent_px": int((pixels[1] == 0).sum()),
        "not_known_px": int((pixels[1] == 255).sum()),
    }
    assert (told["width"], told["height"], told["crs"]) == (width, height, f"EPSG:{EPSG}")
    assert told["extract"]["features"]["highway"]["lines"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.tif", "x.osm.pbf"]


def test_distances_come_as_further_bands_and_what_is_not_known_is_nan(tmp_path: Path, extract: Path) -> None:
    printed = run(extract, f"--bounds={WEST - 5 * STEP},{SOUTH},{EAST},{NORTH}", "--distance", "--out", tmp_path / "c.tif")
    with rasterio.open(tmp_path / "c.tif") as raster:
        assert raster.descriptions[:6] == (
            *("OSM-highway", "OSM-waterway", "OSM-building", "OSM-landuse", "OSM-aeroway"),
            "OSM-highway-distance",
        )
        pixels = raster.read()
        assert raster.dtypes[0] == "float32"
    assert np.isnan(pixels[:, :, :50]).all()
    assert np.isfinite(pixels[:, :, 60:]).all()
    assert np.nanmax(pixels[5]) == pytest.approx(15 * 110, rel=0.05)
    assert (pixels[6][~np.isnan(pixels[6])] == 2560).all()
    assert "OSM-highway" in printed
    assert f"data of {TIME}" in printed


def test_the_grid_may_be_that_of_a_raster(tmp_path: Path, extract: Path) -> None:
    (x,), (y,) = rasterio.warp.transform("EPSG:4326", f"EPSG:{EPSG}", [WEST], [NORTH])
    affine = Affine(30, 0, x + 200, 0, -30, y - 100)
    like = write_land_cover(tmp_path / "map.tif", np.ones((60, 40), np.uint8), affine=affine)
    run(extract, "--like", like, "--out", tmp_path / "c.tif")
    with rasterio.open(tmp_path / "c.tif") as raster, rasterio.open(like) as model:
        assert (raster.shape, raster.transform, raster.crs) == (model.shape, model.transform, model.crs)
        assert set(np.unique(raster.read(1))) == {0, 1}


def test_an_extract_that_does_not_say_what_it_covers_can_be_told(tmp_path: Path) -> None:
    answer = write_answer(tmp_path / "x.json", [WAYS[1]])
    printed = run(answer, BOUNDS, "--out", tmp_path / "a.tif")
    assert "the box around its features counts. Use --extent" in " ".join(printed.split())
    given = f"--extent={WEST - 1},{SOUTH - 1},{EAST + 1},{NORTH + 1}"
    told = json.loads(run(answer, BOUNDS, given, "--keys", "landuse", "--out", tmp_path / "b.tif", "--json"))
    assert told["pixels"][0]["not_known_px"] == 0
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert (raster.read(1) == 255).mean() > 0.9


CASES: dict[str, dict[str, Any]] = {
    "There is no key railway. Choose of highway": {"--keys": "railway"},
    "A key is named twice": {"--keys": "highway,highway"},
    "is no .tif or .tiff file": {"--out": "c.png"},
    "There is no folder": {"--out": "absent/c.tif"},
    "Name either --bounds or --like": {"--bounds": None},
    "are no bounds. Write west,south,east,north": {"--bounds": "a,b,c,d"},
    "are no bounds of ground": {"--bounds": "10,10,5,20"},
    "and the grid lies outside. Name another": {"--bounds": "10,10,10.1,10.1"},
    "more than 4294967296. Cut it": {"--bounds": "-58,-17,-50,3"},
    "There is no CRS EPSG:99999": {"--epsg": "99999"},
    "is not in metres": {"--epsg": "4326"},
    "has no CRS": {"--bounds": None, "--like": "bare.tif"},
    "gives no grid": {"--bounds": None, "--like": "text.tif"},
    "there is no file": {"extract": "absent.osm.pbf"},
    "is no whole .osm.pbf file": {"extract": "cut.osm.pbf"},
    "is empty: it has no line or polygon": {"extract": "empty.osm.pbf"},
}


@pytest.mark.parametrize("problem", CASES)
def test_bad_input_gives_one_sentence_and_leaves_the_old_raster(
    tmp_path: Path, extract: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.tif").write_text("old")
    (tmp_path / "text.tif").write_text("no raster")
    (tmp_path / "cut.osm.pbf").write_bytes(extract.read_bytes()[:-50])
    write_pbf(tmp_path / "empty.osm.pbf", [Way(1, [(0, 0), (1, 1)], {"barrier": "fence"})])
    write_land_cover(tmp_path / "bare.tif", np.ones((5, 5), np.uint8), crs=None)
    before = sorted(path.name for path in tmp_path.iterdir())
    given = {"extract": str(extract), "--bounds": BOUNDS.removeprefix("--bounds="), "--out": "c.tif", **CASES[problem]}
    options = [f"{name}={value}" for name, value in given.items() if name != "extract" and value is not None]
    told = run(given["extract"], *options, code=2)
    assert problem in told
    assert "\n" not in told
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "c.tif").read_text() == "old"
