"""What every source of radar promises, held to the same scenes: a static catalogue, a STAC API, a folder, Earth Engine."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from shapely.geometry import box

from mining_platform.grids import lattice_geobox
from mining_platform.radar import linear, passes_of, radar_scenes_of
from mining_platform.regions import LAYERS_BESIDE, Region
from mining_platform.sources import archive_radar, beside, radar_layer
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import NetworkError
from mining_platform.sources.stac_metadata.item_fields import FoundItem
from mining_platform.sources.stac_metadata.layers import layer_region
from mining_platform.sources.stac_radar import radar_scene_of
from tests.conftest import REALDATA
from tests.earth_engine.archive import FakeArchive, FakeBand, FakeImage
from tests.mining_platform.layer_catalogues import KINDS, SIDE_PX, hold, write_raster
from tests.mining_platform.radar_scenes import RADAR, SCENES, Made, fake_archive, write_folder
from tests.synthetic import EPSG, LEFT_M, TOP_M, region
from tests.twin_scenes import running

BOX = lattice_geobox(LEFT_M, TOP_M - SIDE_PX * 10, LEFT_M + SIDE_PX * 10, TOP_M, EPSG)


@pytest.fixture(scope="module", params=KINDS)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        yield hold(RADAR, request.param, tmp_path_factory.mktemp(request.param), stack, patch).region


def by(held: Region, **named: str) -> Region:
    """The region with a recipe or an orbit of its radar named."""
    return replace(held, beside={"radar": replace(held.beside["radar"], **named)})


def listed(held: Region) -> gpd.GeoDataFrame:
    return radar_layer.radar_source(held, 2024).list_radar(held, 2024)


def known_power(scene: Made, polarisation: str) -> NDArray[np.float32]:
    row, column = 10, (LEFT_M - scene.left_m) // 10
    return scene.pixels[polarisation][row : row + SIDE_PX, column : column + SIDE_PX]


def test_every_source_that_a_region_can_name_is_held_to_this() -> None:
    assert {"stac" if kind in ("catalogue", "api") else kind for kind in KINDS} == set(LAYERS_BESIDE["radar"])
    assert set(radar_layer.RADARS) == set(LAYERS_BESIDE["radar"])


def test_scenes_are_listed_with_time_orbit_crs_and_polarisations(held: Region) -> None:
    scenes = radar_scenes_of(listed(held))
    assert [scene.scene_id for scene in scenes] == [scene.name for scene in SCENES]
    assert [scene.acquired for scene in scenes] == [scene.when for scene in SCENES]
    assert [scene.orbit for scene in scenes] == ["descending", "ascending", "descending", "ascending"]
    assert [sorted(scene.hrefs) for scene in scenes] == [["VH", "VV"], ["VH", "VV"], ["VV"], ["VH", "VV"]]
    assert {scene.epsg for scene in scenes} == {EPSG}
    assert {scene.measure for scene in scenes} == {"sigma0" if held.beside["radar"].source == "earth_engine" else "gamma0"}
    for scene, other in zip(scenes, SCENES, strict=True):
        assert scene.footprint.symmetric_difference(other.outline).area < 0.001 * other.outline.area


def test_power_is_that_of_the_pixels_linear_and_nothing_beside_the_swath(held: Region) -> None:
    source = radar_layer.radar_source(held, 2024)
    for scene, other in zip(radar_scenes_of(listed(held)), SCENES, strict=True):
        for polarisation in scene.hrefs:
            found = source.open_radar(held, scene, polarisation, BOX)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, known_power(other, polarisation), rtol=1e-5)


def test_channels_are_the_same_whatever_the_source(held: Region) -> None:
    reading = radar_layer.open_radar_layer(by(held, recipe="mean"), 2024, ("S1-VV", "S1-VH"))
    found = linear(reading.compute(BOX))
    for at, polarisation in enumerate(("VV", "VH")):
        stack = np.stack([known_power(scene, polarisation) for scene in SCENES if polarisation in scene.pixels])
        np.testing.assert_allclose(found[at], np.nanmean(stack, axis=0), rtol=1e-4)
    assert reading.facts["orbits"] == {"ascending": 2, "descending": 2}
    assert reading.facts["lacking"] == {"VH": [SCENES[2].name]}


@pytest.mark.parametrize("orbit", ["ascending", "descending"])
def test_an_orbit_that_the_region_names_leaves_out_the_other_whatever_the_source(held: Region, orbit: str) -> None:
    reading = beside.open_layer("radar", by(held, recipe="mean", orbit=orbit), 2024, ("S1-VV",))
    kept = [scene for scene in SCENES if scene.orbit == orbit]
    expected = np.ma.masked_invalid([known_power(scene, "VV") for scene in kept]).mean(axis=0).filled(np.nan)
    np.testing.assert_allclose(linear(reading.compute(BOX))[0], expected, rtol=1e-4)
    assert reading.facts["orbits"] == {orbit: 2}
    assert list(reading.facts["scenes"]) == [scene.name for scene in kept]
    assert (reading.facts["recipe"]["id"], reading.facts["recipe"]["orbit"]) == ("mean", orbit)


def test_channels_come_in_the_order_that_is_asked_for_and_in_pieces_as_in_one(held: Region) -> None:
    reading = radar_layer.open_radar_layer(held, 2024, ("S1-VH", "S1-VV"))
    whole = reading.compute(BOX)
    other = radar_layer.open_radar_layer(held, 2024, ("S1-VV",)).compute(BOX)
    np.testing.assert_array_equal(whole[1:], other)
    pieces = [reading.compute(BOX[top : top + 20, :]) for top in (0, 20, 40)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_where_the_region_is_elsewhere_or_the_year_another_there_is_no_scene(held: Region) -> None:
    with pytest.raises(SourceError, match=r"Region tiny, year 2023, source .*no radar scene touches the outline"):
        radar_layer.fingerprint_radar(held, 2023)
    away = replace(held, geometry=box(-50, -5, -49.9, -4.9))
    with pytest.raises(SourceError, match="no radar scene touches the outline"):
        radar_layer.open_radar_layer(away, 2024, ("S1-VV",))


def test_the_fingerprint_is_plain_and_repeats(held: Region) -> None:
    found = radar_layer.fingerprint_radar(held, 2024)
    assert found["items"] == len(SCENES)
    assert json.loads(json.dumps(found)) == found == radar_layer.fingerprint_radar(held, 2024)


def test_an_orbit_that_no_scene_has_and_a_channel_of_another_sensor_are_refused(tmp_path: Path) -> None:
    held = RADAR.region("archive", str(write_folder(tmp_path)))
    with pytest.raises(KeyError, match=r"B04 is none of Sentinel-1; those are S1-VV, S1-VH"):
        radar_layer.open_radar_layer(held, 2024, ("B04",))
    for path in tmp_path.rglob("*.tif"):
        if any(scene.name in path.name and scene.orbit == "ascending" for scene in SCENES):
            path.unlink()
    for named in ({"recipe": "ascending-lee-7"}, {"orbit": "ascending"}):
        with pytest.raises(
            SourceError, match=r"None of the 2 scenes is ascending; there are 2 descending\. Name the other orbit"
        ):
            radar_layer.open_radar_layer(by(held, **named), 2024, ("S1-VV",))


def test_a_region_without_radar_is_refused_with_the_remedy() -> None:
    with pytest.raises(SourceError, match=r"has no radar\. Name a source of radar in the region file"):
        radar_layer.fingerprint_radar(region(), 2024)


def test_gamma_nought_is_not_to_be_had_from_earth_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(fake_archive(), monkeypatch), pytest.raises(SourceError, match=r"no gamma nought.*sentinel-1-grd"):
        radar_layer.fingerprint_radar(RADAR.region("earth_engine", ""), 2024)


def test_earth_engine_reads_pixels_off_the_grid_as_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bilinear in power; at the rim of the data Earth Engine has no pixel where one of its neighbours is missing."""
    shifted = replace(SCENES[3], left_m=LEFT_M - 103)
    write_raster(tmp_path / f"{shifted.name}_VV.tif", shifted.pixels["VV"], shifted.affine, nodata=np.nan, unit="linear")
    files = RADAR.region("archive", str(tmp_path))
    ours = archive_radar.open_radar(files, radar_scenes_of(listed(files))[0], "VV", BOX)
    band = FakeBand(
        "VV", np.nan_to_num(shifted.pixels["VV"]), f"EPSG:{EPSG}", tuple(shifted.affine)[:6], ~np.isnan(shifted.pixels["VV"])
    )
    properties = {"system:time_start": shifted.when.timestamp() * 1000, "instrumentMode": "IW"}
    archive = FakeArchive({"COPERNICUS/S1_GRD_FLOAT": [FakeImage(shifted.name, (band,), shifted.outline, properties)]})
    with running(archive, monkeypatch):
        held = RADAR.region("earth_engine", "", "sentinel-1-grd")
        theirs = radar_layer.radar_source(held, 2024).open_radar(held, radar_scenes_of(listed(held))[0], "VV", BOX)
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    assert both.mean() > 0.95 * (~np.isnan(ours)).mean()
    np.testing.assert_allclose(theirs[both], ours[both], rtol=1e-5)
    pixels = shifted.pixels["VV"]
    assert ours[40, 40] == pytest.approx(0.7 * pixels[50, 50] + 0.3 * pixels[50, 51], rel=1e-5)


def real_items() -> list[dict[str, Any]]:
    path = REALDATA / "stac-items" / "sentinel-1-rtc-pc.json"
    if not path.exists():
        pytest.skip(f"the real items {path} are absent; set MINING_PLATFORM_REALDATA")
    return json.loads(path.read_text())


def asked_for(collection: str = "sentinel-1-rtc") -> Region:
    return layer_region(RADAR.region("stac", "", collection), "radar", 2024)


def found_item(item: dict[str, Any], place_of: Callable[[str], str] = str) -> FoundItem:
    return FoundItem(item, place_of, lambda: b"")


def test_real_items_of_the_planetary_computer_are_read() -> None:
    scenes = [radar_scene_of(asked_for(), found_item(item), 2024) for item in real_items()]
    first = scenes[0]
    assert first.scene_id == "S1A_IW_GRDH_1SDV_20240419T045904_20240419T045916_053498_067DF2_rtc"
    assert first.acquired == datetime(2024, 4, 19, 4, 59, 10, 436706, UTC)
    assert (first.orbit, first.epsg, first.measure, first.simulated) == ("descending", 32633, "gamma0", False)
    assert first.hrefs["VH"].endswith("/measurement/iw-vh.rtc.tiff")
    assert [sorted(scene.hrefs) for scene in scenes] == [["VH", "VV"]] * 4


def test_the_slices_of_the_real_pass_are_one_date() -> None:
    scenes = [radar_scene_of(asked_for(), found_item(item), 2024) for item in real_items()]
    assert [len(slices) for slices in passes_of(scenes)] == [4]


def test_an_item_in_the_geometry_of_the_radar_is_refused_with_the_remedy() -> None:
    item = real_items()[0]
    bare = {**item, "properties": {name: value for name, value in item["properties"].items() if not name.startswith("proj:")}}
    with pytest.raises(
        SourceError, match=r"_rtc has no CRS: it is in the geometry of the radar.*Use the collection sentinel-1-rtc"
    ):
        radar_scene_of(asked_for("sentinel-1-grd"), found_item(bare), 2024)


def test_an_item_without_any_polarisation_is_refused() -> None:
    item = real_items()[0]
    with pytest.raises(SourceError, match=r"lacks the assets vv, vh; it has tilejson"):
        radar_scene_of(asked_for(), found_item({**item, "assets": {"tilejson": item["assets"]["tilejson"]}}), 2024)


def test_an_asset_that_may_not_be_reached_is_refused_by_its_scene() -> None:
    def refused(href: str) -> str:
        raise NetworkError(f"{href.partition('?')[0]} is refused", "Do without.")

    with pytest.raises(SourceError, match=r"item S1A_.* may not be read in band VV: .* is refused"):
        radar_scene_of(asked_for(), found_item(real_items()[0], refused), 2024)


def ungeoreferenced(path: Path) -> None:
    """As GRD are distributed: pixels in the order of the radar, and where some of them lie."""
    points = [GroundControlPoint(row, col, -55 + col * 1e-4, -6 - row * 1e-4) for row in (0, 9) for col in (0, 9)]
    with rasterio.open(path, "w", driver="GTiff", count=1, height=10, width=10, dtype="uint16") as out:
        out.write(np.full((10, 10), 120, np.uint16), 1)
        out.gcps = (points, CRS.from_epsg(4326))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_in_the_geometry_of_the_radar_is_refused_with_the_remedy(tmp_path: Path) -> None:
    ungeoreferenced(tmp_path / "S1A_IW_GRDH_1SDV_20240601T093000_VV.tif")
    with pytest.raises(SourceError, match=r"VV.tif is in the geometry of the radar.*SNAP or pyroSAR.*sentinel-1-rtc"):
        radar_layer.fingerprint_radar(RADAR.region("archive", str(tmp_path)), 2024)


def one_file(root: Path, name: str = "S1A_20240601T093000_VV.tif", **settings: Any) -> Region:
    write_raster(root / name, SCENES[0].pixels["VV"], SCENES[0].affine, **settings)
    return RADAR.region("archive", str(root))


@pytest.mark.parametrize(
    ("name", "tags", "problem"),
    [
        ("S1A_20240601T093000_VV.tif", {}, r"VV.tif tells no unit.*gdal_edit.py -mo unit=dB"),
        ("S1A_20240601T093000_VV.tif", {"unit": "counts"}, r"is in 'counts', which is neither linear power nor decibels"),
        ("scene_VV.tif", {"unit": "dB"}, r"scene_VV.tif tells no time of acquisition.*20240601T090000"),
    ],
)
def test_what_nothing_tells_is_not_guessed(tmp_path: Path, name: str, tags: dict[str, str], problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        radar_layer.fingerprint_radar(one_file(tmp_path, name, **tags), 2024)


def test_a_polarisation_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    one_file(tmp_path, unit="linear")
    with pytest.raises(SourceError, match=r"are both VV of S1A_20240601T093000"):
        radar_layer.fingerprint_radar(one_file(tmp_path, "S1A_20240601T093000_VV_grd.tif", unit="linear"), 2024)


def test_a_stac_item_beside_the_files_tells_unit_time_and_orbit(tmp_path: Path) -> None:
    held = one_file(tmp_path, "scene_VV.tif")
    properties = {"datetime": "2024-06-01T09:30:00Z", "sat:orbit_state": "ascending", "unit": "dB"}
    (tmp_path / "scene.json").write_text(
        json.dumps({"type": "Feature", "id": "scene", "properties": properties, "geometry": None})
    )
    (scene,) = radar_scenes_of(listed(held))
    assert (scene.acquired, scene.orbit) == (SCENES[0].when, "ascending")
    assert scene.hrefs == {"VV": "scene_VV.tif#dB"}
    before = radar_layer.fingerprint_radar(held, 2024)
    (tmp_path / "scene.json").write_text((tmp_path / "scene.json").read_text().replace('"dB"', '"linear"'))
    assert radar_layer.fingerprint_radar(held, 2024) != before


def test_a_truncated_file_is_an_error_that_names_scene_and_polarisation(tmp_path: Path) -> None:
    held = one_file(tmp_path, unit="linear")
    (scene,) = radar_scenes_of(listed(held))
    path = tmp_path / "S1A_20240601T093000_VV.tif"
    path.write_bytes(path.read_bytes()[:9_000])
    with pytest.raises(SourceError, match=r"scene S1A_20240601T093000, polarisation VV: the raster cannot be read"):
        archive_radar.open_radar(held, scene, "VV", BOX)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    one_file(tmp_path, unit="linear")
    (tmp_path / "in" / "S1A_20240601T093000_VV.tif").symlink_to(tmp_path / "S1A_20240601T093000_VV.tif")
    with pytest.raises(SourceError, match="leads out of the archive"):
        radar_layer.fingerprint_radar(RADAR.region("archive", str(tmp_path / "in")), 2024)


def looks_of_even_ground(power: NDArray[np.floating], side: int = 12) -> float:
    """Equivalent number of looks that one in ten squares of a real scene exceeds: those where the ground varies least."""
    rows, columns = (size // side for size in power.shape)
    cut = power[: rows * side, : columns * side].astype(np.float64).reshape(rows, side, columns, side)
    return float(np.percentile(cut.mean(axis=(1, 3)) ** 2 / cut.var(axis=(1, 3)), 90))


@pytest.mark.parametrize("recipe", ["refined-lee-7", "gamma-map-7"])
def test_the_real_clip_in_decibels_is_read_and_filtered(recipe: str) -> None:
    """VV over ponds and dykes, 2015-03-09: smoother where the ground is even, while its points of light lose some of the mean."""
    folder = REALDATA / "s1-grd-clip"
    if not folder.exists():
        pytest.skip(f"the real clip {folder} is absent; set MINING_PLATFORM_REALDATA")
    held = replace(RADAR.region("archive", str(folder), "sentinel-1-grd"), geometry=box(4.50, 43.58, 4.54, 43.61), years=(2015,))
    (scene,) = radar_scenes_of(radar_layer.radar_source(held, 2015).list_radar(held, 2015))
    assert (scene.scene_id, scene.orbit, scene.epsg) == ("S1A__IW___A_20150309T173017", "ascending", 32631)
    assert (scene.measure, list(scene.hrefs)) == ("sigma0", ["VV"])
    with rasterio.open(next(folder.glob("*_VV_*.tif"))) as source:
        stored, own = source.read(1), GeoBox(source.shape, source.transform, "EPSG:32631")
    plain = radar_layer.open_radar_layer(by(held, recipe="mean"), 2015, ("S1-VV",)).compute(own)[0]
    np.testing.assert_allclose(plain, stored, atol=1e-4)
    found = radar_layer.open_radar_layer(by(held, recipe=recipe), 2015, ("S1-VV", "S1-VH")).compute(own)
    assert np.isnan(found[1]).all()
    assert not np.isnan(found[0]).any()
    assert looks_of_even_ground(linear(found[0])) > 3 * looks_of_even_ground(linear(plain))
    assert linear(found[0]).mean() == pytest.approx(linear(plain).mean(), rel=0.03)
