import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from mining_platform.region_files import load_regions
from mining_platform.regions import Region
from mining_platform.sources import router
from mining_platform.sources.mapbiomas import cost_land_cover, fingerprint_land_cover, read_land_cover
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from tests.conftest import REALDATA
from tests.stac_api import stac_api
from tests.synthetic import EPSG, LEFT_M, TOP_M, TinyScene, region, write_catalogue, write_land_cover, yearly_map

LOURENCO = REALDATA / "mapbiomas-lourenco-col8" / "lorenco_85a22.tif"
MINING_PX_LOURENCO = {1985: 9_756, 1996: 18_389, 2009: 18_506, 2016: 19_874, 2021: 20_161, 2022: 20_235}


def classes(height: int = 60, width: int = 60) -> np.ndarray:
    grid = np.full((height, width), 3, np.uint8)
    grid[10:14, 20:25] = 30
    return grid


def map_region(tmp_path: Path, grid: np.ndarray | None = None, **options: Any) -> Region:
    path = write_land_cover(tmp_path / "map_2024.tif", classes() if grid is None else grid, **options)
    return region(land_cover=yearly_map(str(path).replace("2024", "{year}")))


def test_the_clip_keeps_the_pixels_of_the_map_and_its_grid(tmp_path: Path) -> None:
    facts = read_land_cover(map_region(tmp_path), 2024, tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as clip:
        np.testing.assert_array_equal(clip.read(1), classes()[:40, :40])
        assert clip.transform == Affine(30, 0, LEFT_M, 0, -30, TOP_M)
        assert (clip.crs.to_epsg(), clip.nodata, clip.block_shapes) == (EPSG, 0, [(256, 256)])
        assert clip.colormap(1)[30] == (0x9C, 0x00, 0x27, 255)
        assert clip.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert facts["class_pixels"] == {"3": 1580, "30": 20}
    assert (facts["pixels"], facts["width"], facts["height"]) == (1600, 40, 40)


def test_the_outline_is_grown_outward_to_whole_pixels(tmp_path: Path) -> None:
    affine = Affine(30, 0, LEFT_M - 50, 0, -30, TOP_M + 50)
    read_land_cover(map_region(tmp_path, affine=affine), 2024, tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as clip:
        assert clip.bounds == (LEFT_M - 20, TOP_M - 1210, LEFT_M + 1210, TOP_M + 20)


def test_a_map_smaller_than_the_region_is_taken_whole(tmp_path: Path) -> None:
    facts = read_land_cover(map_region(tmp_path, classes(30, 35)), 2024, tmp_path / "out")
    assert (facts["width"], facts["height"]) == (35, 30)


def test_equal_maps_give_equal_bytes_and_nothing_but_the_map_is_left(tmp_path: Path) -> None:
    place = map_region(tmp_path)
    read_land_cover(place, 2024, tmp_path / "a")
    read_land_cover(place, 2024, tmp_path / "b")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["land_cover.tif"]
    assert (tmp_path / "a" / "land_cover.tif").read_bytes() == (tmp_path / "b" / "land_cover.tif").read_bytes()


def test_the_years_band_is_found_by_its_name(tmp_path: Path) -> None:
    stack = np.stack([classes(), np.full((60, 60), 30, np.uint8)])
    path = write_land_cover(tmp_path / "all.tif", stack, names=("classification_2023", "classification_2024"))
    place = region(land_cover=yearly_map(path, bands="classification_{year}"))
    assert read_land_cover(place, 2024, tmp_path / "out")["class_pixels"] == {"30": 1600}
    with pytest.raises(SourceError, match="'classification_2022'; there are classification_2023, classification_2024"):
        read_land_cover(place, 2022, tmp_path / "none")


def test_a_file_of_many_bands_without_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"the file has 2 bands .*Name the year's band"):
        read_land_cover(map_region(tmp_path, np.stack([classes(), classes()])), 2024, tmp_path / "out")


def test_a_map_that_calls_itself_simulated_keeps_the_mark_though_the_region_file_forgot_it(tmp_path: Path) -> None:
    path = write_land_cover(tmp_path / "m.tif", classes())
    with rasterio.open(path, "r+") as raster:
        raster.update_tags(TIFFTAG_IMAGEDESCRIPTION="SIMULATED: land cover of nowhere")
    assert read_land_cover(region(land_cover=yearly_map(path)), 2024, tmp_path / "out")["simulated"] is True
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as made:
        assert made.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def test_the_simulated_mark_is_in_the_raster_and_the_facts(tmp_path: Path) -> None:
    place = region(land_cover=yearly_map(write_land_cover(tmp_path / "m.tif", classes()), simulated=True))
    assert read_land_cover(place, 2024, tmp_path / "out")["simulated"]
    with rasterio.open(tmp_path / "out" / "land_cover.tif") as clip:
        assert clip.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED. Land cover 2024")


def test_a_year_outside_the_collection_names_region_year_source_and_remedy(tmp_path: Path) -> None:
    message = r"Region tiny, year 2025, source mapbiomas collection 8 \(2020 to 2024\): .*Ask for a year from 2020 to 2024"
    for ask in (lambda place: read_land_cover(place, 2025, tmp_path / "out"), lambda place: fingerprint_land_cover(place, 2025)):
        with pytest.raises(SourceError, match=message):
            ask(map_region(tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_missing_map_says_how_to_get_it(tmp_path: Path) -> None:
    cover = yearly_map(tmp_path / "none.tif", simulated=True)
    with pytest.raises(SourceError, match=r"there is no file .*none.tif\. Make it with `mining-platform simulate`"):
        fingerprint_land_cover(region(land_cover=cover), 2024)
    cover = yearly_map("${MINING_PLATFORM_REALDATA}/none.tif")
    with pytest.raises(SourceError, match="set MINING_PLATFORM_REALDATA to its folder"):
        fingerprint_land_cover(region(land_cover=cover), 2024)


@pytest.mark.parametrize(
    ("href", "message"),
    [
        ("http://storage.googleapis.com/a.tif", "is refused: it is not encrypted"),
        ("https://example.org/a.tif", "is refused: example.org is not among the hosts"),
        ("file:///etc/passwd", "is refused: it names a file of this machine"),
        ("/vsicurl/https://example.org/a.tif", "is refused: it names one of GDAL's virtual file systems"),
        ("s3://a/b", "is refused: S3 addresses need an account"),
    ],
)
def test_only_local_files_and_public_hosts_are_read(href: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        fingerprint_land_cover(region(land_cover=yearly_map(href)), 2024)


def test_a_virtual_raster_named_tif_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "evil.tif"
    path.write_text(f'<VRTDataset rasterXSize="1" rasterYSize="1"><SRS>EPSG:{EPSG}</SRS></VRTDataset>')
    with pytest.raises(SourceError, match="the map cannot be read"):
        read_land_cover(region(land_cover=yearly_map(path)), 2024, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": None}, "the raster has no CRS"),
        ({"affine": Affine(30, 0, LEFT_M + 9000, 0, -30, TOP_M)}, "does not touch the region's outline"),
        ({"affine": Affine.rotation(10) * Affine(30, 0, LEFT_M, 0, -30, TOP_M)}, "rotated"),
        ({"grid": classes().astype(np.int16)}, "pixels are int16"),
    ],
)
def test_an_unusable_map_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(
        SourceError, match=rf"^Region tiny, year 2024, source mapbiomas collection 8 \(2020 to 2024\): .*{message}"
    ) as caught:
        read_land_cover(map_region(tmp_path, **options), 2024, tmp_path / "out")
    assert str(caught.value).count("Region tiny") == 1


def test_a_map_that_is_cut_off_is_the_maps_fault_and_a_full_disk_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = map_region(tmp_path, np.random.default_rng(1).integers(1, 60, (600, 600)).astype(np.uint8))

    def full(*_args: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rasterio.shutil, "copy", full)
        with pytest.raises(OSError, match="No space left on device"):
            read_land_cover(place, 2024, tmp_path / "full")
    path = tmp_path / "map_2024.tif"
    path.write_bytes(path.read_bytes()[:9_000])
    with pytest.raises(SourceError, match=r"the map cannot be read \(.+\)\. Fetch the file anew"):
        read_land_cover(place, 2024, tmp_path / "cut")


def test_the_fingerprint_follows_the_content_and_holds_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_land_cover(tmp_path / "m.tif", classes())
    monkeypatch.setenv("MINING_PLATFORM_TINY", str(tmp_path))
    place = region(land_cover=yearly_map("${MINING_PLATFORM_TINY}/m.tif"))
    before = fingerprint_land_cover(place, 2024)
    assert before["href"] == "${MINING_PLATFORM_TINY}/m.tif"
    assert str(tmp_path) not in json.dumps(before)
    write_land_cover(path, np.roll(classes(), 1))
    assert fingerprint_land_cover(place, 2024)["blake3"] != before["blake3"]


def test_the_fingerprint_of_a_url_asks_no_network() -> None:
    identity = fingerprint_land_cover(region(land_cover=yearly_map("https://storage.googleapis.com/{year}.tif")), 2024)
    assert identity["href"] == "https://storage.googleapis.com/{year}.tif"
    assert "blake3" not in identity


@pytest.mark.parametrize(("year", "mining_px"), MINING_PX_LOURENCO.items())
def test_the_real_map_of_lourenco_has_its_published_mining_pixels(tmp_path: Path, year: int, mining_px: int) -> None:
    if not LOURENCO.exists():
        pytest.skip(f"{LOURENCO} is absent; set MINING_PLATFORM_REALDATA to the folder of real data")
    place = load_regions(Path(__file__).parents[2] / "regions.geojson")["lourenco"]
    cover = replace(place.land_cover, href=str(LOURENCO))  # type: ignore[type-var]
    facts = read_land_cover(replace(place, land_cover=cover), year, tmp_path)
    assert facts["class_pixels"]["30"] == mining_px
    assert (facts["width"], facts["height"], facts["nodata"]) == (1341, 1341, 27)


def test_a_region_without_a_source_is_refused() -> None:
    with pytest.raises(SourceError, match=r"Region tiny, source none: the region has no land-cover map\. Its windows come from"):
        router.fingerprint_land_cover(region(), 2024)
    with pytest.raises(SourceError, match="the region has no scenes"):
        router.list_scenes(region(), 2024)


def test_the_router_refuses_a_source_it_does_not_know(tmp_path: Path) -> None:
    place = map_region(tmp_path)
    odd = replace(place, land_cover=replace(place.land_cover, source="worldcover"))  # type: ignore[type-var]
    with pytest.raises(SourceError, match=r"source worldcover: no such source\. Use one of: mapbiomas"):
        router.read_land_cover(odd, 2024, tmp_path / "out")


def test_a_map_behind_a_service_is_clipped_as_a_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = write_catalogue(tmp_path / "served", [TinyScene("S2_A")])
    write_land_cover(tmp_path / "served" / "map_2024.tif", classes())
    with stac_api(scenes) as api:
        monkeypatch.setenv(HOSTS_VARIABLE, api.host)
        place = region(land_cover=yearly_map(f"{api.url}/files/container/map_{{year}}.tif"))
        remote = read_land_cover(place, 2024, tmp_path / "remote")
        file = (tmp_path / "served" / "map_2024.tif").stat()
        assert (remote["source"]["etag"], remote["source"]["bytes"]) == (f'"{file.st_mtime_ns}"', file.st_size)
        api.validator = "modified"
        write_land_cover(tmp_path / "served" / "map_2022.tif", classes())
        assert "last_modified" in read_land_cover(place, 2022, tmp_path / "dated")["source"]
        assert cost_land_cover(place, 2024).requests > 0
        with pytest.raises(SourceError, match=r"the map is listed but missing \(HTTP 404\)"):
            read_land_cover(place, 2023, tmp_path / "gone")
    local = region(land_cover=yearly_map(tmp_path / "served" / "map_{year}.tif"))
    read_land_cover(local, 2024, tmp_path / "local")
    assert (tmp_path / "remote" / "land_cover.tif").read_bytes() == (tmp_path / "local" / "land_cover.tif").read_bytes()
    assert remote["class_pixels"]
    assert cost_land_cover(local, 2024).requests == 0
