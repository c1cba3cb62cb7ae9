"""Small files that would grow, nest or claim without end are refused in words, before they cost memory or time."""

import gzip
import json
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry import box

from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.unpacking import MAX_HEADER_BYTES, opened_folder
from mining_platform.models.classifier import load_model
from mining_platform.patch_table_files import TableError, read_raw
from mining_platform.raster_files import MAX_BLOCK_BYTES, RasterFileError, opened_raster_file
from mining_platform.region_features import parse_regions
from mining_platform.region_files import load_regions
from mining_platform.regions import Region, RegionError, Scenes
from mining_platform.shard_reads import ShardedRows
from mining_platform.sources import stac
from mining_platform.sources.archives.folders import FolderError
from mining_platform.sources.archives.landsat import metadata_groups
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import HOSTS_VARIABLE, guarded_session
from mining_platform.store.digests import read_json
from mining_platform.vector_files import read_features
from mining_platform.xml_documents import MAX_DEPTH, XmlError, parsed_xml
from mining_platform.zarr_arrays import ArrayError, group_attributes
from tests.stac_api import Fault, stac_api
from tests.synthetic import TinyScene, write_catalogue

pytestmark = pytest.mark.filterwarnings(f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning")
DEEP = "[" * 100_000 + "]" * 100_000
HUGE = "9" * 5_000  # digits: Python reads no such number, https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
END = b"\0" * 1_024


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header of a tar, with a size that need not be right."""
    content = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    content[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    content[156:157], content[148:156] = kind, b" " * 8
    content[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(content))[0]  # type: ignore[attr-defined]
    return bytes(content)


def block(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % 512)


def extended(**told: str) -> bytes:
    """An extended header with what it tells of the next member."""
    lines = [f" {name.replace('_', '.')}={value}\n".encode() for name, value in told.items()]
    whole = b"".join(b"%d%b" % (len(line) + 2, line) for line in lines)  # lengths of two digits
    return header("about", len(whole), tarfile.XHDTYPE) + block(whole)


WHOLE = header("a", 3) + block(b"xxx")
TRAPS = {
    "a size below zero": WHOLE + header("b", -1_024) + END,
    "an extended size below zero": WHOLE + extended(size="-512") + header("b", 3) + block(b"xxx") + END,
    "a map of holes that ends nowhere": extended(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="100")
    + header("b", 512)
    + b"9" * 512
    + END,
    "a map of holes of words": extended(GNU_sparse_map="x,y") + header("b", 3) + block(b"xxx") + END,
    "headers upon headers": extended(comment="abcdefg") * 3_000 + WHOLE + END,
}


@pytest.mark.parametrize("content", TRAPS.values(), ids=TRAPS)
@pytest.mark.timeout(20)
def test_a_tar_that_leads_its_reader_astray_is_no_whole_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(PatchImportError, match=r"a\.tar is no whole archive"), opened_folder(tmp_path / "a.tar"):
        pass


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_announces_much_is_not_read(kind: bytes, tmp_path: Path) -> None:
    size = 64 * 2**20
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(WHOLE + header("about", size, kind))
        for _ in range(64):
            file.write(b"\0" * 2**20)
        file.write(END)
    tracemalloc.start()
    try:
        with pytest.raises(PatchImportError, match=f"a header announces {size} bytes"), opened_folder(tmp_path / "a.tar.gz"):
            pass
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < size / 8


def test_a_header_as_long_as_names_are_is_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("set/" + "n" * 200)
        info.pax_headers = {"comment": "c" * 10_000}
        archive.addfile(info)
    assert MAX_HEADER_BYTES > 10_000
    with opened_folder(tmp_path / "a.tar.gz") as folder:
        assert [path.name for path in folder.rglob("n*")] == ["n" * 200]


def regions_of(path: Path) -> Any:
    return load_regions(path)


def attributes_of(path: Path) -> Any:
    path.rename(path.with_name("zarr.json"))
    return group_attributes(path.parent)


def rows_of(path: Path) -> Any:
    path.rename(path.with_name("zarr.json"))
    return ShardedRows(path.parent)


def groups_of(path: Path) -> Any:
    return metadata_groups(path.read_bytes(), path.name)


def model_of(path: Path) -> Any:
    path.rename(path.with_name("model.json"))
    return load_model(path.parent)


def answered_by(path: Path) -> Any:
    """A STAC API whose every answer is the file."""
    with stac_api(write_catalogue(path.parent / "stac", [TinyScene("S")])) as api, pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOSTS_VARIABLE, api.host)
        patch.setattr("mining_platform.sources.stac_metadata.apis.session", guarded_session)
        api.faults.append(Fault("", 200, {"Content-Type": "application/json"}, times=99, body=path.read_bytes()))
        scenes = Scenes("stac", "sentinel-2-l2a", "earth-search", "scl-median", {"stac": api.url}, False)
        return stac.list_scenes(Region("a", "A", "BR", (2024,), 32721, "full", None, scenes, box(-55.1, -6.1, -55, -6)), 2024)


def told_by(path: Path) -> Any:
    return read_json(path.read_bytes())


READERS: list[tuple[Callable[[Path], Any], type[Exception]]] = [
    (regions_of, RegionError),
    (attributes_of, ArrayError),
    (rows_of, ArrayError),
    (groups_of, FolderError),
    (read_raw, TableError),
    (told_by, ValueError),
    (model_of, ValueError),
    (answered_by, SourceError),
]


@pytest.mark.parametrize("text", [DEEP, HUGE], ids=["deep", "huge"])
@pytest.mark.parametrize(("reader", "error"), READERS)
def test_json_that_nests_or_counts_without_end_is_refused_by_its_reader(
    reader: Callable[[Path], Any], error: type[Exception], text: str, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(error) as caught:
        reader(tmp_path / "a.json")
    assert not isinstance(caught.value, json.JSONDecodeError | RecursionError)


def test_geojson_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    place = f'{{"type": "Polygon", "coordinates": {DEEP}}}'
    (tmp_path / "a.geojson").write_text(
        f'{{"type": "FeatureCollection", "features": [{{"type": "Feature", "properties": {{}}, "geometry": {place}}}]}}'
    )
    with pytest.raises((RuntimeError, ValueError)):
        read_features(tmp_path / "a.geojson")


def test_an_outline_of_collections_in_collections_is_refused() -> None:
    outline: dict[str, Any] = {"type": "Point", "coordinates": [0, 0]}
    for _ in range(5_000):
        outline = {"type": "GeometryCollection", "geometries": [outline]}
    feature = {"type": "Feature", "properties": {"id": "a"}, "geometry": outline}
    with pytest.raises(RegionError, match="field 'geometry'"):
        parse_regions([feature], "regions.geojson")


@pytest.mark.timeout(20)
def test_xml_that_nests_without_end_is_refused_at_once() -> None:
    marks = b"<Placemark><Polygon><outerBoundaryIs>" * 30_000 + b"</outerBoundaryIs></Polygon></Placemark>" * 30_000
    with pytest.raises(XmlError, match=f"nested deeper than {MAX_DEPTH}"):
        parsed_xml(b"<kml>" + marks + b"</kml>")
    deep = MAX_DEPTH - 1
    assert parsed_xml(b"<kml>" + b"<a>" * deep + b"</a>" * deep + b"</kml>").tag == "kml"


def test_a_raster_whose_blocks_unpack_to_much_is_refused_before_a_pixel_is_read(tmp_path: Path) -> None:
    side = 32_768
    assert side * side * 2 > MAX_BLOCK_BYTES
    shape = {"width": 64, "height": 64, "count": 1, "dtype": "uint16", "compress": "deflate", "sparse_ok": True}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", tiled=True, blockxsize=side, blockysize=side, **shape):
        pass
    assert (tmp_path / "a.tif").stat().st_size < 10_000
    with pytest.raises(RasterFileError, match=r"has blocks of \d+ bytes.*TILED=YES"), opened_raster_file(tmp_path / "a.tif"):
        pass


def test_a_raster_in_one_strip_is_read_where_it_is_no_larger_than_a_scene(tmp_path: Path) -> None:
    shape = {"width": 2_000, "height": 2_000, "count": 1, "dtype": "uint8", "blockysize": 2_000, "compress": "deflate"}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape) as raster:
        raster.write(np.full((1, 2_000, 2_000), 7, np.uint8))
    with opened_raster_file(tmp_path / "a.tif") as source:
        assert source.read(1, window=((0, 1), (0, 1))).tolist() == [[7]]


def test_what_is_refused_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": []})[:-1] + HUGE)
    with pytest.raises(RegionError, match=r"regions\.geojson is not JSON.*Mend the file"):
        load_regions(tmp_path / "regions.geojson")
