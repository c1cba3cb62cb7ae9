"""Wherever somebody names a file, an address or a disguised file is refused, and nobody is asked for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from mining_platform.imports.image_files import read_header, read_image
from mining_platform.imports.unpacking import opened_folder
from mining_platform.leakage.pictures import read_pictures
from mining_platform.packages.verification import verify_package
from mining_platform.patch_table_files import read_raw
from mining_platform.point_files import PointsFile
from mining_platform.points import read_points
from mining_platform.raster_files import opened_raster_file
from mining_platform.region_files import load_regions
from mining_platform.regions import LandCover, Region, Scenes
from mining_platform.reviews.decision_files import read_proposals
from mining_platform.sources import router
from mining_platform.sources.rasters import opened_raster
from mining_platform.territory_files import territory_shape
from mining_platform.vector_files import read_features
from tests.mining_platform.test_earth_engine_hosts import Recorder, recorder

OUTLINE = shapely.box(-55.1, -6.1, -55.0, -6.0)
Door = Callable[[str, Path], Any]


def cover_of(source: str) -> Door:
    def read(place: str, folder: Path) -> Any:
        classes = {"mine": 30} if source == "polygons" else {}
        cover = LandCover(source, "1", place, (2024, 2024), None, False, classes)
        region = Region("a", "A", "BR", (2024,), 32721, "full", cover, None, OUTLINE)
        router.fingerprint_land_cover(region, 2024)
        return router.read_land_cover(region, 2024, folder / "out")

    return read


def scenes_of(source: str) -> Door:
    def read(place: str, _folder: Path) -> Any:
        scenes = Scenes(source, "sentinel-2-l2a", "earth-search", "scl-median", {source: place}, False)
        return router.list_scenes(Region("a", "A", "BR", (2024,), 32721, "full", None, scenes, OUTLINE), 2024)

    return read


def raster_of_leakage(place: str, folder: Path) -> Any:
    return read_pictures([], [Path(place) if place.startswith("/vsi") else folder / place], ["a"])


def opened(place: str, _folder: Path) -> Any:
    with opened_raster_file(place) as raster:
        return raster.read()


def opened_of_scene(place: str, _folder: Path) -> Any:
    with opened_raster(place) as (raster, _):
        return raster.read()


def unpacked(place: str, _folder: Path) -> Any:
    with opened_folder(Path(place)) as folder:
        return list(folder.iterdir())


DOORS: dict[str, tuple[Door, str]] = {
    "a map in the region file": (cover_of("mapbiomas"), ".tif"),
    "polygons in the region file": (cover_of("polygons"), ".geojson"),
    "a catalogue in the region file": (scenes_of("stac"), ".json"),
    "an archive in the region file": (scenes_of("archive"), ""),
    "the region file itself": (lambda place, _: load_regions(Path(place)), ".geojson"),
    "a territory": (lambda place, _: territory_shape(place), ".geojson"),
    "points": (lambda place, _: read_points(PointsFile(place, "kind", ("mine",), ()), 2024), ".csv"),
    "features": (lambda place, _: read_features(place), ".gpkg"),
    "a raster of a command": (opened, ".tif"),
    "a raster of a scene": (opened_of_scene, ".tif"),
    "a table of patches": (lambda place, _: read_raw(Path(place)), ".parquet"),
    "an archive to import": (unpacked, ".zip"),
    "an image to import, its header": (lambda place, folder: read_header(folder, place), ".tif"),
    "an image to import": (lambda place, folder: read_image(folder, place), ".tif"),
    "pictures of a leakage audit": (raster_of_leakage, ""),
    "a package to verify": (lambda place, _: verify_package(Path(place)), ""),
    "decisions to take over": (lambda place, _: read_proposals(Path(place)), ".csv"),
}
FORMS = (
    *(
        "/vsicurl/{url}/a{end}",
        "/vsizip//vsicurl/{url}/a.zip/a{end}",
        "/vsis3/bucket/a{end}",
        "{url}/a{end}",
        "ftp://host/a{end}",
    ),
    *(
        "/vsicurl_streaming/{url}/a{end}",
        "s3://bucket/a{end}",
        "file:///etc/passwd",
        "<VRTDataset>{url}</VRTDataset>",
        "\0a{end}",
    ),
    *("GTIFF_DIR:1:/vsicurl/{url}/a{end}", "/vsistdin/", "/vsisubfile/0_9,/etc/passwd", "zip+{url}/a.zip!a{end}"),
)


@pytest.fixture
def nobody() -> Iterator[Recorder]:
    """A server that nothing may ask."""
    with recorder() as server:
        yield server
        assert server.asked == []


@pytest.mark.parametrize("door", DOORS)
def test_an_address_in_place_of_a_file_is_refused_and_nobody_is_asked(door: str, nobody: Recorder, tmp_path: Path) -> None:
    read, end = DOORS[door]
    for form in FORMS:
        place = form.format(url=nobody.url, end=end)
        with pytest.raises((ValueError, RuntimeError, OSError)) as error:
            read(place, tmp_path)
        assert not isinstance(error.value, RecursionError | NotImplementedError)
    assert list(tmp_path.rglob("*.tif")) == []


DISGUISED = ("a map in the region file", "polygons in the region file", "features", "a territory", "points",
             "a raster of a command", "a raster of a scene", "an image to import")  # fmt: skip
TRAPS = {
    ".tif": '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
    "<SourceFilename>/vsicurl/{url}/a.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
    ".geojson": '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/vsicurl/{url}/a.geojson</SrcDataSource></OGRVRTLayer>'
    "</OGRVRTDataSource>",
}


@pytest.mark.parametrize("door", DISGUISED)
def test_a_file_that_leads_elsewhere_under_another_name_is_refused(door: str, nobody: Recorder, tmp_path: Path) -> None:
    read, end = DOORS[door]
    trap = TRAPS[".tif" if end == ".tif" else ".geojson"].replace("{url}", nobody.url)
    (tmp_path / f"trap{end}").write_text(trap)
    place = f"trap{end}" if "import" in door else str(tmp_path / f"trap{end}")
    with pytest.raises((ValueError, RuntimeError, OSError)):
        read(place, tmp_path)


def geojson(member: str, **properties: Any) -> str:
    """A point with a CRS as it is written."""
    place = {"type": "Point", "coordinates": [-55, -6]}
    features = [{"type": "Feature", "properties": properties, "geometry": place}]
    return f'{{"type": "FeatureCollection", {member} "features": {json.dumps(features)}}}'


LINKS = [
    '"crs": {"type": "link", "properties": {"href": "URL", "type": "proj4"}},',
    '"crs": {"type": "URL", "properties": {"url": "URL"}},',
    '"crs" : {"properties": {"href": "URL"}, "type": "LINK"},',
    '"\\u0063\\u0072\\u0073": {"type": "link", "properties": {"href": "URL"}},',
    '"CRS": {"type": "link", "properties": {"href": "URL"}},',
    "'crs': {'type': 'link', 'properties': {'href': 'URL'}},",
    '"crs"/**/: {"type": "link", "properties": {"href": "URL"}},',
    '"crs": /**/ {"type": "link", "properties": {"href": "URL"}},',
    '"crs": {"type": "\\u006cink", "properties": {"href": "URL"}},',
    '"crs": {"type": "name", "properties": {}}, "crs": {"type": "link", "properties": {"href": "URL"}},',
    '"crs": {"a": "PADDED", "type": "link", "properties": {"href": "URL"}},',
]


@pytest.mark.parametrize("crs", LINKS)
def test_a_crs_that_is_a_link_is_refused_however_it_is_written(crs: str, nobody: Recorder, tmp_path: Path) -> None:
    text = crs.replace("URL", f"{nobody.url}/crs").replace("PADDED", "x" * 9_000)
    for content in (geojson(text), geojson("").replace('"geometry"', f'{text} "geometry"')):
        (tmp_path / "a.geojson").write_text(content)
        with pytest.raises(ValueError, match="its crs is no name but a link"):
            read_features(tmp_path / "a.geojson")


@pytest.mark.parametrize(
    ("crs", "epsg"),
    [
        ("", 4326),
        ('"crs": null,', 4326),
        ('"crs": {"type": "name", "properties": {"name": "EPSG:32722"}},', 32722),
        ('"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},', 4326),
        ('"crs": {"type": "name", "properties": {"name": "URL/crs"}},', None),
    ],
)
def test_a_crs_that_is_a_name_is_read_and_so_are_words_of_that_kind(
    crs: str, epsg: int | None, nobody: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "a.geojson").write_text(
        geojson(crs.replace("URL", nobody.url), crs="EPSG:4326", word="crs", words=["crs", 'a "crs": b'])
    )
    found = read_features(tmp_path / "a.geojson")
    assert (len(found), found["word"].tolist()) == (1, ["crs"])
    assert epsg is None or found.crs.equals(epsg, ignore_axis_order=True)
