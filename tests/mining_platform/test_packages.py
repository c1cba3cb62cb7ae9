"""The published layout: folders by range, label clips that give the range again, checksums, equal bytes."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image

from mining_platform import figures, manifests, sampling
from mining_platform.candidates import candidates
from mining_platform.datasets import RANGES
from mining_platform.grids import WindowGrid
from mining_platform.packages import checksums, proportion_ranges
from tests.mining_platform.class_maps import small_row

MINING = frozenset({30})
CHANNELS = ("B02", "B03", "B04", "B08")
STEP = 0.00026949458523585647


@pytest.fixture(scope="module")
def land_cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    field = np.kron(rng.random((10, 10)), np.ones((20, 20))) + 0.2 * rng.random((200, 200))
    classes = np.where(field > 0.7, 30, 3).astype(np.uint8)
    path = tmp_path_factory.mktemp("map") / "land_cover.tif"
    profile = {"driver": "GTiff", "height": 200, "width": 200, "count": 1, "dtype": "uint8", "crs": "EPSG:4326", "nodata": 0}
    with rasterio.open(path, "w", **profile, transform=Affine(STEP, 0, -57.02, 0, -STEP, -6.98)) as raster:
        raster.write(classes, 1)
        raster.write_colormap(1, {3: (31, 141, 73, 255), 30: (156, 0, 39, 255)})
    return path


@pytest.fixture(scope="module")
def manifest(land_cover: Path) -> gpd.GeoDataFrame:
    grid = WindowGrid(32721, 48, 498_240, 9_227_520, 10, 10)
    table, _ = candidates(land_cover, grid, small_row(), region_id="here", year=2024)
    chosen = table[table["eligible"]].reset_index(drop=True)
    assert chosen["range"].nunique() >= 9
    count = len(chosen)
    index = pd.DataFrame(
        {
            "patch_id": chosen["window_id"] + "_2024",
            "window_id": chosen["window_id"],
            "year": 2024,
            "row": [-1, *range(count - 1)],
        }
    )
    index = index.assign(
        dropped=index["row"] < 0, drop_reason=["too cloudy", *[""] * (count - 1)], masked_share=0.0, clear_min=3, clear_median=5.0
    )
    splits = pd.DataFrame({"window_id": chosen["window_id"], "split": [("train", "test")[k % 2] for k in range(count)]})
    scenes = gpd.GeoDataFrame({"scene_id": ["S2A_x"]}, geometry=[shapely.box(-58, -8, -56, -6)], crs=4326)
    sources = {("here", 2024): manifests.PartitionSources("BR", "10", scenes, simulated=True)}
    return manifests.build_manifest(chosen, index, splits, sources=sources, recipe="mapbiomas-mining", profile="rgb")


def images(_region: str, rows: list[int]) -> np.ndarray:
    """Each patch is even and as bright as its store row says."""
    return np.stack([np.full((len(CHANNELS), 48, 48), 100 + 10 * row, dtype=np.uint16) for row in rows])


def write(out: Path, manifest: gpd.GeoDataFrame, land_cover: Path) -> dict[str, object]:
    wanted = {("000", "random"): 20, ("000_010", ""): 2, **{(name, ""): 0 for name in RANGES[2:]}}
    counts = sampling.count_table(manifest.assign(eligible=True), list(wanted))
    shortage = sampling.shortage(sampling.quotas(counts, wanted, ["here"]))
    return proportion_ranges.write_package(
        out, manifest, images, CHANNELS, lambda _region: land_cover,
        shortage=shortage, title="Patches of a test", licence_lines=["Contains modified Copernicus Sentinel data 2024"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, manifest: gpd.GeoDataFrame, land_cover: Path) -> Path:
    out = tmp_path_factory.mktemp("package")
    write(out, manifest, land_cover)
    return out


def test_each_patch_has_its_picture_and_label_in_the_folder_of_its_range(package: Path, manifest: gpd.GeoDataFrame) -> None:
    kept = manifest[~manifest["dropped"]]
    expected = {f"range_{r}/{p}" for r, p in zip(kept["range"], kept["patch_id"], strict=True)}
    for folder, suffix in (("images", ".png"), ("labels", ".tif")):
        found = {f"{path.parent.name}/{path.stem}" for path in (package / folder).rglob(f"*{suffix}")}
        assert found == expected
    assert manifest["dropped"].sum() == 1


def test_pictures_are_of_their_own_store_row(package: Path, manifest: gpd.GeoDataFrame) -> None:
    for row in manifest[~manifest["dropped"]].itertuples():
        with Image.open(package / proportion_ranges.image_path(row.patch_id, row.range)) as picture:
            pixels = np.asarray(picture)
        assert pixels.shape == (48, 48, 3)
        expected = round(255 * ((100 + 10 * row.store_row) * 1e-4 / figures.RGB_MAX_REFLECTANCE) ** (1 / figures.RGB_GAMMA))
        assert (pixels == min(expected, 255)).all()


def test_every_patch_falls_back_into_its_own_range_from_its_label_clip(package: Path) -> None:
    table = proportion_ranges.recompute_ranges(package, MINING)
    assert len(table) > 20
    assert (table["recomputed_range"] == table["range"]).all()
    assert np.abs(table["recomputed_share"] - table["share"]).max() < 1e-9


def test_a_patch_in_a_wrong_folder_is_found_out(manifest: gpd.GeoDataFrame, tmp_path: Path) -> None:
    kept = manifest[(~manifest["dropped"]) & (manifest["range"] != "000")].head(3).copy()
    kept.drop(columns="geometry").to_csv(tmp_path / "manifest.csv", index=False)
    empty = {"driver": "GTiff", "height": 60, "width": 60, "count": 1, "dtype": "uint8", "crs": "EPSG:32721"}
    for row in kept.itertuples():
        path = tmp_path / proportion_ranges.label_path(row.patch_id, row.range)
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", **empty, transform=Affine(10, 0, row.minx - 50, 0, -10, row.maxy + 50)) as raster:
            raster.write(np.full((60, 60), 3, np.uint8), 1)
    assert set(proportion_ranges.recompute_ranges(tmp_path, MINING)["recomputed_range"]) == {"000"}


def test_label_clips_keep_the_native_grid_and_colours_and_cover_the_patch(
    package: Path, manifest: gpd.GeoDataFrame, land_cover: Path
) -> None:
    row = manifest[~manifest["dropped"]].iloc[5]
    with (
        rasterio.open(package / proportion_ranges.label_path(row["patch_id"], row["range"])) as clip,
        rasterio.open(land_cover) as whole,
    ):
        column, line = ~whole.transform * (clip.transform.c, clip.transform.f)
        assert column == pytest.approx(round(column), abs=1e-6)
        window = rasterio.windows.Window(round(column), round(line), clip.width, clip.height)
        assert (clip.read(1) == whole.read(1, window=window)).all()
        assert clip.colormap(1)[30] == (156, 0, 39, 255)
        assert clip.nodata == 0
        assert clip.bounds.left < row["west"]
        assert clip.bounds.top > row["north"]
        assert "SIMULATED" in clip.tags()["TIFFTAG_IMAGEDESCRIPTION"]


def test_the_tables_hold_the_published_patches(package: Path, manifest: gpd.GeoDataFrame) -> None:
    kept = manifest[~manifest["dropped"]].reset_index(drop=True)
    table = pd.read_csv(package / "manifest.csv", dtype={"range": str, "label_collection": str})
    assert table["patch_id"].tolist() == kept["patch_id"].tolist()
    assert table["share"].tolist() == kept["share"].tolist()
    assert gpd.read_parquet(package / "manifest.parquet")["patch_id"].tolist() == kept["patch_id"].tolist()
    assert pd.read_csv(package / "shortage.csv")["wanted"].sum() == 22


def test_the_card_gives_numbers_terms_and_the_simulated_banner(package: Path, manifest: gpd.GeoDataFrame) -> None:
    text = (package / "README.md").read_text()
    assert text.startswith("# SIMULATED · Patches of a test\n")
    assert "rest on simulated data" in text
    assert f"{(~manifest['dropped']).sum()} patches of 480 m a side, year 2024" in text
    assert "Contains modified Copernicus Sentinel data 2024" in text
    zero = manifest[(~manifest["dropped"]) & (manifest["range"] == "000")]["split"].value_counts()
    assert f"| 000 | {zero['train']} | {zero['test']} | {zero.sum()} |" in text


def test_two_packages_of_the_same_input_are_the_same_bytes(
    package: Path, manifest: gpd.GeoDataFrame, land_cover: Path, tmp_path: Path
) -> None:
    facts = write(tmp_path, manifest.sample(frac=1, random_state=1), land_cover)
    assert (tmp_path / "checksums.txt").read_bytes() == (package / "checksums.txt").read_bytes()
    assert checksums.wrong_files(tmp_path) == []
    assert facts["patches"] == (~manifest["dropped"]).sum()
    assert facts["simulated"] is True
    assert facts["files"] == sum(path.is_file() for path in tmp_path.rglob("*"))


def test_a_changed_missing_or_foreign_file_is_named(manifest: gpd.GeoDataFrame, land_cover: Path, tmp_path: Path) -> None:
    write(tmp_path, manifest.head(5), land_cover)
    (tmp_path / "README.md").write_text("other")
    (tmp_path / "shortage.csv").unlink()
    (tmp_path / "stray.txt").write_text("stray")
    assert checksums.wrong_files(tmp_path) == ["README.md", "shortage.csv", "stray.txt"]


def test_a_manifest_of_two_years_is_refused(manifest: gpd.GeoDataFrame, land_cover: Path, tmp_path: Path) -> None:
    both = pd.concat([manifest, manifest.assign(year=2023)])
    with pytest.raises(ValueError, match="holds one year"):
        write(tmp_path, both, land_cover)


def test_the_stretch_is_fixed_and_shows_nodata_black() -> None:
    image = np.zeros((3, 1, 4), dtype=np.uint16)
    image[:, 0] = [0, 1500, 3000, 9000]
    shown = figures.rgb_uint8(image, ("B04", "B03", "B02"))
    assert shown[0, :, 0].tolist() == [0, round(255 * 0.5 ** (1 / figures.RGB_GAMMA)), 255, 255]


def test_red_green_and_blue_are_found_by_role_and_not_by_position() -> None:
    image = np.array([0, 1000, 3000], dtype=np.uint16)[:, None, None]
    assert figures.rgb_uint8(image, ("B02", "B03", "B04"))[0, 0].tolist()[::2] == [255, 0]
    with pytest.raises(KeyError, match="role 'blue'"):
        figures.rgb_uint8(image, ("B8A", "B03", "B04"))
    with pytest.raises(ValueError, match="one band for each"):
        figures.rgb_uint8(image, CHANNELS)


def test_a_contact_sheet_is_the_same_bytes_twice_and_says_when_it_is_empty() -> None:
    pictures = [np.full((8, 8, 3), 40 * k, dtype=np.uint8) for k in range(3)]
    first, second = (figures.contact_sheet(pictures, ["a", "b", "c"], title="Patches", simulated=True) for _ in range(2))
    assert first == second
    assert figures.contact_sheet([], [], title="Patches", simulated=False).startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="3 pictures but 1 titles"):
        figures.contact_sheet(pictures, ["a"], title="Patches", simulated=False)
