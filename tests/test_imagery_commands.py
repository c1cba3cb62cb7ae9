"""Imagery by command: one word changes the source, mosaics and cloud probabilities without Dagster, costs before a run."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from mining_platform import mosaic_arrays
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from tests.conftest import REALDATA, Installation, Line
from tests.earth_engine.server import Server, serve
from tests.synthetic import EPSG, LEFT_M, TOP_M
from tests.twin_scenes import archive_of, region_of, year_of_scenes

KEY = "sim-igarape|2024"


def with_scenes(installation: Installation, path: Path, **changes: Any) -> Installation:
    """The installation with other fields in the scenes of its first simulated region."""
    content = json.loads(installation.regions.read_text())
    feature = next(each for each in content["features"] if each["properties"]["id"] == "sim-igarape")
    feature["properties"]["scenes"].update(changes)
    path.write_text(json.dumps(content))
    return Installation(installation.home, path)


def pixels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    opened = mosaic_arrays.open_mosaic(path)
    return mosaic_arrays.read_window(opened, opened.geobox.boundingbox)


def published(installation: Installation, ref: Ref) -> Path:
    return open_artifact(ArtifactStore(installation.home / "artifacts"), ref).path / mosaic_arrays.MOSAIC_NAME


def test_one_word_of_a_regions_entry_changes_the_source_and_nothing_else(
    line: Line, fresh_home: Installation, tmp_path: Path
) -> None:
    changed = with_scenes(fresh_home, tmp_path / "archive.geojson", source="archive")
    states = changed.states("--assets", "mosaic", "--regions", "sim-igarape", "--years", "2024")
    assert states[f"mosaic@{KEY}"]["state"] == "made"
    assert changed.digests()["mosaic/@sim-igarape+2024"] == line.installation.digests()["mosaic/@sim-igarape+2024"]


def test_a_mosaic_without_dagster_has_the_pixels_of_the_published_one(
    line: Line, fresh_home: Installation, tmp_path: Path
) -> None:
    printed = fresh_home.run("mosaic", str(tmp_path / "out"), "--region", "sim-igarape", "--year", "2024")
    assert json.loads(printed[printed.index("{") :])["recipe"] == "scl-median"
    image, count = pixels(tmp_path / "out" / "mosaic.zarr")
    expected, days = pixels(published(line.installation, Ref("mosaic", KEY)))
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(count, days)
    assert not (fresh_home.home / "dagster").exists()


def test_a_mosaic_of_bounds_becomes_a_cog_that_says_simulated(fresh_home: Installation, tmp_path: Path) -> None:
    place = str(fresh_home.home / "archive" / "stac")
    options = ["--bounds=-55.15,-6.35,-55.14,-6.34", "--year", "2024", "--source", "archive", "--place", place]
    notes = tmp_path / "m.tif.parts" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("somebody's")
    fresh_home.run("mosaic", str(tmp_path / "m.tif"), *options, "--recipe", "scl-medoid")
    with rasterio.open(tmp_path / "m.tif") as cog:
        assert cog.descriptions[:3] == ("B01", "B02", "B03")
        assert (cog.dtypes[0], cog.nodata, cog.scales[0], cog.res) == ("uint16", 0, 1e-4, (10, 10))
        assert cog.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert "SIMULATED" in cog.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        assert (cog.read(1) > 0).mean() > 0.99
    assert sorted(path.name for path in tmp_path.glob("m*")) == ["m.tif", "m.tif.parts"]
    assert list(notes.parent.iterdir()) == [notes]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--year", "2024"], "Name either --region or --bounds"),
        (["--year", "2024", "--bounds", "1,2,3"], "are no bounds. Write west,south,east,north"),
        (["--year", "2019", "--region", "sim-igarape"], "has the years 2023, 2024, not 2019"),
        (["--year", "2024", "--region", "sim-igarape", "--recipe", "mean"], "unknown value 'mean'"),
        (["--year", "2024", "--region", "sim-igarape", "--recipe", "s2cloudless-median"], "band B10"),
        (["--year", "2024", "--bounds=-50.1,-6.1,-50,-6", "--place", "/absent/catalog.json"], "there is no file"),
    ],
)
def test_what_cannot_be_composed_is_refused_with_a_remedy(
    fresh_home: Installation, tmp_path: Path, options: list[str], message: str
) -> None:
    printed = fresh_home.run("mosaic", str(tmp_path / "out"), *options, code=2)
    assert message in " ".join(printed.split())
    assert not (tmp_path / "out" / "mosaic.zarr").exists()


@contextmanager
def earth_engine_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Installation, Server]]:
    """An installation whose one region has its scenes at a stand-in of Earth Engine."""
    place = region_of()
    scenes = {"source": "earth_engine", "collection": "sentinel-2-l2a", "simulated": True}
    told = {"id": "tiny", "name": "Tiny", "country": "BR", "years": [2024], "epsg": EPSG, "coverage": "full", "land_cover": None}
    feature = {"type": "Feature", "properties": {**told, "scenes": scenes}, "geometry": place.geometry.__geo_interface__}
    regions = tmp_path / "regions.geojson"
    regions.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    with serve(archive_of(year_of_scenes())) as server:
        monkeypatch.setenv("MINING_PLATFORM_EARTH_ENGINE_URL", server.url)
        yield Installation(tmp_path / "home", regions), server


def test_a_plan_tells_what_earth_engine_will_be_asked_for_and_limits_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with earth_engine_installation(tmp_path, monkeypatch) as (installation, server):
        printed = installation.run("plan", "--assets", "mosaic", "--max-requests", "1")
        assert "From services that count" in printed
        assert [row.split()[:3] for row in printed.splitlines() if row.startswith("mosaic ")][-1] == ["mosaic", "tiny|2024", "1"]
        rows = json.loads(installation.run("plan", "--assets", "mosaic", "--max-requests", "1", "--json"))
        cost = next(row for row in rows if row["asset"] == "mosaic")
        assert (cost["requests"], cost["bytes"]) == (1, 96 * 96 * 14 * 2)
        assert cost["eecu_s"] > 0
        refused = installation.run("materialize", "--assets", "mosaic", "--max-bytes", "1000", code=2)
        assert "more than the 1000 it may take. Raise --max-bytes" in " ".join(refused.split())
        assert server.of("computePixels") == []
        states = installation.states("--assets", "mosaic", "--max-requests", "1")
        assert states["mosaic@tiny|2024"]["state"] == "made"
        assert [request.workload_tag for request in server.of("computePixels")] == ["mosaic-tiny"]
        assert installation.states("--assets", "mosaic", "--max-requests", "0")["mosaic@tiny|2024"]["state"] == "skipped"


def test_the_command_writes_probabilities_and_masks_of_a_scene(tmp_path: Path, fresh_home: Installation) -> None:
    golden = REALDATA / "s2-l1c-cloud-golden"
    if not golden.exists():
        pytest.skip("the golden L1C scenes are absent; set MINING_PLATFORM_REALDATA")
    reflectance = np.load(golden / "REFERENCE_SCENES.npy")[0]
    shape = {"count": 13, "height": reflectance.shape[0], "width": reflectance.shape[1], "dtype": "float32"}
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 465_180, 0, -10, 5_080_260)}
    with rasterio.open(tmp_path / "stack.tif", "w", driver="GTiff", **shape, **place) as raster:
        raster.write(np.moveaxis(reflectance, -1, 0))
    bands = "B01,B02,B03,B04,B05,B06,B07,B08,B8A,B09,B10,B11,B12"
    options = ["--scene-id", "golden", "--date", "2015-08-20T10:07:28", "--collection", "sentinel-2-l1c", "--bands", bands]
    printed = fresh_home.run(
        "ingest", str(tmp_path / "stack.tif"), "--out", str(tmp_path / "scenes"), *options, "--baseline", "02.04"
    )
    assert json.loads(printed)["offset_dn"] == 0
    item = json.loads((tmp_path / "scenes" / "golden" / "golden.json").read_text())["properties"]
    assert item["view:sun_elevation"] == pytest.approx(54.9, abs=1)
    out, mask = tmp_path / "p.tif", tmp_path / "m.tif"
    printed = fresh_home.run("clouds", str(tmp_path / "scenes" / "golden"), "--out", str(out), "--mask", str(mask))
    with rasterio.open(out) as probability, rasterio.open(mask) as cloud:
        np.testing.assert_allclose(probability.read(1), np.load(golden / "CLP_S2C.npy")[2].squeeze(), atol=1e-6)
        np.testing.assert_array_equal(cloud.read(1), np.load(golden / "CLM_S2C.npy")[2].squeeze())
    coarse = fresh_home.run("clouds", str(tmp_path / "scenes" / "golden"), "--out", str(out), "--gsd", "60", code=2)
    assert "60 m does not divide the 100 x 101 pixels" in coarse


@pytest.mark.parametrize(("name", "message"), [("absent", "is no Sentinel-2 scene"), ("empty", "is no Sentinel-2 scene")])
def test_a_folder_that_is_no_scene_is_refused(tmp_path: Path, fresh_home: Installation, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    printed = fresh_home.run("clouds", str(tmp_path / name), "--out", str(tmp_path / "p.tif"), code=2)
    assert message in printed
    assert not list(tmp_path.glob("p.tif*"))


def test_a_level_2_scene_lacks_the_bands_of_s2cloudless(tmp_path: Path, fresh_home: Installation) -> None:
    scene = next(path.parent for path in sorted((fresh_home.home / "archive" / "stac").rglob("B02.tif")))
    shutil.copytree(scene, tmp_path / scene.name)
    printed = fresh_home.run("clouds", str(tmp_path / scene.name), "--out", str(tmp_path / "p.tif"), code=2)
    assert "s2cloudless looks at L1C bands" in " ".join(printed.split())


def test_the_twin_scenes_lie_where_the_tests_think() -> None:
    box = region_of().geobox.boundingbox
    assert (box.left, box.top) == (LEFT_M, TOP_M)
