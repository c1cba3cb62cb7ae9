"""The command `label` on anyone's files, as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from shapely import box
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.conftest import REALDATA
from tests.mining_platform.polygon_files import NORTH_UP, kml, landsat_stack, pixels, placemark, write_geojson, write_image
from tests.synthetic import write_land_cover

PIT, POND = pixels(slice(5, 15), slice(5, 15)), pixels(slice(0, 2), slice(0, 2))


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["label", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return str(done.exception) if expected else done.output


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """An image of eight bands with a cloud over its first three rows, and the polygons of two sites."""
    cloud = np.zeros((20, 20), np.uint16)
    cloud[:3] = 1
    write_image(tmp_path / "image.tif", landsat_stack(cloud=cloud))
    (tmp_path / "sites.kml").write_text(kml([placemark("Serra Pelada", PIT), placemark("Outra", POND)]))
    return tmp_path


def three_class(files: Path, *options: object, out: str = "label.png", code: int = 0) -> str:
    given = ["--recipe", "three-class", "--polygons", files / "sites.kml", "--bands", "landsat-4-7", "--out", files / out]
    return run(files / "image.tif", *given, *options, code=code)


def expected() -> np.ndarray:
    label = np.zeros((20, 20), np.uint8)
    label[5:15, 5:10] = 2
    label[:3] = 1
    return label


def test_a_three_class_label_is_a_palette_picture_of_the_image_s_size(files: Path) -> None:
    told = json.loads(three_class(files, "--site", "serra_pelada_7", "--json"))
    with Image.open(files / "label.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), expected())
    assert (told["recipe"], told["version"]) == ("three-class", 1)
    assert told["pixels"] == {"background": 290, "cloud": 60, "mining": 50, "no class": 0}
    assert told["notes"] == ["50 of 100 pixels inside the polygons have an NDVI above 0.5 and are no mining."]


def test_the_same_label_as_geotiff_lies_on_the_image(files: Path) -> None:
    printed = three_class(files, "--site", "Serra Pelada", out="label.tif")
    assert "Recipe three-class, version 1. Written to" in printed
    with rasterio.open(files / "label.tif") as raster, rasterio.open(files / "image.tif") as image:
        assert (raster.transform, raster.crs) == (image.transform, image.crs)
        np.testing.assert_array_equal(raster.read(1), expected())


def test_an_alias_and_the_number_of_the_cloud_band_can_be_given(files: Path) -> None:
    (files / "aliases.csv").write_text("alias,site\nSerra Velha,Serra Pelada\n")
    three_class(files, "--site", "serra velha", "--aliases", files / "aliases.csv", "--cloud-band", 0, out="a.png")
    with Image.open(files / "a.png") as picture:
        assert (np.asarray(picture) == 1).sum() == 0
        assert (np.asarray(picture) == 2).sum() == 50


def test_polygons_and_detections_are_labels_too(files: Path) -> None:
    run(
        files / "image.tif",
        "--recipe",
        "polygons",
        "--polygons",
        files / "sites.kml",
        "--where",
        "name=Outra",
        "--out",
        files / "p.png",
    )
    rows = [({"confidence": 0.4}, POND), ({"confidence": 0.6}, PIT), ({"confidence": 0.9}, pixels(slice(50, 60), slice(0, 3)))]
    path = write_geojson(files / "d.geojson", rows)
    printed = run(files / "image.tif", "--recipe", "detections", "--polygons", path, "--out", files / "d.png")
    assert "1 of 2 polygons of d.geojson lie outside the image." in printed
    for name, count in (("p.png", 4), ("d.png", 100)):
        with Image.open(files / name) as picture:
            assert np.unique(np.asarray(picture)).tolist() == [0, 2]
            assert (np.asarray(picture) == 2).sum() == count


def test_sources_are_compared_and_a_map_is_a_label(files: Path) -> None:
    classes = np.full((20, 20), 3, np.uint8)
    classes[5:15, 5:9], classes[19] = 30, 0
    land_cover = write_land_cover(files / "map.tif", classes, affine=NORTH_UP, crs="EPSG:32722")
    both = f"{land_cover},{files / 'sites.kml'}"
    given = ["--recipe", "agreement", "--sources", both, "--classes", "mining", "--where", "name=Serra Pelada"]
    told = json.loads(run(files / "image.tif", *given, "--out", files / "a.tif", "--json"))
    assert {row["what"]: row["pixels"] for row in told["table"]} == {
        "map.tif": 40, "sites.kml": 100, "all sources": 40, "only map.tif": 0, "only sites.kml": 60, "no source": 280,
        "no class in a source": 20,
    }  # fmt: skip
    assert told["table"][0]["hectares"] == pytest.approx(40 * 0.09, rel=1e-3)
    with rasterio.open(files / "a.tif") as raster:
        assert (raster.read(1) == 2).sum() == 40
    run(files / "image.tif", "--recipe", "mapbiomas-mining", "--sources", land_cover, "--out", files / "m.tif")
    with rasterio.open(files / "m.tif") as raster:
        assert [(raster.read(1) == value).sum() for value in (0, 2, 255)] == [340, 40, 20]


OUTRA = ("--site", "outra")
AWAY = kml([placemark("a", PIT), placemark("a", pixels(slice(90, 95), slice(0, 5)))])
BAD = {
    "a KML without placemarks": (kml([]), OUTRA, "sites.kml cannot be read: it has no placemarks of its own"),
    "an unknown site": ("", ("--site", "Serra Palada"), "sites.kml has no site 'Serra Palada'; it has Serra Pelada"),
    "no site": ("", (), "Nothing says which polygons of sites.kml are the image's"),
    "a polygon outside": (AWAY, ("--site", "a"), "1 of 2 polygons of sites.kml lie outside the image (the first is number 2)"),
    "another cloud band": (
        "",
        (*OUTRA, "--bands", "red=3,nir=4", "--cloud-band", 1),
        "the cloud band (1) has the value 1000 at column 0, row 0; it holds 0 for clear and 1 for cloud",
    ),
    "no such band": ("", (*OUTRA, "--cloud-band", 9), "image.tif has 8 bands, and no band 9"),
    "bands that nothing tells": ("", (*OUTRA, "--bands", ""), "Nothing says which band of image.tif is what"),
    "a day that is none": ("", (*OUTRA, "--day", "2020-13-01"), "'2020-13-01' is no day"),
    "an offset alone": ("", (*OUTRA, "--offset", "0.1"), "--offset goes with --scale"),
    "two kinds of input": ("", (*OUTRA, "--sources", "a.tif"), "is made of polygons of one file: name it with --polygons"),
}


@pytest.mark.parametrize(("content", "options", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_done_is_said_in_one_sentence_and_the_old_label_stays(
    files: Path, content: str, options: tuple[object, ...], message: str
) -> None:
    if content:
        (files / "sites.kml").write_text(content)
    (files / "label.png").write_bytes(b"old")
    before = sorted(path.name for path in files.iterdir())
    said = three_class(files, *options, code=2)
    assert message in said
    assert "\n" not in said
    assert (files / "label.png").read_bytes() == b"old"
    assert sorted(path.name for path in files.iterdir()) == before, "nothing half-made"


def test_files_of_a_wrong_crs_are_refused(files: Path) -> None:
    given = ["--recipe", "polygons", "--site", "a", "--out", files / "l.png"]
    write_geojson(files / "m.geojson", [({"site": "a"}, box(600_000, 9_199_700, 600_300, 9_200_000))])
    said = run(files / "image.tif", *given, "--polygons", files / "m.geojson", code=2)
    assert "m.geojson has coordinates that are no degrees, though its CRS is WGS 84. State the CRS." in said
    write_image(files / "bare.tif", landsat_stack(), epsg=None)
    assert "bare.tif has no CRS or no place in it" in run(files / "bare.tif", *given, "--polygons", files / "sites.kml", code=2)
    assert not (files / "l.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--recipe", "x", "--out", "a.png"), "Unknown label recipe 'x'; known: mapbiomas-mining, "),
        (("--recipe", "polygons", "--out", "a.jpg"), "a.jpg is neither .png nor .tif nor .tiff"),
        (("--recipe", "polygons", "--out", "none/a.png"), "There is no folder"),
        (("--recipe", "polygons", "--out", "a.png"), "The recipe polygons is made of polygons of one file"),
        (("--recipe", "agreement", "--out", "a.png"), "The recipe agreement is made of --sources"),
        (("--recipe", "agreement", "--sources", "a.tif,b.tif", "--out", "a.png"), "a.tif is a map: name the classes"),
        (("--recipe", "mapbiomas-mining", "--sources", "a.tif,b.tif", "--out", "a.png"), "is made of one map"),
        (("--recipe", "mapbiomas-mining", "--sources", "a.tif", "--classes", "30", "--out", "a.png"), "--classes is for agree"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    files: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(files)
    assert message in run("image.tif", *options, code=2)
    assert not (files / "a.png").exists()


def test_the_real_map_and_detections_of_lourenco_by_the_command(lourenco_map: Path, tmp_path: Path) -> None:
    detections = REALDATA / "labels-amazon-mining-watch" / "lourenco_2018-2024.geojson"
    if not detections.exists():
        pytest.skip(f"the real detections {detections} are absent; set MINING_PLATFORM_REALDATA")
    given = ["--recipe", "agreement", "--sources", f"{lourenco_map},{detections}", "--classes", "mining", "--year", 2022]
    told = json.loads(run(lourenco_map, *given, "--where", "file_year<=2022", "--out", tmp_path / "a.png", "--json"))
    assert [row["pixels"] for row in told["table"][:3]] == [20_235, 64_393, 16_159]
    assert told["pixels"]["all sources"] == 16_159
    with Image.open(tmp_path / "a.png") as picture:
        assert (np.asarray(picture) == 2).sum() == 16_159
