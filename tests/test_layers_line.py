"""Radar, heights, context and indices from the simulated archive to patches and packages, through the assets of the bands."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform
from scipy.ndimage import binary_erosion, map_coordinates

from mining_platform import bands, patches, profiles
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact
from mining_platform.labels.mapbiomas import LABEL_NAME, read_classes
from mining_platform.region_files import load_regions
from mining_platform.stages.files import MANIFEST_FILE, SAMPLE_FILE
from mining_platform.stages.packages import PACKAGE_DIRECTORY
from tests.conftest import Line

REGION, YEAR = "sim-igarape", "2024"
KEY, YEAR_NUMBER = f"{REGION}|{YEAR}", int(YEAR)
FOREST, WATER = 3, 33
SIDES = ["minx", "miny", "maxx", "maxy"]
BANK_PX = 2
ROAD_WIDTH_M = 10.0

Values = dict[str, NDArray[np.float32]]


def opened(line: Line, asset: str, partition: str) -> Artifact:
    return open_artifact(ArtifactStore(line.installation.home / "artifacts"), Ref(asset, partition))


def stored(line: Line, dataset: str, profile: str) -> tuple[Values, pd.DataFrame]:
    """Values (patch, y, x) by channel of a dataset's patches, in the channels' units, and the windows they were cut at."""
    artifact, channels = opened(line, f"{dataset}/patches", KEY), profiles.profile(profile).channels
    index = patches.read_index(artifact.path).query("not dropped")
    numbers = patches.read_images(artifact.path, index["row"].tolist())
    assert artifact.facts["channels"] == list(channels)
    assert numbers.shape[:2] == (len(index), len(channels))
    windows = gpd.read_parquet(opened(line, f"{dataset}/sample", KEY).path / SAMPLE_FILE).set_index("window_id")
    values = {channel: bands.as_values(channel, numbers[:, place]) for place, channel in enumerate(channels)}
    return values, windows.loc[index["window_id"]]


def all_centres(windows: pd.DataFrame, px: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y (window, px, px) of the windows' pixel centres in metres."""
    steps = (np.arange(px) + 0.5) * 10
    x = windows["minx"].to_numpy()[:, None, None] + steps
    y = windows["maxy"].to_numpy()[:, None, None] - steps[:, None]
    return np.broadcast_to(x, (len(windows), px, px)), np.broadcast_to(y, (len(windows), px, px))


def epsg_of(line: Line) -> int:
    return load_regions(line.installation.regions)[REGION].epsg


def test_patches_of_smallmines_have_thirteen_channels_of_128_pixels_without_gaps(line: Line) -> None:
    values, windows = stored(line, "sim_smallmines", "smallmines-13")
    assert len(values) == 13
    assert {each.shape for each in values.values()} == {(len(windows), 128, 128)}
    assert len(windows) > 10
    assert {name: float(np.isnan(each).mean()) for name, each in values.items() if np.isnan(each).mean() > 0.01} == {}


def test_stored_radar_is_the_simulated_one_in_decibel_over_forest_and_over_water(line: Line) -> None:
    values, windows = stored(line, "sim_smallmines", "smallmines-13")
    label = opened(line, "label", KEY).path / LABEL_NAME
    classes = np.stack([read_classes(label, bounds) for bounds in windows[SIDES].to_numpy().tolist()])
    forest, water = (
        binary_erosion(classes == code, np.ones((1, 3, 3)), iterations=BANK_PX) for code in (FOREST, WATER)
    )  # away from banks, which a speckle filter mixes
    assert water.sum() > 100
    for channel, of_forest, of_water in (("S1-VV", -6.8, -18.7), ("S1-VH", -12.8, -26.8)):
        assert np.nanmedian(values[channel][forest]) == pytest.approx(of_forest, abs=0.2)  # backscatter.ROWS, dry and wet
        assert np.nanmedian(values[channel][water]) == pytest.approx(of_water, abs=0.8)  # turbid_river


def test_stored_heights_are_those_of_the_simulated_model_between_its_cells(line: Line) -> None:
    values, windows = stored(line, "sim_smallmines", "smallmines-13")
    (model,) = (line.installation.home / "archive" / "elevation").rglob(f"*{REGION}_DEM.tif")
    x, y = all_centres(windows, 128)
    with rasterio.open(model) as raster:
        lon, lat = transform(CRS.from_epsg(epsg_of(line)), raster.crs, x.ravel(), y.ravel())
        columns, rows = ~raster.transform @ (np.array(lon), np.array(lat))
        heights = map_coordinates(raster.read(1), (rows - 0.5, columns - 0.5), order=1).reshape(x.shape)
    assert np.nanmax(np.abs(values["DEM"] - heights)) < 0.25  # the store's steps are 0.2 m
    assert np.ptp(heights) > 20


def test_flags_lie_where_the_extract_has_a_road_and_nowhere_else(line: Line) -> None:
    values, windows = stored(line, "sim_context", "s2-12+osm-5")
    extract = line.installation.home / "archive" / "osm" / f"{REGION}-{YEAR}.osm.pbf"
    roads = gpd.read_file(extract, layer="lines").query("highway.notna()").to_crs(epsg_of(line))
    pixels = shapely.points(*(each.ravel() for each in all_centres(windows, 48)))
    near, _ = shapely.STRtree(roads.geometry.to_numpy()).query(pixels, predicate="dwithin", distance=ROAD_WIDTH_M / 2)
    expected = np.zeros(len(pixels), bool)
    expected[near] = True
    assert expected.sum() > 100
    np.testing.assert_array_equal(values["OSM-highway"].ravel() == 1, expected)
    flags = [each for channel, each in values.items() if channel.startswith("OSM-")]
    assert len(flags) == 5
    assert set(np.unique(flags)) == {0, 1}


def test_indices_are_those_of_the_bands_beside_them(line: Line) -> None:
    values, windows = stored(line, "sim_indices", "s2-12+indices")
    assert values["NDVI"].shape == (len(windows), 48, 48)
    nir, red, swir = values["B08"], values["B04"], values["B11"]
    np.testing.assert_allclose(values["NDVI"], (nir - red) / (nir + red), atol=1e-4)
    np.testing.assert_allclose(values["NDMI"], (nir - swir) / (nir + swir), atol=1e-4)


def test_the_package_of_smallmines_is_in_its_layout_and_its_numbers_are_the_stores(line: Line) -> None:
    values, windows = stored(line, "sim_smallmines", "smallmines-13")
    package = opened(line, "sim_smallmines/package", YEAR).path / PACKAGE_DIRECTORY
    table = gpd.read_parquet(package / "manifest.parquet").query("region == @REGION and year == @YEAR_NUMBER")
    assert set(table["image_path"]) == {f"{YEAR}/IMAGE/IMG_BR_{tile}_{YEAR}.tif" for tile in table["tile"]}
    assert sorted(table["window_id"]) == sorted(windows.index)
    row = table.iloc[0]
    place = windows.index.get_loc(row["window_id"])
    with rasterio.open(package / row["image_path"]) as image, rasterio.open(package / row["label_path"]) as mask:
        assert (image.count, image.shape, image.dtypes[0], image.nodata) == (13, (128, 128), "float32", -9999)
        assert (mask.count, mask.shape, mask.dtypes[0]) == (1, (128, 128), "uint8")
        assert image.descriptions == profiles.profile("smallmines-13").channels
        for number, channel in ((11, "S1-VV"), (12, "S1-VH"), (13, "DEM")):
            np.testing.assert_allclose(image.read(number), values[channel][place], atol=1e-3)


def test_the_release_holds_every_place_in_both_years_on_one_side(line: Line) -> None:
    table = pd.read_parquet(opened(line, "sim_smallmines/manifest", YEAR).path / MANIFEST_FILE)
    places = table.groupby(["region", "window_id"])
    assert len(places) > 10
    assert (places["year"].nunique() == 2).all()
    assert (places["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "val", "test"}
    assert table["patch_id"].is_unique


@pytest.mark.slow
def test_both_years_are_one_package_and_a_place_has_one_tile(line: Line, tmp_path: Path) -> None:
    printed = line.installation.run("export", "--dataset", "sim_smallmines", "--year", "2023", "--out", "x", code=2)
    assert "publishes 2023, 2024 together, as the release of 2024. Ask for --year 2024." in " ".join(printed.split())
    line.installation.run("export", "--dataset", "sim_smallmines", "--year", "2024", "--out", str(tmp_path / "both"))
    table = gpd.read_parquet(tmp_path / "both" / "manifest.parquet")
    assert {path.name for path in (tmp_path / "both").iterdir()} >= {"2023", "2024", "splits_2023.csv", "splits_2024.csv"}
    places = table.groupby(["region", "window_id"])
    assert (places.size() == 2).sum() > 10
    assert (places[["tile", "split"]].nunique() == 1).all(axis=None)
    published = opened(line, "sim_smallmines/package", YEAR).path / PACKAGE_DIRECTORY
    assert (tmp_path / "both" / "checksums.txt").read_bytes() == (published / "checksums.txt").read_bytes()
