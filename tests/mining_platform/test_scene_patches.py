"""Patches of single scenes: one a window and scene, on the scene's own pixels, with clouds as a class."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from mining_platform import patches, profiles
from mining_platform.clouds.rules import cloud_rule
from mining_platform.grids import project
from mining_platform.labels.recipes import NO_LABEL, recipe
from mining_platform.manifests import NO_COLLECTION, PartitionSources, build_manifest
from mining_platform.patch_conventions import CLOUD
from mining_platform.scene_patches import SceneDataset, in_zone, write_scene_store
from mining_platform.sources import archive, earth_engine
from mining_platform.sources.protocol import SourceError
from tests.mining_platform.official_products import OLI, Landsat, write_landsat
from tests.mining_platform.test_archive import at, listed
from tests.synthetic import EPSG, LEFT_M, TOP_M

PX, SIDE = 8, 40
CLEAR, CLOUDY, FILL = 21_824, 22_280, 1  # QA_PIXEL of clear ground, of a cloud of high confidence, and of no data
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
ROW = SceneDataset(profiles.PROFILES["landsat-7"].channels, recipe("three-class"), cloud_rule("qa-pixel"), PX, 30, 0.5)
LATER = OLI.replace("20240601", "20240703")
WINDOW = (LEFT_M + 310, TOP_M - 310)
"""Upper left corner of a window of 240 m on the lattice, 5 m from pixel (10, 10) of a product shifted by 15 m."""


def as_dn(reflectance: Any) -> NDArray[np.uint16]:
    return np.asarray(np.rint((np.asarray(reflectance, float) + 0.2) / 2.75e-5), np.uint16)


def scene(**changes: Any) -> Landsat:
    """Bare ground but for vegetation in the columns from 14 on, cloud in row 12, and a number of its own in each green pixel."""
    quality = np.where(ROWS == 12, CLOUDY, CLEAR)
    nir = np.where(COLUMNS >= 14, 0.7, 0.25)
    values = {"SR_B4": as_dn(0.2), "SR_B5": as_dn(nir), "SR_B3": 8_000 + ROWS * 100 + COLUMNS, "ST_B10": 44_177}
    return Landsat(**{"values": values, "quality": quality, "shift_m": 15, **changes})


def windows(*corners: tuple[int, int], **columns: Any) -> gpd.GeoDataFrame:
    size = PX * 30
    table = pd.DataFrame([(x, y - size, x + size, y) for x, y in corners], columns=["minx", "miny", "maxx", "maxy"])
    ids = [f"{EPSG}_{x // 10}_{y // 10}_{size // 10}" for x, y in corners]
    outlines = [project(box(x, y - size, x + size, y), EPSG, 4326) for x, y in corners]
    return gpd.GeoDataFrame(table.assign(window_id=ids, **columns), geometry=outlines, crs=4326)


def mine(left: int, top: int, right: int, bottom: int, **told: Any) -> gpd.GeoDataFrame:
    """A mine over whole pixels of the shifted product, in the region's CRS."""
    x, y = LEFT_M + 15, TOP_M - 15
    shape = box(x + left * 30, y - bottom * 30, x + right * 30, y - top * 30)
    return gpd.GeoDataFrame({"site": ["a"], **{name: [value] for name, value in told.items()}}, geometry=[shape], crs=EPSG)


def cut(tmp_path: Path, *products: Landsat, mines: gpd.GeoDataFrame | None = None, **changes: Any) -> Any:
    for product in products:
        write_landsat(tmp_path / "scenes", product)
    place = at(tmp_path / "scenes", "landsat-c2-l2", "qa-median")
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    given = {
        "windows": windows(WINDOW),
        "scenes": archive.list_scenes(place, 2024),
        "polygons": mine(11, 11, 16, 15) if mines is None else mines,
        "row": ROW,
        "source": archive.pixels(place),
        **changes,
    }
    fixed = {"year": 2024, "region": replace(place, epsg=EPSG), "where": "sites.kml"}
    index, facts = write_scene_store(given.pop("windows"), given.pop("scenes"), given.pop("polygons"), out, **given, **fixed)
    return out, index, facts


def test_a_patch_is_the_scenes_own_pixels_where_they_lie(tmp_path: Path) -> None:
    out, index, _ = cut(tmp_path, scene())
    assert index[["x0", "y0", "pixel_m"]].to_numpy().tolist() == [[LEFT_M + 315, TOP_M - 315, 30]]
    assert patches.read_attributes(out)["affines"] == [[30, 0, LEFT_M + 315, 0, -30, TOP_M - 315]]
    image = patches.read_images(out, [0], ["L-green", "L-thermal"])[0]
    own = 8_000 + ROWS[10:18, 10:18] * 100 + COLUMNS[10:18, 10:18]
    np.testing.assert_array_equal(image[0], np.floor(own * 0.275 - 2000 + 0.5))
    assert np.unique(image[1]).tolist() == [44_177], "a temperature stays in its own steps"


def test_the_label_is_cloud_before_mining_before_background(tmp_path: Path) -> None:
    out, index, facts = cut(tmp_path, scene())
    expected = np.zeros((PX, PX), np.uint8)
    expected[1:5, 1:4] = 1  # of the mine in rows 11 to 14 and columns 11 to 15, those without vegetation
    expected[2] = CLOUD
    np.testing.assert_array_equal(patches.read_labels(out, [0])[0], expected)
    assert facts["label_pixels"] == {"0": 64 - 8 - 9, "1": 9, "2": 8}
    assert index["label_share"].tolist() == [9 / 56], "of what is no cloud"
    assert patches.read_attributes(out)["label_values"] == {"other": 0, "mining": 1, "no class": NO_LABEL, "cloud": CLOUD}


def test_each_scene_gives_a_sample_of_its_own(tmp_path: Path) -> None:
    apart = (LEFT_M + 610, TOP_M - 310)
    _, index, facts = cut(tmp_path, scene(), scene(name=LATER), windows=windows(WINDOW, apart))
    assert (facts["windows"], facts["scenes"], facts["samples"], facts["patches"]) == (2, 2, 4, 4)
    first = windows(WINDOW)["window_id"][0]
    assert index["patch_id"][0] == f"{first}_{OLI.replace('_', '-')}"
    assert index["acquired"].str[:10].tolist() == ["2024-06-01", "2024-07-03"] * 2
    assert index["patch_id"].is_unique
    assert index["row"].tolist() == [0, 1, 2, 3]


def test_polygons_count_on_the_days_on_which_they_hold(tmp_path: Path) -> None:
    out, index, _ = cut(tmp_path, scene(), scene(name=LATER), mines=mine(11, 11, 16, 15, begin="2024-07-01"))
    assert index["label_share"].tolist() == [0.0, 9 / 56]
    assert [int((label == 1).sum()) for label in patches.read_labels(out, [0, 1])] == [0, 9]


def test_patches_that_were_hardly_seen_are_listed_and_not_stored(tmp_path: Path) -> None:
    nearly = np.where(ROWS >= 13, FILL, CLEAR)  # 5 of the window's 8 rows
    _, index, facts = cut(tmp_path, scene(quality=nearly), scene(name=LATER))
    assert index[["dropped", "row", "masked_share"]].to_numpy().tolist() == [[True, -1, 0.625], [False, 0, 0.0]]
    assert index["drop_reason"].tolist() == ["unobserved share above limit", ""]
    assert (facts["dropped"], facts["patches"]) == (1, 1)


def test_a_sample_without_data_at_a_scenes_edge_has_no_class_there(tmp_path: Path) -> None:
    out, index, _ = cut(tmp_path, scene(quality=np.full((SIDE, SIDE), CLEAR)), windows=windows((LEFT_M + 1_090, TOP_M - 310)))
    label = patches.read_labels(out, [0])[0]
    assert index["x0"].tolist() == [LEFT_M + 1_095]
    assert index["masked_share"].tolist() == [0.5]
    assert (label[:, 4:] == NO_LABEL).all()
    assert (label[:, :4] == 0).all()
    assert (patches.read_images(out, [0])[0][:, :, 4:] == 0).all()


def test_windows_that_no_scene_touches_give_no_sample(tmp_path: Path) -> None:
    _, index, facts = cut(tmp_path, scene(), windows=windows((LEFT_M + 50_000, TOP_M)))
    assert index.empty
    assert facts["patches"] == 0


def test_a_relabelled_window_has_no_pixel_labels(tmp_path: Path) -> None:
    out, _, _ = cut(tmp_path, scene(), windows=windows(WINDOW, relabelled=True))
    assert (patches.read_labels(out, [0]) == NO_LABEL).all()


def test_equal_scenes_give_equal_bytes(tmp_path: Path) -> None:
    stores = []
    for name in ("first", "second"):
        out, _, _ = cut(tmp_path / name, scene())
        stores.append({path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()})
    assert stores[0] == stores[1]


def test_pixels_of_another_size_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"{OLI} has pixels of 30 m.*are of 20 m\. Give the dataset a pixel_m"):
        cut(tmp_path, scene(), row=replace(ROW, pixel_m=20))


def test_earth_engine_gives_no_single_scenes() -> None:
    with pytest.raises(SourceError, match=r"single scenes are not read.*stac or archive"):
        earth_engine.pixels(at(Path(), "landsat-c2-l2", "qa-median"))


@pytest.mark.parametrize(("code", "epsg", "moved"), [(32621, 32721, 10_000_000), (32721, 32621, -10_000_000), (32721, 32721, 0)])
def test_hemispheres_of_a_zone_are_one_grid(code: int, epsg: int, moved: int) -> None:
    grid = GeoBox.from_bbox((500_000, 100, 500_300, 400), f"EPSG:{code}", resolution=30)
    found = in_zone(grid, epsg)
    assert found is not None
    assert found.crs is not None
    assert found.crs.epsg == epsg
    assert found.affine.f - grid.affine.f == moved
    assert found.affine.c == grid.affine.c


@pytest.mark.parametrize("epsg", [32722, 32622, 4326])
def test_other_zones_are_another_grid(epsg: int) -> None:
    assert in_zone(GeoBox.from_bbox((500_000, 100, 500_300, 400), "EPSG:32721", resolution=30), epsg) is None


def test_the_manifest_has_a_row_a_scene_with_the_labels_share(tmp_path: Path) -> None:
    clouded = scene(name=LATER, quality=np.full((SIDE, SIDE), CLOUDY))
    _, index, _ = cut(tmp_path, scene(), clouded)
    table = manifest_of(index, at(tmp_path / "scenes", "landsat-c2-l2", "qa-median"))
    assert table[["scene_ids", "range", "scene_count", "pixel_m"]].to_numpy().tolist() == [
        [OLI, "010_020", 1, 30],
        [LATER, "", 1, 30],
    ], "where all is cloud nothing tells the share"
    assert table["share"].tolist()[0] == table["share_nn"].tolist()[0] == 9 / 56
    assert table["is_mining"].all()
    assert table["split"].tolist() == ["train", "train"]


def manifest_of(index: pd.DataFrame, place: Any) -> gpd.GeoDataFrame:
    unknown = dict.fromkeys(("share", "share_nn", "dominant_share", "around_share", "valid_share"), np.nan)
    nothing = dict.fromkeys(("dominant_class", "around_class", "class_px", "valid_px"), 0)
    sample = windows(WINDOW, region=place.id, year=2024, epsg=EPSG, lon=0.0, lat=0.0, range="", is_mining=True, negative="")
    sample = sample.assign(point_id="a_1", mining_distance_m=0.0, class_area_m2=0.0, valid_area_m2=0.0, **unknown, **nothing)
    splits = sample[["window_id"]].assign(split="train")
    source = PartitionSources("BR", NO_COLLECTION, listed_scenes(place), simulated=False)
    return build_manifest(sample, index, splits, sources={(place.id, 2024): source}, recipe="three-class", profile="landsat-7")


def listed_scenes(place: Any) -> gpd.GeoDataFrame:
    assert listed(place, 2024)
    return archive.list_scenes(place, 2024)
