import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import box

from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.ingest.pixels import IngestError
from mining_platform.ingest.stacks import ingest_stack
from mining_platform.offsets import dark_dn, detected_offset
from mining_platform.regions import Region
from mining_platform.scenes import Scene, scenes_of
from mining_platform.sources import archive
from tests.conftest import REALDATA
from tests.synthetic import ALL_BANDS, EPSG, LEFT_M, TOP_M, region, scenes_at

TROMBETAS = REALDATA / "trombetas-s2-srtm-polygons" / "sen2_12band.tif"
NAMES = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


def write_stack(
    path: Path,
    values: ArrayLike | Mapping[str, ArrayLike] = 0.25,
    *,
    rest: float = 0.25,
    dtype: str = "float32",
    names: Sequence[str] = NAMES,
    **fields: Any,
) -> Path:
    """12 bands of 60 x 60 pixels of 10 m at (LEFT_M, TOP_M): a number for every pixel, or (y, x) by name (others `rest`)."""
    pixels = np.empty((len(names), 60, 60), dtype)
    for band, name in enumerate(names):
        pixels[band] = values.get(name, rest) if isinstance(values, Mapping) else values
    profile = {"count": len(names), "width": 60, "height": 60, "dtype": dtype, "crs": f"EPSG:{EPSG}"}
    profile |= {"transform": Affine(10, 0, LEFT_M, 0, -10, TOP_M), **fields}
    with rasterio.open(path, "w", driver="GTiff", **profile) as out:
        out.write(pixels)
        out.descriptions = tuple(names)
    return path


def ingest(stack: Path, out: Path, **changes: Any) -> dict[str, Any]:
    told = {"scene_id": "mine", "band_ids": None, "collection": "sentinel-2-l2a", "acquired": NOON, "platform": "sentinel-2a"}
    return ingest_stack(stack, out, **{**told, "baseline": "03.01", "sun": None, "description": "A test.", **changes})


def at(out: Path) -> Region:
    return replace(region(60, 60, years=(2022, 2024)), scenes=scenes_at(out, source="archive", recipe="all-median"))


def listed(out: Path, year: int = 2024) -> Scene:
    (scene,) = scenes_of(archive.list_scenes(at(out), year))
    return scene


def numbers(out: Path, band_id: str = "B04") -> NDArray[np.uint16]:
    with rasterio.open(out / "mine" / f"{band_id}.tif") as raster:
        return raster.read(1)


def test_a_stack_becomes_a_scene_that_the_archive_lists_with_what_was_said_of_it(tmp_path: Path) -> None:
    facts = ingest(write_stack(tmp_path / "s.tif"), tmp_path / "out", baseline="05.09", sun=(41.5, 60.25))
    scene = listed(tmp_path / "out")
    assert (scene.scene_id, scene.acquired, scene.platform, scene.tile) == ("mine", NOON, "sentinel-2a", "STACK-mine")
    assert (scene.baseline, scene.offset_dn, scene.epsg, scene.simulated) == (5.09, -1000, EPSG, False)
    assert (scene.sun_azimuth_deg, scene.sun_elevation_deg, scene.cloud_pct) == (41.5, 60.25, 0.0)
    assert {*scene.hrefs} == {*ALL_BANDS}
    assert scene.hrefs["B8A"] == "mine/B8A.tif"
    assert (facts["bands"], facts["offset_dn"], facts["offset_detected"]) == (list(ALL_BANDS), -1000, False)
    assert (facts["width"], facts["height"], facts["epsg"], facts["valid_share"]) == (60, 60, EPSG, 1.0)
    assert str(tmp_path) not in json.dumps(facts)
    archive.check_scenes(at(tmp_path / "out"), [scene], ALL_BANDS)


def test_reflectance_is_rounded_half_up_and_what_is_no_data_is_0(tmp_path: Path) -> None:
    pixels = np.full((60, 60), 0.25)
    pixels[0, :8] = (np.nan, 0.0, 0.00001, -0.05, 0.10005, 0.10004, 6.5535, -9_999)
    ingest(write_stack(tmp_path / "s.tif", {"B4": pixels}, dtype="float64", nodata=-9_999), tmp_path / "out")
    assert numbers(tmp_path / "out")[0, :9].tolist() == [0, 0, 1, 1, 1_001, 1_000, 65_535, 0, 2_500]


def test_digital_numbers_stay_what_they_are(tmp_path: Path) -> None:
    pixels = np.full((60, 60), 1_234)
    pixels[0, :3] = (0, 1, 65_535)
    facts = ingest(write_stack(tmp_path / "s.tif", {"B4": pixels}, rest=1_234, dtype="uint16", nodata=65_535), tmp_path / "out")
    assert numbers(tmp_path / "out")[0, :4].tolist() == [0, 1, 0, 1_234]
    assert facts["valid_share"] == round(1 - 2 / 3_600, 6)


def test_the_rasters_are_on_the_stacks_own_grid(tmp_path: Path) -> None:
    affine = Affine(9e-5, 0, -56.37, 0, -9e-5, -1.45)
    ingest(write_stack(tmp_path / "s.tif", crs="EPSG:4326", transform=affine), tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "mine" / "B12.tif") as raster:
        assert (raster.crs.to_epsg(), raster.transform, raster.dtypes, raster.nodata) == (4326, affine, ("uint16",), 0)
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_without_a_baseline_the_darkest_pixels_tell_whether_the_offset_is_in(tmp_path: Path) -> None:
    facts = ingest(write_stack(tmp_path / "s.tif", 0.104), tmp_path / "in", baseline=None)
    assert (facts["offset_dn"], facts["offset_detected"], facts["darkest_dn"]["B11"]) == (-1000, True, 1_040)
    scene = listed(tmp_path / "in")
    assert (scene.baseline, scene.offset_dn) == (4.0, -1000)
    properties = json.loads((tmp_path / "in" / "mine" / "mine.json").read_text())["properties"]
    assert (properties["mining:offset_detected"], properties["mining:darkest_dn"]["B11"]) == (True, 1_040)
    assert properties["mining:clouds_unknown"] is True
    facts = ingest(write_stack(tmp_path / "s.tif", {"B11": 0.02}), tmp_path / "none", baseline=None)
    assert (facts["offset_dn"], facts["offset_detected"]) == (0, True)
    scene = listed(tmp_path / "none")
    assert (scene.baseline, scene.offset_dn) == (0.0, 0)


def test_pixels_that_do_not_tell_are_refused_and_a_baseline_settles_it(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "s.tif", {"B11": 0.095})
    with pytest.raises(IngestError, match=r"mine: its darkest pixels have 950, which may be .*Give the processing baseline"):
        ingest(stack, tmp_path / "out", baseline=None)
    assert list((tmp_path / "out").iterdir()) == []
    assert ingest(stack, tmp_path / "out", baseline="05.11")["offset_dn"] == -1000


def test_the_composite_of_an_ingested_scene_has_the_offset_taken_off_once(tmp_path: Path) -> None:
    ingest(
        write_stack(tmp_path / "s.tif", {"B4": np.linspace(0.11, 0.5, 3_600).reshape(60, 60)}), tmp_path / "out", baseline="04.00"
    )
    place = at(tmp_path / "out")
    made = archive.composite(place, [listed(tmp_path / "out")], ALL_BANDS, place.geobox, mosaic_recipe("all-median"))
    np.testing.assert_array_equal(made.image[3], numbers(tmp_path / "out") - 1_000)
    assert np.unique(made.image[0]).tolist() == [1_500]
    assert made.clear_count.min() == made.clear_count.max() == 1


def test_a_span_of_times_is_kept_as_one_and_counts_for_its_start(tmp_path: Path) -> None:
    span = (datetime(2022, 1, 25, tzinfo=UTC), datetime(2024, 4, 25, tzinfo=UTC))
    ingest(write_stack(tmp_path / "s.tif"), tmp_path / "out", acquired=span)
    properties = json.loads((tmp_path / "out" / "mine" / "mine.json").read_text())["properties"]
    assert (properties["datetime"], properties["start_datetime"]) == (None, "2022-01-25T00:00:00Z")
    assert properties["end_datetime"] == "2024-04-25T00:00:00Z"
    assert listed(tmp_path / "out", 2022).acquired == span[0]


def test_bands_are_known_by_the_names_of_others_and_by_ids_that_are_given(tmp_path: Path) -> None:
    others = ("coastal", "blue", "GREEN", "B04", "rededge1", "B6", "b07", "nir", "nir08", "nir09", "swir16", "swir22")
    assert ingest(write_stack(tmp_path / "s.tif", names=others), tmp_path / "out")["bands"] == list(ALL_BANDS)
    given = list(reversed(ALL_BANDS))
    nameless = write_stack(tmp_path / "n.tif", {"": 0.3}, names=("",) * 12)
    assert ingest(nameless, tmp_path / "given", band_ids=given)["bands"] == given


def test_the_mark_of_simulation_goes_into_the_item_and_the_rasters(tmp_path: Path) -> None:
    assert ingest(write_stack(tmp_path / "s.tif"), tmp_path / "out", simulated=True)["simulated"] is True
    assert listed(tmp_path / "out").simulated
    with rasterio.open(tmp_path / "out" / "mine" / "B02.tif") as raster:
        assert raster.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_stack_gives_the_same_bytes_and_is_left_as_it_is_when_taken_in_again(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "s.tif")
    first = ingest(stack, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "mine").iterdir()}
    assert first["reused"] is False
    assert ingest(stack, tmp_path / "out") == {**first, "reused": True}
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "mine").iterdir()} == before
    ingest(stack, tmp_path / "other")
    assert content(tmp_path / "other" / "mine") == content(tmp_path / "out" / "mine")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_other_content_under_the_same_id_is_refused_and_left_alone(tmp_path: Path) -> None:
    ingest(write_stack(tmp_path / "s.tif"), tmp_path / "out")
    before = content(tmp_path / "out" / "mine")
    with pytest.raises(IngestError, match=r"mine holds something else already\. Give the scene another id"):
        ingest(write_stack(tmp_path / "s.tif", 0.3), tmp_path / "out")
    assert content(tmp_path / "out" / "mine") == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    (tmp_path / "out" / "file").touch()
    with pytest.raises(IngestError, match="holds something else already"):
        ingest(tmp_path / "s.tif", tmp_path / "out", scene_id="file")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"crs": None}, r"s\.tif has no CRS with an EPSG code, or no place in it\. Write them with gdal_edit\.py"),
        ({"dtype": "int16", "values": 3}, "B01 holds int16, which may mean anything"),
        (
            {"names": (*NAMES[:3], "red edge", *NAMES[4:])},
            r"s\.tif: unknown bands 4 \('red edge'\)\. Name them by band_ids, among B01, B02",
        ),
        ({"names": ("B1", "B2", "B2", *NAMES[3:])}, "names a band twice: B01, B02, B02"),
        ({"names": NAMES[:10]}, r"lacks B11, B12 of sentinel-2-l2a; it has B01, B02"),
        ({"values": {"B4": 3_000.0}}, r"B04 holds 3000 where reflectance is 0 to 1\. Divide digital numbers by 10,000"),
        ({"values": {"B4": -9_999.0}}, r"B04 holds -9999, which is no reflectance\. Declare it as the raster's nodata"),
        ({"values": {"B4": np.nan}}, "B04 has no pixel with data"),
    ],
)
def test_a_stack_that_is_not_what_it_should_be_is_refused_and_leaves_nothing(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    stack = write_stack(tmp_path / "s.tif", **fields)
    with pytest.raises(IngestError, match=message):
        ingest(stack, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scene_id": "../mine"}, r"'\.\./mine' is no id of a scene"),
        ({"scene_id": ".mine"}, "is no id of a scene"),
        ({"collection": "landsat-c2-l2"}, "earth-search has no names for the bands of landsat-c2-l2"),
        ({"acquired": datetime(2024, 1, 1)}, "Give times with their zone, in order"),
        ({"acquired": (NOON, NOON - timedelta(days=1))}, "Give times with their zone, in order"),
        ({"baseline": "5.9"}, r"'5\.9' is no processing baseline\. Write it as '05\.09', or None"),
        ({"sun": (10.0, 95.0)}, "is no azimuth and elevation"),
        ({"band_ids": ["B01"]}, "has 12 bands and 1 ids were given"),
        ({"band_ids": ["B01", "red2", *ALL_BANDS[2:]]}, r"unknown bands 2 \('red2'\)"),
    ],
)
def test_what_cannot_be_said_of_a_scene_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(IngestError, match=message):
        ingest(write_stack(tmp_path / "s.tif"), tmp_path / "out", **changes)


def test_a_stack_that_is_missing_damaged_or_a_virtual_raster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"There is no raster .*none\.tif\. Give the path of a GeoTIFF"):
        ingest(tmp_path / "none.tif", tmp_path / "out")
    (tmp_path / "v.tif").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    with pytest.raises(IngestError, match=r"v\.tif cannot be read"):
        ingest(tmp_path / "v.tif", tmp_path / "out")
    with rasterio.open(
        *(tmp_path / "g.tif", "w"),
        **{
            "driver": "GTiff",
            "count": 12,
            "width": 32_000,
            "height": 32_000,
            "dtype": "uint16",
            "tiled": True,
            "sparse_ok": True,
        },
        **{"crs": f"EPSG:{EPSG}", "transform": Affine(10, 0, LEFT_M, 0, -10, TOP_M), "interleave": "band", "bigtiff": "yes"},
    ):
        pass
    with pytest.raises(IngestError, match=r"g\.tif declares 24576000000 bytes of pixels in a file of"):
        ingest(tmp_path / "g.tif", tmp_path / "out")
    stack = write_stack(tmp_path / "s.tif", np.random.default_rng(1).uniform(0.1, 0.5, (60, 60)))
    stack.write_bytes(stack.read_bytes()[:60_000])
    with pytest.raises(IngestError, match="cannot be read"):
        ingest(stack, tmp_path / "out")


@pytest.fixture(scope="module")
def trombetas(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The real scene of Trombetas, taken in."""
    if not TROMBETAS.exists():
        pytest.skip(f"the real scene {TROMBETAS} is absent; set MINING_PLATFORM_REALDATA")
    out = tmp_path_factory.mktemp("archive")
    span = (datetime(2022, 1, 25, tzinfo=UTC), datetime(2024, 4, 25, tzinfo=UTC))
    return out, ingest(TROMBETAS, out, acquired=span, baseline=None, platform="sentinel-2")


def test_the_real_scene_of_trombetas_is_taken_in_with_its_offset_detected(trombetas: tuple[Path, dict[str, Any]]) -> None:
    _, facts = trombetas
    assert (facts["width"], facts["height"], facts["epsg"], facts["valid_share"]) == (247, 237, 4326, 1.0)
    assert (facts["offset_dn"], facts["offset_detected"], facts["bands"]) == (-1000, True, list(ALL_BANDS))
    assert (facts["darkest_dn"]["B12"], facts["darkest_dn"]["B01"]) == (1_035, 1_206)


def test_the_mosaic_of_the_real_scene_of_trombetas_is_dark_where_water_is(trombetas: tuple[Path, dict[str, Any]]) -> None:
    out, _ = trombetas
    outline = box(-56.372, -1.4785, -56.353, -1.4605)
    place = replace(at(out), geometry=outline, epsg=32721)
    scenes = scenes_of(archive.list_scenes(place, 2022))
    assert (scenes[0].epsg, scenes[0].offset_dn) == (4326, -1000)
    made = archive.composite(place, scenes, ALL_BANDS, place.geobox, mosaic_recipe("all-median"))
    inside = made.image[:, 5:-5, 5:-5]
    assert inside.all()
    darkest = {band_id: dark_dn(pixels) for band_id, pixels in zip(ALL_BANDS, inside, strict=True)}
    assert max(darkest.values()) < 250
    assert detected_offset(darkest) == 0
    with rasterio.open(TROMBETAS) as stack:
        native = np.floor(stack.read(ALL_BANDS.index("B08") + 1).astype(np.float64) * 10_000 + 0.5)
    assert {*np.unique(inside[7])} <= {*np.unique(native - 1_000)}
