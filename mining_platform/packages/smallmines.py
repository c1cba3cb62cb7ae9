"""The layout of SmallMinesDS: stacks and masks in folders by year, joined by tile and year, and a table of splits a year.

<YEAR>/IMAGE/IMG_<CC>_<TTTT>_<YEAR>.tif   all channels, float32, nodata -9999
<YEAR>/MASK/MASK_<CC>_<TTTT>_<YEAR>.tif   uint8: 1 mining, 0 other, 255 no class
splits_<YEAR>.csv                         patch_name, class_percentage, bin, split

The same tile is the same ground in every year. After "SmallMinesDS: A dataset for mapping artisanal and small-scale gold mines".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from mining_platform import bands
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.packages.contents import FileKind, Release, TableFile
from mining_platform.packages.patch_files import GEOTIFF, as_floats, label_share, place_of, write_mask, write_stack
from mining_platform.packages.patch_pixels import PackageInput, write_patches
from mining_platform.packages.written import Written
from mining_platform.splits.grounds import footprint_conflicts
from mining_platform.spreadsheets import write_csv

IMAGE_NODATA = -9999.0
IMAGE_PATH, MASK_PATH = "{1}/IMAGE/IMG_{0}_{1}.tif", "{1}/MASK/MASK_{0}_{1}.tif"
TILE_DIGITS = 4


def write(out: Path, release: Release, table: gpd.GeoDataFrame, given: PackageInput) -> Written:
    """Write the files of all patches; ValueError where ground is on two sides, be it in different years."""
    conflicts = footprint_conflicts(table[["window_id", "split"]])
    if not conflicts.empty:
        raise ValueError(
            f"{len(conflicts)} pairs of patches stand on the same ground in different splits, first "
            f"{conflicts.iloc[0].to_dict()}. Use a split that keeps a place on its side in all years, such as paired."
        )
    named = table.assign(tile=tiles(table))
    names = [f"{country}_{tile}" for country, tile in zip(named["country"], named["tile"], strict=True)]
    for column, pattern in (("image_path", IMAGE_PATH), ("label_path", MASK_PATH)):
        named[column] = [pattern.format(name, year) for name, year in zip(names, named["year"], strict=True)]
    shares: dict[str, float] = {}

    def write_patch(row: Any, image: NDArray[np.uint16], label: NDArray[np.uint8]) -> None:
        place, simulated = place_of(row), bool(row.simulated)
        values = as_floats(image, release.channels, IMAGE_NODATA)
        write_stack(out / row.image_path, values, release.channels, place, nodata=IMAGE_NODATA, simulated=simulated)
        write_mask(out / row.label_path, label, place, simulated=simulated)
        shares[row.patch_id] = label_share(label)

    write_patches(named, given, release.channels, write_patch)
    for name, rows in tables(named, shares).items():
        write_csv(rows, out / name)
    return Written(named, kinds(release.channels), tuple(_split_file(int(year)) for year in sorted(set(named["year"]))))


def tiles(table: pd.DataFrame) -> list[str]:
    """Number of the ground of each row, of at least four digits: its rank among the windows of the package, from 0."""
    places = table["region"] + " " + table["window_id"]
    codes, known = pd.factorize(places, sort=True)
    digits = max(TILE_DIGITS, len(str(len(known))))
    return [f"{code:0{digits}d}" for code in codes]


def tables(table: pd.DataFrame, shares: Mapping[str, float]) -> dict[str, pd.DataFrame]:
    """Tables beside the manifest that follow from its rows and the shares of their masks by patch_id, by path."""
    return {_split_file(int(str(year))).path: _splits(rows, shares) for year, rows in table.groupby("year", sort=True)}


def _splits(rows: pd.DataFrame, shares: Mapping[str, float]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "patch_name": [Path(path).stem for path in rows["image_path"]],
            "class_percentage": [round(100 * shares[patch_id], 6) for patch_id in rows["patch_id"]],
            "bin": rows["range"].to_numpy(),
            "split": rows["split"].to_numpy(),
        }
    )
    return table.sort_values("patch_name", ignore_index=True)


def _split_file(year: int) -> TableFile:
    told = "class_percentage is that of mining pixels in the mask; bin is the mining-proportion range."
    return TableFile(f"splits_{year}.csv", f"Split of {year}", told, ("patch_name",))


def kinds(channels: tuple[str, ...]) -> tuple[FileKind, ...]:
    """Kinds of files of patches with these bands."""
    return (
        FileKind(
            "image_path", "Stack of channels", "Digital numbers of reflectance, other channels in their unit; 10 m grid",
            GEOTIFF, ("data",), "*/IMAGE/*.tif", channels, "float32", IMAGE_NODATA, bands.S2_SCALE,
        ),
        FileKind(
            "label_path", "Mask", "1 mining, 0 other, 255 no class",
            GEOTIFF, ("labels",), "*/MASK/*.tif", (), "uint8", float(NO_LABEL), None,
        ),
    )  # fmt: skip


def share_of(package: Path, row: Any, _codes: frozenset[int]) -> float:
    """Share of mining of the pixels with a class in a patch's mask; NaN where none has one. Raises as rasterio."""
    with rasterio.open(package / row.label_path, driver="GTiff") as raster:
        return label_share(raster.read(1))
