"""The stand-in as the real client meets it: methods, limits, faults, what is recorded."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from shapely.geometry import box, mapping

from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.client import earth_engine
from tests.earth_engine.discovery import algorithms
from tests.earth_engine.expressions import _snake
from tests.earth_engine.functions import known_functions
from tests.earth_engine.samples import CRS, LEFT_M, TOP_M, band, grid, image, pixels
from tests.earth_engine.server import Server, serve

S2 = "COPERNICUS/S2_SR_HARMONIZED"
DAY_MS = 86_400_000
SCENES = [
    image(
        f"2023010{i}",
        band("B2", np.full((4, 4), 100 * i)),
        band("B11", np.full((2, 2), 1000 * i), pixel_m=20),
        time_start=1_672_531_200_000 + i * DAY_MS,
        CLOUDY_PIXEL_PERCENTAGE=10.0 * i,
        MGRS_TILE="22NBF",
    )
    for i in (1, 2, 3)
]
ARCHIVE = FakeArchive(
    {S2: SCENES}, {"projects/maps/assets/cover": image("cover", band("classification_2023", [[30, 3]], dtype=np.uint8))}
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(ARCHIVE) as running, earth_engine(running.url):
        yield running


def request(**changes: object) -> dict[str, object]:
    return {"expression": ee.Image(f"{S2}/20230101"), "fileFormat": "NPY", "grid": grid(4, 4), **changes}


# What it answers


@pytest.mark.usefixtures("server")
def test_a_median_of_two_images_has_20_m_pixels_on_a_10_m_grid() -> None:
    found = pixels(ee.ImageCollection(S2).filter(ee.Filter.lt("CLOUDY_PIXEL_PERCENTAGE", 25)).median(), grid(5, 4))
    assert found.dtype.names == ("B2", "B11")
    assert found["B2"].tolist() == [[150, 150, 150, 150, 0]] * 4
    assert found["B11"].tolist() == [[1500, 1500, 1500, 1500, 0]] * 4


@pytest.mark.usefixtures("server")
def test_a_request_for_some_bands_gets_those_in_its_order() -> None:
    assert pixels(ee.Image(f"{S2}/20230101"), grid(1, 1), bandIds=["B11", "B2"]).dtype.names == ("B11", "B2")


@pytest.mark.usefixtures("server")
def test_pixels_come_as_geotiff_on_the_grid_that_was_asked_for() -> None:
    answer = ee.data.computePixels(request(fileFormat="GEO_TIFF", bandIds=["B2"]))
    with rasterio.MemoryFile(answer) as memory, memory.open() as file:
        assert (file.crs.to_string(), file.transform.c, file.transform.f) == (CRS, LEFT_M, TOP_M)
        assert file.read(1).tolist() == [[100] * 4] * 4


@pytest.mark.usefixtures("server")
def test_an_image_asset_says_its_bands_grids_and_times_without_zeros() -> None:
    asset = ee.data.getAsset(f"{S2}/20230102")
    assert (asset["type"], asset["id"], asset["startTime"]) == ("IMAGE", f"{S2}/20230102", "2023-01-03T00:00:00Z")
    assert asset["properties"] == {"CLOUDY_PIXEL_PERCENTAGE": 20.0, "MGRS_TILE": "22NBF"}
    grids = {one["id"]: one["grid"] for one in asset["bands"]}
    affine = {"scaleX": 20, "translateX": LEFT_M, "scaleY": -20, "translateY": TOP_M}
    assert grids["B11"] == {"crsCode": CRS, "dimensions": {"width": 2, "height": 2}, "affineTransform": affine}
    assert asset["bands"][0]["dataType"] == {"precision": "INT", "range": {"max": 65535}}


@pytest.mark.usefixtures("server")
def test_a_single_image_asset_is_found_by_its_cloud_name() -> None:
    assert pixels(ee.Image("projects/maps/assets/cover"), grid(2, 1))["classification_2023"].tolist() == [[30, 3]]
    assert ee.data.getAsset("projects/maps/assets/cover")["bands"][0]["id"] == "classification_2023"


@pytest.mark.usefixtures("server")
def test_listed_images_are_filtered_by_time_place_and_properties() -> None:
    inside, elsewhere = mapping(SCENES[0].footprint), mapping(box(0, 0, 1, 1))

    def listed(**query: object) -> list[str]:
        return [one["id"][-1] for one in ee.data.listImages({"parent": S2, **query})["images"]]

    assert listed() == ["1", "2", "3"]
    assert listed(startTime="2023-01-03T00:00:00Z") == ["2", "3"]
    assert listed(endTime="2023-01-03T00:00:00Z") == ["1"]
    assert listed(properties=["CLOUDY_PIXEL_PERCENTAGE<15", "MGRS_TILE=22NBF"]) == ["1"]
    assert (listed(region=inside), listed(region=elsewhere)) == (["1", "2", "3"], [])


def test_listed_images_come_page_by_page(server: Server) -> None:
    page = ee.data.listAssets({"parent": S2, "pageSize": 2})
    rest = ee.data.listAssets({"parent": S2, "pageSize": 2, "pageToken": page["nextPageToken"]})
    assert [one["id"][-1] for one in page["assets"] + rest["assets"]] == ["1", "2", "3"]
    assert "nextPageToken" not in rest
    assert len(server.of("listAssets")) >= 2


@pytest.mark.usefixtures("server")
def test_features_come_page_by_page() -> None:
    table = ee.ImageCollection(S2).map(lambda one: ee.Feature(one.geometry(), {"day": one.date().format("YYYY-MM-dd")}))
    page = ee.data.computeFeatures({"expression": table, "pageSize": 2})
    rest = ee.data.computeFeatures({"expression": table, "pageSize": 2, "pageToken": page["nextPageToken"]})
    found = page["features"] + rest["features"]
    assert [(one["id"], one["properties"]["day"]) for one in found[:2]] == [
        ("20230101", "2023-01-02"),
        ("20230102", "2023-01-03"),
    ]
    assert len(found) == 3
    assert found[0]["geometry"]["type"] == "Polygon"


@pytest.mark.usefixtures("server")
def test_values_come_as_numbers_lists_dictionaries_and_descriptions() -> None:
    scenes = ee.ImageCollection(S2)
    assert scenes.size().getInfo() == 3
    assert scenes.aggregate_array("system:index").getInfo() == ["20230101", "20230102", "20230103"]
    assert ee.Dictionary({"n": scenes.size(), "last": ee.Date("2023-01-02").advance(1, "month")}).getInfo() == {
        "n": 3,
        "last": {"type": "Date", "value": 1_675_296_000_000},
    }
    described = ee.Image(f"{S2}/20230101").getInfo()
    assert described["bands"][1]["crs_transform"] == [20, 0, LEFT_M, 0, -20, TOP_M]
    assert described["properties"]["system:index"] == "20230101"
    assert scenes.first().select("B2").multiply(2).getInfo()["bands"][0]["data_type"]["precision"] == "int"


# What it refuses


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": grid(2897, 2896)}, r"Total request size \(50338272 bytes\) must be less than or equal to 50331648 bytes\."),
        ({"grid": grid(32_769, 1)}, r"Pixel grid dimensions \(32769x1\) must be less than or equal to 32768"),
        ({"grid": grid(0, 4)}, r"dimensions \(0x4\) must be positive"),
        ({"grid": {}}, "dimensions, affineTransform, crsCode must be set"),
        ({"grid": {"crsCode": CRS, "dimensions": {"width": 1, "height": 1}}}, "affineTransform must be set"),
        ({"grid": grid(1, 1) | {"crsCode": "EPSG:1"}}, "CRS of a map projection could not be parsed: 'EPSG:1'"),
        ({"fileFormat": "PNG"}, "File format 'PNG' is not known"),
        ({"bandIds": ["B99"]}, r"Band pattern 'B99' did not match any bands. Available bands: \['B2', 'B11'\]"),
        ({"visualizationOptions": {"ranges": [{"max": 1}]}}, "visualizationOptions are not known"),
    ],
)
def test_a_request_past_a_limit_or_without_a_grid_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ee.EEException, match=message):
        ee.data.computePixels(request(**changes))


@pytest.mark.usefixtures("server")
def test_each_band_counts_its_computed_type_and_a_byte_of_mask() -> None:
    doubles = ee.Image(f"{S2}/20230101").select("B2").divide(2)
    with pytest.raises(ee.EEException, match=r"\(56623104 bytes\)"):  # 2048 x 3072 x (8 + 1): the figure of Xee issue 50
        ee.data.computePixels(request(expression=doubles, grid=grid(2048, 3072)))


@pytest.mark.usefixtures("server")
def test_unknown_assets_are_said_by_name() -> None:
    with pytest.raises(ee.EEException, match=r"Image.load: Image asset 'NO/SUCH' not found \(does not exist or caller"):
        pixels(ee.Image("NO/SUCH"), grid(1, 1))
    with pytest.raises(ee.EEException, match=r"ImageCollection.load: ImageCollection asset 'NO/SUCH' not found"):
        ee.ImageCollection("NO/SUCH").size().getInfo()
    with pytest.raises(ee.EEException, match=r"Asset 'NO/SUCH' does not exist"):
        ee.data.getAsset("NO/SUCH")
    assert ee.data.getInfo("NO/SUCH") is None  # a 404


@pytest.mark.usefixtures("server")
def test_an_unknown_function_is_named() -> None:
    with pytest.raises(ee.EEException, match=r"Function Image.hsvToRgb is not known to this stand-in"):
        pixels(ee.Image([1, 2, 3]).hsvToRgb(), grid(1, 1))


@pytest.mark.usefixtures("server")
def test_no_function_of_the_table_is_foreign_to_earth_engine() -> None:
    known = {one["name"].removeprefix("algorithms/"): one for one in json.loads(algorithms())["algorithms"]}
    for name, function in known_functions(ARCHIVE).items():
        parameters = inspect.signature(function).parameters.values()
        named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD and not one.name.startswith("_")}
        theirs = {_snake(one["argumentName"]) for one in known[name].get("arguments", [])}
        assert named <= theirs | {"max_error", "geodesic"}, name


def test_the_stand_in_shares_no_code_with_the_platform() -> None:
    program = "import sys, tests.earth_engine.server; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert "mining_platform" not in modules.stdout.split()
    assert "tests.earth_engine.functions" in modules.stdout.split()


# What it records


def test_workload_tags_and_sizes_are_recorded(server: Server) -> None:
    with ee.data.workloadTagContext("mosaic-2023"):
        pixels(ee.Image(f"{S2}/20230101"), grid(3, 2))
    found = server.of("computePixels")[-1]
    assert (found.workload_tag, found.status) == ("mosaic-2023", 200)
    assert (found.size.width, found.size.height, found.size.bands, found.size.bytes) == (3, 2, 2, 36)
