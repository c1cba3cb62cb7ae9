"""Folders named after classes, and the ground size of the pixels that a store tells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine

from mining_platform.imports.channels import wanted_channels
from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.found import Request
from mining_platform.imports.publishing import write_unpublished
from mining_platform.patches import read_attributes, read_images
from tests.mining_platform.import_folders import EPSG, ground, write_tif

RGB = ("B04", "B03", "B02")


def pixels(number: int) -> np.ndarray:
    return 1_000 + 10 * number + np.arange(3 * 64, dtype=np.uint16).reshape(3, 8, 8)


def read(folder: Path, **asked: object) -> tuple[list[Path], pd.DataFrame]:
    """Stores beside the folder, and the table."""
    settings = {"layout": "class-folders", "name": "n", "region": "r", "year": 2022, "channels": RGB, **asked}
    out = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    stores, checked = write_unpublished(Request(folder=folder, source=folder.name, **settings), out, lambda _t, _s: None)
    return stores, checked.manifest.set_index("patch_id")


def test_the_folder_is_the_class_and_may_lie_in_a_side_of_a_split(tmp_path: Path) -> None:
    for number, name in enumerate(("train/Mining/a", "train/other/b", "test/mining/c", "d")):
        write_tif(tmp_path / "set" / f"{name}.tif", pixels(number), place=ground(number))
    stores, table = read(tmp_path / "set")
    assert table["is_mining"].astype(object).where(table["is_mining"].notna(), None).to_dict() == {
        "a": True,
        "b": False,
        "c": True,
        "d": None,
    }
    assert table["split"].to_dict() == {"a": "train", "b": "train", "c": "test", "d": ""}
    assert (read_images(stores[0], [1])[0] == pixels(1)).all()


def test_files_called_alike_in_two_classes_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("mining/1", "other/1")):
        write_tif(tmp_path / "set" / f"{name}.tif", pixels(number), place=ground(number))
    assert read(tmp_path / "set")[1].index.tolist() == ["mining_1", "other_1"]


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("Forest/a.tif", {}, "has folders that are no class: Forest. Call them mining and other"),
        ("mining/a.tif", {"year": None}, "do not tell their year. Name it with --year"),
        ("mining/a.jpg", {}, "has no patches: no file ending in .tif"),
    ],
)
def test_what_is_no_such_folder_is_refused(tmp_path: Path, name: str, asked: dict, message: str) -> None:
    write_tif(tmp_path / "set" / name, pixels(0), place=ground(0))
    with pytest.raises(PatchImportError, match=message):
        read(tmp_path / "set", **asked)


def test_the_files_of_eurosat_have_band_8a_last() -> None:
    channels = wanted_channels("eurosat-13")
    assert len(channels) == 13
    assert channels[7:] == ("B08", "B09", "B10", "B11", "B12", "B8A")


@pytest.mark.parametrize("side_m", [10, 30, 29.88])
def test_a_store_tells_the_ground_size_of_the_files_own_pixels(tmp_path: Path, side_m: float) -> None:
    places = [Affine(side_m, 0, 600_000 + 1_000 * number, 0, -side_m, 700_000) for number in range(2)]
    for number, place in enumerate(places):
        write_tif(tmp_path / "set" / "mining" / f"{number}.tif", pixels(number), place=place)
    attributes = read_attributes(read(tmp_path / "set")[0][0])
    assert (attributes["pixel_m"], attributes["epsg"]) == (side_m, EPSG)
    assert attributes["affines"] == [list(place[:6]) for place in places]


def test_ground_of_several_sizes_or_none_is_not_known_unless_a_person_says_it(tmp_path: Path) -> None:
    write_tif(tmp_path / "set" / "0.tif", pixels(0))
    assert read_attributes(read(tmp_path / "set")[0][0])["pixel_m"] is None
    assert read_attributes(read(tmp_path / "set", pixel_m=10.0)[0][0])["pixel_m"] == 10
    write_tif(tmp_path / "set" / "1.tif", pixels(1), place=Affine(30, 0, 600_000, 0, -30, 700_000))
    with pytest.raises(PatchImportError, match=r"1\.tif has pixels of 30 m, not of 10 m\. Leave --pixel-m out"):
        read(tmp_path / "set", pixel_m=10.0)
    write_tif(tmp_path / "set" / "0.tif", pixels(0), place=ground(0))
    attributes = read_attributes(read(tmp_path / "set")[0][0])
    assert (attributes["pixel_m"], attributes["epsg"]) == (None, None)


def test_pixels_in_degrees_have_no_size_in_metres(tmp_path: Path) -> None:
    import rasterio

    (tmp_path / "set").mkdir()
    shape = {"driver": "GTiff", "count": 3, "height": 8, "width": 8, "dtype": "uint16"}
    with rasterio.open(
        tmp_path / "set" / "0.tif", "w", crs="EPSG:4326", transform=Affine(1e-4, 0, -56, 0, -1e-4, -1), **shape
    ) as file:
        file.write(pixels(0))
    assert read_attributes(read(tmp_path / "set")[0][0])["pixel_m"] is None
