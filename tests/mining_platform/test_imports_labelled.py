"""Folders of labelled patches as found in the wild: bad rows, doubtful pixels, files that are none; and pictures by range."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mining_platform import patches
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.imports.channels import wanted_channels
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.publishing import Imported
from tests.mining_platform.import_folders import PX, imported, reflectance, write_labelled, write_tif

STORE = Ref("imported/patches", "given|ashanti|2021")
RGB = ("B04", "B03", "B02")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def take(folder: Path, store: ArtifactStore, **options: Any) -> Imported:
    return imported(folder, store, "labelled-folder", **{"channels": RGB, **options})


def texts(done: Imported) -> str:
    return " | ".join(finding.line for finding in done.findings)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_patches_with_a_class_each_become_a_store_whose_pixels_have_none(
    tmp_path: Path, store: ArtifactStore, suffix: str
) -> None:
    done = take(write_labelled(tmp_path / "wild", suffix=suffix), store)
    out = open_artifact(store, STORE).path
    assert (patches.read_images(out, [1])[0] == np.floor(reflectance(1).astype(float) * 1e4 + 0.5)).all()
    assert (patches.read_labels(out, [0, 1, 2, 3]) == 255).all()
    table = pd.read_parquet(done.versions[-1].path / "manifest.parquet").set_index("patch_id")
    assert table["is_mining"].tolist() == [False, True, False, True]
    assert table["split"].tolist() == ["train", "train", "train", "test"]
    assert table["share"].isna().all()
    assert table.loc["p1", ["lon", "lat", "date"]].tolist() == [-1.89, 6.1, "2021-03-04"]
    assert ("minx" in table) == (suffix == ".tif")
    assert ("proj:code" in patches.zarr_arrays.group_attributes(out / "patches.zarr")) == (suffix == ".tif")


def test_bands_last_and_columns_of_other_names_are_understood(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    for path in folder.glob("*.npy"):
        np.save(path, np.moveaxis(np.load(path), 0, -1))
    table = (folder / "labels.csv").read_text().replace("lon,lat", "Longitude,breite").replace("id,", "name,", 1)
    (folder / "labels.csv").write_text(table)
    done = take(folder, store, columns={"lat": "breite"})
    image = patches.read_images(open_artifact(store, STORE).path, [1])[0]
    assert (image == np.floor(reflectance(1).astype(float) * 1e4 + 0.5)).all()
    assert pd.read_parquet(done.versions[-1].path / "manifest.parquet")["lat"].tolist() == [6.1] * 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["p0", "p1", "p2", "p9"]}, r"1 rows without a file: p9 \(line 5\); 1 files without a row: p3.npy"),
        ({"lon": [-1.9, -1.9, 191, -1.9]}, r"1 rows with a longitude or latitude out of range: p2 \(line 4\)"),
        ({"lat": [6.1, "six", 6.1, 6.1]}, r"1 rows with a longitude or latitude out of range: p1 \(line 3\)"),
        (
            {"lon": [-60, -60, -60, -3.0], "lat": [-3.0, -3.0, -3.0, -60]},
            r"1 rows whose longitude and latitude look swapped: p3 \(line 5\)",
        ),
        ({"lon": [10, 10, 10, 10], "lat": [6, 6, 6, 120]}, r"1 rows whose longitude and latitude look swapped: p3 \(line 5\)"),
        ({"date": ["2021-03-04", "2021-13-04", "2021", "20210304"]}, r"1 rows with an unreadable date: p1 \(line 3\)"),
        ({"label": ["mining", "mining", "maybe", "other"]}, r"1 rows with an unknown label: p2 \(line 4\)"),
        ({"id": ["p0", "p1", "p1", "p3"]}, r"2 ids of several rows: p1 \(line 3\), p1 \(line 4\)"),
        ({"date": ["2021-03-04", "", "2021", "20210304"]}, r"1 rows without a year \(no date, and no --year\): p1 \(line 3\)"),
        ({"file": ["p0.npy", "../p1.npy", "/etc/passwd", "p3.npy"]}, r"2 rows without a file: p1 \(line 3\), p2 \(line 4\)"),
    ],
)
def test_rows_that_cannot_be_used_are_named_with_why_and_can_be_left_out(
    tmp_path: Path, store: ArtifactStore, columns: dict[str, list[Any]], message: str
) -> None:
    folder = write_labelled(tmp_path / "wild", **columns)
    with pytest.raises(PatchImportError, match=message):
        take(folder, store)
    assert not store.root.exists()
    done = take(folder, store, leave_out_bad_rows=True)
    assert done.patches in (2, 3)
    assert "are left out" in texts(done)


def doubtful(folder: Path, kind: str) -> Path:
    """A folder in which p1 is not as the others."""
    write_labelled(folder)
    values = reflectance(1)
    match kind:
        case "constant":
            values[:] = 0.07
        case "nonpositive":
            values[0, 0, 0], values[0, 0, 1], values[0, 0, 2] = 0, -0.05, -9999
        case "duplicates":
            values = reflectance(2)
        case "units":
            values = np.floor(values * 1e4 + 0.5)
    np.save(folder / "p1.npy", values.astype(np.float32))
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("constant", r"1 images have one value in each band: p1.npy"),
        ("nonpositive", r"1 images have reflectance of 0 or less: p1.npy"),
        ("duplicates", r"2 images have exactly the pixels of another: p1.npy, p2.npy"),
        ("units", r"1 images hold values from 0 to 10,000, the others from 0 to 1: p1.npy"),
    ],
)
def test_doubtful_pixels_are_refused_by_name_or_kept_and_told(
    tmp_path: Path, store: ArtifactStore, kind: str, message: str
) -> None:
    folder = doubtful(tmp_path / "wild", kind)
    with pytest.raises(PatchImportError, match=f"{message}.*--keep {kind}"):
        take(folder, store)
    assert not store.root.exists()
    done = take(folder, store, keep=frozenset({kind}))
    assert [finding.kind for finding in done.findings] == [kind]
    image = patches.read_images(open_artifact(store, STORE).path, [1])[0]
    expected = np.floor(reflectance(1).astype(float) * 1e4 + 0.5)
    match kind:
        case "units":
            assert (image == expected).all()
        case "nonpositive":
            assert image[0, 0, :4].tolist() == [0, 1, 0, expected[0, 0, 3]]
        case "constant":
            assert (image == 700).all()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "p1.npy",
            np.full((3, PX, PX), np.nan, np.float32),
            r"1 images hold values that are no numbers \(NaN or infinite\).*p1.npy",
        ),
        ("p1.npy", reflectance(1)[:, :7], r"different sizes .*\(7, 8\) in 1 \(p1.npy\)"),
        ("p1.npy", reflectance(1)[:2], r"Images of other than 3 bands: \(2, 8, 8\) in 1 \(p1.npy\)"),
        ("p1.npy", (reflectance(1) * 1e4).astype(np.uint16), r"Images of different types: uint16 in 1 \(p1.npy\)"),
        ("p1.npy", np.array([{"a": 1}], dtype=object), r"p1.npy"),
        ("p1.npy", reflectance(1) * 1e9, r"1 images hold neither reflectance|can be stored"),
        ("p1.npy", np.zeros((2, 2, 2, 2), np.float32), r"p1.npy holds float32 of shape \(2, 2, 2, 2\)"),
    ],
)
def test_files_that_cannot_be_stored_are_refused_by_name(
    tmp_path: Path, store: ArtifactStore, name: str, values: np.ndarray, message: str
) -> None:
    folder = write_labelled(tmp_path / "wild")
    np.save(folder / name, values, allow_pickle=True)
    with pytest.raises(PatchImportError, match=message):
        take(folder, store, keep=frozenset({"constant", "nonpositive"}))
    assert not store.root.exists()


def test_a_header_that_promises_more_than_the_file_holds_is_refused_before_reading(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    header = {"descr": "<f4", "fortran_order": False, "shape": (60, 4096, 4096)}
    with (folder / "p1.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(PatchImportError, match=r"p1.npy declares 4026531840 bytes of pixels and holds 0"):
        take(folder, store)


def test_a_patch_without_any_data_is_listed_and_not_stored(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild", suffix=".tif")
    write_tif(folder / "p1.tif", np.full((3, PX, PX), -9, np.float32), nodata=-9)
    done = take(folder, store)
    table = pd.read_parquet(done.versions[-1].path / "manifest.parquet").set_index("patch_id")
    assert table["store_row"].to_dict() == {"p0": 0, "p1": -1, "p2": 1, "p3": 2}
    assert table.loc["p1", ["dropped", "drop_reason"]].tolist() == [True, "no pixel with data"]
    assert patches.read_attributes(open_artifact(store, STORE).path)["patch_ids"] == ["p0", "p2", "p3"]


def test_unknown_channels_are_named_with_those_there_are() -> None:
    assert wanted_channels("s2-12")[0] == "B01"
    assert wanted_channels("B04, -, B02") == ("B04", "-", "B02")
    with pytest.raises(PatchImportError, match=r"B4 are no channels. Name a profile \(rgb,"):
        wanted_channels("B4,B03")
    with pytest.raises(PatchImportError, match="name each channel once"):
        wanted_channels("B04,B04")


def write_ranges(folder: Path) -> Path:
    """Two pictures and a mask by range, and their table."""
    for name, range_id, level in (("a", "000", 40), ("b", "010_020", 90)):
        picture = np.full((PX, PX, 3), level, np.uint8)
        picture[0, :, 0] = np.arange(PX) + level
        path = folder / "images" / f"range_{range_id}" / f"{name}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(picture).save(path)
    mask = np.zeros((PX, PX), np.uint8)
    mask[0] = 1
    (folder / "labels" / "range_010_020").mkdir(parents=True)
    Image.fromarray(mask).save(folder / "labels" / "range_010_020" / "b.png")
    (folder / "manifest.csv").write_text("patch_id,range,split,year\na,000,train,2021\nb,020_030,test,2021\nc,000,test,2021\n")
    return folder


def test_pictures_by_range_are_stored_as_shown_and_never_mixed_with_reflectance(tmp_path: Path, store: ArtifactStore) -> None:
    done = imported(write_ranges(tmp_path / "ranges"), store, "proportion-ranges")
    out = open_artifact(store, STORE).path
    attributes = patches.read_attributes(out)
    assert (attributes["unit"], attributes["scale"]) == ("display", 1 / 255)
    assert attributes["channels"] == ["RGB-red", "RGB-green", "RGB-blue"]
    assert patches.read_images(out, [0])[0, 0, 0].tolist() == [40 + x for x in range(PX)]
    table = pd.read_parquet(done.versions[-1].path / "manifest.parquet").set_index("patch_id")
    assert table["range"].to_dict() == {"a": "000", "b": "010_020"}
    assert table["is_mining"].to_dict() == {"a": False, "b": True}
    assert table.loc["b", "share"] == 1 / 8
    assert "1 patches lie in the folder of another range than the table says; the folder counts: b" in texts(done)
    assert "1 rows of manifest.csv have no image: c" in texts(done)


def test_unknown_ranges_and_a_patch_in_two_are_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_ranges(tmp_path / "ranges")
    (folder / "images" / "range_000" / "a.png").rename(folder / "images" / "range_000" / "b.png")
    with pytest.raises(PatchImportError, match=r"images/range_000/b.png and images/range_010_020/b.png have one name"):
        imported(folder, store, "proportion-ranges")
    (folder / "images" / "range_000").rename(folder / "images" / "range_005_015")
    with pytest.raises(PatchImportError, match=r"images/range_005_015 is no mining-proportion range"):
        imported(folder, store, "proportion-ranges")


def test_a_folder_of_others_needs_its_region_named(tmp_path: Path, store: ArtifactStore) -> None:
    with pytest.raises(PatchImportError, match=r"wild does not tell its region. Name it with --region"):
        take(write_labelled(tmp_path / "wild"), store, region="")


def test_links_in_a_folder_are_refused(tmp_path: Path, store: ArtifactStore) -> None:
    folder = write_labelled(tmp_path / "wild")
    (folder / "p9.npy").symlink_to(folder / "p1.npy")
    with pytest.raises(PatchImportError, match=r"wild: p9.npy is a link or special file.*Copy the files themselves"):
        take(folder, store)
