"""The Earth Engine source against a stand-in that evaluates what it is sent, through the real client."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from mining_platform.compositing.composites import compose_locally
from mining_platform.compositing.recipes import RECIPES
from mining_platform.compositing.results import Composite
from mining_platform.grids import lattice_geobox
from mining_platform.profiles import PROFILES
from mining_platform.regions import Region
from mining_platform.scene_collections import COLLECTIONS
from mining_platform.scenes import Scene, scenes_of
from mining_platform.sources import earth_engine
from mining_platform.sources.earth_engine_api import requests as earth_engine_requests
from mining_platform.sources.earth_engine_api.listed_scenes import scene_of
from mining_platform.sources.earth_engine_api.listing import footprint_of, list_year
from mining_platform.sources.earth_engine_api.session import ask
from mining_platform.sources.protocol import SourceError
from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.faults import CUT_SHORT, OUT_OF_MEMORY
from tests.earth_engine.requests import Limits
from tests.earth_engine.server import Server
from tests.synthetic import EPSG, LEFT_M, TOP_M, outline
from tests.twin_scenes import (
    CLOUDS,
    S2,
    SCORES,
    SIDE_PX,
    Local,
    Made,
    archive_of,
    fake,
    fake_band,
    made,
    region_of,
    running,
    year_of_scenes,
)

CHANNELS = ("B02", "B04", "B08", "B11", "B01")  # of 10, 20 and 60 m
NEIGHBOUR = Transformer.from_crs(f"EPSG:{EPSG}", "EPSG:32720", always_xy=True)


@pytest.fixture(scope="module")
def scenes() -> list[Made]:
    return year_of_scenes()


@pytest.fixture(scope="module")
def server(scenes: list[Made]) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch, running(archive_of(scenes), patch) as server:
        yield server


# Composites


@pytest.mark.parametrize("recipe", ["scl-median", "probability-median", "score-median", "all-median"])
@pytest.mark.usefixtures("server")
def test_a_composite_equals_the_local_one_to_the_last_count(scenes: list[Made], recipe: str) -> None:
    region = region_of(recipe)
    listed = scenes_of(earth_engine.list_scenes(region, 2024))
    geobox = lattice_geobox(LEFT_M + 10, TOP_M - 30 - 10 * SIDE_PX, LEFT_M + 10 * SIDE_PX, TOP_M - 30, EPSG)
    theirs = earth_engine.composite(region, listed, CHANNELS, geobox, RECIPES[recipe])
    local = Local(scenes)
    ours = compose_locally(local, region, local.listed(listed), CHANNELS, geobox, RECIPES[recipe])
    assert 0.2 < (ours.image[0] > 0).mean() < 1
    assert len(np.unique(ours.clear_count)) >= 4
    assert (ours.image == 1).any()
    assert_equal(theirs, ours)


def assert_equal(theirs: Composite, ours: Composite) -> None:
    for name in ("observed_count", "clear_count", "image"):
        a, b = getattr(theirs, name), getattr(ours, name)
        assert a.dtype == b.dtype == np.uint16, name
        assert a.shape == b.shape, name
        assert np.array_equal(a, b), f"{name}: {np.argwhere(a != b)[:5].tolist()} of {(a != b).sum()}"


SMALL = lattice_geobox(LEFT_M + 300, TOP_M - 700, LEFT_M + 620, TOP_M - 300, EPSG)


def composed(
    region: Region, channels: Sequence[str] = ("B04", "B08"), geobox: GeoBox = SMALL, recipe: str = "all-median"
) -> Composite:
    """What the source composes of all that it lists."""
    return earth_engine.composite(region, scenes_of(earth_engine.list_scenes(region, 2024)), channels, geobox, RECIPES[recipe])


@pytest.mark.usefixtures("server")
def test_a_composite_is_the_same_however_it_is_cut(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    region = region_of()
    whole, before = composed(region, recipe="scl-median"), len(server.of("computePixels"))
    monkeypatch.setattr(earth_engine_requests, "MAX_REQUEST_BYTES", 4 * 3 * 200)  # 200 pixels of 1,280
    assert_equal(composed(region, recipe="scl-median"), whole)
    sizes = [request.size for request in server.of("computePixels")[before:]]
    assert len(sizes) == 8
    assert sum(size.width * size.height for size in sizes if size) == 40 * 32


def test_a_part_that_needs_too_much_memory_is_asked_for_in_halves(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    geobox = lattice_geobox(LEFT_M, TOP_M - 960, LEFT_M + 960, TOP_M, EPSG)
    with running(archive_of(scenes), monkeypatch, faults={"computePixels": [OUT_OF_MEMORY]}) as server:
        image = composed(region_of(), geobox=geobox).image
        asked = [
            (request.status, request.size and (request.size.height, request.size.width)) for request in server.of("computePixels")
        ]
    assert asked == [(400, None), (200, (48, 96)), (200, (48, 96))]
    assert (image[:, :48] > 0).any()
    assert (image[:, 48:] > 0).any()


def test_a_small_part_that_needs_too_much_memory_is_an_error(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(archive_of(scenes), monkeypatch, faults={"computePixels": [OUT_OF_MEMORY]}),
        pytest.raises(SourceError, match=r"Region tiny, year 2024.*memory limit exceeded.*fewer scenes"),
    ):
        composed(region_of())


def test_a_part_that_the_service_counts_as_too_large_is_asked_for_in_halves(
    scenes: list[Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    geobox = lattice_geobox(LEFT_M, TOP_M - 960, LEFT_M + 960, TOP_M, EPSG)
    with running(archive_of(scenes), monkeypatch, limits=Limits(request_bytes=96 * 96 * 4 * 3 - 1)) as server:
        composed(region_of(), geobox=geobox)
        assert [request.status for request in server.of("computePixels")] == [400, 200, 200]


def test_scenes_of_the_neighbouring_utm_zone_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = made(3)
    band = fake_band(scene, "B04", "B4")
    there = NEIGHBOUR.transform(LEFT_M + 480, TOP_M - 480)
    affine = Affine(10, 0, round(there[0], -1) - 600, 0, -10, round(there[1], -1) + 600)
    image = fake(scene, [(band_id, band_id.replace("B0", "B")) for band_id in PROFILES["s2-12"].channels])
    moved = [replace(each, crs="EPSG:32720", transform=tuple(affine)[:6]) if each.name == "B4" else each for each in image.bands]
    with running(FakeArchive({S2: [replace(image, bands=tuple(moved))]}), monkeypatch):
        found = composed(region_of("all-median"), ("B04",)).image[0]
    x, y = np.meshgrid(LEFT_M + 305 + 10 * np.arange(32), TOP_M - 305 - 10 * np.arange(40))
    columns, rows = (np.floor(each).astype(int) for each in ~affine * NEIGHBOUR.transform(x, y))
    assert band.valid is not None
    expected = np.where(band.valid[rows, columns], np.maximum(band.array[rows, columns], 1), 0)
    assert (expected > 0).mean() > 0.2
    assert np.array_equal(found, expected)


@pytest.mark.usefixtures("server")
def test_the_expression_of_a_mosaic_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, make = [], earth_engine.composite_expression
    monkeypatch.setattr(earth_engine, "composite_expression", lambda *arguments: calls.append(1) or make(*arguments))
    for part in earth_engine_requests.halves(SMALL):
        composed(region_of(), ("B02", "B03", "B04"), part)
    assert calls == [1]


@pytest.mark.usefixtures("server")
def test_no_scenes_compose_to_nothing() -> None:
    found = earth_engine.composite(region_of(), [], CHANNELS, SMALL, RECIPES["scl-median"])
    assert found.image.shape == (5, 40, 32)
    assert not found.image.any()
    assert not found.observed_count.any()


def test_a_grid_off_the_lattice_is_refused() -> None:
    shifted = GeoBox((4, 4), Affine(10, 0, LEFT_M + 5, 0, -10, TOP_M), f"EPSG:{EPSG}")
    with pytest.raises(SourceError, match="is not on the 10 m lattice"):
        earth_engine.composite(region_of(), [listed_scene()], ("B04",), shifted, RECIPES["all-median"])


def listed_scene(*ids: str) -> Scene:
    """A scene by hand, with some bands and layers besides red."""
    hrefs = {band_id: f"{S2}/one:{band_id.replace('B0', 'B')}" for band_id in ("B04", *ids)}
    return Scene("one", datetime(2024, 6, 1, tzinfo=UTC), "2024-06-01", "sentinel-2a", "21MXN", 1.0, 5.1, 0, EPSG, True, hrefs)


@pytest.mark.parametrize("recipe", ["scl-medoid", "scl-p25", "scl-median-bilinear", "s2cloudless-median"])
def test_a_recipe_that_cannot_be_computed_there_is_refused_with_those_that_can(recipe: str) -> None:
    working = r"scl-median, probability-median, score-median, qa-median, all-median"
    with pytest.raises(SourceError, match=rf"recipe {recipe} cannot be computed there\. .*{working}"):
        earth_engine.composite(region_of(), [listed_scene()], ("B04",), SMALL, RECIPES[recipe])


def test_who_wants_s2cloudless_is_told_of_its_probabilities() -> None:
    with pytest.raises(SourceError, match="probability-median has the clouds of s2cloudless"):
        earth_engine.list_scenes(region_of("s2cloudless-median", collection="sentinel-2-l1c"), 2024)


def test_shadows_without_sun_angles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(FakeArchive(), monkeypatch), pytest.raises(ValueError, match="Scene one has no usable sun angles"):
        earth_engine.composite(region_of(), [listed_scene("CLP", "B08")], ("B04",), SMALL, RECIPES["probability-median"])


@pytest.mark.parametrize("recipe", ["scl-median", "probability-median"])
@pytest.mark.usefixtures("server")
def test_a_year_of_150_scenes_fits_into_a_request(recipe: str) -> None:
    import ee

    ids = [*PROFILES["s2-12"].channels, "SCL", "CLP"]
    start = datetime(2024, 1, 1, 14, tzinfo=UTC)
    scenes = []
    for number in range(150):
        when = start + timedelta(days=5 * (number // 2))
        index = f"{when:%Y%m%dT%H%M%S}_{when:%Y%m%dT%H%M%S}_T21M{'XY'[number % 2]}N"
        hrefs = {band_id: f"{CLOUDS if band_id == 'CLP' else S2}/{index}:{band_id}" for band_id in ids}
        sun = {"sun_azimuth_deg": 40.0 + number, "sun_elevation_deg": 50.0}
        scenes.append(replace(listed_scene(), scene_id=index, solar_day=f"{when:%Y-%m-%d}", hrefs=hrefs, **sun))
    expression = ask(lambda ee: earth_engine.composite_expression(ee, scenes, ids[:12], RECIPES[recipe], EPSG))
    assert len(json.dumps(ee.serializer.encode(expression))) < 1_500_000  # of 10,485,760 bytes


# Cutting and counting


@pytest.mark.parametrize("seed", range(20))
def test_request_boxes_tile_a_grid_exactly_and_stay_under_the_limits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    height, width, per_px = (int(10 ** rng.uniform(0, high)) for high in (4.8, 4.8, 3))
    geobox = GeoBox((height, width), Affine(10, 0, LEFT_M, 0, -10, TOP_M), f"EPSG:{EPSG}")
    parts = earth_engine_requests.request_boxes(geobox, per_px)
    assert sum(rows * columns for rows, columns in (part.shape for part in parts)) == height * width
    boxes = sorted((part.affine.f, part.affine.c, *part.shape) for part in parts)
    corners = {(top - 10 * rows, left + 10 * columns) for top, left, rows, columns in boxes}
    assert (TOP_M - 10 * height, LEFT_M + 10 * width) in corners
    assert len({(top, left) for top, left, _, _ in boxes}) == len(parts)
    for part in parts:
        assert part.shape[0] * part.shape[1] * per_px <= 50_331_648
        assert max(part.shape) <= 32_768


def test_a_grid_that_fits_is_asked_for_at_once() -> None:
    geobox = GeoBox((1024, 1024), Affine(10, 0, LEFT_M, 0, -10, TOP_M), f"EPSG:{EPSG}")
    assert earth_engine_requests.request_boxes(geobox, earth_engine_requests.bytes_per_px(14, "uint16")) == [geobox]
    assert len(earth_engine_requests.request_boxes(geobox, 50)) == 2
    with pytest.raises(ValueError, match="Ask for fewer bands"):
        earth_engine_requests.request_boxes(geobox[:1, :1], 50_331_649)


@pytest.mark.usefixtures("server")
def test_the_foreseen_cost_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(earth_engine_requests, "MAX_REQUEST_BYTES", 4 * 3 * 700)
    foreseen = earth_engine.cost(region_of(), 6, ("B04", "B08"), [SMALL])
    before = len(server.of("computePixels"))
    image = composed(region_of()).image
    asked = server.of("computePixels")[before:]
    assert foreseen.requests == len(asked) == 2
    assert foreseen.bytes == image[0].size * 4 * 2
    assert foreseen.eecu_s == pytest.approx(60 * image[0].size * 2 * 6 / 1e9)
    assert {request.workload_tag for request in asked} == {"mosaic-tiny"}


@pytest.mark.parametrize(("region_id", "tag"), [("tiny", "mosaic-tiny"), ("a" * 64, "mosaic-" + "a" * 56), ("a-", "mosaic-a")])
def test_workload_tags_are_allowed_ones(region_id: str, tag: str) -> None:
    assert earth_engine_requests.workload_tag(f"mosaic-{region_id}") == tag


# Listing


@pytest.mark.usefixtures("server")
def test_scenes_are_listed_with_what_metadata_say(scenes: list[Made]) -> None:
    listed = scenes_of(earth_engine.list_scenes(region_of(), 2024))
    assert [scene.scene_id for scene in listed] == sorted(scene.index for scene in scenes)
    first = listed[0]
    assert (first.acquired, first.solar_day) == (datetime(2024, 6, 1, 14, tzinfo=UTC), "2024-06-01")
    assert (first.platform, first.tile, first.epsg, first.simulated) == ("sentinel-2a", "21MXN", EPSG, True)
    assert (first.baseline, first.offset_dn, first.gain) == (5.1, 0, 1.0)
    assert (first.sun_azimuth_deg, first.sun_elevation_deg) == (40.0, 55.0)
    assert set(first.hrefs) == {*PROFILES["s2-12"].channels, "SCL"}
    assert first.hrefs["B04"] == f"{S2}/{first.scene_id}:B4"


def test_other_years_and_scenes_beside_the_outline_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    beside = made(3, left_m=LEFT_M + 2000)  # within the margin of the query
    scenes = [made(1), replace(made(2), when=datetime(2023, 12, 31, 23, tzinfo=UTC)), beside]
    with running(archive_of(scenes), monkeypatch) as server:
        assert list(earth_engine.list_scenes(region_of(), 2024).scene_id) == [scenes[0].index]
        assert [request.method for request in server.requests if "omput" in request.method] == []
        monkeypatch.setattr(earth_engine_requests, "_PAGE", 1)
        both = Region("wide", "Wide", "BR", (2024,), EPSG, "full", None, region_of().scenes, outline(300, 300))
        assert len(earth_engine.list_scenes(both, 2024)) == 2
        monkeypatch.setattr(earth_engine_requests, "_PAGE", 500)
        with pytest.raises(SourceError, match=r"Region tiny, year 2022.*no scene touches the outline.*2023, 2024 are declared"):
            earth_engine.list_scenes(region_of(), 2022)


def test_scenes_without_the_joined_layer_are_dropped_and_told(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    lost = scenes[2].index
    with running(archive_of(scenes, without=[lost]), monkeypatch):
        for recipe, layer, href in (
            ("probability-median", "CLP", f"{CLOUDS}/%s:probability"),
            ("score-median", "CSP", f"{SCORES}/%s:cs_cdf"),
        ):
            listed = scenes_of(earth_engine.list_scenes(region_of(recipe), 2024))
            assert lost not in {scene.scene_id for scene in listed}
            assert all(scene.hrefs[layer] == href % scene.scene_id for scene in listed)
            told = earth_engine.fingerprint_scenes(region_of(recipe), 2024)
            assert (told["items"], told["dropped"]) == (len(scenes) - 1, [lost])
        assert len(earth_engine.list_scenes(region_of(), 2024)) == len(scenes)


def test_a_year_without_any_joined_layer_is_an_error(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    every = [scene.index for scene in scenes]
    with running(archive_of(scenes, without=every), monkeypatch), pytest.raises(SourceError, match="none of 6 has CLP"):
        earth_engine.list_scenes(region_of("probability-median"), 2024)


def test_the_fingerprint_changes_with_the_scenes(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for some in (scenes, scenes, scenes[1:]):
        with running(archive_of(some), monkeypatch):
            found.append(earth_engine.fingerprint_scenes(region_of("score-median"), 2024))
    assert found[0] == found[1]
    assert found[0]["blake3"] != found[2]["blake3"]
    assert found[0]["earth_engine"] == [S2, SCORES]
    assert {key: found[0][key] for key in ("source", "year", "items", "simulated")} == {
        "source": "earth_engine",
        "year": 2024,
        "items": 6,
        "simulated": True,
    }
    json.dumps(found[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SPACECRAFT_NAME": None}, r"scene 20240601T140000_001_T21MXN lacks the property SPACECRAFT_NAME"),
        ({"MGRS_TILE": None}, "lacks the property MGRS_TILE"),
        ({"PROCESSING_BASELINE": "five"}, r"scene 20240601T140000_001_T21MXN is described wrongly.*'five'.*Report it"),
        ({"CLOUDY_PIXEL_PERCENTAGE": "many"}, "is described wrongly"),
    ],
)
def test_a_scene_without_a_property_is_an_error_that_names_both(
    change: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = fake(made(1), [("B02", "B2")])
    broken = replace(image, properties={key: value for key, value in (image.properties | change).items() if value is not None})
    with running(FakeArchive({S2: [broken]}), monkeypatch), pytest.raises(SourceError, match=message):
        earth_engine.list_scenes(region_of(), 2024)


def test_a_scene_whose_time_or_grid_is_not_told_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(archive_of([made(1)]), monkeypatch):
        (image,) = list_year(region_of(), 2024).images
    for broken in ({**image, "startTime": "soon"}, {**image, "bands": []}, {**image, "bands": [{"id": "B1"}]}):
        with pytest.raises(SourceError, match=r"Region tiny, year 2024.*scene 20240601T140000_001_T21MXN is described wrongly"):
            scene_of(region_of(), 2024, broken)


def test_a_scene_without_sun_angles_is_listed_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_of([made(1)])
    (image,) = archive.collections[S2]
    told = {name: value for name, value in image.properties.items() if not name.startswith("MEAN_SOLAR")}
    with running(FakeArchive({S2: [replace(image, properties=told)]}), monkeypatch):
        (scene,) = scenes_of(earth_engine.list_scenes(region_of(), 2024))
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg) == (None, None)


def test_an_outline_that_is_written_as_a_ring_stands_for_what_it_encloses() -> None:
    ring = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
    assert footprint_of({"geometry": {"type": "LinearRing", "coordinates": ring}}).area == 16


def test_a_scene_without_a_band_of_the_profile_is_an_error_that_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    image = fake(made(1), [(band_id, band_id.replace("B0", "B")) for band_id in PROFILES["s2-12"].channels if band_id != "B11"])
    with (
        running(FakeArchive({S2: [image]}), monkeypatch),
        pytest.raises(SourceError, match=r"scene 20240601T140000_001_T21MXN lacks bands B11 \(B11\); it has B1, B12, B2"),
    ):
        earth_engine.list_scenes(region_of(), 2024)


def test_a_collection_that_is_not_read_from_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(COLLECTIONS["sentinel-2-c1-l2a"], earth_engine={})
    monkeypatch.setitem(COLLECTIONS, row.id, row)
    with pytest.raises(
        SourceError, match=r"sentinel-2-c1-l2a: the collection is not read from Earth Engine.*one of: sentinel-2-l2a"
    ):
        earth_engine.list_scenes(region_of(collection=row.id), 2024)


def test_scenes_listed_without_a_layer_are_refused_by_name() -> None:
    with pytest.raises(SourceError, match=r"scene one lacks CLP; it has B04\. Name the mosaic recipe in the region file"):
        earth_engine.check_scenes(region_of(), [listed_scene()], ["B04", "CLP"])
    earth_engine.check_scenes(region_of(), [listed_scene("CLP")], ["B04", "CLP"])


def test_a_scene_that_is_gone_is_named_and_never_left_out(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    with running(archive_of(scenes), monkeypatch):
        listed = scenes_of(earth_engine.list_scenes(region_of(), 2024))
    with (
        running(archive_of(scenes[1:]), monkeypatch),
        pytest.raises(SourceError, match=rf"Region tiny, year 2024.*{scenes[0].index}' not found.*Check its id"),
    ):
        earth_engine.composite(region_of(), listed, ("B04",), SMALL, RECIPES["all-median"])


def test_a_damaged_answer_is_an_error_and_never_pixels(scenes: list[Made], monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        running(archive_of(scenes), monkeypatch, faults={"computePixels": [CUT_SHORT]}),
        pytest.raises(SourceError, match="answer for 32 x 40 pixels is damaged"),
    ):
        composed(region_of())
