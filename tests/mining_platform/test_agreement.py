"""Several sources on one grid: where they agree, and on how much ground."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod

from mining_platform.ingest.cloud_stacks import opened_image
from mining_platform.labels.agreement import SourceMask, agreement, areas_m2
from mining_platform.labels.class_sets import CLASS_SETS
from mining_platform.labels.image_labels import Choice, chosen_polygons, polygons_label
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.recipes import NO_LABEL, recipe
from mining_platform.labels.source_masks import class_codes, source_mask
from mining_platform.raster_files import opened_raster_file
from mining_platform.shares.class_rasters import ClassRasterError
from tests.conftest import REALDATA
from tests.mining_platform.polygon_files import NORTH_UP, SOUTH_UP, TURNED, grid, pixels, write_geojson
from tests.synthetic import write_land_cover

AGREEMENT, MINING = recipe("agreement"), CLASS_SETS["mining"]


def source(name: str, mining: list[int], known: list[int] | None = None) -> SourceMask:
    """A row of pixels."""
    return SourceMask(name, np.array([mining], bool), np.array([known or [1] * len(mining)], bool))


def row_grid(count: int) -> GeoBox:
    return grid(shape=(1, count))


def test_two_sources_agree_differ_or_say_nothing() -> None:
    made = agreement([source("a", [0, 1, 0, 1, 1]), source("b", [0, 0, 1, 1, 1], [1, 1, 1, 1, 0])], row_grid(5))
    assert made.map.tolist() == [[0, 1, 1, 2, NO_LABEL]]
    assert made.counts.tolist() == [[0, 1, 1, 2, NO_LABEL]]
    assert {row["what"]: row["pixels"] for row in made.table} == {
        "a": 3, "b": 2, "all sources": 1, "only a": 1, "only b": 1, "no source": 1, "no class in a source": 1,
    }  # fmt: skip


def test_of_three_sources_every_pattern_is_a_row() -> None:
    bits = [(number >> 2 & 1, number >> 1 & 1, number & 1) for number in range(8)]
    made = agreement([source(name, [bit[k] for bit in bits]) for k, name in enumerate("abc")], row_grid(8))
    assert made.counts.tolist() == [[0, 1, 1, 2, 1, 2, 2, 3]]
    assert made.map.tolist() == [[0, 1, 1, 1, 1, 1, 1, 2]]
    patterns = {row["what"]: row["pixels"] for row in made.table[3:]}
    assert patterns == dict.fromkeys(
        ["all sources", "only a", "only b", "only a and b", "only c", "only a and c", "only b and c", "no source"], 1
    ) | {"no class in a source": 0}


@pytest.mark.parametrize(
    "sources", [[source("a", [1])], [source("a", [1]), source("a", [0])], [source(n, [1]) for n in "abcdefgh"]]
)
def test_one_source_equal_names_and_too_many_are_refused(sources: list[SourceMask]) -> None:
    with pytest.raises(LabelError, match="name 2 to 7, each once"):
        agreement(sources, row_grid(1))


@pytest.mark.parametrize("affine", [NORTH_UP, SOUTH_UP, TURNED], ids=["north-up", "south-up", "turned"])
def test_hectares_are_those_of_the_ellipsoid_whichever_way_the_grid_lies(affine: Affine) -> None:
    box = grid(affine, (20, 20))
    ring = pixels(slice(0, 20), slice(0, 20), affine).exterior
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(ring.segmentize(1e-5))
    assert areas_m2(box, slice(0, 20)).sum() == pytest.approx(abs(area), rel=1e-5)
    everything = SourceMask("a", np.ones((20, 20), bool), np.ones((20, 20), bool))
    nothing = SourceMask("b", np.zeros((20, 20), bool), np.ones((20, 20), bool))
    table = agreement([everything, nothing], box).table
    assert table[0]["hectares"] == pytest.approx(abs(area) / 10_000, abs=0.01)
    assert table[1]["hectares"] == 0


def test_hectares_do_not_depend_on_strips_and_degrees_have_theirs() -> None:
    box = GeoBox((600, 3), Affine(0.001, 0, -51, 0, -0.001, 2), "EPSG:4326")
    whole = areas_m2(box, slice(0, 600)).sum()
    some = SourceMask("a", np.ones((600, 3), bool), np.ones((600, 3), bool))
    other = SourceMask("b", np.zeros((600, 3), bool), np.ones((600, 3), bool))
    assert agreement([some, other], box).table[0] == {
        "what": "a",
        "pixels": 1800,
        "hectares": pytest.approx(whole / 1e4, abs=0.01),
    }
    area, _ = Geod(ellps="WGS84").polygon_area_perimeter([-51, -50.997, -50.997, -51], [2, 2, 1.4, 1.4])
    assert whole == pytest.approx(abs(area), rel=1e-6)


def test_a_turned_grid_in_degrees_has_no_areas() -> None:
    with pytest.raises(LabelError, match="Warp it with gdalwarp to a UTM zone"):
        areas_m2(GeoBox((2, 2), Affine(0.001, 0.0001, -51, 0.0001, -0.001, 2), "EPSG:4326"), slice(0, 2))


# Sources


def test_a_map_of_another_grid_says_what_lies_under_each_pixel_s_centre(tmp_path: Path) -> None:
    classes = np.array([[30, 3, 27], [3, 30, 0]], np.uint8)
    corner = Affine(60, 0, NORTH_UP.c, 0, -60, NORTH_UP.f)
    path = write_land_cover(tmp_path / "map.tif", classes, affine=corner, crs="EPSG:32722")
    mask, notes = source_mask(path, grid(shape=(4, 8)), classes=MINING, year=None, conditions=(), recipe=AGREEMENT)
    assert (mask.name, notes) == ("map.tif", ())
    assert mask.is_mining.astype(int).tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 0, 0, 0, 0]] * 2
    assert mask.has_class.astype(int).tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] * 4


def test_the_year_tells_the_band_of_a_map(tmp_path: Path) -> None:
    bands = np.stack([np.full((3, 3), 3, np.uint8), np.full((3, 3), 30, np.uint8)])
    path = write_land_cover(tmp_path / "map.tif", bands, affine=NORTH_UP, crs="EPSG:32722", names=("cover_2020", "cover_2021"))
    assert (class_codes(path, grid(shape=(3, 3)), 2020) == 3).all()
    assert (class_codes(path, grid(shape=(3, 3)), 2021) == 30).all()
    with pytest.raises(ClassRasterError, match="0 of them name 2019"):
        class_codes(path, grid(shape=(3, 3)), 2019)


def test_a_map_in_another_crs_is_laid_on_the_image(tmp_path: Path) -> None:
    west = Affine(0.001, 0, -50.2, 0, -0.001, -7.2)
    classes = np.full((100, 300), 3, np.uint8)
    classes[:, 200:] = 30  # east of 50 degrees west
    path = write_land_cover(tmp_path / "map.tif", classes, affine=west, crs="EPSG:4326")
    codes = class_codes(path, grid(shape=(60, 600)), None)
    x = pixels(slice(30, 31), slice(0, 600)).exterior.coords.xy[0]
    east = np.linspace(min(x), max(x), 600)
    assert 0.3 < (east > -50).mean() < 0.7, "the meridian crosses the image"
    assert ((codes[30] == 30) == (east > -50)).mean() > 0.995


def test_polygons_are_a_source_that_knows_the_whole_image(tmp_path: Path) -> None:
    away = pixels(slice(0, 2), slice(500, 502))
    path = write_geojson(tmp_path / "d.geojson", [({"year": 2020}, pixels(slice(0, 2), slice(0, 3))), ({"year": 2022}, away)])
    mask, notes = source_mask(path, grid(), classes=None, year=None, conditions=["year<=2022"], recipe=AGREEMENT)
    assert (mask.is_mining.sum(), mask.has_class.all()) == (6, True)
    assert notes == ("1 of 2 polygons of d.geojson lie outside the image.",)


@pytest.mark.parametrize(
    ("crs", "dtype", "affine", "classes", "message"),
    [
        (None, np.uint8, NORTH_UP, MINING, r"map\.tif has no CRS; write one"),
        ("EPSG:32722", np.uint16, NORTH_UP, MINING, r"map\.tif holds uint16, class codes are uint8"),
        ("EPSG:32722", np.uint8, NORTH_UP, None, r"map\.tif is a map: name the classes that are mining with --classes"),
        ("EPSG:32722", np.uint8, TURNED, MINING, "The image is not north-up, and maps are laid on north-up images only"),
    ],
)
def test_a_map_that_cannot_be_compared_is_refused(
    tmp_path: Path, crs: str | None, dtype: type, affine: Affine, classes: object, message: str
) -> None:
    path = write_land_cover(tmp_path / "map.tif", np.full((3, 3), 30, dtype), affine=NORTH_UP, crs=crs)
    with pytest.raises(LabelError, match=message):
        source_mask(path, grid(affine), classes=classes, year=None, conditions=(), recipe=AGREEMENT)


# Real files


@pytest.mark.parametrize(("ending", "until"), [("geojson", "file_year<=2022"), ("kml", "name<=2022")])
def test_mapbiomas_and_the_published_detections_meet_at_lourenco_as_they_are_known_to(
    lourenco_map: Path, ending: str, until: str
) -> None:
    detections = REALDATA / "labels-amazon-mining-watch" / f"lourenco_2018-2024.{ending}"
    if not detections.exists():
        pytest.skip(f"the real detections {detections} are absent; set MINING_PLATFORM_REALDATA")
    with opened_raster_file(lourenco_map) as raster:
        box = GeoBox(raster.shape, raster.transform, raster.crs.to_wkt())
    given = {"classes": MINING, "year": 2022, "conditions": [until], "recipe": AGREEMENT}
    theirs, _ = source_mask(detections, box, **given)
    ours, _ = source_mask(lourenco_map, box, **{**given, "conditions": ()})
    made = agreement([ours, theirs], box)
    found = {row["what"]: (row["pixels"], row["hectares"]) for row in made.table}
    assert [found[name][0] for name in (ours.name, theirs.name, "all sources")] == [20_235, 64_393, 16_159]
    assert (made.map == 2).sum() == 16_159
    assert found["no class in a source"][0] == 2_891
    planar_ha = 29.88**2 / 10_000
    assert CRS.from_epsg(31976).is_projected
    assert found[ours.name][1] == pytest.approx(20_235 * planar_ha, rel=1e-3)


def test_the_published_detections_of_the_whole_amazon_are_cut_to_the_image(lourenco_map: Path) -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "mining_202200_simplified.geojson"
    if not path.exists():
        pytest.skip(f"the real detections {path} are absent; set MINING_PLATFORM_REALDATA")
    polygons, _ = chosen_polygons(Choice(path), recipe("published-detections"))
    with opened_image(lourenco_map) as stack:
        label, notes = polygons_label(stack, polygons, recipe("published-detections"), path.name)
    assert (label == 2).sum() == 20_677
    assert notes[0] == f"6163 of 6201 polygons of {path.name} lie outside the image."
