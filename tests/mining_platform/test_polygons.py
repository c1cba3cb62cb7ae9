"""Polygons as land cover: burnt at pixel centres, refused where a class has no code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from shapely.geometry import Polygon, box, mapping

from mining_platform.grids import project
from mining_platform.regions import LandCover, Region
from mining_platform.sources import polygons
from mining_platform.sources.protocol import SourceError
from tests.synthetic import EPSG, LEFT_M, TOP_M, region

CODES = {"mine": 30, "forest": 3}


def write_polygons(path: Path, shapes: list[tuple[str, Any]], field: str = "class") -> Path:
    features = [
        {"type": "Feature", "properties": {field: name}, "geometry": mapping(project(shape, EPSG, 4326))}
        for name, shape in shapes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def square(left_px: int, top_px: int, size_px: int) -> Any:
    left, top = LEFT_M + 10 * left_px, TOP_M - 10 * top_px
    return box(left, top - 10 * size_px, left + 10 * size_px, top)


def place(path: Path, **changes: Any) -> Region:
    cover = LandCover("polygons", "mine", str(path), (2022, 2024), None, False, CODES)
    return region(120, 120, land_cover=replace(cover, **changes))


def test_a_pixel_has_the_class_of_the_polygon_over_its_centre_and_none_elsewhere(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("forest", square(0, 0, 50)), ("mine", square(10, 20, 5))])
    facts = polygons.read_land_cover(place(path), 2023, tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as raster:
        codes = raster.read(1)
        assert (raster.crs.to_epsg(), raster.nodata, raster.transform.c) == (EPSG, 0, LEFT_M)
    expected = np.zeros((120, 120), np.uint8)
    expected[:50, :50], expected[20:25, 10:15] = 3, 30
    np.testing.assert_array_equal(codes, expected)
    assert facts["class_pixels"] == {"0": 14_400 - 2500, "3": 2475, "30": 25}
    assert facts["polygons"] == {"forest": 1, "mine": 1}
    assert facts["simulated"] is False


def test_polygons_of_a_kml_are_burnt_as_those_of_geojson_are(tmp_path: Path) -> None:
    corners = " ".join(f"{x},{y}" for x, y in project(square(10, 20, 5), EPSG, 4326).exterior.coords)
    ring = f"<outerBoundaryIs><LinearRing><coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs>"
    data = '<ExtendedData><Data name="class"><value>mine</value></Data></ExtendedData>'
    (tmp_path / "p.kml").write_text(f"<kml><Placemark>{data}<Polygon>{ring}</Polygon></Placemark></kml>")
    facts = polygons.read_land_cover(place(tmp_path / "p.kml"), 2023, tmp_path / "out")
    assert facts["class_pixels"] == {"0": 14_400 - 25, "30": 25}


@pytest.mark.parametrize(("shapes", "changes", "message"), [
    ([("swamp", square(0, 0, 9))], {}, r"classes without a code: swamp\. Add their class codes to 'classes'"),
    ([("mine", square(0, 0, 9))], {"years": (2010, 2011)}, r"outside the collection\. Ask for a year from 2010 to 2011"),
    ([("mine", square(500, 0, 9))], {}, r"no polygon covers a pixel of the region\. Mend the outline or the polygons"),
    ([("mine", square(0, 0, 9)), ("mine", square(0, 0, 9).boundary)], {}, r"no polygons on the ground \(number 2\)\. Draw them"),
    ([("mine", Polygon())], {}, r"no polygons on the ground \(number 1\)"),
    ([], {}, "has no CRS or no 'class'"),
])  # fmt: skip
def test_what_cannot_be_burnt_is_refused(tmp_path: Path, shapes: Any, changes: Any, message: str) -> None:
    path = write_polygons(tmp_path / "p.geojson", shapes)
    with pytest.raises(SourceError, match=message):
        polygons.read_land_cover(place(path, **changes), 2023, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_region_higher_than_a_strip_is_burnt_without_a_seam(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("mine", square(3, 2_040, 20))])
    cover = LandCover("polygons", "mine", str(path), (2022, 2024), None, False, CODES)
    polygons.read_land_cover(region(30, 2_100, land_cover=cover), 2023, tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as raster:
        np.testing.assert_array_equal(np.argwhere(raster.read(1) == 30)[[0, -1]], [[2_040, 3], [2_059, 22]])


def test_the_mark_of_simulation_is_in_the_raster(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("mine", square(0, 0, 9))])
    assert polygons.read_land_cover(place(path, simulated=True), 2023, tmp_path / "out")["simulated"] is True
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as raster:
        assert raster.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED. Land cover 2023")


@pytest.mark.parametrize("name", ["other.geojson", "other.gpkg"])
def test_a_file_that_only_names_another_is_not_followed(tmp_path: Path, name: str) -> None:
    secret = write_polygons(tmp_path / "secret.geojson", [("mine", square(0, 0, 9))])
    layer = f'<OGRVRTLayer name="secret"><SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer>'
    (tmp_path / name).write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    with pytest.raises(SourceError, match=rf"{name} cannot be read \(.+\)\. Mend or replace the file"):
        polygons.read_land_cover(place(tmp_path / name), 2023, tmp_path / "out")


def test_a_geopackage_is_read_as_the_same_polygons_in_geojson_are(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("mine", square(0, 0, 9))])
    gpd.read_file(path).to_file(tmp_path / "p.gpkg")
    one, other = (
        polygons.read_land_cover(place(tmp_path / name), 2023, tmp_path / name[-4:]) for name in ("p.geojson", "p.gpkg")
    )
    assert one["class_pixels"] == other["class_pixels"]


def test_a_file_without_class_names_is_refused(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("mine", square(0, 0, 9))], field="kind")
    with pytest.raises(SourceError, match=r"has no CRS or no 'class'.*Each polygon needs a property 'class'"):
        polygons.read_land_cover(place(path), 2023, tmp_path / "out")


def test_an_absent_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*absent\.geojson"):
        polygons.fingerprint_land_cover(place(tmp_path / "absent.geojson"), 2023)
    with pytest.raises(SourceError, match=r"is no \.geojson"):
        polygons.fingerprint_land_cover(place(tmp_path / "x.vrt"), 2023)


def test_an_altered_file_has_another_fingerprint(tmp_path: Path) -> None:
    path = write_polygons(tmp_path / "p.geojson", [("mine", square(0, 0, 9))])
    before = polygons.fingerprint_land_cover(place(path), 2023)
    assert before == polygons.fingerprint_land_cover(place(path), 2023)
    write_polygons(path, [("forest", square(0, 0, 9))])
    assert polygons.fingerprint_land_cover(place(path), 2023) != before
