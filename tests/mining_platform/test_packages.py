"""The published layouts: files that give pixels, labels and ranges again, equal bytes, and whatever was touched named."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

from mining_platform import figures, manifests
from mining_platform.datasets import DATASETS
from mining_platform.packages import archives, checksums, sites, smallmines
from mining_platform.packages.credits import Credit, licence_of
from mining_platform.packages.layouts import LAYOUTS, layout
from mining_platform.packages.patch_files import label_share, platform_label, write_site_label
from mining_platform.packages.patch_pixels import PackageInput
from mining_platform.packages.verification import verify_package
from tests.mining_platform.package_inputs import CHANNELS, CREDITS, PX, YEARS, given_of, images, write, write_land_cover


@pytest.fixture(scope="module")
def land_cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_land_cover(tmp_path_factory.mktemp("map") / "land_cover.tif")


@pytest.fixture(scope="module")
def given(land_cover: Path) -> PackageInput:
    return given_of(land_cover, with_bands=True)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory, given: PackageInput) -> dict[str, Path]:
    """One package of each layout."""
    found = {name: tmp_path_factory.mktemp(name) / name for name in LAYOUTS}
    for name, out in found.items():
        write(out, name, given)
    return found


@pytest.fixture(params=list(LAYOUTS))
def package(request: pytest.FixtureRequest, packages: dict[str, Path]) -> Path:
    return packages[request.param]


def table_of(package: Path) -> gpd.GeoDataFrame:
    return gpd.read_parquet(package / "manifest.parquet")


def copied(package: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(package, tmp_path / package.name))


def problems(package: Path) -> dict[str, str]:
    return {each.file: each.problem for each in verify_package(package).problems}


def test_every_dataset_has_a_layout() -> None:
    assert {row.layout for row in DATASETS.values()} <= set(LAYOUTS)
    with pytest.raises(KeyError, match="known: proportion-ranges, smallmines, sites"):
        layout("folders")


def test_a_package_is_whole_and_every_range_comes_out_of_its_label_again(package: Path) -> None:
    found = verify_package(package)
    assert found.problems == ()
    assert found.recomputed == found.patches == len(table_of(package)) > 20
    assert found.layout == package.name


def test_patches_that_were_dropped_are_not_published(package: Path, given: PackageInput) -> None:
    kept = given.manifest[~given.manifest["dropped"]]
    left_out = {"buffer"} if package.name == "sites" else set()
    assert set(table_of(package)["patch_id"]) == set(kept.loc[~kept["split"].isin(left_out), "patch_id"])
    assert len(kept) == len(given.manifest) - 1


def test_the_manifest_keeps_every_column_and_value(package: Path, given: PackageInput) -> None:
    table = table_of(package)
    columns = list(manifests.PATCH_TABLE.columns)
    expected = given.manifest.set_index("patch_id").loc[table["patch_id"]].reset_index()[columns]
    pd.testing.assert_frame_equal(pd.DataFrame(table[columns]), pd.DataFrame(expected), check_dtype=False)
    manifests.validate_manifest(table[columns])
    text = pd.read_csv(package / "manifest.csv", dtype={"range": str}, keep_default_na=False)
    assert text["patch_id"].tolist() == table["patch_id"].tolist()
    assert text["share"].tolist() == table["share"].tolist()


def test_pixels_of_all_bands_are_those_of_the_store(package: Path) -> None:
    column, nodata = ("bands_path", 0) if package.name == "proportion-ranges" else ("image_path", 0)
    nodata = -9999 if package.name == "smallmines" else nodata
    for row in table_of(package).itertuples():
        with rasterio.open(package / getattr(row, column)) as raster:
            pixels = raster.read()
            assert raster.nodata == nodata
            assert raster.descriptions == CHANNELS
            assert raster.crs.to_epsg() == row.epsg
            assert tuple(raster.bounds) == (row.minx, row.miny, row.maxx, row.maxy)
            assert raster.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")
        assert (np.where(pixels == nodata, 0, pixels) == images("here", row.year, [row.store_row])[0]).all()


def test_labels_are_those_of_the_store(packages: dict[str, Path], given: PackageInput) -> None:
    for row in table_of(packages["smallmines"]).itertuples():
        with rasterio.open(packages["smallmines"] / row.label_path) as raster:
            assert (raster.read(1) == given.labels("here", 2024, [row.store_row])[0]).all()
            assert raster.nodata == 255
    for row in table_of(packages["sites"]).itertuples():
        with Image.open(packages["sites"] / row.label_path) as picture:
            assert picture.mode == "P"
            assert picture.getpalette()[6:9] == [253, 231, 36]
            assert (platform_label(np.asarray(picture)) == given.labels("here", 2024, [row.store_row])[0]).all()


def test_label_clips_keep_the_native_grid_and_colours_and_cover_the_patch(packages: dict[str, Path], land_cover: Path) -> None:
    row = table_of(packages["proportion-ranges"]).iloc[5]
    with rasterio.open(packages["proportion-ranges"] / row["label_path"]) as clip, rasterio.open(land_cover) as whole:
        column, line = ~whole.transform * (clip.transform.c, clip.transform.f)
        assert column == pytest.approx(round(column), abs=1e-6)
        window = rasterio.windows.Window(round(column), round(line), clip.width, clip.height)
        assert (clip.read(1) == whole.read(1, window=window)).all()
        assert clip.colormap(1)[30] == (156, 0, 39, 255)
        assert clip.nodata == 0
        assert clip.bounds.left < row["west"]
        assert clip.bounds.top > row["north"]


def test_folders_are_named_by_range(packages: dict[str, Path]) -> None:
    table = table_of(packages["proportion-ranges"])
    for column, folder, suffix in (
        ("image_path", "images", "png"),
        ("label_path", "labels", "tif"),
        ("bands_path", "bands", "tif"),
    ):
        expected = [f"{folder}/range_{r}/{p}.{suffix}" for r, p in zip(table["range"], table["patch_id"], strict=True)]
        assert table[column].tolist() == expected


def test_pictures_have_the_stated_stretch(packages: dict[str, Path]) -> None:
    row = table_of(packages["proportion-ranges"]).iloc[3]
    with Image.open(packages["proportion-ranges"] / row["image_path"]) as picture:
        pixels = np.asarray(picture)
    red = images("here", 2024, [row["store_row"]])[0][CHANNELS.index("B04")]
    expected = 255 * (red * 1e-4 / figures.RGB_MAX_REFLECTANCE) ** (1 / figures.RGB_GAMMA)
    assert pixels.shape == (PX, PX, 3)
    assert np.abs(pixels[..., 0] - np.minimum(expected, 255)).max() <= 0.5


def test_a_tile_is_the_same_ground_in_every_year(land_cover: Path, tmp_path: Path) -> None:
    given = given_of(land_cover, YEARS)
    write(tmp_path / "p", "smallmines", given, YEARS)
    table = table_of(tmp_path / "p")
    assert (table.groupby("tile")["window_id"].nunique() == 1).all()
    assert (table.groupby("window_id")["tile"].nunique() == 1).all()
    first = table.iloc[0]
    assert first["image_path"] == f"{first['year']}/IMAGE/IMG_BR_{first['tile']}_{first['year']}.tif"
    assert verify_package(tmp_path / "p").problems == ()
    for year in YEARS:
        splits = pd.read_csv(tmp_path / "p" / f"splits_{year}.csv", dtype={"bin": str})
        assert list(splits.columns) == ["patch_name", "class_percentage", "bin", "split"]
        of_year = table[table["year"] == year]
        of_year = of_year.set_index(of_year["image_path"].map(lambda path: Path(path).stem))
        assert splits.set_index("patch_name")["class_percentage"].to_dict() == pytest.approx(
            (100 * of_year["share_nn"]).to_dict(), abs=1e-5
        )


def test_ground_on_two_sides_in_two_years_is_refused(land_cover: Path, tmp_path: Path) -> None:
    given = given_of(land_cover, YEARS)
    leaky = given.manifest.copy()
    window = leaky.loc[~leaky["dropped"] & (leaky["split"] == "train"), "window_id"].iloc[0]
    leaky.loc[(leaky["window_id"] == window) & (leaky["year"] == 2024), "split"] = "test"
    with pytest.raises(ValueError, match=r"same ground in different splits.*paired"):
        write(tmp_path / "p", "smallmines", replace(given, manifest=leaky), YEARS)


def test_a_site_lies_in_one_split_and_its_name_has_no_number_to_take_off(packages: dict[str, Path]) -> None:
    table = table_of(packages["sites"])
    assert (table.groupby("site")["split"].nunique() == 1).all()
    assert not table["site"].str.contains(r"_\d+$").any()
    assert table["site"].str.fullmatch(r"[A-Za-z0-9-]+").all()
    mapping = pd.read_csv(packages["sites"] / "filename_mapping.csv")
    assert list(mapping.columns) == ["split", "site", "original", "new", "index"]
    row = mapping.iloc[1]
    assert row["new"] == f"{row['index']:05d}.tif"
    expected = f"{row['split']}/images/{row['site']}/{row['new']}"
    assert table.set_index("patch_id").loc[row["original"].removesuffix(".tif"), "image_path"] == expected


def test_sites_of_one_folder_name_are_refused(given: PackageInput) -> None:
    windows = sorted(set(given.manifest["window_id"]))
    groups = {window: f"a{'+ '[place % 2]}b" for place, window in enumerate(windows)}
    with pytest.raises(ValueError, match="same folder names"):
        sites.site_names(given.manifest, replace(given, groups=groups))


def test_a_cloud_in_a_site_label_has_no_class_for_the_platform() -> None:
    assert platform_label(np.array([[0, 1, 2, 255]], np.uint8)).tolist() == [[0, 255, 1, 255]]


def test_a_label_value_without_a_meaning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has the values \[7\]"):
        write_site_label(tmp_path / "label.png", np.full((2, 2), 7, np.uint8))


def test_a_share_of_nothing_is_not_a_number() -> None:
    assert label_share(np.array([[1, 0, 255, 255]], np.uint8)) == 0.5
    assert np.isnan(label_share(np.full((2, 2), 255, np.uint8)))


def test_two_packages_of_the_same_input_are_the_same_bytes(package: Path, given: PackageInput, tmp_path: Path) -> None:
    shuffled = replace(given, manifest=given.manifest.sample(frac=1, random_state=1))
    facts = write(tmp_path / package.name, package.name, shuffled)
    assert (tmp_path / package.name / "checksums.txt").read_bytes() == (package / "checksums.txt").read_bytes()
    assert facts["patches"] == len(table_of(package))
    assert facts["files"] == sum(path.is_file() for path in package.rglob("*"))
    for suffix, write_archive in archives.ARCHIVES.items():
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir(exist_ok=True)
        write_archive(package, tmp_path / "one" / f"p{suffix}")
        write_archive(tmp_path / package.name, tmp_path / "two" / f"p{suffix}")
        first, second = ((tmp_path / folder / f"p{suffix}").read_bytes() for folder in ("one", "two"))
        assert first == second


def test_an_archive_holds_every_file_under_one_folder(packages: dict[str, Path], tmp_path: Path) -> None:
    package = packages["proportion-ranges"]
    archives.write_zip(package, tmp_path / "p.zip")
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert archive.testzip() is None
        names = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
        assert set(archive.namelist()) == names
        assert archive.read(f"{package.name}/README.md") == (package / "README.md").read_bytes()


def test_the_card_gives_numbers_terms_citation_and_the_simulated_banner(package: Path) -> None:
    text = (package / "README.md").read_text()
    table = table_of(package)
    assert text.startswith("# SIMULATED · Patches of a test\n")
    assert "rest on simulated data" in text
    assert f"{len(table)} patches of 480 m a side (48 pixels of 10 m), year 2024" in text
    assert "contains modified Copernicus Sentinel data 2024" in text
    assert "Silva, Ana" in text
    assert "@" in text.split("```bibtex")[1]
    zero = table[table["range"] == "000"]["split"].value_counts()
    counts = " | ".join(str(zero[name]) for name in ("train", "test", "buffer") if name in zero)
    assert f"| 000 | {counts} | " in text


def test_a_package_of_open_sources_is_open_and_one_of_unknown_terms_says_nothing() -> None:
    unknown = Credit("Labels", "polygons of someone, under the terms of their authors.", "", "", "")
    assert licence_of(CREDITS)[0] == "CC-BY-4.0"
    assert licence_of((*CREDITS, unknown)) == ("", "")
    simulated = Credit("Scenes", "SIMULATED", "CC0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/", "")
    assert licence_of([simulated])[0] == "CC0-1.0"


def test_a_layout_of_one_year_refuses_two(land_cover: Path, tmp_path: Path) -> None:
    given = given_of(land_cover, YEARS)
    for name in ("proportion-ranges", "sites"):
        with pytest.raises(ValueError, match="holds one year"):
            write(tmp_path / name, name, given, YEARS)


def test_a_release_without_patches_is_refused(given: PackageInput, tmp_path: Path) -> None:
    gone = given.manifest.assign(dropped=True)
    with pytest.raises(ValueError, match="no patch is left to publish"):
        write(tmp_path / "p", "smallmines", replace(given, manifest=gone))


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("harm", [damaged, truncated, Path.unlink])
def test_a_touched_file_is_named_whichever_it_is(package: Path, harm: Callable[[Path], None], tmp_path: Path) -> None:
    copy = copied(package, tmp_path)
    touched = [table_of(copy).iloc[7][column] for column in ("image_path", "label_path")] + ["manifest.csv", "README.md"]
    for name in touched:
        harm(copy / name)
    assert set(problems(copy)) == set(touched)


def test_a_renamed_file_is_named_by_both_names(package: Path, tmp_path: Path) -> None:
    copy = copied(package, tmp_path)
    name = table_of(copy).iloc[4]["image_path"]
    (copy / name).rename((copy / name).with_name(f"other{Path(name).suffix}"))
    found = problems(copy)
    assert found[name] == "is missing"
    assert len(found) == 2


def rewritten(copy: Path) -> None:
    """Checksums made again, as someone would who wants a change to go unseen."""
    (copy / "checksums.txt").unlink()
    checksums.write_checksums(copy)


def test_a_wrong_label_is_found_by_its_range_though_the_checksums_were_made_again(package: Path, tmp_path: Path) -> None:
    copy = copied(package, tmp_path)
    table = table_of(copy)
    row = table[table["range"] == "050_060"].iloc[0]
    if row["label_path"].endswith(".png"):
        write_site_label(copy / row["label_path"], np.zeros((PX, PX), np.uint8))
    else:
        with rasterio.open(copy / row["label_path"], "r+") as raster:
            raster.write(
                np.where(raster.read(1) == 255, 255, 3 if package.name == "proportion-ranges" else 0).astype(np.uint8), 1
            )
    assert row["label_path"] in problems(copy)
    rewritten(copy)
    assert "gives range 000" in problems(copy)[row["label_path"]]


def test_one_wrong_label_pixel_is_found_by_its_share(packages: dict[str, Path], tmp_path: Path) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    row = table_of(copy)[table_of(copy)["range"] == "050_060"].iloc[0]
    with rasterio.open(copy / row["label_path"], "r+") as raster:
        values = raster.read(1)
        values[20, 20] = 1 - values[20, 20]
        raster.write(values, 1)
    rewritten(copy)
    assert list(problems(copy)) == [row["label_path"]]
    assert "a mining share of" in problems(copy)[row["label_path"]]


@pytest.mark.parametrize("value", [7, 254])
def test_a_value_that_no_label_has_is_named(packages: dict[str, Path], tmp_path: Path, value: int) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    name = table_of(copy).iloc[0]["label_path"]
    with rasterio.open(copy / name, "r+") as raster:
        values = raster.read(1)
        values[0, 0] = value
        raster.write(values, 1)
    rewritten(copy)
    assert f"has the label values [{value}]" in problems(copy)[name]


def test_a_manifest_that_was_edited_is_named_though_the_checksums_were_made_again(package: Path, tmp_path: Path) -> None:
    copy = copied(package, tmp_path)
    table = table_of(copy)
    table.loc[3, "is_mining"] = not table.loc[3, "is_mining"]
    table.to_parquet(copy / "manifest.parquet")
    rewritten(copy)
    found = problems(copy)
    assert "breaks its rules" in found["manifest.parquet"]
    assert "is not the table of" in found["manifest.csv"]


def test_a_path_that_leads_out_of_the_package_is_not_followed(packages: dict[str, Path], tmp_path: Path) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    table = table_of(copy)
    table.loc[0, "image_path"] = "../outside.tif"
    table.to_parquet(copy / "manifest.parquet")
    rewritten(copy)
    assert "is no path inside the package" in problems(copy)["../outside.tif"]


def test_a_link_in_a_package_is_refused(packages: dict[str, Path], tmp_path: Path) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    (copy / "link.tif").symlink_to("/etc/hostname")
    with pytest.raises(checksums.ChecksumError, match=r"link\.tif is a link"):
        verify_package(copy)


def test_a_file_that_claims_to_be_huge_is_not_decoded(packages: dict[str, Path], tmp_path: Path) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    name = table_of(copy).iloc[0]["image_path"]
    profile = {"driver": "GTiff", "height": 60_000, "width": 60_000, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(copy / name, "w", **profile, tiled=True):
        pass
    rewritten(copy)
    assert "claims 60000 x 60000 pixels" in problems(copy)[name]


@pytest.mark.parametrize("content", ["", "no digest", "00  a\n", f"{'0' * 64}  a\n{'0' * 64}  a\n"])
def test_checksums_that_are_none_are_told(packages: dict[str, Path], tmp_path: Path, content: str) -> None:
    copy = copied(packages["smallmines"], tmp_path)
    (copy / "checksums.txt").write_text(content)
    if not content:
        assert set(problems(copy).values()) == {"is not listed"}
        return
    with pytest.raises(checksums.ChecksumError, match="line"):
        verify_package(copy)


def test_a_package_without_its_description_is_told_and_its_files_still_checked(package: Path, tmp_path: Path) -> None:
    copy = copied(package, tmp_path)
    (copy / "datapackage.json").write_text(json.dumps({"name": "other"}))
    damaged(copy / "README.md")
    assert {"datapackage.json", "README.md"} <= set(problems(copy))


def test_a_checked_file_lists_the_numbers_of_windows_wanted(packages: dict[str, Path], given: PackageInput) -> None:
    shortage = pd.read_csv(packages["proportion-ranges"] / "shortage.csv", dtype={"range": str}, keep_default_na=False)
    assert shortage["wanted"].sum() == given.shortage["wanted"].sum() == 22
    splits = pd.read_csv(packages["proportion-ranges"] / "splits.csv")
    assert splits["split"].value_counts().to_dict() == table_of(packages["proportion-ranges"])["split"].value_counts().to_dict()


def test_tiles_have_four_digits_and_five_where_there_are_more() -> None:
    table = pd.DataFrame({"region": "here", "window_id": [f"w{k:05d}" for k in range(10_001)]})
    assert smallmines.tiles(table.head(3)) == ["0000", "0001", "0002"]
    assert smallmines.tiles(table)[-1] == "10000"
