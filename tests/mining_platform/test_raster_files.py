"""Raster and vector files that people name are opened as what they are, and lead nowhere else."""

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from rasterio.errors import RasterioError
from rasterio.transform import from_origin

from mining_platform import raster_files
from mining_platform.leakage.pictures import read_pictures
from mining_platform.leakage.sides import LeakageError
from mining_platform.raster_files import RasterFileError, local_file, opened_raster_file
from mining_platform.shares.class_rasters import ClassRasterError, opened_classes
from mining_platform.simulation.outlines import region_of_map
from mining_platform.sources.rasters import RasterError, opened_raster
from mining_platform.vector_files import read_features
from tests.conftest import ROOT

VRT = """
<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:4326</SRS><GeoTransform>-55, 0.001, 0, -6, 0, -0.001</GeoTransform>
<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="0">{}</SourceFilename>
<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>
"""
ADDRESSES = [
    *(
        "/vsicurl/https://example.org/a.tif",
        "/vsizip//tmp/a.zip/a.tif",
        "/vsimem/a.tif",
        "/vsistdin/",
        "https://example.org/a.tif",
    ),
    *("http:/example.org/a.tif", "s3://bucket/a.tif", "zip:///a.zip!a.tif", "file:///etc/passwd", "<VRTDataset></VRTDataset>"),
]


def write_raster(path: Path, value: int, px: int = 512, **tags: str) -> Path:
    shape = {"width": px, "height": px, "count": 1, "dtype": "uint8", "tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(
        path, "w", driver="GTiff", crs="EPSG:4326", transform=from_origin(-55, -6, 0.001, 0.001), **shape
    ) as raster:
        raster.write(np.full((1, px, px), value, np.uint8))
        if tags:
            raster.update_tags(ns="OVERVIEWS", **tags)
    return path


def decimated(path: Path) -> int:
    """Largest value of a raster read at half its size."""
    with opened_raster_file(path) as raster:
        return int(raster.read(1, out_shape=(raster.height // 2, raster.width // 2)).max())


@pytest.mark.parametrize("place", ADDRESSES)
def test_an_address_is_no_file(place: str) -> None:
    with pytest.raises(RasterFileError, match=r"is no file on disk but an address\. Fetch it first"):
        local_file(place)
    with pytest.raises(RasterFileError, match="is no file on disk"), opened_raster_file(place):
        pass
    with pytest.raises(ValueError, match="is no file on disk"):
        read_features(place)


def test_an_address_is_told_without_its_query() -> None:
    with pytest.raises(RasterFileError) as error:
        local_file("https://example.org/a.tif?sig=canary")
    assert "canary" not in str(error.value)


def test_a_vrt_that_calls_itself_tif_is_refused_at_every_door(tmp_path: Path) -> None:
    secret = write_raster(tmp_path / "secret.tif", 77)
    (tmp_path / "images").mkdir()
    trap = tmp_path / "images" / "p1.tif"
    trap.write_text(VRT.format(secret))
    with rasterio.open(trap) as followed:
        assert followed.read().max() == 77  # what the doors below do not do
    with pytest.raises(RasterioError), opened_raster_file(trap):
        pass
    with pytest.raises(ClassRasterError, match="cannot be read as a GeoTIFF"), opened_classes(trap, {30}):
        pass
    with pytest.raises(RasterError, match="cannot be read"), opened_raster(str(trap)):
        pass
    with pytest.raises(ValueError, match="cannot be read as a GeoTIFF"):
        region_of_map(trap)
    with pytest.raises(LeakageError, match="cannot be read"):
        read_pictures([], [tmp_path / "images"], ["p1"])


def test_a_geotiff_whose_metadata_name_another_file_is_refused(tmp_path: Path) -> None:
    secret = write_raster(tmp_path / "secret.tif", 77, px=256)
    trap = write_raster(tmp_path / "trap.tif", 0, OVERVIEW_FILE=str(secret))
    with rasterio.open(trap, driver="GTiff") as followed:
        assert followed.read(1, out_shape=(256, 256)).max() == 77  # the pixels of the other file
    with pytest.raises(RasterFileError, match=r"trap\.tif names other files in its metadata \(OVERVIEWS\)\. Copy its pixels"):
        decimated(trap)
    with pytest.raises(ClassRasterError, match="names other files"), opened_classes(trap, {30}):
        pass
    with pytest.raises(RasterError, match="names other files"), opened_raster(str(trap)):
        pass


def test_files_beside_a_raster_are_left_alone(tmp_path: Path) -> None:
    trap = write_raster(tmp_path / "trap.tif", 3)
    write_raster(tmp_path / "secret.tif", 77, px=256)
    (tmp_path / "trap.tif.ovr").write_text(VRT.format(tmp_path / "secret.tif"))
    (tmp_path / "trap.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{tmp_path}/secret.tif</MDI></Metadata></PAMDataset>'
    )
    assert decimated(trap) == 3


def test_a_header_that_declares_more_than_any_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "giant.tif"
    shape = {"width": 300_000, "height": 300_000, "count": 1, "dtype": "uint8", "transform": from_origin(-55, -6, 1, 1)}
    tiles = {"tiled": True, "blockxsize": 8192, "blockysize": 8192}
    with rasterio.open(path, "w", driver="GTiff", SPARSE_OK=True, BIGTIFF="YES", **tiles, **shape):
        pass
    assert path.stat().st_size < 100_000
    with pytest.raises(RasterFileError, match=r"declares 1 bands of 300000 x 300000 pixels; at most"), opened_raster_file(path):
        pass


def test_the_limit_lets_the_map_of_brazil_pass() -> None:
    columns, rows = 155_239, 158_828  # MapBiomas collection 9 at 30 m
    assert columns * rows < raster_files.MAX_PIXELS < 4 * columns * rows


class Hits(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hits)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def in_new_process(code: str, *arguments: str) -> None:
    """GDAL keeps the interpreter while it waits for the network: the server has to be another process's."""
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


OPENED = """
    import sys
    import rasterio
    try:
        with rasterio.open(sys.argv[1], driver="GTiff") as raster:
            raster.read(1, out_shape=(256, 256))
    except rasterio.errors.RasterioError:
        pass
"""
GUARDED = """
    import sys
    from mining_platform.raster_files import RasterFileError, opened_raster_file
    try:
        with opened_raster_file(sys.argv[1]) as raster:
            raster.read(1, out_shape=(256, 256))
    except RasterFileError:
        sys.exit(0)
    sys.exit("it was opened")
"""


@pytest.mark.parametrize("trap", ["a name", "a tag"])
def test_no_name_and_no_tag_makes_a_request(trap: str, address: str, tmp_path: Path) -> None:
    tagged = write_raster(tmp_path / "trap.tif", 0, OVERVIEW_FILE=f"/vsicurl/{address}/o.tif")
    place = str(tagged) if trap == "a tag" else f"/vsicurl/{address}/x.tif"
    Hits.asked.clear()
    in_new_process(GUARDED, place)
    assert Hits.asked == []
    in_new_process(OPENED, place)
    assert Hits.asked != []  # what GDAL does by itself


def test_a_vector_file_of_another_format_is_refused_whatever_it_is_called(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame({"name": ["secret"]}, geometry=gpd.points_from_xy([1], [2]), crs=4326)
    table.to_file(tmp_path / "secret.geojson", driver="GeoJSON")
    layer = f'<OGRVRTLayer name="secret"><SrcDataSource>{tmp_path}/secret.geojson</SrcDataSource></OGRVRTLayer>'
    trap = f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>"
    for name in ("trap.geojson", "trap.json", "trap.gpkg"):
        (tmp_path / name).write_text(trap)
        assert len(gpd.read_file(tmp_path / name)) == 1  # what GDAL does by itself
        with pytest.raises((ValueError, RuntimeError, OSError)):
            read_features(tmp_path / name)
    (tmp_path / "trap.vrt").write_text(trap)
    with pytest.raises(ValueError, match=r"it is no \.geojson, \.json, \.gpkg, \.kml, \.kmz file"):
        read_features(tmp_path / "trap.vrt")


def test_geojson_and_geopackage_are_read(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame({"name": ["a"]}, geometry=gpd.points_from_xy([1], [2]), crs=4326)
    for name, driver in (("t.geojson", "GeoJSON"), ("t.gpkg", "GPKG")):
        table.to_file(tmp_path / name, driver=driver)
        assert read_features(tmp_path / name)["name"].tolist() == ["a"]


OWN_FILES = {
    *("packages/smallmines.py", "packages/proportion_ranges.py", "packages/stac_records.py"),
    *("packages/file_checks.py", "audits/areas.py", "detections.py"),
}
"""Modules that open what was published or checked before, by its driver."""


def calls(name: str) -> list[tuple[str, ast.Call]]:
    """Where a function is called in the domain."""
    found = []
    for path in sorted((ROOT / "mining_platform").rglob("*.py")):
        place = str(path.relative_to(ROOT / "mining_platform"))
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        found += [(place, node) for node in nodes if ast.unparse(node.func) == name]
    return found


def test_rasters_are_opened_at_the_doors_alone_and_nowhere_without_a_driver() -> None:
    reads = [(place, call) for place, call in calls("rasterio.open") if not (len(call.args) > 1 or "mode" in ast.unparse(call))]
    assert {place for place, _ in reads} <= {"raster_files.py", "sources/rasters.py", *OWN_FILES}
    assert [place for place, call in reads if "driver" not in {each.arg for each in call.keywords}] == []


def test_vector_files_are_opened_at_their_door_alone() -> None:
    opened = [place for name in ("gpd.read_file", "pyogrio.read_dataframe", "fiona.open") for place, _ in calls(name)]
    assert opened == ["vector_files.py"]


def test_pictures_are_opened_as_png_or_from_memory() -> None:
    free = [place for place, call in calls("Image.open") if "formats" not in {each.arg for each in call.keywords}]
    assert [place for place in free if place not in ("figures.py",)] == []
