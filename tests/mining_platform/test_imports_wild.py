"""Imports of what lies in the wild: tables of other countries and programs, files of other units, orders and directions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from PIL import Image

from mining_platform import patches
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.publishing import Imported
from mining_platform.store.leases import lease
from tests.mining_platform.import_folders import (
    PX,
    ground,
    imported,
    reflectance,
    write_labelled,
    write_smallmines,
    write_splits,
    write_tif,
)

RGB = ("B04", "B03", "B02")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def take(folder: Path, store: ArtifactStore, **options: Any) -> Imported:
    return imported(folder, store, "labelled-folder", **{"channels": RGB, **options})


def table_of(done: Imported) -> pd.DataFrame:
    return pd.read_parquet(done.versions[-1].path / "manifest.parquet").set_index("patch_id")


def stored(store: ArtifactStore, row: int = 1) -> np.ndarray:
    return patches.read_images(open_artifact(store, Ref("imported/patches", "given|ashanti|2021")).path, [row])[0]


def numbers(values: np.ndarray) -> np.ndarray:
    return np.floor(values.astype(float) * 1e4 + 0.5)


def texts(done: Imported) -> list[str]:
    return [finding.line for finding in done.findings]


def test_semicolons_and_decimal_commas_are_read(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    table = folder / "labels.csv"
    table.write_text(table.read_text().replace(",", ";").replace(".", ","), encoding="utf-8-sig")
    assert table_of(take(folder, store)).loc["p1", ["lon", "lat"]].tolist() == [-1.89, 6.1]


@pytest.mark.parametrize(
    "columns",
    [
        {"id": [f"p{number}.npy" for number in range(4)]},
        {"file": [f"p{number}" for number in range(4)]},
        {"file": [f".\\p{number}.npy" for number in range(4)]},
        {"file": [f"C:\\Users\\ana\\p{number}.npy" for number in range(4)]},
        {"file": [f"/content/drive/p{number}.npy" for number in range(4)]},
    ],
)
def test_files_are_found_by_ids_with_suffixes_and_paths_of_other_machines(
    tmp_path: Path, store: ArtifactStore, columns: Mapping[str, Sequence[str]]
) -> None:
    done = take(write_labelled(tmp_path / "wild", **columns), store)
    assert table_of(done)["image_file"].tolist() == ["p0.npy", "p1.npy", "p2.npy", "p3.npy"]


def test_paths_beside_the_table_are_found_in_its_folder(tmp_path: Path, store: ArtifactStore) -> None:
    write_labelled(tmp_path / "wild" / "data", file=[f"p{number}.npy" for number in range(4)])
    assert table_of(take(tmp_path / "wild", store)).loc["p1", "image_file"] == "data/p1.npy"


def test_a_table_in_another_encoding_is_refused_by_its_name_with_the_remedy(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    (folder / "labels.csv").write_text((folder / "labels.csv").read_text().replace("mining", "mineração"), encoding="latin-1")
    with pytest.raises(PatchImportError, match=r"^labels.csv cannot be read: .*Save it as CSV in UTF-8"):
        take(folder, store)


@pytest.mark.parametrize("date", ["2021/03/04", "2021-03-04 10:30", "20210304"])
def test_dates_that_can_mean_one_day_only_are_read(tmp_path: Path, store: ArtifactStore, date: str) -> None:
    done = take(write_labelled(tmp_path / "wild", date=[date] * 4), store)
    assert table_of(done)["date"].str.replace("/", "-").str[:4].tolist() == ["2021"] * 4
    assert table_of(done).loc["p1", "date"] == "2021-03-04"


@pytest.mark.parametrize("year", ["inf", "2021.5", "21", "abc", "99999999999999999999"])
def test_years_that_are_none_are_named(tmp_path: Path, store: ArtifactStore, year: str) -> None:
    folder = write_labelled(tmp_path / "wild", year=["2021", year, "2021", "2021.0"])
    with pytest.raises(PatchImportError, match=r"1 rows with a year that is none: p1 \(line 3\)"):
        take(folder, store)


def test_rows_of_another_year_than_the_one_asked_for_are_named(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild", year=["2021", "2020", "2021", "2021"])
    with pytest.raises(PatchImportError, match=r"1 rows of another year than --year: p1 \(line 3\)"):
        take(folder, store, year=2021)
    done = take(folder, store, year=2021, leave_out_bad_rows=True)
    assert table_of(done).index.tolist() == ["p0", "p2", "p3"]


def test_what_is_kept_though_it_means_something_else_here_is_told(tmp_path: Path, store: ArtifactStore) -> None:
    columns = {"split": ["Training", "valid", "DEV", "holdout"], "date": ["2021-01-01"] * 3 + ["2020-12-31"], "year": [2021] * 4}
    done = take(write_labelled(tmp_path / "wild", **columns), store)
    assert table_of(done)["split"].tolist() == ["train", "val", "val", ""]
    assert table_of(done)["published_split"].tolist() == ["Training", "valid", "DEV", "holdout"]
    assert "1 patches are on a side of the published split that is no train, val or test: p3" in texts(done)
    assert "1 patches have a date of another year than their own; the year counts: p3" in texts(done)


def test_points_outside_of_their_images_ground_are_told(tmp_path: Path, store: ArtifactStore) -> None:
    at = [rasterio.warp.transform("EPSG:32630", "EPSG:4326", [ground(n).c + 40], [ground(n).f - 40]) for n in range(4)]
    lon, lat = [x[0] for x, _ in at], [y[0] for _, y in at]
    done = take(write_labelled(tmp_path / "wild", suffix=".tif", lon=[*lon[:3], lat[3]], lat=[*lat[:3], lon[3]]), store)
    assert texts(done) == ["1 patches have a longitude and latitude outside of their image's ground; both are kept: p3"]


@pytest.mark.parametrize("values", [(20, 200, np.uint8), (5, 60, np.float32)])
def test_8_bit_pictures_and_per_cent_are_not_taken_for_reflectance(
    tmp_path: Path, store: ArtifactStore, values: tuple[int, int, Any]
) -> None:
    folder, (low, high, dtype) = write_labelled(tmp_path / "wild"), values
    for number in range(4):
        np.save(folder / f"p{number}.npy", np.random.default_rng(number).integers(low, high, (3, PX, PX)).astype(dtype))
    with pytest.raises(
        PatchImportError, match=r"4 images hold neither reflectance.*--scale and --offset.*--channels rgb-display"
    ):
        take(folder, store)


def test_scales_and_offsets_of_a_geotiff_count(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild", suffix=".tif")
    for number in range(4):
        path = write_tif(folder / f"p{number}.tif", dn := landsat_numbers(number), place=ground(number), nodata=0)
        with rasterio.open(path, "r+") as raster:
            raster.scales, raster.offsets = (2.75e-5,) * 3, (-0.2,) * 3
    take(folder, store)
    assert (stored(store, 3) == numbers(dn * 2.75e-5 - 0.2)).all()


def landsat_numbers(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(8_000, 14_000, (3, PX, PX)).astype(np.uint16)


def test_reflectance_of_0_or_less_is_seen_after_scale_and_offset(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    for number in range(4):
        np.save(folder / f"p{number}.npy", landsat_numbers(number) - (1_500 if number == 1 else 0))
    with pytest.raises(PatchImportError, match=r"1 images have reflectance of 0 or less: p1.npy"):
        take(folder, store, scale=2.75e-5, offset=-0.2)


def test_images_that_name_their_bands_in_another_order_are_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild", suffix=".tif")
    for number in range(4):
        names = RGB if number else RGB[::-1]
        write_tif(folder / f"p{number}.tif", reflectance(number), place=ground(number), names=names)
    with pytest.raises(PatchImportError, match=r"different orders: \('B02', 'B03', 'B04'\) in 1 \(p0.tif\); .* in 3"):
        take(folder, store, channels=())


def test_an_image_that_is_upside_down_on_the_ground_is_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild", suffix=".tif")
    write_tif(folder / "p1.tif", reflectance(1), place=Affine(10, 0, 600_000, 0, 10, 700_000))
    with pytest.raises(PatchImportError, match=r"p1.tif .*upside down on the ground; gdalwarp writes it north up"):
        take(folder, store)


def write_pictures(folder: Path, mining: int) -> Path:
    """A picture with pure green, and its mask, in the range 010_020."""
    picture = np.full((PX, PX, 3), 90, np.uint8)
    picture[0, 0], picture[0, 1] = (0, 50, 0), (0, 0, 0)
    mask = np.zeros((PX, PX), np.uint8)
    mask[0] = mining
    for kind, values in (("images", picture), ("labels", mask)):
        path = folder / kind / "range_010_020" / "a.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(values).save(path)
    return folder


def test_a_pixel_of_a_picture_without_red_is_the_least_number_and_black_is_no_data(tmp_path: Path, store: ArtifactStore) -> None:
    imported(write_pictures(tmp_path / "ranges", 1), store, "proportion-ranges", year=2021)
    assert stored(store, 0)[:, 0, :3].T.tolist() == [[1, 50, 1], [0, 0, 0], [90, 90, 90]]


def test_masks_of_0_and_255_are_not_taken_for_masks_without_mining(tmp_path: Path, store: ArtifactStore) -> None:
    with pytest.raises(PatchImportError, match=r"labels/range_010_020/a.png has 255 and no 1.*Write mining as 1"):
        imported(write_pictures(tmp_path / "ranges", 255), store, "proportion-ranges", year=2021)


def test_a_year_of_the_table_that_is_none_or_another_is_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_pictures(tmp_path / "ranges", 1)
    (folder / "manifest.csv").write_text("patch_id,year\na,inf\n")
    with pytest.raises(PatchImportError, match=r"manifest.csv: the year of a is no year"):
        imported(folder, store, "proportion-ranges")
    (folder / "manifest.csv").write_text("patch_id,year\na,2020\n")
    with pytest.raises(PatchImportError, match=r"manifest.csv: the year of a is not 2021"):
        imported(folder, store, "proportion-ranges", year=2021)


@pytest.mark.parametrize("name", ["GH_0001_2021", "0001_2021", "2021/IMAGE/IMG_GH_0001_2021.TIF", "mask_0001_2021"])
def test_a_table_of_splits_may_name_patches_in_any_form(tmp_path: Path, store: ArtifactStore, name: str) -> None:
    folder = write_smallmines(tmp_path / "smds", {1: {2021: 3}})
    write_splits(folder / "train_test_splits_2021.csv", [(name, 4.8, "valid")])
    text = (folder / "train_test_splits_2021.csv").read_text()
    (folder / "train_test_splits_2021.csv").write_text(text.replace("patch_name", "Patch_Name"))
    done = imported(folder, store, "smallmines")
    assert table_of(done)["split"].tolist() == ["val"]


def test_names_of_files_that_are_no_text_are_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    (folder / "p0.npy").rename(os.fsdecode(os.fsencode(folder) + b"/p\xe3.npy"))
    with pytest.raises(PatchImportError, match=r"the name 'p.udce3.npy' is not in UTF-8. Rename it"):
        take(folder, store)


def test_an_import_of_the_same_name_that_is_at_work_keeps_others_out(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    (store.root / "imported").mkdir(parents=True)
    with (
        lease(store.root / "imported" / "given.lease"),
        pytest.raises(PatchImportError, match=r"given is being imported by process"),
    ):
        take(folder, store)
    take(folder, store)
