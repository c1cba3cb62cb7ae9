"""What `verify` sees though checksums were made again, and hostile packages, which it refuses in words."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import rasterio

from mining_platform.packages import checksums
from mining_platform.packages.layouts import LAYOUTS
from mining_platform.packages.patch_files import new_geotiff
from mining_platform.packages.verification import verify_package
from tests.mining_platform.package_inputs import given_of, write, write_land_cover


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    given = given_of(write_land_cover(folder / "map.tif"), with_bands=True)
    for name in LAYOUTS:
        write(folder / name, name, given)
    return {name: folder / name for name in LAYOUTS}


def problems(package: Path, tmp_path: Path, change: Callable[[Path], object]) -> dict[str, str]:
    """What is wrong with a package that was changed and given checksums of its own."""
    copy = Path(shutil.copytree(package, tmp_path / "copy"))
    change(copy)
    (copy / "checksums.txt").unlink()
    checksums.write_checksums(copy)
    return {each.file: each.problem for each in verify_package(copy).problems}


def edited_rows(**values: Any) -> Callable[[Path], None]:
    """Change the first row without mining in both manifests alike."""

    def change(package: Path) -> None:
        table = gpd.read_parquet(package / "manifest.parquet")
        row = table.index[table["range"] == "000"][0]
        for name, value in values.items():
            table.loc[row, name] = value
        table.to_parquet(package / "manifest.parquet")
        pd.DataFrame(table.drop(columns="geometry")).to_csv(package / "manifest.csv", index=False, lineterminator="\n")

    return change


def told(**values: Any) -> Callable[[Path], None]:
    """Change what datapackage.json says of the package."""

    def change(package: Path) -> None:
        content = json.loads((package / "datapackage.json").read_text())
        content["mining-platform"].update(values)
        (package / "datapackage.json").write_text(json.dumps(content))

    return change


def first(package: Path, column: str) -> Path:
    return package / str(gpd.read_parquet(package / "manifest.parquet").iloc[0][column])


@pytest.mark.parametrize("layout", ["smallmines", "sites"])
def test_a_range_that_the_label_does_not_give_is_found_where_share_and_range_were_edited_alike(
    packages: dict[str, Path], tmp_path: Path, layout: str
) -> None:
    change = edited_rows(share=0.555, range="050_060", is_mining=True, negative="")
    assert any("gives range 000" in text for text in problems(packages[layout], tmp_path, change).values())


def test_a_relabel_that_nobody_made_is_found_by_the_pixels_it_would_have_taken_away(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    change = edited_rows(review="relabel", reviewer="x", review_reason="x", range="050_060", is_mining=True, negative="")
    found = problems(packages["smallmines"], tmp_path, change)
    assert any("has classes, though a reviewer relabelled" in text for text in found.values())


@pytest.mark.parametrize("column", ["lon", "lat", "west", "north"])
def test_degrees_that_are_not_those_of_the_window_are_found(packages: dict[str, Path], tmp_path: Path, column: str) -> None:
    found = problems(packages["sites"], tmp_path, edited_rows(**{column: -7.5}))
    assert "degrees that are not those of the window" in found["manifest.parquet"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("crs", "EPSG:32722", "not where its patch does"),
        ("nodata", 7, "nodata value is 7"),
        ("descriptions", ("B99",) * 12, "B99"),
    ],
)
def test_a_stack_in_another_place_or_of_other_bands_is_found(
    packages: dict[str, Path], tmp_path: Path, name: str, value: Any, message: str
) -> None:
    def change(package: Path) -> None:
        with rasterio.open(first(package, "image_path"), "r+") as raster:
            setattr(raster, name, value)

    assert any(message in text for text in problems(packages["smallmines"], tmp_path, change).values())


def test_a_clip_that_was_cut_smaller_is_found_though_it_gives_the_same_share(packages: dict[str, Path], tmp_path: Path) -> None:
    def change(package: Path) -> None:
        label = first(package, "label_path")
        with rasterio.open(label) as raster:
            profile, pixels = {**raster.profile, "width": 6, "height": 6}, raster.read()[:, :6, :6]
        with rasterio.open(label, "w", **profile) as raster:
            raster.write(pixels)

    found = problems(packages["proportion-ranges"], tmp_path, change)
    assert any("of the patch have a class in it" in text for text in found.values())


@pytest.mark.parametrize(
    ("layout", "name"),
    [("proportion-ranges", "splits.csv"), ("smallmines", "splits_2024.csv"), ("sites", "filename_mapping.csv")],
)
def test_a_table_that_does_not_follow_from_the_manifest_is_found(
    packages: dict[str, Path], tmp_path: Path, layout: str, name: str
) -> None:
    def change(package: Path) -> None:
        (package / name).write_text((package / name).read_text().replace("train", "test", 1))

    assert problems(packages[layout], tmp_path, change) == {name: "is not the table of manifest.parquet"}


def test_a_file_by_which_gdal_would_move_another_is_found(packages: dict[str, Path], tmp_path: Path) -> None:
    def change(package: Path) -> None:
        image = first(package, "image_path")
        image.with_name(f"{image.name}.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")

    (found,) = problems(packages["smallmines"], tmp_path, change).items()
    assert found[0].endswith(".tif.aux.xml")
    assert found[1] == "is of no patch of the manifest"


@pytest.mark.parametrize(
    "facts",
    [
        {"kinds": []}, {"kinds": {"a": 1}}, {"channels": ["B12"] * 12}, {"px": float("inf")}, {"simulated": False},
        {"years": [1999]}, {"recipe": {"id": "other", "mining_codes": [30]}}, {"profile": "rgb"}, {"layout": ["sites"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_description_that_lies_is_named(packages: dict[str, Path], tmp_path: Path, facts: dict[str, Any]) -> None:
    assert "datapackage.json" in problems(packages["sites"], tmp_path, told(**facts))


def test_a_description_nested_without_end_is_told(packages: dict[str, Path], tmp_path: Path) -> None:
    found = problems(packages["sites"], tmp_path, lambda package: (package / "datapackage.json").write_text("[" * 100_000))
    assert "RecursionError" in found["datapackage.json"]


@pytest.mark.parametrize("value", [None, "a" * 5000, "a\0b", "stac", "/etc/passwd", ""])
@pytest.mark.parametrize("layout", ["proportion-ranges", "sites"])
def test_a_path_that_leads_nowhere_is_told(packages: dict[str, Path], tmp_path: Path, layout: str, value: str | None) -> None:
    assert problems(packages[layout], tmp_path, edited_rows(label_path=value))


@pytest.mark.parametrize("column", ["share", "share_nn", "valid_share", "window_id", "review"])
def test_a_manifest_of_other_types_is_told(packages: dict[str, Path], tmp_path: Path, column: str) -> None:
    def change(package: Path) -> None:
        table = gpd.read_parquet(package / "manifest.parquet")
        table.assign(**{column: "x"}).to_parquet(package / "manifest.parquet")

    assert "manifest.parquet" in problems(packages["proportion-ranges"], tmp_path, change)


def test_a_picture_that_claims_to_be_huge_is_not_decoded(packages: dict[str, Path], tmp_path: Path) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    found = problems(packages["sites"], tmp_path, lambda package: first(package, "label_path").write_bytes(bomb))
    assert any("cannot be opened" in text for text in found.values())


def test_a_raster_of_many_bands_is_not_decoded(packages: dict[str, Path], tmp_path: Path) -> None:
    def change(package: Path) -> None:
        size = {"width": 4000, "height": 4000, "count": 3000, "dtype": "float64", "tiled": True}
        with rasterio.open(first(package, "label_path"), "w", driver="GTiff", sparse_ok=True, bigtiff="YES", **size):
            pass

    assert any("has 3000 bands, not 1" in text for text in problems(packages["smallmines"], tmp_path, change).values())


def test_a_geotiff_that_cannot_be_written_raises(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.tif").symlink_to(full)
    with (
        pytest.raises(OSError, match="No space left"),
        new_geotiff(tmp_path / "full.tif", width=2, height=2, count=1, dtype="uint8"),
    ):
        pass
